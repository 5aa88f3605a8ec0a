package key_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/enneo-ai/enneo-bridge/libs/key"
)

func hostileIDs() []string {
	return []string{
		".", "*", ">", " ", "\n", "\r\n", "\x00", "=", "==", "=2E", "%2E", "a.b", "a..b", "a.>", "*.*", "Größe", "ß", "ue/ü",
		"契約", "🔌", "\u202e", "\u200b", "é", "e\u0301", "\ufffd", "{x}", "a:b", "a/b", `a\b`, `"`, "'", "a\tb", "-", "_",
		"0", "00", "1e9", "null", "$KV", "$JS.API.>", strings.Repeat("🔌", 50), strings.Repeat("=", 50), strings.Repeat("a", 50),
	}
}

func TestKeysSurviveTheirText(t *testing.T) {
	t.Parallel()
	texts := map[string]key.Key{}
	for _, id := range hostileIDs() {
		for _, kind := range []key.Kind{key.Contract, key.Customer} {
			for _, source := range []string{"a", "pc-north", "z9"} {
				k, err := key.New(source, kind, id)
				if err != nil {
					t.Fatalf("New(%q, %q, %q): %v", source, kind, id, err)
				}
				text := k.String()
				checkText(t, k)
				if other, taken := texts[text]; taken {
					t.Errorf("%#v and %#v share the text %q", other, k, text)
				}
				texts[text] = k
				got, err := key.Parse(text)
				if err != nil {
					t.Fatalf("Parse(%q): %v", text, err)
				}
				if diff := cmp.Diff(k, got); diff != "" {
					t.Errorf("Parse(String()) differs (-want +got):\n%s", diff)
				}
			}
		}
	}
}

// checkText fails unless the text of a key is three tokens of harmless characters.
func checkText(t *testing.T, k key.Key) {
	t.Helper()
	text := k.String()
	if n := strings.Count(text, "."); n != 2 {
		t.Errorf("%q has %d dots, want 2", text, n)
	}
	for _, c := range []byte(text) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte("*>{}:/%", c) >= 0 {
			t.Errorf("%q has the raw character %q", text, c)
		}
	}
}

func TestTokenIsWrittenAsDocumented(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		"C-1_x": "C-1_x", "a.b": "a=2Eb", "*": "=2A", ">": "=3E", " ": "=20", "\n": "=0A", "=": "=3D", "ü": "=C3=BC", "\x7f": "=7F",
	} {
		if got := (key.Key{ID: id}).Token(); got != want {
			t.Errorf("Token of %q = %q, want %q", id, got, want)
		}
	}
}

func TestNewRefusesWhatIsNoKey(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, source, id string
		kind             key.Kind
		want             error
	}{
		{name: "no source", kind: key.Contract, id: "1", want: key.ErrSource},
		{name: "source in capitals", source: "PC", kind: key.Contract, id: "1", want: key.ErrSource},
		{name: "source with a dot", source: "a.b", kind: key.Contract, id: "1", want: key.ErrSource},
		{name: "source with a newline", source: "a\n", kind: key.Contract, id: "1", want: key.ErrSource},
		{name: "source that begins with a digit", source: "1a", kind: key.Contract, id: "1", want: key.ErrSource},
		{name: "source of 33 characters", source: strings.Repeat("a", 33), kind: key.Contract, id: "1", want: key.ErrSource},
		{name: "no kind", source: "pc", id: "1", want: key.ErrKind},
		{name: "unknown kind", source: "pc", kind: "invoice", id: "1", want: key.ErrKind},
		{name: "no id", source: "pc", kind: key.Contract, want: key.ErrID},
		{name: "id of 51 characters", source: "pc", kind: key.Contract, id: strings.Repeat("ü", 51), want: key.ErrID},
		{name: "id that is not UTF-8", source: "pc", kind: key.Contract, id: "\xff", want: key.ErrID},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := key.New(tc.source, tc.kind, tc.id)
			if !errors.Is(err, tc.want) || got != (key.Key{}) {
				t.Errorf("New = %v, %v; want no key and %v", got, err, tc.want)
			}
		})
	}
}

func TestErrorsDoNotShowTheID(t *testing.T) {
	t.Parallel()
	id := strings.Repeat("Erika", 11)
	_, err := key.New("pc", key.Contract, id)
	if err == nil || strings.Contains(err.Error(), "Erika") {
		t.Errorf("New = %v, want an error without the id", err)
	}
	if _, err := key.Parse("pc.contract.Erika=zz"); err == nil || strings.Contains(err.Error(), "Erika") {
		t.Errorf("Parse = %v, want an error without the id", err)
	}
}

func TestParseRefusesWhatStringDoesNotWrite(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "pc", "pc.contract", "pc.contract.", "pc.contract.a.b", ".contract.a", "PC.contract.a", "pc.Contract.a", "pc.contract.*",
		"pc.contract.>", "pc.contract. ", "pc.contract.ü", "pc.contract.a\n",
		"pc.contract.=", "pc.contract.=2", "pc.contract.a=2", "pc.contract.=zz", "pc.contract.==3D",
		"pc.contract.=2e", // small letters
		"pc.contract.=61", // an "a", which needs no escape
		"pc.contract.=2D", // a "-", likewise
		"pc.contract.=FF", // not UTF-8
		"pc.contract." + strings.Repeat("a", 51),
		"pc.contract." + strings.Repeat("=2E", 51),
	} {
		if got, err := key.Parse(text); err == nil {
			t.Errorf("Parse(%q) = %v, want an error", text, got)
		}
	}
}

func TestTokensAreInjective(t *testing.T) {
	t.Parallel()
	// Few characters, those that encoding itself uses: collisions would have to be among them.
	ids := rapid.StringOfN(rapid.SampledFrom([]rune("=2E.3Da*")), 1, 8, -1)
	rapid.Check(t, func(t *rapid.T) {
		a, b := ids.Draw(t, "a"), ids.Draw(t, "b")
		if (key.EncodeToken(a) == key.EncodeToken(b)) != (a == b) {
			t.Fatalf("%q and %q become %q and %q", a, b, key.EncodeToken(a), key.EncodeToken(b))
		}
	})
}

func FuzzKey(f *testing.F) {
	for _, id := range hostileIDs() {
		f.Add(id)
	}
	f.Add("pc.contract.=2e")
	f.Add("\xff")
	f.Fuzz(func(t *testing.T, text string) {
		if k, err := key.New("pc", key.Contract, text); err == nil {
			checkText(t, k)
			if got, err := key.Parse(k.String()); err != nil || got != k {
				t.Errorf("Parse(%q) = %v, %v; want %v", k.String(), got, err, k)
			}
		} else if utf8.ValidString(text) && text != "" && utf8.RuneCountInString(text) <= key.MaxIDLength {
			t.Errorf("New refused %q: %v", text, err)
		}
		if k, err := key.Parse(text); err == nil && k.String() != text {
			t.Errorf("Parse(%q) = %v, which is written as %q", text, k, k.String())
		}
		if decoded, err := key.DecodeToken(text); err == nil && key.EncodeToken(decoded) != text {
			t.Errorf("DecodeToken(%q) = %q, which is written as %q", text, decoded, key.EncodeToken(decoded))
		}
	})
}

func ExampleKey_String() {
	k, _ := key.New("pc", key.Contract, "12.3/ü")
	fmt.Println(k)
	// Output: pc.contract.12=2E3=2F=C3=BC
}
