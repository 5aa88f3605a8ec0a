package mind

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/fault"
	"github.com/enneo-ai/enneo-bridge/libs/key"
)

// seen is what a server was asked.
type seen struct{ Method, Path, MediaType, Body string }

func TestEachModeAsksForWhatEnneoDocuments(t *testing.T) {
	t.Parallel()
	const form, contractPut = "application/x-www-form-urlencoded", `{"id":"VN-1"}`
	contract := Delivery{Kind: key.Contract, ID: "VN-1", CustomerID: `K"2`, Body: contractPut}
	customer := Delivery{Kind: key.Customer, ID: "K 2", Body: `{}`}
	tests := []struct {
		name     string
		mode     Mode
		profile  string
		change   func(*Config)
		delivery Delivery
		want     seen
	}{
		{name: "import puts", mode: Import, delivery: contract, want: seen{"PUT", "/api/mind/contract/VN-1", jsonType, contractPut}},
		{name: "import deletes", mode: Import, delivery: Delivery{Kind: key.Contract, ID: "VN-1", Gone: true}, want: seen{Method: "DELETE", Path: "/api/mind/contract/VN-1"}},
		{
			name: "import deletes as it is told to", mode: Import, change: func(c *Config) { c.DeleteMethod = http.MethodPost },
			delivery: Delivery{Kind: key.Customer, ID: "K", Gone: true}, want: seen{Method: "POST", Path: "/api/mind/customer/K"},
		},
		{name: "refresh of a contract and its customer", mode: Refresh, delivery: contract, want: seen{"POST", "/api/mind/customer/invalidateCache", form, "contractId=VN-1&customerId=K%222"}},
		{name: "refresh of a contract", mode: Refresh, delivery: Delivery{Kind: key.Contract, ID: "1&2", Gone: true}, want: seen{"POST", "/api/mind/customer/invalidateCache", form, "contractId=1%262"}},
		{name: "refresh of a customer", mode: Refresh, delivery: customer, want: seen{"POST", "/api/mind/customer/invalidateCache", form, "customerId=K+2"}},
		{name: "webhook of powercloud", mode: Webhook, profile: "powercloud", delivery: contract, want: seen{"POST", "/api/mind/webhook/powercloud", jsonType, `{"contractId":"VN-1","customerId":"K\"2"}`}},
		{name: "webhook of lynqtech", mode: Webhook, profile: "lynqtech", delivery: customer, want: seen{"POST", "/api/mind/webhook/lynqtech", jsonType, `{"customerId":"K 2"}`}},
		{
			name: "webhook without a customer", mode: Webhook, profile: "own", change: func(c *Config) { c.WebhookPath = "/webhook/own" },
			delivery: Delivery{Kind: key.Contract, ID: "1", Gone: true}, want: seen{"POST", "/api/mind/webhook/own", jsonType, `{"contractId":"1","customerId":null}`},
		},
		{
			name: "webhook with a body of one's own", mode: Webhook, profile: "lynqtech", delivery: contract,
			change: func(c *Config) { c.WebhookContractBody = `{"event":"changed","data":{"contract":{"id":{contractId}}}}` },
			want:   seen{"POST", "/api/mind/webhook/lynqtech", jsonType, `{"event":"changed","data":{"contract":{"id":"VN-1"}}}`},
		},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var got []seen
			client := open(t, tc.change, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				got = append(got, seen{r.Method, r.URL.Path, r.Header.Get("Content-Type"), string(body)})
				w.WriteHeader(http.StatusNoContent)
			})
			target, err := client.Target(tc.mode, tc.profile)
			if err != nil {
				t.Fatal(err)
			}
			if err := target.Deliver(t.Context(), tc.delivery); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]seen{tc.want}, got); diff != "" {
				t.Errorf("requests differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAProfileWithoutAWebhookTargetNeedsAPath(t *testing.T) {
	t.Parallel()
	client := New(testConfig("http://127.0.0.1:1/api/mind"), nil)
	if _, err := client.Target(Webhook, "own"); err == nil || !strings.Contains(err.Error(), "ENNEO_WEBHOOK_PATH") {
		t.Errorf("Target = %v, want an error that names ENNEO_WEBHOOK_PATH", err)
	}
}

// TestTheHashOfAnImportStaysWhatItWas: another one would send every contract again after an upgrade.
func TestTheHashOfAnImportStaysWhatItWas(t *testing.T) {
	t.Parallel()
	versions := map[Mode]string{Import: "import/1", Refresh: "refresh/1", Webhook: "webhook/1"}
	for _, mode := range Modes() {
		target, err := New(testConfig("http://127.0.0.1:1/api/mind"), nil).Target(mode, "powercloud")
		if err != nil {
			t.Fatal(err)
		}
		if got := target.Version(); got != versions[mode] {
			t.Errorf("version of %s is %q, want %q", mode, got, versions[mode])
		}
	}
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestAnExpiredTokenIsReplacedWithoutARestart: the refusal makes the next request look into the file.
func TestAnExpiredTokenIsReplacedWithoutARestart(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "token")
	write(t, name, "old\n")
	client := open(t, func(c *Config) { c.Token, c.TokenFile = "", name }, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer new" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	put := func() *fault.Fault { return fault.Of(client.Put(t.Context(), key.Contract, "1", `{}`)) }
	if f := put(); f == nil || f.Reason != "unauthorized" || f.Scope != fault.Target {
		t.Fatalf("with the old token: %v, want a fault of the whole target", f)
	}
	write(t, name, "new\n")
	if f := put(); f != nil {
		t.Errorf("with the new token: %v, want success", f)
	}
}

func TestAFileThatHoldsNoTokenLeavesTheLastOneInUse(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "token")
	write(t, name, "good")
	now := time.Now()
	tok := newToken(&Config{TokenFile: name})
	if got := tok.get(now); got != "good" {
		t.Fatalf("token %q, want that of the file", got)
	}
	write(t, name, "")
	if got := tok.get(now.Add(tokenEvery)); got != "good" {
		t.Errorf("token %q of an empty file, want the last good one", got)
	}
	write(t, name, "next")
	if got := tok.get(now.Add(tokenEvery + time.Millisecond)); got != "good" {
		t.Errorf("token %q, want that the file is not read before %s have passed", got, tokenEvery)
	}
	if got := tok.get(now.Add(2 * tokenEvery)); got != "next" {
		t.Errorf("token %q, want the new one", got)
	}
}

func TestModesAndTokensThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	empty, two, long := filepath.Join(dir, "empty"), filepath.Join(dir, "two"), filepath.Join(dir, "long")
	write(t, empty, " \n")
	write(t, two, "secret-one\nsecret-two")
	write(t, long, strings.Repeat("secret", maxToken))
	tests := []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"no token", func(c *Config) { c.Token = "" }, "ENNEO_TOKEN or ENNEO_TOKEN_FILE"},
		{"two tokens", func(c *Config) { c.TokenFile = two }, "ENNEO_TOKEN or ENNEO_TOKEN_FILE"},
		{"no file", func(c *Config) { c.Token, c.TokenFile = "", filepath.Join(dir, "none") }, "ENNEO_TOKEN_FILE"},
		{"an empty file", func(c *Config) { c.Token, c.TokenFile = "", empty }, "is empty"},
		{"a file of two lines", func(c *Config) { c.Token, c.TokenFile = "", two }, "on one line"},
		{"a file without end", func(c *Config) { c.Token, c.TokenFile = "", long }, "more than"},
		{"one method for both", func(c *Config) { c.PutMethod, c.DeleteMethod = http.MethodPost, http.MethodPost }, "ENNEO_DELETE_METHOD"},
		{"another method", func(c *Config) { c.DeleteMethod = http.MethodGet }, "ENNEO_DELETE_METHOD"},
		{"a refresh path with a query", func(c *Config) { c.RefreshPath = "/x?y" }, "ENNEO_REFRESH_PATH"},
		{"a body that is no JSON", func(c *Config) { c.WebhookContractBody = `{"id":"{contractId}"}` }, "ENNEO_WEBHOOK_CONTRACT_BODY"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			cfg := testConfig("https://example.enneo.ai/api/mind")
			tc.change(cfg)
			err := cfg.Validate()
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("Validate = %v, want an error that holds %q", err, tc.want)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error shows the content of the file: %v", err)
			}
		})
	}
	if err := testConfig("https://example.enneo.ai/api/mind").Validate(); err != nil {
		t.Errorf("Validate = %v for a good one", err)
	}
}
