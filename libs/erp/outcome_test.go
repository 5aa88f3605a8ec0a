package erp_test

import (
	"compress/gzip"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/erp"
	"github.com/enneo-ai/enneo-bridge/libs/fault"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
)

// answers is a handler with a fixed answer; headers are "Name: value" lines.
func answers(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for _, line := range headers {
			name, value, _ := strings.Cut(line, ": ")
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

// hijacked is a handler that writes raw bytes and closes the connection.
func hijacked(raw string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		fmt.Fprint(conn, raw)
	}
}

func gzipped(n int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		defer z.Close()
		// The client hangs up at its limit, which ends the writing.
		_, _ = z.Write([]byte(strings.Repeat(" ", n) + contract))
	}
}

func TestWhatAnERPMayDoWrong(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)
	target := func(reason string, status int) fault.Fault {
		return fault.Fault{Scope: fault.Target, Reason: reason, Status: status}
	}
	onKey := func(permanent bool, reason string, status int) fault.Fault {
		return fault.Fault{Scope: fault.Key, Permanent: permanent, Reason: reason, Status: status}
	}
	waiting := func(f fault.Fault, wait time.Duration) fault.Fault {
		f.RetryAfter = wait
		return f
	}
	for _, tc := range []struct {
		name    string
		handler http.HandlerFunc
		want    fault.Fault
	}{
		{"408", answers(408, ""), target(erp.ReasonTimeout, 408)},
		{"423", answers(423, ""), target(erp.ReasonUnavailable, 423)},
		{"425", answers(425, ""), target(erp.ReasonUnavailable, 425)},
		{"429 with seconds", answers(429, "", "Retry-After: 120"), waiting(target(erp.ReasonRateLimited, 429), 2*time.Minute)},
		{"429 with a date", answers(429, "", "Retry-After: Mon, 02 Nov 2026 12:00:30 GMT"), waiting(target(erp.ReasonRateLimited, 429), 30*time.Second)},
		{"429 with a date in the past", answers(429, "", "Retry-After: Mon, 02 Nov 2026 11:00:00 GMT"), target(erp.ReasonRateLimited, 429)},
		{"429 with nonsense", answers(429, "", "Retry-After: soon"), target(erp.ReasonRateLimited, 429)},
		{"429 with a negative wait", answers(429, "", "Retry-After: -5"), target(erp.ReasonRateLimited, 429)},
		{"429 with a wait of ages", answers(429, "", "Retry-After: 9223372036854775807"), waiting(target(erp.ReasonRateLimited, 429), fault.MaxRetryAfter)},
		{"503 with seconds", answers(503, "<html>", "Retry-After: 7"), waiting(target(erp.ReasonUnavailable, 503), 7*time.Second)},
		{"500", answers(500, `{"message":"Mustermann"}`), target(erp.ReasonUnavailable, 500)},
		{"599", answers(599, ""), target(erp.ReasonUnavailable, 599)},
		{"401", answers(401, `{}`), target(erp.ReasonUnauthorized, 401)},
		{"403", answers(403, "<html>"), target(erp.ReasonUnauthorized, 403)},
		{"407", answers(407, ""), target(erp.ReasonUnauthorized, 407)},
		{"304", answers(304, ""), target(erp.ReasonRedirect, 304)},
		{"400", answers(400, `{"message":"Mustermann"}`), onKey(true, profile.ReasonRefused, 400)},
		{"405", answers(405, ""), onKey(true, profile.ReasonRefused, 405)},
		{"422", answers(422, `{"errors":[{"field":"id"}]}`), onKey(true, profile.ReasonRefused, 422)},
		{"a page with 200", answers(200, "<html>login</html>", "Content-Type: text/html"), target(profile.ReasonNotJSON, 200)},
		{"a page with 404", answers(404, "<html>nginx</html>"), target(profile.ReasonNotJSON, 404)},
		{"a page with 422", answers(422, "<html>firewall</html>"), target(profile.ReasonNotJSON, 422)},
		{"an empty answer", answers(200, ""), target(profile.ReasonTruncated, 200)},
		{"204", answers(204, ""), target(profile.ReasonTruncated, 204)},
		{"half an answer", answers(200, contract[:30]), target(profile.ReasonTruncated, 200)},
		{"less than announced", hijacked("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + contract), target(profile.ReasonTruncated, 0)},
		{"a connection that is closed", hijacked(""), target(profile.ReasonTruncated, 0)},
		{"no HTTP", hijacked("Mustermann topsecret\r\n\r\n"), target(erp.ReasonNetwork, 0)},
		{"headers without end", hijacked("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20)), target(erp.ReasonNetwork, 0)},
		{"broken gzip", answers(200, "this is not compressed at all", "Content-Encoding: gzip"), target(erp.ReasonNetwork, 0)},
		{"a compression that was not asked for", answers(200, "\x00\x01", "Content-Encoding: br"), target(profile.ReasonNotJSON, 200)},
		{"too long", answers(200, strings.Repeat(" ", 2000)+contract), onKey(true, profile.ReasonTooLarge, 200)},
		{"too long after decompression", gzipped(100 << 20), onKey(true, profile.ReasonTooLarge, 200)},
		{"another contract", answers(200, strings.Replace(contract, `"1"`, `"2"`, 1)), onKey(false, profile.ReasonWrongID, 200)},
		{"no name", answers(200, `{"id":"1","customerId":"2","business":false}`), onKey(true, "unmappable", 200)},
		{"a redirect to another host", answers(302, "", "Location: http://localhost:1/?q=topsecret"), target(erp.ReasonRedirect, 0)},
		{"a redirect to another scheme", answers(307, "", "Location: ftp://topsecret/"), target(erp.ReasonRedirect, 0)},
		{"a redirect in a circle", answers(302, "", "Location: /contracts/1"), target(erp.ReasonRedirect, 0)},
		{"a redirect to nowhere", answers(302, ""), target(erp.ReasonRedirect, 302)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			src := newSource(t, "generic", tc.handler)
			_, err := newClient(t, src, erp.WithResponseLimit(1000), erp.WithClock(func() time.Time { return now })).Get(t.Context(), key.Contract, "1")
			checkFault(t, err, tc.want)
		})
	}
}

func checkFault(t *testing.T, err error, want fault.Fault) {
	t.Helper()
	f, ok := errors.AsType[*fault.Fault](err)
	if !ok {
		t.Fatalf("got %v, want a fault", err)
	}
	if f.Scope != want.Scope || f.Permanent != want.Permanent || f.Reason != want.Reason || f.Status != want.Status || f.RetryAfter != want.RetryAfter {
		t.Errorf("fault = %+v, want %+v", *f, want)
	}
	if f.Status != 0 && f.Answer == "" {
		t.Error("an answer, but no summary of it")
	}
	for _, hidden := range []string{secret, "Mustermann", "0123abcd", "contracts/1"} {
		if text := err.Error() + f.Answer; strings.Contains(text, hidden) {
			t.Errorf("the fault shows %s: %s", hidden, text)
		}
	}
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	src := newSource(t, "powercloud", answers(200, ""))
	server := httptest.NewServer(nil)
	server.Close()
	var err error
	if src.Host, err = url.Parse(server.URL); err != nil {
		t.Fatal(err)
	}
	src.Auth = profile.Query
	_, err = newClient(t, src).Get(t.Context(), key.Contract, "1")
	checkFault(t, err, fault.Fault{Scope: fault.Target, Reason: erp.ReasonNetwork})
}

func TestAnUntrustedCertificateIsRefused(t *testing.T) {
	t.Parallel()
	src := newSource(t, "generic", answers(200, contract))
	server := httptest.NewUnstartedServer(answers(200, contract))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	t.Cleanup(server.Close)
	var err error
	if src.Host, err = url.Parse(server.URL); err != nil {
		t.Fatal(err)
	}
	_, err = newClient(t, src).Get(t.Context(), key.Contract, "1")
	checkFault(t, err, fault.Fault{Scope: fault.Target, Reason: erp.ReasonNetwork})
}

func TestASlowERPTimesOut(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]http.HandlerFunc{
		"before the headers": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"within the body": func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, contract[:10])
			// A client that has gone already is told by the context.
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			src := newSource(t, "generic", handler)
			src.Timeout = 50 * time.Millisecond
			_, err := newClient(t, src).Get(t.Context(), key.Contract, "1")
			checkFault(t, err, fault.Fault{Scope: fault.Target, Reason: erp.ReasonTimeout})
		})
	}
}
