package profile_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/enneo"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestMapGolden maps each testdata/map/*.json and compares the whole result with *.golden.json.
func TestMapGolden(t *testing.T) {
	t.Parallel()
	cases, err := filepath.Glob("testdata/map/*.json")
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range cases {
		if strings.HasSuffix(file, ".golden.json") {
			continue
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var tc struct {
				Profile string
				Kind    key.Kind
				ID      string
				Status  int
				Body    json.RawMessage
			}
			if err := json.Unmarshal(text, &tc); err != nil {
				t.Fatal(err)
			}
			mapped, err := load(t, tc.Profile).Map(tc.Kind, tc.ID, tc.Status, tc.Body)
			if err != nil {
				t.Fatal(err)
			}
			golden := strings.TrimSuffix(file, ".json") + ".golden.json"
			got := render(t, mapped)
			if *update {
				if err := os.WriteFile(golden, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("mapped (-want +got):\n%s", diff)
			}
		})
	}
}

func render(t *testing.T, mapped profile.Mapped) []byte {
	t.Helper()
	body, err := enneo.Canonical(mapped.Body)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(map[string]any{
		"gone": mapped.Gone, "id": mapped.ID, "customer_id": mapped.CustomerID, "contract_ids": mapped.ContractIDs, "body": json.RawMessage(body),
	}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func load(t testing.TB, name string) *profile.Profile {
	t.Helper()
	p, err := profile.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
