package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/enneo-ai/enneo-bridge/libs/config"
)

const hidden = "hunter2-is-not-shown"

type credentials struct {
	Name   string
	Token  config.Secret `env:"TOKEN" desc:"A token."`
	Others []config.Secret
	ByName map[string]config.Secret
	Nested struct{ Password config.Secret }
}

func TestSecretIsNeverPrinted(t *testing.T) {
	t.Parallel()
	c := credentials{Name: "erp", Token: hidden, Others: []config.Secret{hidden}, ByName: map[string]config.Secret{"a": hidden}}
	c.Nested.Password = hidden

	renderings := map[string]func(v any) string{
		"%v":  func(v any) string { return fmt.Sprintf("%v", v) },
		"%+v": func(v any) string { return fmt.Sprintf("%+v", v) },
		"%#v": func(v any) string { return fmt.Sprintf("%#v", v) },
		"%s":  func(v any) string { return fmt.Sprintf("%s", v) },
		"%q":  func(v any) string { return fmt.Sprintf("%q", v) },
		"json": func(v any) string {
			text, err := json.Marshal(v)
			if err != nil {
				t.Errorf("marshal: %v", err)
			}
			return string(text)
		},
		"slog json": func(v any) string {
			var b bytes.Buffer
			slog.New(slog.NewJSONHandler(&b, nil)).InfoContext(t.Context(), "configured", slog.Any("config", v))
			return b.String()
		},
		"slog text": func(v any) string {
			var b bytes.Buffer
			slog.New(slog.NewTextHandler(&b, nil)).InfoContext(t.Context(), "configured", slog.Any("config", v))
			return b.String()
		},
		"error": func(v any) string { return fmt.Errorf("configured: %v", v).Error() },
	}
	values := map[string]any{"struct": c, "pointer": &c, "secret": c.Token, "slice": c.Others, "map": c.ByName}
	for format, render := range renderings {
		for kind, value := range values {
			got := render(value)
			if strings.Contains(got, hidden) {
				t.Errorf("%s of a %s shows the secret: %s", format, kind, got)
			}
			// Pointers inside an interface print as an address in no rendering used here.
			if !strings.Contains(got, "redacted") {
				t.Errorf("%s of a %s does not tell that there is a secret: %s", format, kind, got)
			}
		}
	}
	// What %x would print, had it not asked the secret for its text.
	if got := fmt.Sprintf("%x", c.Token); got == fmt.Sprintf("%x", hidden) {
		t.Errorf("%%x shows the secret: %s", got)
	}
}

func TestSecretRevealsItsValueOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		secret config.Secret
		text   string
		isSet  bool
	}{
		{secret: "", text: "", isSet: false},
		{secret: hidden, text: "[redacted]", isSet: true},
	} {
		if got := tc.secret.Reveal(); got != string(tc.secret) {
			t.Errorf("Reveal() = %q, want %q", got, string(tc.secret))
		}
		if got := tc.secret.String(); got != tc.text {
			t.Errorf("String() = %q, want %q", got, tc.text)
		}
		if got := tc.secret.IsSet(); got != tc.isSet {
			t.Errorf("IsSet() of %d characters = %v, want %v", len(tc.secret), got, tc.isSet)
		}
	}
}
