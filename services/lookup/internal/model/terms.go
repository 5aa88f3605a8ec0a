package model

import (
	"strings"
	"unicode"

	"github.com/cespare/xxhash/v2"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/model/evidence"
	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/model/german"
	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/model/words"
)

// The tags of numbers.
const (
	tagContract = iota
	tagMeter
	tagEmail
	tagPhone
	// tagPart is the digits that a number ends with, if something stands before them: people leave out "VN-".
	tagPart
)

// The fields of words. All words are skeletons, so that it does not matter how an umlaut was written.
const (
	fieldFirst   words.Field = 'f'
	fieldLast    words.Field = 'l'
	fieldCompany words.Field = 'c'
	// fieldStreet is the whole street in one word, fieldStreetWord each word of it.
	fieldStreet     words.Field = 's'
	fieldStreetWord words.Field = 'w'
	fieldHouse      words.Field = 'h'
	fieldZip        words.Field = 'z'
	fieldCity       words.Field = 't'
	// fieldDomain is what follows the @ of an e-mail address, fieldMailbox the words before it.
	fieldDomain  words.Field = 'd'
	fieldMailbox words.Field = 'm'
)

// minNear is the shortest word that is found with a typing error in it, and maxNear the longest of which errors are looked for.
const minNear, maxNear = 4, 24

// numberTerm is something that hardly repeats.
type numberTerm struct {
	tag   int
	value string
}

// terms are what a record is found by.
type terms struct {
	numbers map[numberTerm]bool
	words   map[words.Word]bool
}

// termsOf are the terms of a record. The zero value is that of a record that is gone.
func termsOf(kind key.Kind, enneoID string, r *evidence.Record) terms {
	t := terms{numbers: map[numberTerm]bool{}, words: map[words.Word]bool{}}
	if r == nil {
		return t
	}
	if kind == key.Contract {
		t.number(tagContract, german.Joined(enneoID))
		t.part(german.Joined(enneoID))
		t.number(tagMeter, r.Meter)
		t.part(r.Meter)
	}
	for _, email := range r.Emails {
		t.number(tagEmail, email)
		mailbox, domain, _ := strings.Cut(email, "@")
		t.word(fieldDomain, domain)
		for _, w := range german.Words(mailbox) {
			if len(w) >= minNear && lettersOnly(w) {
				t.word(fieldMailbox, german.Skeleton(w))
			}
		}
	}
	for _, phone := range r.Phones {
		t.number(tagPhone, phone)
	}
	t.all(fieldFirst, r.First)
	t.all(fieldLast, r.Last)
	t.all(fieldCompany, r.Company.Words)
	t.all(fieldCompany, r.Company.Forms)
	t.address(r.Delivery)
	t.address(r.Billing)
	return t
}

func (t terms) number(tag int, value string) {
	if value != "" {
		t.numbers[numberTerm{tag, value}] = true
	}
}

// part adds the digits that a number ends with.
func (t terms) part(value string) {
	start := strings.LastIndexFunc(value, func(r rune) bool { return r < '0' || r > '9' }) + 1
	if digits := strings.TrimLeft(value[start:], "0"); len(digits) >= minNear && len(digits) < len(value) {
		t.number(tagPart, digits)
	}
}

func (t terms) word(field words.Field, text string) {
	if text != "" {
		t.words[words.Word{Field: field, Text: text}] = true
	}
}

func (t terms) all(field words.Field, folded []string) {
	for _, w := range folded {
		t.word(field, german.Skeleton(w))
	}
}

func (t terms) address(a german.Address) {
	t.word(fieldStreet, german.Skeleton(a.Street))
	for _, w := range a.Words {
		t.word(fieldStreetWord, german.Skeleton(w))
	}
	t.word(fieldHouse, a.House)
	t.word(fieldZip, a.Zip)
	t.all(fieldCity, strings.Fields(a.City))
}

func lettersOnly(w string) bool {
	return !strings.ContainsFunc(w, func(r rune) bool { return !unicode.IsLetter(r) })
}

// forgiving tells whether words of the field are found with typing errors.
func forgiving(f words.Field) bool {
	switch f {
	case fieldFirst, fieldLast, fieldCompany, fieldStreetWord, fieldCity:
		return true
	default:
		return false
	}
}

// forgivingFields are those for which forgiving is true.
func forgivingFields() []words.Field {
	return []words.Field{fieldFirst, fieldLast, fieldCompany, fieldStreetWord, fieldCity}
}

// nearCodes are what a skeleton has in common with others that are a typing error away: itself, itself without each of its characters, and how
// it sounds. Two words of which one has a character too many, too few, wrong or swapped have one of them in common.
func nearCodes(skeleton string) []int64 {
	runes := []rune(skeleton)
	if len(runes) < minNear || len(runes) > maxNear || !lettersOnly(skeleton) {
		return nil
	}
	seen := map[uint64]bool{xxhash.Sum64String(skeleton): true}
	for i := range runes {
		seen[xxhash.Sum64String(string(runes[:i])+string(runes[i+1:]))] = true
	}
	if sound := german.Cologne(skeleton); len(sound) >= minNear-1 {
		seen[xxhash.Sum64String("sound "+sound)] = true
	}
	codes := make([]int64, 0, len(seen))
	for code := range seen {
		codes = append(codes, int64(code))
	}
	return codes
}
