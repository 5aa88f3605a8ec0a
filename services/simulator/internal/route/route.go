// Package route finds what belongs to a method and a path. It works on the path as it was sent: an identifier may hold
// slashes, dots and everything else that http.ServeMux would clean away.
//
// # Concurrency
//
// A Table is filled first and then only read; reading is safe for concurrent use.
package route

import (
	"net/url"
	"strings"
)

// Table maps methods and paths to values. The zero value is an empty table.
type Table[T any] struct {
	routes []entry[T]
}

type entry[T any] struct {
	method   string
	segments []string
	value    T
}

// Add adds a route. A segment in braces, as in "/contract/{id}", stands for any text without a raw slash. Of several
// routes that fit, the first one added wins.
func (t *Table[T]) Add(method, pattern string, value T) {
	t.routes = append(t.routes, entry[T]{method: method, segments: strings.Split(pattern, "/"), value: value})
}

// Match finds the route for an escaped path and returns its value and the unescaped texts of its segments in braces. If
// there is none, pathKnown tells whether another method has one.
func (t *Table[T]) Match(method, escapedPath string) (value T, texts []string, found, pathKnown bool) {
	segments := strings.Split(escapedPath, "/")
	for i := range t.routes {
		r := &t.routes[i]
		texts, fits := r.match(segments)
		switch {
		case fits && r.method == method:
			return r.value, texts, true, true
		case fits:
			pathKnown = true
		}
	}
	return value, nil, false, pathKnown
}

func (e *entry[T]) match(segments []string) ([]string, bool) {
	if len(segments) != len(e.segments) {
		return nil, false
	}
	var texts []string
	for i, want := range e.segments {
		if !strings.HasPrefix(want, "{") {
			if segments[i] != want {
				return nil, false
			}
			continue
		}
		text, err := url.PathUnescape(segments[i])
		if err != nil || text == "" {
			return nil, false
		}
		texts = append(texts, text)
	}
	return texts, true
}
