package erp

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestSummaryShowsStructureOnly(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, mediaType, body, want string }{
		{
			"an error", "application/json; charset=utf-8", `{"success":false,"errors":[{"field":"id"},{}],"n":1.5,"x":null}`,
			"HTTP 422, application/json, 63 bytes: {errors: [2 × {field: text}], n: number, success: boolean, x: null}",
		},
		{"a page", "text/html", "<html>Mustermann", "HTTP 422, text/html, 16 bytes"},
		{"a scalar", "text/plain", `"Mustermann"`, "HTTP 422, text/plain, 12 bytes: text"},
		{"names that may be data", "", `{"e@example.org":1,"00123":{},"DE02120300000000202051":"x"}`, "HTTP 422, no media type, 59 bytes: {?: {}, ?: text, ?: number}"},
		{"a media type of the sender's making", "application/mustermann", `[]`, "HTTP 422, another media type, 2 bytes: [0]"},
		{"deep", "application/json", `{"a":{"b":{"c":{"d":{"e":1}}}}}`, "HTTP 422, application/json, 31 bytes: {a: {b: {c: {d: {…}}}}}"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			a := answer{status: 422, mediaType: mediaType(tc.mediaType), body: []byte(tc.body)}
			if got := a.summary(); got != tc.want {
				t.Errorf("summary\n got %s\nwant %s", got, tc.want)
			}
		})
	}
}

func FuzzSummary(f *testing.F) {
	f.Add([]byte(`{"a":[{"b":"c"}],"ü":1}`), "application/json")
	f.Add([]byte(`[[[[[[[[1]]]]]]]]`), "text/html; a=b")
	f.Add([]byte(`{"`+strings.Repeat("a", 39)+`":[1,`+strings.Repeat(`"x",`, 500)+`2]}`), "")
	f.Fuzz(func(t *testing.T, body []byte, header string) {
		text := answer{status: 500, mediaType: mediaType(header), body: body}.summary()
		if len(text) > summaryBytes+len("…") || !utf8.ValidString(text) {
			t.Fatalf("summary of %d bytes: %q", len(text), text)
		}
	})
}
