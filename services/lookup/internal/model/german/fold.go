// Package german brings what people write in German-speaking countries into forms that can be compared: names, streets, house
// numbers, postal codes, e-mail addresses, telephone and meter numbers, and the words of any of them.
//
// Each function takes any text whatever, looks at no more than MaxLength bytes of it, and never fails: what it cannot make sense of is the
// empty text, which is equal to nothing.
//
// # Concurrency
//
// Everything is a pure function, safe for concurrent use.
package german

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// MaxLength is how many bytes of one text are looked at.
const MaxLength = 512

// letters are those whose plain form is not what remains without the accent. Umlauts are written out, as people do without such keys.
var letters = strings.NewReplacer(
	"ä", "ae", "ö", "oe", "ü", "ue", "ß", "ss", "æ", "ae", "œ", "oe", "ø", "oe", "å", "a",
	"ł", "l", "đ", "d", "ð", "d", "þ", "th", "ı", "i", "ŋ", "n",
)

// clip cuts a text at MaxLength, between two characters, and replaces what is not UTF-8 by blanks.
func clip(s string) string {
	if len(s) > MaxLength {
		s = s[:MaxLength]
		for len(s) > 0 {
			if r, size := utf8.DecodeLastRuneInString(s); r != utf8.RuneError || size != 1 {
				break
			}
			s = s[:len(s)-1]
		}
	}
	return strings.ToValidUTF8(s, " ")
}

// Fold writes a text in small letters without accents: "Müßig" is "muessig", "É" is "e". Other alphabets stay. What is neither letter
// nor digit becomes one blank; there is none at the ends.
func Fold(s string) string {
	s = clip(s)
	if plain(s) {
		return blanks(strings.ToLower(s))
	}
	s = strings.ToLower(norm.NFKC.String(s))
	s = letters.Replace(s)
	return blanks(norm.NFD.String(s))
}

// plain tells whether a text is ASCII, which most are.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// blanks drops marks, and writes a blank for whatever stands between letters and digits.
func blanks(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	between := false
	for _, r := range s {
		switch {
		case unicode.Is(unicode.Mn, r):
			continue
		case unicode.IsLetter(r), unicode.IsDigit(r):
			if between && b.Len() > 0 {
				b.WriteByte(' ')
			}
			between = false
			b.WriteRune(r)
		default:
			between = true
		}
	}
	return b.String()
}

// Words are the words of a text, folded.
func Words(s string) []string { return strings.Fields(Fold(s)) }

// Joined is a text folded and without any blank, for what is written in groups, as numbers and ids are.
func Joined(s string) string { return strings.ReplaceAll(Fold(s), " ", "") }

// Skeleton is what a folded word has in common with the same word written with u or ue for ü: both are u. Words that differ but have the
// same skeleton were written by somebody without umlauts, or are two names that sound the same.
func Skeleton(folded string) string { return umlauts.Replace(folded) }

var umlauts = strings.NewReplacer("ae", "a", "oe", "o", "ue", "u")
