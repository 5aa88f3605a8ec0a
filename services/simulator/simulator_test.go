package simulator

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

// fixture is a simulator behind a real server.
type fixture struct {
	t         *testing.T
	options   Options
	simulator *Simulator
	server    *httptest.Server
	control   *simclient.Client
}

func start(t *testing.T) *fixture {
	t.Helper()
	return startAt(t, time.Now)
}

func startAt(t *testing.T, now func() time.Time) *fixture {
	t.Helper()
	options := DefaultOptions()
	options.Contracts = 100
	sim := newAt(options, now)
	server := httptest.NewServer(sim.Handler())
	t.Cleanup(server.Close)
	t.Cleanup(sim.Close)
	return &fixture{t: t, options: options, simulator: sim, server: server, control: simclient.New(server.URL, server.Client())}
}

// request builds a request with the right credentials of the system that the path begins with.
func (f *fixture) request(method, path, body string) *http.Request {
	f.t.Helper()
	request, err := http.NewRequestWithContext(f.t.Context(), method, f.server.URL+path, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	switch system, _, _ := strings.Cut(path[1:], "/"); system {
	case simclient.Powercloud:
		request.SetBasicAuth("client#"+f.options.PowercloudUser, f.options.PowercloudPassword.Reveal())
	case simclient.LynqTech:
		request.Header.Set("X-Api-Key", f.options.LynqTechKey.Reveal())
	case simclient.Generic:
		request.Header.Set("Authorization", "Bearer "+f.options.GenericToken.Reveal())
	case simclient.Enneo:
		request.Header.Set("Authorization", "Bearer "+f.options.EnneoToken.Reveal())
	}
	return request
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// send returns the answer or what went wrong with the connection.
func (f *fixture) send(request *http.Request) (answer, error) {
	response, err := f.server.Client().Do(request)
	if err != nil {
		return answer{}, err
	}
	return read(response)
}

// read reads an answer and closes its body.
func read(response *http.Response) (answer, error) {
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, body}, err
}

// call sends a request that must be answered.
func (f *fixture) call(method, path, body string) answer {
	f.t.Helper()
	got, err := f.send(f.request(method, path, body))
	if err != nil {
		f.t.Fatalf("%s %s: %v", method, path, err)
	}
	return got
}

// object decodes a body.
func (a answer) object(t *testing.T) map[string]any {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(a.body))
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err != nil {
		t.Fatalf("body %q: %v", a.body, err)
	}
	return object
}

// at walks down an object.
func at(t *testing.T, value any, names ...string) any {
	t.Helper()
	for _, name := range names {
		object, ok := value.(map[string]any)
		if !ok {
			t.Fatalf("%v has no %s", value, name)
		}
		value = object[name]
	}
	return value
}

// fault adds a rule.
func (f *fixture) fault(fault simclient.Fault) simclient.Fault {
	f.t.Helper()
	added, err := f.control.AddFault(f.t.Context(), fault)
	if err != nil {
		f.t.Fatal(err)
	}
	return added
}

// journal returns the entries that the query selects.
func (f *fixture) journal(query simclient.JournalQuery) []simclient.Entry {
	f.t.Helper()
	entries, err := f.control.Journal(f.t.Context(), query)
	if err != nil {
		f.t.Fatal(err)
	}
	return entries
}

// one returns the only entry that the query selects.
func (f *fixture) one(query simclient.JournalQuery) simclient.Entry {
	f.t.Helper()
	entries := f.journal(query)
	if len(entries) != 1 {
		f.t.Fatalf("the journal has %d entries for %+v, want 1", len(entries), query)
	}
	return entries[0]
}

// change gives a contract a new status and returns its revision.
func (f *fixture) change(id string, status int) int64 {
	f.t.Helper()
	revisions, err := f.control.Change(f.t.Context(), simclient.Change{Contracts: []string{id}, StatusID: status})
	if err != nil {
		f.t.Fatal(err)
	}
	return revisions[0].Revision
}

// Paths of the simulated ERPs.
func (f *fixture) powercloud(method, id string) string {
	return "/powercloud/rest:client/" + f.options.PowercloudHash + "/" + method + "?id=" + url.QueryEscape(id)
}

func lynqtechPath(kind, id string) string { return "/lynqtech/v1/" + kind + "/" + url.PathEscape(id) }
func genericPath(kind, id string) string  { return "/generic/" + kind + "s/" + url.PathEscape(id) }
func enneoPath(kind, id string) string    { return "/enneo/api/mind/" + kind + "/" + url.PathEscape(id) }

// contractBody is a contract as Enneo takes it; more are further properties.
func contractBody(id, more string) string {
	encoded, _ := json.Marshal(id)
	return `{"id":` + string(encoded) + `,"customerId":"K-1","business":false,"lastname":"Müller","company":null` + more + `}`
}

func BenchmarkReadAndWrite(b *testing.B) {
	options := DefaultOptions()
	sim := New(options)
	server := httptest.NewServer(sim.Handler())
	b.Cleanup(server.Close)
	b.Cleanup(sim.Close)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	send := func(method, path, token, body string) {
		request, err := http.NewRequestWithContext(b.Context(), method, server.URL+path, strings.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
		response, err := client.Do(request)
		if err != nil {
			b.Error(err)
			return
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil || response.StatusCode >= 300 || response.Body.Close() != nil {
			b.Errorf("%s %s is answered %d, %v", method, path, response.StatusCode, err)
		}
	}
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			send(http.MethodGet, genericPath("contract", "VN-100001"), options.GenericToken.Reveal(), "")
			send(http.MethodPut, enneoPath("contract", "VN-100001"), options.EnneoToken.Reveal(), contractBody("VN-100001", ""))
		}
	})
}
