package config

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/sethvargo/go-envconfig"
)

// The words for types that people read in the documentation and in errors.
const (
	wordDuration  = "duration"
	wordInteger   = "integer"
	wordNumber    = "number"
	wordText      = "text"
	wordSecret    = "secret"
	wordList      = "list"
	wordPairs     = "list of pairs"
	wordTrueFalse = "true-false"
)

// typeWord is the word for what a variable of type t holds.
func typeWord(t reflect.Type) string {
	if hidesValue(t) {
		return wordSecret
	}
	return shape(t)
}

// shape is the word for how a value of type t is written, be it secret or not.
func shape(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return wordDuration
	case decodesItself(t):
		return wordText
	}
	switch t.Kind() {
	case reflect.Bool:
		return wordTrueFalse
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return wordInteger
	case reflect.Float32, reflect.Float64:
		return wordNumber
	case reflect.Map:
		return wordPairs
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return wordText
		}
		return wordList
	default:
		return wordText
	}
}

// remedy says how a value of type t is written; desc is the description of the variable.
func remedy(t reflect.Type, desc string) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch shape(t) {
	case wordDuration:
		return "write a number with its unit, for example 500ms, 15s or 2h"
	case wordInteger:
		return "write a whole number" + bounds(t)
	case wordNumber:
		return "write a number, for example 0.5"
	case wordTrueFalse:
		return "write true or false"
	case wordList:
		return "write the items with their delimiter between them; each: " + remedy(t.Elem(), desc)
	case wordPairs:
		return "write name:value, several with commas between them; each value: " + remedy(t.Elem(), desc)
	default:
		return "expected: " + desc
	}
}

// bounds says which values the integer type t holds, unless that is more than anybody wants to read.
func bounds(t reflect.Type) string {
	bits := t.Bits()
	unsigned := t.Kind() >= reflect.Uint && t.Kind() <= reflect.Uint64
	switch {
	case unsigned && bits == 64:
		return " of at least 0"
	case unsigned:
		return fmt.Sprintf(" from 0 to %d", uint64(1)<<bits-1)
	case bits == 64:
		return ""
	default:
		return fmt.Sprintf(" from %d to %d", int64(-1)<<(bits-1), int64(1)<<(bits-1)-1)
	}
}

// hidesValue tells whether a value of type t holds a Secret.
func hidesValue(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return hidesValue(t.Elem())
	case reflect.Map:
		return hidesValue(t.Key()) || hidesValue(t.Elem())
	default:
		return t == reflect.TypeFor[Secret]()
	}
}

// decodesItself tells whether the library hands the text to a method of t.
func decodesItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	for _, decoder := range []reflect.Type{
		reflect.TypeFor[envconfig.DecoderCtx](), reflect.TypeFor[envconfig.Decoder](),
		reflect.TypeFor[encoding.TextUnmarshaler](), reflect.TypeFor[json.Unmarshaler](),
		reflect.TypeFor[encoding.BinaryUnmarshaler](),
	} {
		if p.Implements(decoder) {
			return true
		}
	}
	return false
}
