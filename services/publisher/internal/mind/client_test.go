package mind

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/fault"
	"github.com/enneo-ai/enneo-bridge/libs/key"
)

// testToken and testID must not be found in any error.
const (
	testToken = "header.payload.signature"
	testID    = "VN-4711"
)

func testConfig(base string) *Config {
	return &Config{
		BaseURL: base, Token: config.Secret(testToken), ContractPath: "/contract/{id}", CustomerPath: "/customer/{id}",
		PutMethod: http.MethodPut, DeleteMethod: http.MethodDelete, RefreshPath: "/customer/invalidateCache", Timeout: 10 * time.Second,
	}
}

// open starts a server with the handler and returns a client of it.
func open(t *testing.T, change func(*Config), handler http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	cfg := testConfig(server.URL + "/api/mind")
	if change != nil {
		change(cfg)
	}
	return New(cfg, noop.NewTracerProvider().Tracer(""))
}

func TestAnswersAreClassifiedByWhatHasToHappenNext(t *testing.T) {
	t.Parallel()
	target := func(reason string, status int) *fault.Fault {
		return &fault.Fault{Scope: fault.Target, Reason: reason, Status: status}
	}
	unknown := func(reason string, status int) *fault.Fault {
		return &fault.Fault{Scope: fault.Target, Unknown: true, Reason: reason, Status: status}
	}
	refused := func(status int, answer string) *fault.Fault {
		return &fault.Fault{Scope: fault.Key, Permanent: true, Reason: "refused", Status: status, Answer: answer}
	}
	tests := []struct {
		name   string
		status int
		header map[string]string
		body   string
		remove bool // a DELETE instead of a PUT
		want   *fault.Fault
	}{
		{name: "200 with a body", status: 200, body: `{"success":true}`},
		{name: "201 without a body", status: 201},
		{name: "204", status: 204},
		{name: "200 with a text", status: 200, body: "OK"},
		{name: "200 that says failure", status: 200, body: `{"success":false,"message":"Erika"}`, want: refused(200, "JSON object with the fields message, success")},
		{name: "200 with a web page", status: 200, body: "\n <!doctype html><p>maintenance", want: target("web_page", 200)},
		{name: "200 with the media type of a web page", status: 200, header: map[string]string{"Content-Type": "text/html; charset=utf-8"}, body: "maintenance", want: target("web_page", 200)},
		{name: "301", status: 301, header: map[string]string{"Location": "/elsewhere"}, want: target("wrong_route", 301)},
		{name: "400", status: 400, body: `{"iban":"DE1"}`, want: refused(400, "JSON object with the fields iban")},
		{name: "401", status: 401, want: target("unauthorized", 401)},
		{name: "403", status: 403, want: target("unauthorized", 403)},
		{name: "404 to a put", status: 404, body: `{"code":"contract_not_found"}`, want: target("wrong_route", 404)},
		{name: "404 of a web server to a delete", status: 404, body: "404 page not found", remove: true, want: target("wrong_route", 404)},
		{name: "404 of Enneo to a delete", status: 404, body: `{"code":"contract_not_found"}`, remove: true},
		{name: "405", status: 405, want: target("wrong_route", 405)},
		{name: "407", status: 407, want: target("unauthorized", 407)},
		{name: "408", status: 408, want: unknown("unavailable", 408)},
		{name: "409", status: 409, body: "Erika", want: refused(409, "5 bytes, not a JSON object")},
		{name: "409 that has data as names", status: 409, body: `{"erika@example.com":1,"VN-4711":2,"code":3}`, want: refused(409, "JSON object with the fields ?, code, ?")},
		{name: "413", status: 413, want: refused(413, "0 bytes, not a JSON object")},
		{name: "422", status: 422, body: `[1]`, want: refused(422, "3 bytes, not a JSON object")},
		{name: "423", status: 423, want: target("unavailable", 423)},
		{name: "425", status: 425, want: target("unavailable", 425)},
		{name: "429", status: 429, want: target("rate_limited", 429)},
		{name: "429 with seconds to wait", status: 429, header: map[string]string{"Retry-After": "7"}, want: &fault.Fault{Scope: fault.Target, Reason: "rate_limited", Status: 429, RetryAfter: 7 * time.Second}},
		{name: "500", status: 500, want: target("unavailable", 500)},
		{name: "502", status: 502, want: unknown("unavailable", 502)},
		{name: "503 with seconds to wait", status: 503, header: map[string]string{"Retry-After": "3"}, want: &fault.Fault{Scope: fault.Target, Reason: "unavailable", Status: 503, RetryAfter: 3 * time.Second}},
		{name: "504", status: 504, want: unknown("unavailable", 504)},
		{name: "599", status: 599, want: target("unavailable", 599)},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			client := open(t, nil, func(w http.ResponseWriter, _ *http.Request) {
				for name, value := range tc.header {
					w.Header().Set(name, value)
				}
				w.WriteHeader(tc.status)
				_, _ = io.WriteString(w, tc.body)
			})
			var err error
			if tc.remove {
				err = client.Delete(t.Context(), key.Contract, testID)
			} else {
				err = client.Put(t.Context(), key.Contract, testID, `{}`)
			}
			if diff := cmp.Diff(tc.want, fault.Of(err), cmpopts.IgnoreFields(fault.Fault{}, "Err")); diff != "" {
				t.Errorf("fault differs (-want +got):\n%s", diff)
			}
			quiet(t, err)
		})
	}
}

// quiet fails if an error tells a secret or personal data.
func quiet(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	for _, secret := range []string{testToken, testID, "Erika", "erika"} {
		if strings.Contains(err.Error(), secret) || strings.Contains(fault.Of(err).Answer, secret) {
			t.Errorf("error %q with the answer %q holds %q", err, fault.Of(err).Answer, secret)
		}
	}
}

func TestRequestsAreWhatEnneoDocuments(t *testing.T) {
	t.Parallel()
	type request struct{ Method, URI, Authorization, ContentType, Body string }
	const auth = "Bearer " + testToken
	tests := []struct {
		name   string
		change func(*Config)
		call   func(context.Context, *Client) error
		want   request
	}{
		{
			name: "put of a contract",
			call: func(ctx context.Context, c *Client) error { return c.Put(ctx, key.Contract, "1", `{"id":"1"}`) },
			want: request{"PUT", "/api/mind/contract/1", auth, "application/json", `{"id":"1"}`},
		},
		{
			name:   "put by another method and path",
			change: func(c *Config) { c.PutMethod, c.ContractPath = "POST", "/v2/{id}/contract" },
			call:   func(ctx context.Context, c *Client) error { return c.Put(ctx, key.Contract, "1", `{}`) },
			want:   request{"POST", "/api/mind/v2/1/contract", auth, "application/json", `{}`},
		},
		{
			name: "put of a customer",
			call: func(ctx context.Context, c *Client) error { return c.Put(ctx, key.Customer, "1", `{}`) },
			want: request{"PUT", "/api/mind/customer/1", auth, "application/json", `{}`},
		},
		{
			name: "delete of a customer",
			call: func(ctx context.Context, c *Client) error { return c.Delete(ctx, key.Customer, "1") },
			want: request{"DELETE", "/api/mind/customer/1", auth, "", ""},
		},
		{
			name:   "base URL that ends with a slash",
			change: func(c *Config) { c.BaseURL += "/" },
			call:   func(ctx context.Context, c *Client) error { return c.Delete(ctx, key.Contract, "1") },
			want:   request{"DELETE", "/api/mind/contract/1", auth, "", ""},
		},
		{
			name: "id that would leave the path",
			call: func(ctx context.Context, c *Client) error { return c.Delete(ctx, key.Contract, "../a?b#c%2F") },
			want: request{"DELETE", "/api/mind/contract/..%2Fa%3Fb%23c%252F", auth, "", ""},
		},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var got request
			client := open(t, tc.change, func(_ http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				got = request{r.Method, r.RequestURI, r.Header.Get("Authorization"), r.Header.Get("Content-Type"), string(body)}
			})
			if err := tc.call(t.Context(), client); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("request differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestIDsThatServersWalkUpOnAreNotSent(t *testing.T) {
	t.Parallel()
	for _, id := range []string{".", ".."} {
		client := open(t, nil, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("the server got %s", r.RequestURI) })
		f := fault.Of(client.Delete(t.Context(), key.Contract, id))
		if f == nil || !f.Permanent || f.Scope != fault.Key || f.Reason != "no_request" {
			t.Errorf("Delete of %q = %v, want a permanent fault of the key", id, f)
		}
	}
	client := open(t, func(c *Config) { c.ContractPath = "/contract/x{id}" }, func(http.ResponseWriter, *http.Request) {})
	if err := client.Delete(t.Context(), key.Contract, ".."); err != nil {
		t.Errorf("an id that is no whole segment: %v", err)
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the redirect was followed, with the authorization %q", r.Header.Get("Authorization"))
	}))
	t.Cleanup(elsewhere.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		client := open(t, nil, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, status) })
		f := fault.Of(client.Put(t.Context(), key.Contract, testID, `{}`))
		if f == nil || f.Status != status || f.Scope != fault.Target || f.Permanent {
			t.Errorf("fault = %v, want one of the target with status %d", f, status)
		}
	}
}

func TestRequestWithoutAnswer(t *testing.T) {
	t.Parallel()
	hangUp := func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_ = conn.Close()
		}
	}
	tests := []struct {
		name    string
		client  func(t *testing.T) *Client
		reason  string
		unknown bool
	}{
		{
			name: "nobody listens: nothing has happened",
			client: func(t *testing.T) *Client {
				t.Helper()
				server := httptest.NewServer(http.NotFoundHandler())
				server.Close()
				return New(testConfig(server.URL), noop.NewTracerProvider().Tracer(""))
			},
			reason: "network",
		},
		{
			name: "connection lost after the request", reason: "network", unknown: true,
			client: func(t *testing.T) *Client { t.Helper(); return open(t, nil, hangUp) },
		},
		{
			name: "no answer in time", reason: "timeout", unknown: true,
			client: func(t *testing.T) *Client {
				t.Helper()
				// The server sees that the client has gone once it has read the body.
				return open(t, func(c *Config) { c.Timeout = 100 * time.Millisecond }, func(_ http.ResponseWriter, r *http.Request) {
					_, _ = io.Copy(io.Discard, r.Body)
					<-r.Context().Done()
				})
			},
		},
		{
			name: "answer cut off", reason: "network", unknown: true,
			client: func(t *testing.T) *Client {
				t.Helper()
				return open(t, nil, func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Length", "100")
					_, _ = io.WriteString(w, `{"success":`)
				})
			},
		},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			err := tc.client(t).Put(t.Context(), key.Contract, testID, `{}`)
			f := fault.Of(err)
			if f == nil || f.Scope != fault.Target || f.Permanent || f.Reason != tc.reason || f.Unknown != tc.unknown {
				t.Errorf("fault = %+v, want one of the target that passes, reason %s, unknown %t", f, tc.reason, tc.unknown)
			}
			quiet(t, err)
		})
	}
}

func TestAnswerIsReadUpToALimit(t *testing.T) {
	t.Parallel()
	sent := make(chan int64, 1)
	client := open(t, nil, func(w http.ResponseWriter, _ *http.Request) {
		n, _ := io.Copy(w, io.LimitReader(endless{}, 1<<30))
		sent <- n
	})
	if err := client.Put(t.Context(), key.Contract, testID, `{}`); err != nil {
		t.Fatal(err)
	}
	// What the server got rid of beyond the limit lies in the buffers of both sides.
	if n := <-sent; n >= 1<<30 {
		t.Errorf("the server could send all %d bytes", n)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestConfigurationThatMakesNoSenseIsRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"as it should be", func(*Config) {}, ""},
		{"no scheme", func(c *Config) { c.BaseURL = "demo.enneo.ai/api/mind" }, "ENNEO_BASE_URL"},
		{"another scheme", func(c *Config) { c.BaseURL = "ftp://demo.enneo.ai" }, "ENNEO_BASE_URL"},
		{"a contract path without an id", func(c *Config) { c.ContractPath = "/contract" }, "ENNEO_CONTRACT_PATH"},
		{"a contract path with a query", func(c *Config) { c.ContractPath = "/contract?id={id}" }, "ENNEO_CONTRACT_PATH"},
		{"a customer path that does not begin with a slash", func(c *Config) { c.CustomerPath = "customer/{id}" }, "ENNEO_CUSTOMER_PATH"},
		{"a method that reads", func(c *Config) { c.PutMethod = "GET" }, "ENNEO_PUT_METHOD"},
		{"no time at all", func(c *Config) { c.Timeout = 0 }, "ENNEO_TIMEOUT"},
		{"too much time", func(c *Config) { c.Timeout = time.Hour }, "ENNEO_TIMEOUT"},
	}
	for _, tc := range tests {
		cfg := testConfig("https://demo.enneo.ai/api/mind")
		tc.change(cfg)
		switch err := cfg.Validate(); {
		case tc.want == "" && err != nil:
			t.Errorf("%s: %v", tc.name, err)
		case tc.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tc.want+": ") || strings.Contains(err.Error(), "\n")):
			t.Errorf("%s: Validate = %v, want only %s", tc.name, err, tc.want)
		}
	}
}

// FuzzJudge holds, for every answer: only a refusal of Enneo itself is permanent, a fault of the key or a success needs a
// status that says so, and nothing of the answer's values is told.
func FuzzJudge(f *testing.F) {
	f.Add(200, "application/json", "", []byte(`{"success":false,"iban":"DE1"}`), false)
	f.Add(200, "text/html", "", []byte("<html>"), false)
	f.Add(404, "application/json", "", []byte(`{}`), true)
	f.Add(429, "", "99999999999999", []byte(""), false)
	f.Add(503, "", "Fri, 31 Dec 9999 23:59:59 GMT", []byte("["), true)
	f.Add(101, "", "", []byte("\xff"), false)
	f.Fuzz(func(t *testing.T, status int, mediaType, wait string, answer []byte, remove bool) {
		if status < 100 || status > 999 {
			return // No status on the wire.
		}
		method := http.MethodPut
		if remove {
			method = http.MethodDelete
		}
		resp := &http.Response{
			StatusCode: status, Request: &http.Request{Method: method},
			Header: http.Header{"Content-Type": {mediaType}, "Retry-After": {wait}},
		}
		judged := judge(resp, remove, answer)
		got := fault.Of(judged)
		success := status >= 200 && status < 300
		if got == nil {
			if !success {
				t.Errorf("status %d counts as a success", status)
			}
			return
		}
		if got.Permanent != (got.Reason == "refused") || got.Permanent && got.Scope != fault.Key {
			t.Errorf("fault %+v is permanent without being a refusal of the key, or the other way round", got)
		}
		if got.Permanent && !success && (status < 400 || status > 499) {
			t.Errorf("status %d makes a dead letter", status)
		}
		if got.Scope == fault.Key && !got.Permanent && (!remove || status != http.StatusNotFound) {
			t.Errorf("status %d is a passing fault of the key", status)
		}
		if got.RetryAfter < 0 || got.RetryAfter > fault.MaxRetryAfter {
			t.Errorf("asks to wait %s", got.RetryAfter)
		}
		if got.Status != status || got.Reason == "" {
			t.Errorf("fault %+v does not say what happened", got)
		}
		var told struct {
			Success *bool `json:"success"`
		}
		if success && json.Unmarshal(answer, &told) == nil && told.Success != nil && *told.Success {
			t.Errorf("success is true, and yet: %v", got)
		}
	})
}

func TestDialFaultIsRecognisedInsideAChain(t *testing.T) {
	t.Parallel()
	f := networkFault(&net.OpError{Op: "dial", Err: &net.DNSError{Name: "enneo.invalid", IsTimeout: true}})
	if f.Unknown || f.Reason != "timeout" {
		t.Errorf("fault = %+v, want a known timeout", f)
	}
	if f := networkFault(&net.OpError{Op: "read", Err: io.ErrUnexpectedEOF}); !f.Unknown {
		t.Errorf("fault = %+v, want unknown", f)
	}
}
