// Package logtext makes lines for people of the JSON lines that services log.
//
// # Concurrency
//
// A Writer is safe for concurrent use, if the writer below it is.
package logtext

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"
)

// Writer takes one JSON line of log/slog per Write and passes it on as text: time of day, level, service, message and
// the other attributes by name. What is no such line passes as it is.
type Writer struct{ out io.Writer }

// New makes a writer that writes to out.
func New(out io.Writer) *Writer { return &Writer{out: out} }

// Write implements io.Writer.
func (w *Writer) Write(p []byte) (int, error) {
	line, ok := text(p)
	if !ok {
		return w.out.Write(p) //nolint:wrapcheck // A writer like any other.
	}
	if _, err := io.WriteString(w.out, line); err != nil {
		return 0, err //nolint:wrapcheck // A writer like any other.
	}
	return len(p), nil
}

// service is the attribute by which services name themselves.
const service = "service"

func text(p []byte) (string, bool) {
	var attrs map[string]json.RawMessage
	if json.Unmarshal(p, &attrs) != nil || attrs[slog.MessageKey] == nil {
		return "", false
	}
	var b strings.Builder
	if at, err := time.Parse(time.RFC3339Nano, word(attrs[slog.TimeKey])); err == nil {
		b.WriteString(at.Format("15:04:05.000 "))
	}
	fmt.Fprintf(&b, "%-5s ", word(attrs[slog.LevelKey]))
	if name := word(attrs[service]); name != "" {
		b.WriteString(name + ": ")
	}
	b.WriteString(word(attrs[slog.MessageKey]))
	for _, known := range []string{slog.TimeKey, slog.LevelKey, slog.MessageKey, service} {
		delete(attrs, known)
	}
	for _, name := range slices.Sorted(maps.Keys(attrs)) {
		value := word(attrs[name])
		if value == "" || strings.ContainsAny(value, " =\"\n") {
			value = fmt.Sprintf("%q", value)
		}
		fmt.Fprintf(&b, " %s=%s", name, value)
	}
	return b.String() + "\n", true
}

// word is a JSON text without its quotes, and anything else as it is written.
func word(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}
