package enricher

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/deadletter"
	"github.com/enneo-ai/enneo-bridge/libs/erp"
	"github.com/enneo-ai/enneo-bridge/libs/fault"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
	"github.com/enneo-ai/enneo-bridge/libs/retry"
	"github.com/enneo-ai/enneo-bridge/libs/source"
)

// disturbance is an ERP that answers one contract as it should not until it is mended, and the others as it should.
type disturbance struct {
	wrong  http.HandlerFunc
	id     string
	mended atomic.Bool
	asked  atomic.Int64
}

func (d *disturbance) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	id := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	if id == d.id {
		d.asked.Add(1)
		if !d.mended.Load() {
			d.wrong(rw, r)
			return
		}
	}
	fmt.Fprint(rw, wellFormed(id))
}

func wellFormed(id string) string {
	return fmt.Sprintf(`{"id":%q,"customerId":"C-1","business":false,"lastname":"Musterfrau","company":null}`, id)
}

// says answers with a status, a body and headers of the form "Name: value".
func says(status int, body string, headers ...string) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) {
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			rw.Header().Set(name, value)
		}
		rw.WriteHeader(status)
		fmt.Fprint(rw, body)
	}
}

// raw writes bytes instead of an answer, and closes the connection.
func raw(text string) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(rw).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = conn.Write([]byte(text)) // Whoever asked may be gone.
		_ = conn.Close()
	}
}

func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// drip sends the answer so slowly that it never ends.
func drip(rw http.ResponseWriter, r *http.Request) {
	for {
		select {
		case <-r.Context().Done():
			return
		case <-time.After(20 * time.Millisecond):
			fmt.Fprint(rw, " ")
			_ = http.NewResponseController(rw).Flush()
		}
	}
}

// bomb is a small answer that becomes a hundred megabytes.
func bomb(t *testing.T) http.HandlerFunc {
	t.Helper()
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	blanks := bytes.Repeat([]byte(" "), 1<<20)
	for range 100 {
		_, _ = zip.Write(blanks) // A buffer takes everything.
	}
	_ = zip.Close()
	return says(http.StatusOK, packed.String(), "Content-Encoding: gzip")
}

// TestWhateverAnERPDoesWrongPassesOrIsSaid is the table of what an ERP may do wrong, and of what becomes of the contract that
// was asked for: it is asked for again until the ERP is mended, or becomes a dead letter that says why, and a healthy ERP's
// answer is stored in the end either way.
func TestWhateverAnERPDoesWrongPassesOrIsSaid(t *testing.T) {
	t.Parallel()
	const (
		retried = false
		dies    = true
	)
	internal := httptest.NewServer(says(http.StatusOK, wellFormed("VN-1")))
	t.Cleanup(internal.Close)
	for _, tc := range []struct {
		name   string
		wrong  http.HandlerFunc
		dies   bool
		reason string
	}{
		{"it hangs", hang, retried, erp.ReasonTimeout},
		{"it is slower than the timeout", drip, retried, erp.ReasonTimeout},
		{"it closes the connection", raw(""), retried, profile.ReasonTruncated},
		{"it speaks no HTTP", raw("220 mail.example.org ESMTP\r\n\r\n"), retried, erp.ReasonNetwork},
		{"it truncates the body", says(200, wellFormed("VN-1")[:40]), retried, profile.ReasonTruncated},
		{"it sends less than it announces", raw("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + wellFormed("VN-1")), retried, profile.ReasonTruncated},
		{"it answers with nothing", says(200, ""), retried, profile.ReasonTruncated},
		{"it answers 200 with a web page", says(200, "<html>Wartung</html>", "Content-Type: text/html"), retried, profile.ReasonNotJSON},
		{"it answers 404 with a web page", says(404, "<html>nginx</html>", "Content-Type: text/html"), retried, profile.ReasonNotJSON},
		{"it answers 500 with a web page", says(500, "<html>Fehler</html>"), retried, erp.ReasonUnavailable},
		{"it answers 503", says(503, ""), retried, erp.ReasonUnavailable},
		{"it answers 429", says(429, ""), retried, erp.ReasonRateLimited},
		{"it answers 429 and names seconds", says(429, "", "Retry-After: 1"), retried, erp.ReasonRateLimited},
		{"it refuses the key of the API", says(401, `{}`), retried, erp.ReasonUnauthorized},
		{"it forbids", says(403, `{}`), retried, erp.ReasonUnauthorized},
		{"it redirects to an internal host", says(302, "", "Location: "+internal.URL+"/contracts/VN-1"), retried, erp.ReasonRedirect},
		{"it redirects to a cloud's metadata", says(302, "", "Location: http://169.254.169.254/latest/meta-data"), retried, erp.ReasonRedirect},
		{"it redirects to itself for ever", says(302, "", "Location: /contracts/VN-1"), retried, erp.ReasonRedirect},
		{"it says failure with 200", says(200, `{"success":false,"error":"database locked"}`), retried, profile.ReasonUnsuccessful},
		{"it answers with another contract", says(200, wellFormed("VN-2")), retried, profile.ReasonWrongID},
		{"it says that it does not like the request", says(422, `{"error":"id"}`), dies, profile.ReasonRefused},
		{"it leaves out the name", says(200, `{"id":"VN-1","customerId":"C-1","business":false}`), dies, "unmappable"},
		{"its answer is longer than the limit", says(200, strings.Repeat(" ", 1<<20)+wellFormed("VN-1")), dies, profile.ReasonTooLarge},
		{"its answer is a bomb of zeros", bomb(t), dies, profile.ReasonTooLarge},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			d := &disturbance{wrong: tc.wrong, id: "VN-1"}
			timeout := 30 * time.Second
			if tc.reason == erp.ReasonTimeout {
				timeout = 300 * time.Millisecond
			}
			noted := &noting{Reader: disturbed(t, d, timeout)}
			e := w.replica(func(e *enricher) {
				// Slow enough for the ERP to be mended before the attempts end, however slow this machine is.
				e.reader, e.retries = noted, retry.New(200*time.Millisecond, time.Minute)
			})
			k, healthy := contract("VN-1"), contract("VN-9")
			p := w.change(k)
			bustest.Eventually(t, "the contract was asked for and will be again", func() bool { return e.retries.Attempts(k) > 0 })
			w.readyFor(healthy, w.change(healthy))
			if tc.dies {
				bustest.Eventually(t, "there is a dead letter", func() bool { return w.messages(bus.StreamDead, "") == 1 })
				letter, err := w.dead.Get(t.Context(), deadletter.StageEnrich, k)
				w.must(err)
				if letter.GetReason() != tc.reason || letter.GetMessage() == "" || letter.GetAnswer() == "" {
					t.Errorf("the dead letter gives reason %q, message %q, answer %q; want reason %q and words", letter.GetReason(), letter.GetMessage(), letter.GetAnswer(), tc.reason)
				}
				w.idle()
			} else if n := w.messages(bus.StreamDead, ""); n != 0 {
				t.Errorf("%d dead letters, want none", n)
			}
			if w.ready(k) != nil {
				t.Error("what the erp did wrong was passed on")
			}
			if reason, _ := noted.reason.Load().(string); reason != tc.reason {
				t.Errorf("the read failed with reason %q, want %q", reason, tc.reason)
			}
			d.mended.Store(true)
			if tc.dies {
				p = w.change(k)
			}
			w.readyFor(k, p)
			w.idle()
			if body := w.snapshot(k).GetBody(); !strings.Contains(body, `"id":"VN-1"`) {
				t.Errorf("stored in the end: %s", body)
			}
		})
	}
}

// noting remembers why a read failed last.
type noting struct {
	Reader

	reason atomic.Value
}

func (n *noting) Get(ctx context.Context, kind key.Kind, id string) (profile.Mapped, error) {
	mapped, err := n.Reader.Get(ctx, kind, id)
	if f := fault.Of(err); f != nil {
		n.reason.Store(f.Reason)
	}
	return mapped, err
}

// disturbed reads in the ERP d.
func disturbed(t *testing.T, d *disturbance, timeout time.Duration) *erp.Client {
	t.Helper()
	server := httptest.NewServer(d)
	t.Cleanup(server.Close)
	host, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	p, err := profile.Load("testdata/lying.yaml")
	if err != nil {
		t.Fatal(err)
	}
	client := erp.New(&source.Source{
		Name: testSource, Profile: p, Host: host, Auth: p.Auth().Default, APIKey: "misbehaviour-key", Concurrency: testWorkers, Timeout: timeout,
	}, erp.WithResponseLimit(1<<20))
	t.Cleanup(client.CloseIdle)
	return client
}
