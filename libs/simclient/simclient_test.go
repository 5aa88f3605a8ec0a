package simclient

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/key"
)

// The calls themselves are tested against the simulator, in services/simulator.

func TestHostileIDsAreValidAndDistinct(t *testing.T) {
	t.Parallel()
	seen, longest := map[string]bool{}, 0
	for _, id := range HostileIDs() {
		if !key.ValidID(id) {
			t.Errorf("%q is no valid id", id)
		}
		if seen[id] {
			t.Errorf("%q is listed twice", id)
		}
		seen[id] = true
		longest = max(longest, len([]rune(id)))
	}
	if longest != key.MaxIDLength {
		t.Errorf("the longest id has %d characters, want %d", longest, key.MaxIDLength)
	}
}

func TestOptionalIsNullWhenEmpty(t *testing.T) {
	t.Parallel()
	p := Party{Lastname: `Mül"ler`}
	encoded, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"business":false,"firstname":null,"lastname":"Mül\"ler","company":null,"email":null,"phone":null}`
	if string(encoded) != want {
		t.Errorf("encoded %s, want %s", encoded, want)
	}
	decoded := Party{Firstname: "from before"}
	if err := json.Unmarshal(encoded, &decoded); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p, decoded); diff != "" {
		t.Errorf("decoded differs (-want +got):\n%s", diff)
	}
	if err := json.Unmarshal([]byte(`{"email":1}`), &decoded); err == nil {
		t.Error("a number passes for a text")
	}
}

func TestAddressesAreWrittenAsEnneoWritesThem(t *testing.T) {
	t.Parallel()
	a := Addresses{DeliveryStreet: "Horst-Kohl-Str.", DeliveryHouseNumber: "15a", DeliveryZip: "12157", DeliveryCity: "Berlin"}
	if got := a.Delivery(); got != "Horst-Kohl-Str. 15a, 12157 Berlin" {
		t.Errorf("delivery address is %q", got)
	}
	if got := a.Billing(); got != "" {
		t.Errorf("billing address is %q, want none", got)
	}
	a.BillingStreet, a.BillingHouseNumber, a.BillingZip, a.BillingCity = "Am Markt", "1", "01067", "Dresden"
	if got := a.Billing(); got != "Am Markt 1, 01067 Dresden" {
		t.Errorf("billing address is %q", got)
	}
}

func TestQueryMatches(t *testing.T) {
	t.Parallel()
	entry := Entry{Sequence: 5, System: Enneo, Operation: "webhook", Kind: key.Contract, ID: "a", More: []Ref{{Kind: key.Customer, ID: "b"}}, Overlapped: true}
	for query, want := range map[JournalQuery]bool{
		{}: true,
		{System: Enneo, Operation: "webhook", Kind: key.Contract, ID: "a", Since: 4, Overlapped: true}: true,
		{Kind: key.Customer, ID: "b"}: true,
		{Kind: key.Customer, ID: "a"}: false,
		{Since: 5}:                    false,
		{System: Generic}:             false,
		{Operation: "put"}:            false,
		{Regression: true}:            false,
	} {
		if got := query.Matches(&entry); got != want {
			t.Errorf("%+v matches: %t, want %t", query, got, want)
		}
	}
	if (JournalQuery{Kind: key.Contract}).Matches(&Entry{Sequence: 1}) {
		t.Error("an entry about nothing matches a kind")
	}
	if diff := cmp.Diff([]Ref{{Kind: key.Contract, ID: "a"}, {Kind: key.Customer, ID: "b"}}, entry.Refs()); diff != "" {
		t.Errorf("refs differ (-want +got):\n%s", diff)
	}
	if refs := (Entry{}).Refs(); refs != nil {
		t.Errorf("an entry about nothing names %v", refs)
	}
}

func TestIDsAreEscapedInPaths(t *testing.T) {
	t.Parallel()
	paths := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		paths <- r.URL.EscapedPath()
		_, _ = w.Write([]byte("{}"))
	}))
	t.Cleanup(server.Close)
	if _, err := New(server.URL+"/", nil).Contract(t.Context(), "a/b?c d"); err != nil {
		t.Fatal(err)
	}
	if got := <-paths; got != "/control/contracts/a%2Fb%3Fc%20d" {
		t.Errorf("the path is %s", got)
	}
}

func TestClientReportsWhatTheServerSaid(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
		want   string
	}{
		"a problem":      {404, `{"detail":"there is no such fault"}`, "there is no such fault"},
		"a text":         {502, "bad gateway\n", "bad gateway"},
		"nothing":        {500, "", ""},
		"endless answer": {500, strings.Repeat("x", 1<<20), strings.Repeat("x", 4<<10)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			}))
			t.Cleanup(server.Close)
			_, err := New(server.URL, server.Client()).Summary(t.Context())
			var refused *Error
			if !errors.As(err, &refused) || refused.Status != c.status || refused.Detail != c.want {
				t.Errorf("Summary returned %v, want status %d and %q", err, c.status, c.want)
			}
		})
	}
}

func TestClientRefusesAnAnswerThatIsCutOff(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("{\"sequence\":1}\n{\"seq"))
	}))
	t.Cleanup(server.Close)
	c := New(server.URL, server.Client())
	if entries, err := c.Journal(t.Context(), JournalQuery{}); err == nil || len(entries) != 1 {
		t.Errorf("Journal returned %d entries and %v, want the first one and an error", len(entries), err)
	}
}

func FuzzDuration(f *testing.F) {
	f.Add("250ms")
	f.Add("-1h")
	f.Add("5")
	f.Fuzz(func(t *testing.T, text string) {
		var d, again Duration
		if d.UnmarshalText([]byte(text)) != nil {
			return
		}
		encoded, err := d.MarshalText()
		if err != nil || again.UnmarshalText(encoded) != nil || again != d {
			t.Errorf("%q is read as %s and written as %q", text, time.Duration(d), encoded)
		}
	})
}
