package jsonptr_test

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/jsonptr"
)

const document = `{
	"id": 123, "big": 12345678901234567890, "null": null, "": "empty key", "a/b": "slash", "m~n": "tilde", "~1": "tilde one",
	"*": {"id": "star member"},
	"list": [{"id": "1"}, {"other": 1}, {"id": "2"}, "text"],
	"nested": [[{"id": 1}], [], [{"id": 2}, {"id": 3}]]
}`

func TestValuesAreFoundInDocumentOrder(t *testing.T) {
	t.Parallel()
	doc, err := jsonptr.Decode([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, pointer string
		want          []any
	}{
		{"the root", "", []any{doc}},
		{"a number stays literal", "/id", []any{json.Number("123")}},
		{"a number beyond 64 bits stays literal", "/big", []any{json.Number("12345678901234567890")}},
		{"null is a value", "/null", []any{nil}},
		{"the empty key", "/", []any{"empty key"}},
		{"an escaped slash", "/a~1b", []any{"slash"}},
		{"an escaped tilde", "/m~0n", []any{"tilde"}},
		{"an escaped tilde before 1", "/~01", []any{"tilde one"}},
		{"an index", "/list/2/id", []any{"2"}},
		{"an index beyond the end", "/list/4", nil},
		{"an index with a leading zero", "/list/02/id", nil},
		{"a signed index", "/list/+1", nil},
		{"an index beyond every integer", "/list/99999999999999999999", nil},
		{"the element after the last", "/list/-", nil},
		{"every element that has the member", "/list/*/id", []any{"1", "2"}},
		{"every element of every element", "/nested/*/*/id", []any{json.Number("1"), json.Number("2"), json.Number("3")}},
		{"a member called star", "/*/id", []any{"star member"}},
		{"a missing member", "/none/id", nil},
		{"a member of a scalar", "/id/x", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p, err := jsonptr.Parse(tc.pointer)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, p.Values(doc)); diff != "" {
				t.Errorf("Values(%q) (-want +got):\n%s", tc.pointer, diff)
			}
			if p.String() != tc.pointer {
				t.Errorf("String() = %q, want %q", p.String(), tc.pointer)
			}
		})
	}
}

func TestParseRefusesWhatIsNoPointer(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, pointer string
		want          error
	}{
		{"no slash in front", "data/id", jsonptr.ErrSyntax},
		{"a fragment", "#/data", jsonptr.ErrSyntax},
		{"a tilde at the end", "/a~", jsonptr.ErrEscape},
		{"a tilde before another character", "/a~2", jsonptr.ErrEscape},
		{"too deep", strings.Repeat("/a", 65), jsonptr.ErrDepth},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if _, err := jsonptr.Parse(tc.pointer); !errors.Is(err, tc.want) {
				t.Errorf("Parse(%q) = %v, want %v", tc.pointer, err, tc.want)
			}
		})
	}
}

func TestDecodeTakesExactlyOneDocument(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`{} {}`, `{"a":1}x`, `1,`} {
		if _, err := jsonptr.Decode([]byte(text)); !errors.Is(err, jsonptr.ErrTrailing) {
			t.Errorf("Decode(%q) = %v, want %v", text, err, jsonptr.ErrTrailing)
		}
	}
	if _, err := jsonptr.Decode([]byte(`{"a":`)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Decode of a truncated document = %v, want %v", err, io.ErrUnexpectedEOF)
	}
	if doc, err := jsonptr.Decode([]byte(" {\"a\":1}\n")); err != nil || doc == nil {
		t.Errorf("Decode of a document in blanks = %v, %v", doc, err)
	}
}

func FuzzValues(f *testing.F) {
	for _, pointer := range []string{"", "/", "/list/*/id", "/nested/*/*/id", "/a~1b", "/*/*/*", "/list/18446744073709551616"} {
		f.Add(pointer, document)
	}
	f.Fuzz(func(t *testing.T, pointer, text string) {
		p, err := jsonptr.Parse(pointer)
		if err != nil {
			return
		}
		if p.String() != pointer {
			t.Fatalf("String() = %q, want %q", p.String(), pointer)
		}
		doc, err := jsonptr.Decode([]byte(text))
		if err != nil {
			return
		}
		// Every value takes at least one byte of the text, which bounds what a pointer may find.
		if found := p.Values(doc); len(found) > len(text) {
			t.Fatalf("%d values in a text of %d bytes", len(found), len(text))
		}
	})
}
