package model

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/model/german"
	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/model/words"
)

const (
	// maxQuery bounds how much of a text is looked at, maxUnits how many words of it.
	maxQuery, maxUnits = 256, 8
	// maxScored is how many documents are put into order.
	maxScored = 2000
	// maxNumbers is how many documents are looked at that begin with the same number.
	maxNumbers = 500
	// maxOffset is how far pages go.
	maxOffset = 1000
)

// Search answers call D: the ids of the customers that a text means, best first, at most PageSize of them from offset. The text may hold ids,
// e-mail addresses, names, streets, towns, meter and telephone numbers, or how they begin, in any order. Several words may have typing errors
// only if nothing holds all of them as they are, and only then may one of three or more be missing.
func (m *Model) Search(ctx context.Context, q string, limit, offset int) ([]string, error) {
	limit = min(limit, PageSize)
	if limit <= 0 || offset < 0 || offset > maxOffset {
		return nil, nil
	}
	if len(q) > maxQuery {
		q = q[:maxQuery]
	}
	s := &searching{Model: m, wanted: offset + limit, scores: map[uint32]float64{}}
	if err := s.whole(ctx, q); err != nil {
		return nil, err
	}
	if err := s.units(ctx, q); err != nil {
		return nil, err
	}
	if len(s.list) > 0 {
		if err := s.collect(ctx); err != nil {
			return nil, err
		}
	}
	return s.page(ctx, limit, offset)
}

// searching is one search: first what the words mean, then the customers with their scores.
type searching struct {
	*Model

	wanted int
	list   []*unit
	scores map[uint32]float64 // by customer
}

// class are documents that hold a word in one of the ways in which it can be held.
type class struct {
	docs  *words.Set
	score float64
}

// unit is one word of the text.
type unit struct {
	// street is the word as it stands in streets.
	word, street string
	// exact and begins are the documents with a number that is the word, or begins with it.
	exact, begins *words.Set
	// within are the documents in which the word was looked for; nil: all.
	within *words.Set
	// all are the documents that hold the word in one of the ways.
	all     *words.Set
	classes []class
}

func (u *unit) add(docs *words.Set, score float64) {
	if docs.IsEmpty() {
		return
	}
	u.classes = append(u.classes, class{docs, score})
	if u.all == nil {
		u.all = docs
		return
	}
	u.all = roaring.Or(u.all, docs)
}

// The scores of what a word is found in. An id is nearly proof; a name says more than a street, and a whole word more than how it begins.
const (
	scoreNumber, scoreNumberBegins = 20, 6
	scoreName, scoreFirst          = 5, 4
	scorePlace, scoreMail          = 2.5, 2
	scoreNameBegins                = 3
	scorePlaceBegins               = 1.5
	scoreMailBegins                = 1
	scoreNameNear, scorePlaceNear  = 1.8, 0.9
)

// whole looks for the whole text as one number, which people write in groups: "1 EMH00 1234 5678", "030 / 123 456".
func (s *searching) whole(ctx context.Context, q string) error {
	if !strings.ContainsAny(strings.TrimSpace(q), " /") || digits(q) < minNear {
		return nil
	}
	docs, exact, err := s.numbers(ctx, q)
	if err != nil {
		return err
	}
	s.scored(docs, scoreNumberBegins)
	s.scored(exact, scoreNumber)
	return nil
}

// scored gives the owners of documents a score.
func (s *searching) scored(docs *words.Set, score float64) {
	for _, owner := range s.owners.of(docs.ToArray()) {
		if owner != 0 {
			s.scores[owner] = max(s.scores[owner], score)
		}
	}
}

// units finds out what each word of the text may mean.
func (s *searching) units(ctx context.Context, q string) error {
	seen := map[string]bool{}
	for raw := range strings.FieldsFuncSeq(q, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || r == ',' || r == ';' }) {
		begins, exact := roaring.New(), roaring.New()
		if number(raw) {
			var err error
			if begins, exact, err = s.numbers(ctx, raw); err != nil {
				return err
			}
		}
		parts := german.Words(raw)
		if strings.ContainsRune(raw, '@') || !begins.IsEmpty() && len(parts) > 1 {
			// An address of mail, or an id that is known: one thing, whatever its parts mean.
			parts = []string{german.Joined(raw)}
		}
		for _, part := range parts {
			if seen[part] || len(s.list) == maxUnits {
				continue
			}
			seen[part] = true
			u := &unit{word: german.Skeleton(part), street: german.Skeleton(german.StreetWord(part)), exact: roaring.New(), begins: roaring.New()}
			if len(parts) == 1 {
				u.exact, u.begins = exact, begins
			}
			s.look(u, s.within())
			s.list = append(s.list, u)
		}
	}
	return nil
}

// few is how many documents hold a word that saves work with the next one.
const few = 20_000

// within are documents that hold the words so far, if they are few; nil: any may come into question.
func (s *searching) within() *words.Set {
	var best *words.Set
	for _, u := range s.list {
		if u.all != nil && u.all.GetCardinality() <= few && (best == nil || u.all.GetCardinality() < best.GetCardinality()) {
			best = u.all
		}
	}
	return best
}

// look looks a word up in documents that come into question.
func (s *searching) look(u *unit, within *words.Set) {
	u.all, u.classes, u.within = nil, nil, within
	street, word := u.street, u.word
	in := func(text string, fields ...words.Field) []words.Word {
		all := make([]words.Word, len(fields))
		for i, f := range fields {
			all[i] = words.Word{Field: f, Text: text}
		}
		return all
	}
	u.add(s.words.Match(words.Any{Within: within, Words: in(word, fieldLast, fieldCompany)}), scoreName)
	u.add(s.words.Match(words.Any{Within: within, Words: in(word, fieldFirst)}), scoreFirst)
	u.add(s.words.Match(words.Any{Within: within, Words: append(in(street, fieldStreet, fieldStreetWord), in(word, fieldCity, fieldZip, fieldHouse)...)}), scorePlace)
	u.add(s.words.Match(words.Any{Within: within, Words: in(word, fieldMailbox, fieldDomain)}), scoreMail)
	if length := utf8.RuneCountInString(word); length > 1 {
		u.add(s.words.Match(words.Any{Within: within, Beginnings: in(word, fieldLast, fieldCompany, fieldFirst)}), scoreNameBegins)
		places, mail := in(word, fieldStreet, fieldStreetWord, fieldCity), []words.Word(nil)
		if length > 2 {
			places, mail = append(places, in(word, fieldZip)...), in(word, fieldMailbox, fieldDomain)
		}
		u.add(s.words.Match(words.Any{Within: within, Beginnings: places}), scorePlaceBegins)
		u.add(s.words.Match(words.Any{Within: within, Beginnings: mail}), scoreMailBegins)
	}
	u.add(u.exact, scoreNumber)
	u.add(u.begins, scoreNumberBegins)
}

// forgive adds what is a typing error away from a word.
func (s *searching) forgive(ctx context.Context, u *unit) error {
	near, err := s.near(ctx, u.word)
	if err != nil || len(near) == 0 {
		return err
	}
	var names, places words.Any
	for _, text := range near {
		for _, f := range []words.Field{fieldFirst, fieldLast, fieldCompany} {
			names.Words = append(names.Words, words.Word{Field: f, Text: text})
		}
		for _, f := range []words.Field{fieldStreetWord, fieldCity} {
			places.Words = append(places.Words, words.Word{Field: f, Text: text})
		}
	}
	u.add(s.words.Match(names), scoreNameNear)
	u.add(s.words.Match(places), scorePlaceNear)
	return nil
}

// collect finds the documents that hold all words. A single word may have typing errors if it is found too rarely; several may if nothing
// holds them all, and only then one of them may be missing.
func (s *searching) collect(ctx context.Context) error {
	if s.score(s.list) && (len(s.list) > 1 || len(s.scores) >= s.wanted) {
		return nil
	}
	for _, u := range s.list {
		if u.within != nil {
			s.look(u, nil)
		}
		if err := s.forgive(ctx, u); err != nil {
			return err
		}
	}
	if s.score(s.list) || s.together() || len(s.list) < 3 {
		return nil
	}
	for i := range s.list {
		s.score(slices.Concat(s.list[:i], s.list[i+1:]))
	}
	return nil
}

// score gives a score to the customers of the documents that hold all of the words; false if there are none.
func (s *searching) score(list []*unit) bool {
	sets := make([]*words.Set, 0, len(list))
	for _, u := range list {
		if u.all == nil {
			return false
		}
		sets = append(sets, u.all)
	}
	slices.SortFunc(sets, func(a, b *words.Set) int { return cmp.Compare(a.GetCardinality(), b.GetCardinality()) })
	found := roaring.FastAnd(sets...)
	if found.IsEmpty() {
		return false
	}
	docs := s.narrow(found, list).ToArray()
	docs = docs[:min(len(docs), maxScored)]
	for i, owner := range s.owners.of(docs) {
		if owner == 0 {
			continue
		}
		score := 0.0
		for _, u := range list {
			score += u.score(docs[i])
		}
		s.scores[owner] = max(s.scores[owner], score)
	}
	return true
}

// narrow leaves those out of very many documents that are sure to be worse than enough others.
func (s *searching) narrow(found *words.Set, list []*unit) *words.Set {
	for _, u := range list {
		for _, c := range u.classes {
			if found.GetCardinality() <= maxScored {
				return found
			}
			// One customer may have many documents.
			if better := roaring.And(found, c.docs); better.GetCardinality() >= maxScored {
				found = better
				break
			}
		}
	}
	return found
}

// score is the best way in which a document holds the word.
func (u *unit) score(doc uint32) float64 {
	best := 0.0
	for _, c := range u.classes {
		if c.score > best && c.docs.Contains(doc) {
			best = c.score
		}
	}
	return best
}

// together finds customers that have the words in different documents; false if there are none.
func (s *searching) together() bool {
	var scores map[uint32]float64
	for i, u := range s.list {
		if u.all == nil || u.all.GetCardinality() > maxScored {
			return false
		}
		docs := u.all.ToArray()
		next := map[uint32]float64{}
		for j, owner := range s.owners.of(docs) {
			if before, ok := scores[owner]; ok || i == 0 {
				next[owner] = max(next[owner], before+u.score(docs[j]))
			}
		}
		scores = next
	}
	delete(scores, 0)
	for owner, score := range scores {
		s.scores[owner] = max(s.scores[owner], score)
	}
	return len(scores) > 0
}

// page are the ids of the customers, best first. Those with the same score stay in the order in which they came into the model.
func (s *searching) page(ctx context.Context, limit, offset int) ([]string, error) {
	owners := make([]uint32, 0, len(s.scores))
	for owner := range s.scores {
		owners = append(owners, owner)
	}
	slices.SortFunc(owners, func(a, b uint32) int { return cmp.Or(cmp.Compare(s.scores[b], s.scores[a]), cmp.Compare(a, b)) })
	if offset >= len(owners) {
		return nil, nil
	}
	owners = owners[offset:min(len(owners), offset+limit)]
	rows, err := s.store.query(ctx, `SELECT no, enneo_id FROM customer WHERE no IN (SELECT value FROM json_each(?))`, list(owners))
	if err != nil {
		return nil, fmt.Errorf("read the customers: %w", err)
	}
	defer func() { _ = rows.Close() }()
	names := map[uint32]string{}
	for rows.Next() {
		var no uint32
		var id string
		if err := rows.Scan(&no, &id); err != nil {
			return nil, fmt.Errorf("read the customers: %w", err)
		}
		names[no] = id
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the customers: %w", err)
	}
	ids := make([]string, 0, len(owners))
	for _, owner := range owners {
		// One that was removed meanwhile has no id; two sources may have one each of the same id.
		if id, ok := names[owner]; ok && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}
