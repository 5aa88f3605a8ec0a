// Package jsonptr finds values in a JSON document by JSON pointers (RFC 6901), extended by one token: "*" stands for
// every element of an array, in order. On an object "*" is the member of that name, as in the RFC.
//
// Pointers are immutable and safe for concurrent use. Values visits each value of a document at most once per pointer, so
// its work is bounded by the size of the document.
package jsonptr

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// maxTokens bounds the depth that a pointer may name.
const maxTokens = 64

// Errors of Parse and Decode; test with errors.Is.
var (
	ErrSyntax   = errors.New("a JSON pointer is empty or begins with /")
	ErrEscape   = errors.New("~ in a JSON pointer must be followed by 0 or 1")
	ErrDepth    = errors.New("a JSON pointer has at most 64 tokens")
	ErrTrailing = errors.New("more than one JSON document")
)

// Pointer is a parsed JSON pointer. The zero value points to the whole document.
type Pointer struct {
	text   string
	tokens []string
}

// Parse reads a pointer such as "/data/contracts/*/id".
func Parse(text string) (Pointer, error) {
	if text == "" {
		return Pointer{}, nil
	}
	if text[0] != '/' {
		return Pointer{}, fmt.Errorf("%q: %w", text, ErrSyntax)
	}
	raw := strings.Split(text[1:], "/")
	if len(raw) > maxTokens {
		return Pointer{}, ErrDepth
	}
	p := Pointer{text: text, tokens: make([]string, len(raw))}
	for i, token := range raw {
		var err error
		if p.tokens[i], err = unescape(token); err != nil {
			return Pointer{}, fmt.Errorf("%q: %w", text, err)
		}
	}
	return p, nil
}

func unescape(token string) (string, error) {
	for i := range len(token) {
		if token[i] == '~' && (i+1 == len(token) || token[i+1] != '0' && token[i+1] != '1') {
			return "", ErrEscape
		}
	}
	// The order matters: "~01" is "~1", not "/".
	return strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~"), nil
}

// String is the pointer as it was parsed.
func (p Pointer) String() string { return p.text }

// Values returns everything the pointer finds in doc, in document order; nothing if doc has another shape. The document
// consists of map[string]any, []any and scalars, as Decode yields it.
func (p Pointer) Values(doc any) []any { return appendValues(nil, doc, p.tokens) }

func appendValues(found []any, doc any, tokens []string) []any {
	for i, token := range tokens {
		switch node := doc.(type) {
		case map[string]any:
			member, ok := node[token]
			if !ok {
				return found
			}
			doc = member
		case []any:
			if token == "*" {
				for _, element := range node {
					found = appendValues(found, element, tokens[i+1:])
				}
				return found
			}
			n, ok := index(token)
			if !ok || n >= len(node) {
				return found
			}
			doc = node[n]
		default:
			return found
		}
	}
	return append(found, doc)
}

// index reads an array index as the RFC writes it: digits without leading zeros.
func index(token string) (int, bool) {
	if token == "" || token[0] < '0' || token[0] > '9' || token[0] == '0' && len(token) > 1 {
		return 0, false
	}
	n, err := strconv.Atoi(token)
	return n, err == nil
}

// Decode reads the one JSON document in data, and keeps numbers as their literal (json.Number). Anything after the
// document is an error.
func Decode(data []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var doc any
	if err := dec.Decode(&doc); err != nil {
		return nil, fmt.Errorf("decode JSON: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, ErrTrailing
	}
	return doc, nil
}
