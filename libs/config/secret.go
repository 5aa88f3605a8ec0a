package config

import (
	"fmt"
	"io"
	"log/slog"
)

// redacted is what every rendering of a Secret shows.
const redacted = "[redacted]"

// Secret is a configuration value that must never be shown. fmt, slog, JSON and text encoders all print "[redacted]";
// only Reveal gives the value.
type Secret string

// Reveal returns the value itself, for the one place that sends or compares it.
func (s Secret) Reveal() string { return string(s) }

// IsSet tells whether the secret has a value.
func (s Secret) IsSet() bool { return s != "" }

// String implements fmt.Stringer.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// Format implements fmt.Formatter, so that no verb shows the value.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) } // As fmt itself, without the error.

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText implements encoding.TextMarshaler, which encoding/json uses as well.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
