package config_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/config"
)

func TestFieldsDescribeTheStructInItsOrder(t *testing.T) {
	t.Parallel()
	want := []config.Field{
		{Key: "URL", Type: "text", Default: "http://localhost|x", Desc: "Address."},
		{Key: "REPLICAS", Type: "integer", Default: "3", Desc: "Number of replicas."},
		{Key: "OFFSET", Type: "integer", Desc: "Offset in bytes, may be negative."},
		{Key: "RATIO", Type: "number", Default: "0.5", Desc: "Share from 0 to 1."},
		{Key: "VERBOSE", Type: "true-false", Desc: "Whether to talk much."},
		{Key: "NAMES", Type: "list", Default: "a,b", Desc: "Names."},
		{Key: "PORTS", Type: "list", Desc: "Ports."},
		{Key: "LIMITS", Type: "list of pairs", Desc: "Limit per name."},
		{Key: "LEVEL", Type: "text", Default: "info", Desc: "Log level."},
		{Key: "PEER", Type: "text", Desc: "Address of the peer."},
		{Key: "TOKEN", Type: "secret", Required: true, Desc: "Token of the API."},
		{Key: "KEYS", Type: "secret", Desc: "Keys that are accepted."},
		{Key: "PINS", Type: "secret", Desc: "Pin per name."},
		{Key: "OPTIONAL", Type: "integer", Desc: "A number or nothing."},
		{Key: "DEBOUNCE_QUIET_PERIOD", Type: "duration", Default: "15s", Desc: "How long a key must be quiet, as a duration."},
		{Key: "DEBOUNCE_MAX_WAIT", Type: "duration", Default: "2m", Desc: "The longest wait from the first event, as a duration."},
		{Key: "DEEP_INNER_QUIET_PERIOD", Type: "duration", Default: "15s", Desc: "How long a key must be quiet, as a duration."},
		{Key: "DEEP_INNER_MAX_WAIT", Type: "duration", Default: "2m", Desc: "The longest wait from the first event, as a duration."},
	}
	for name, target := range map[string]any{"value": settings{}, "pointer": new(settings), "nil pointer": (*settings)(nil)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := config.Fields(target)
			if err != nil {
				t.Fatalf("Fields: %v", err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("Fields (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFieldsRefuseWhatCannotBeDocumented(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		target any
		want   string
	}{
		"no struct": {1, "describe int: target must be a non-nil pointer to a struct"},
		"nil":       {nil, "describe <nil>: target must be a non-nil pointer to a struct"},
		"no descriptions, all named": {struct {
			A string `env:"A"`
			B int    `env:"B, required" desc:" "`
		}{}, ".A: the variable A has no description, add a desc tag\n.B: the variable B has no description, add a desc tag"},
		"one variable for two fields": {struct {
			A string `env:"X_A" desc:"A."`
			X struct {
				A string `env:"A" desc:"A."`
			} `env:", prefix=X_"`
		}{}, ".X.A: the variable X_A belongs to .A already"},
		"unreadable default": {struct {
			A int `env:"A, default=x" desc:"A."`
		}{}, ".A: tag `env:\"A, default=x\"`: strconv.ParseInt: parsing \"x\": invalid syntax"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := config.Fields(tc.target); err == nil || err.Error() != tc.want {
				t.Errorf("Fields = %v, want %s", err, tc.want)
			}
		})
	}
}

func TestMarkdownWritesATable(t *testing.T) {
	t.Parallel()
	fields, err := config.Fields(settings{})
	if err != nil {
		t.Fatalf("Fields: %v", err)
	}
	var b bytes.Buffer
	if err := config.Markdown(&b, "Settings", fields); err != nil {
		t.Fatalf("Markdown: %v", err)
	}
	golden(t, "settings.golden.md", b.String())
}

type brokenWriter struct{ err error }

func (w brokenWriter) Write([]byte) (int, error) { return 0, w.err }

func TestMarkdownReportsAWriteError(t *testing.T) {
	t.Parallel()
	full := errors.New("disk full")
	if err := config.Markdown(brokenWriter{full}, "Settings", nil); !errors.Is(err, full) {
		t.Errorf("Markdown = %v, want %v", err, full)
	}
}
