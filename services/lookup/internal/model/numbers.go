package model

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/model/german"
	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/model/words"
)

// number tells whether a word may be a number: an id, a meter, a telephone number or an e-mail address.
func number(raw string) bool {
	return strings.ContainsRune(raw, '@') || digits(raw) > 0 && len(raw) > 1 || strings.ContainsAny(raw, "-_./#:") && len(raw) > minNear
}

func digits(s string) int {
	n := 0
	for i := range len(s) {
		if s[i] >= '0' && s[i] <= '9' {
			n++
		}
	}
	return n
}

// numbers are the documents with a number that begins so, and those with just this one.
func (s *searching) numbers(ctx context.Context, raw string) (begins, exact *words.Set, err error) {
	begins, exact = roaring.New(), roaring.New()
	joined := german.Joined(raw)
	type beginning struct {
		tag   int
		value string
	}
	all := []beginning{{tagContract, joined}, {tagMeter, strings.TrimLeft(joined, "0")}, {tagPart, strings.TrimLeft(joined, "0")}}
	if strings.ContainsRune(raw, '@') {
		all = []beginning{{tagEmail, strings.ToLower(raw)}}
	} else if digits(raw) >= minNear && digits(raw) == len(joined) {
		all = append(all, beginning{tagPhone, phoneBeginning(raw, joined)})
	}
	if digits(raw) > 0 && digits(raw) < len(joined) || strings.ContainsAny(raw, "._-") {
		all = append(all, beginning{tagEmail, strings.ToLower(raw)})
	}
	for _, b := range all {
		if len(b.value) < 2 {
			continue
		}
		if err := s.collectNumbers(ctx, begins, exact,
			`SELECT doc, value = ? FROM number WHERE tag = ? AND value >= ? AND value < ? LIMIT ?`,
			b.value, b.tag, b.value, b.value+string(utf8.MaxRune), maxNumbers); err != nil {
			return nil, nil, err
		}
	}
	if len(joined) >= 2 {
		err = s.collectNumbers(ctx, begins, exact,
			`SELECT record.doc, folded = ? FROM customer JOIN record ON record.owner = customer.no WHERE folded >= ? AND folded < ? LIMIT ?`,
			joined, joined, joined+string(utf8.MaxRune), maxNumbers)
	}
	return begins, exact, err
}

// phoneBeginning is how a telephone number begins, in the form in which they are stored.
func phoneBeginning(raw, joined string) string {
	switch {
	case strings.HasPrefix(strings.TrimSpace(raw), "+"):
		return joined
	case strings.HasPrefix(joined, "00"):
		return joined[2:]
	case strings.HasPrefix(joined, "0"):
		return "49" + joined[1:]
	default:
		return joined
	}
}

func (s *searching) collectNumbers(ctx context.Context, begins, exact *words.Set, query string, args ...any) error {
	rows, err := s.store.query(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("look up a number: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var doc uint32
		var whole bool
		if err := rows.Scan(&doc, &whole); err != nil {
			return fmt.Errorf("look up a number: %w", err)
		}
		begins.Add(doc)
		if whole {
			exact.Add(doc)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("look up a number: %w", err)
	}
	return nil
}
