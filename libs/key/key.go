// Package key names what enneo-bridge works on: one contract or one customer of one source.
//
// An id of an ERP is an opaque string in any alphabet. It goes into NATS subjects, KV keys and Redis fields as a token,
// encoded reversibly and without collisions: two ids never share a token, whatever they contain.
//
// Everything here is a pure function or an immutable value, safe for concurrent use.
package key

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Kind says what a key identifies.
type Kind string

// The kinds of a key. The words are part of subjects and KV keys.
const (
	Contract Kind = "contract"
	Customer Kind = "customer"
)

// MaxIDLength is the longest id in characters, as Enneo's documentation limits it.
const MaxIDLength = 50

// Errors of New and Parse; test with errors.Is.
var (
	ErrSource = errors.New("source name must be 1 to 32 of a-z, 0-9 and -, beginning with a letter")
	ErrKind   = errors.New("kind must be contract or customer")
	ErrID     = errors.New("id must be 1 to 50 characters of valid UTF-8")
	ErrToken  = errors.New("not a key as enneo-bridge writes it")
)

// Key is one contract or customer of one source. The zero value is no key.
type Key struct {
	Source string
	Kind   Kind
	ID     string
}

var sourceName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

// ValidSource tells whether name may be the name of a source.
func ValidSource(name string) bool { return sourceName.MatchString(name) }

// New checks the parts and makes a key of them.
func New(source string, kind Kind, id string) (Key, error) {
	switch {
	case !ValidSource(source):
		return Key{}, fmt.Errorf("source %q: %w", source, ErrSource)
	case kind != Contract && kind != Customer:
		return Key{}, fmt.Errorf("kind %q: %w", kind, ErrKind)
	case !ValidID(id):
		return Key{}, ErrID
	}
	return Key{Source: source, Kind: kind, ID: id}, nil
}

// ValidID tells whether id may be the id of a contract or customer.
func ValidID(id string) bool {
	return id != "" && utf8.ValidString(id) && utf8.RuneCountInString(id) <= MaxIDLength
}

// String is the key as it stands in subjects, KV keys and Redis fields: "<source>.<kind>.<token>".
func (k Key) String() string { return k.Source + "." + string(k.Kind) + "." + k.Token() }

// Token is the id with every byte that is not an ASCII letter, digit, - or _ written as =XX (hexadecimal, capitals).
func (k Key) Token() string { return EncodeToken(k.ID) }

// Parse is the inverse of String. It accepts only what String writes, so that no two texts name one key.
func Parse(s string) (Key, error) {
	parts := strings.Split(s, ".")
	if len(parts) != 3 {
		return Key{}, fmt.Errorf("%d parts instead of 3: %w", len(parts), ErrToken)
	}
	id, err := DecodeToken(parts[2])
	if err != nil {
		return Key{}, err
	}
	return New(parts[0], Kind(parts[1]), id)
}

const hexDigits = "0123456789ABCDEF"

func plain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

// EncodeToken writes any text as a single subject token; see Token.
func EncodeToken(text string) string {
	var b strings.Builder
	b.Grow(len(text))
	for i := range len(text) {
		if c := text[i]; plain(c) {
			b.WriteByte(c)
		} else {
			b.WriteByte('=')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
		}
	}
	return b.String()
}

// DecodeToken is the inverse of EncodeToken. It refuses every text that EncodeToken would not have written.
func DecodeToken(token string) (string, error) {
	var b strings.Builder
	b.Grow(len(token))
	for i := 0; i < len(token); i++ {
		c := token[i]
		if plain(c) {
			b.WriteByte(c)
			continue
		}
		if c != '=' || i+2 >= len(token) {
			return "", ErrToken
		}
		hi, lo := strings.IndexByte(hexDigits, token[i+1]), strings.IndexByte(hexDigits, token[i+2])
		if hi < 0 || lo < 0 || plain(byte(hi<<4|lo)) {
			return "", ErrToken
		}
		b.WriteByte(byte(hi<<4 | lo))
		i += 2
	}
	return b.String(), nil
}
