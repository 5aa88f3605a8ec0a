package durability_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/durability"
)

func TestAnEndpointThatIsNoneProvesNothing(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t, bustest.SyncAlways())
	js := srv.Connect(t).JetStream()
	name := srv.Name()
	varz := `{"server_name":"` + name + `","jetstream":{"config":{"sync_always":true,"sync_interval":120000000000}}}`
	answer := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }
	}
	for what, tc := range map[string]struct {
		handler http.HandlerFunc
		want    string // in the reason; "" if it proves that the server syncs
	}{
		"the right answer":  {answer(varz), ""},
		"HTML":              {answer("<!doctype html><title>nginx</title>"), "not that of /varz"},
		"empty":             {answer(""), "not that of /varz"},
		"other JSON":        {answer(`{"status":"ok"}`), "not that of /varz"},
		"wrong types":       {answer(`{"server_name":1}`), "not that of /varz"},
		"no JetStream":      {answer(`{"server_name":"` + name + `","jetstream":{}}`), "not that of /varz"},
		"trailing bytes":    {answer(varz + varz), "not that of /varz"},
		"a name with lines": {answer(strings.Replace(varz, name, `a\nb`, 1)), "not that of /varz"},
		"another server":    {answer(strings.Replace(varz, name, "other", 1)), "no monitoring endpoint tells whether " + name},
		"huge":              {answer(`{"x":"` + strings.Repeat("x", 2<<20) + `"}`), "larger than"},
		"an error":          {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, "it answers 403"},
		"a redirect to the right answer": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, srv.MonitorURL()+"/varz", http.StatusFound)
		}, "it answers 302"},
		"broken off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("{"))
		}, "cannot be reached"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			endpoint := httptest.NewServer(tc.handler)
			t.Cleanup(endpoint.Close)
			r := watch(t, js, fsync, strings.Replace(endpoint.URL, "http://", "http://user:hunter2@", 1)).report(t)
			if tc.want == "" {
				if r.Level != durability.Fsync {
					t.Errorf("the level is %v (%s), want fsync", r.Level, r.Reason)
				}
				return
			}
			if r.Level != durability.None {
				t.Errorf("the level is %v, want none", r.Level)
			}
			says(t, "the reason", r.Reason, tc.want)
			if strings.Contains(r.Reason, "hunter2") {
				t.Errorf("the reason shows the password: %s", r.Reason)
			}
		})
	}
}

func TestCredentialsOfTheEndpointAreSent(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t, bustest.SyncAlways())
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, ok := r.BasicAuth()
		if !ok || user != "user" || password != "hunter2" || r.URL.Path != "/nats/varz" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte(`{"server_name":"` + srv.Name() + `","jetstream":{"config":{"sync_always":true}}}`))
	}))
	t.Cleanup(endpoint.Close)
	url := strings.Replace(endpoint.URL, "http://", "http://user:hunter2@", 1) + "/nats"
	if r := watch(t, srv.Connect(t).JetStream(), fsync, url).report(t); r.Level != durability.Fsync {
		t.Errorf("the level is %v (%s), want fsync", r.Level, r.Reason)
	}
}

func TestAnEndpointThatIsAwayOrHangsIsGivenUp(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t, bustest.SyncAlways())
	js := srv.Connect(t).JetStream()
	// It takes connections, since the system does, and never answers.
	hanging, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = hanging.Close() })
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	for what, tc := range map[string]struct{ url, want string }{
		"hanging": {"http://" + hanging.Addr().String(), "no answer within 2s"},
		"closed":  {closed.URL, "connection refused"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := watch(t, js, fsync, tc.url)
			first := w.report(t)
			if first.Level != durability.None {
				t.Errorf("the level is %v, want none", first.Level)
			}
			says(t, "the reason", first.Reason, tc.want, strings.TrimPrefix(tc.url, "http://"))
			// The same trouble is said once.
			w.Check(t.Context())
			if got := len(w.log.all(t)); got != 1 {
				t.Errorf("the log has %d lines, want 1", got)
			}
		})
	}
	// The other endpoints count all the same.
	if r := watch(t, js, fsync, closed.URL+","+srv.MonitorURL()).report(t); r.Level != durability.Fsync {
		t.Errorf("the level is %v (%s), want fsync", r.Level, r.Reason)
	}
}
