package httpx_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/enneo-ai/enneo-bridge/libs/httpx"
	"github.com/enneo-ai/enneo-bridge/libs/telemetry"
)

func TestProblemIsRFC9457(t *testing.T) {
	t.Parallel()
	ctx := oteltrace.ContextWithSpanContext(t.Context(), oteltrace.NewSpanContext(oteltrace.SpanContextConfig{
		TraceID: oteltrace.TraceID{1}, SpanID: oteltrace.SpanID{2},
	}))
	w := httptest.NewRecorder()
	w.Header().Set("Content-Length", "3")
	w.Header().Set("Content-Encoding", "gzip")
	w.Header().Set("Retry-After", "5")
	httpx.Problem(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", http.NoBody),
		http.StatusServiceUnavailable, "log-away", "Log unavailable", `The "log" is away.`)
	res := w.Result()
	if res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("status %d, want 503", res.StatusCode)
	}
	wantHeader := http.Header{
		"Content-Type": {"application/problem+json"}, "Cache-Control": {"no-store"},
		"X-Content-Type-Options": {"nosniff"}, "Retry-After": {"5"},
	}
	if diff := cmp.Diff(wantHeader, res.Header); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
	want := map[string]any{
		"type": "urn:enneo-bridge:problem:log-away", "title": "Log unavailable", "status": 503.0,
		"detail": `The "log" is away.`, "trace_id": "01000000000000000000000000000000",
	}
	if diff := cmp.Diff(want, decode(t, w.Body)); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
}

func decode(t *testing.T, r io.Reader) map[string]any {
	t.Helper()
	var members map[string]any
	if err := json.NewDecoder(r).Decode(&members); err != nil {
		t.Fatalf("decode: %v", err)
	}
	return members
}

func TestRecoverAnswersPanicsWithAProblem(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]http.HandlerFunc{
		"at once":                func(http.ResponseWriter, *http.Request) { panic("boom") },
		"after headers were set": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "1"); panic("boom") },
		"after an interim answer": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			panic("boom")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			server := httptest.NewServer(httpx.Recover(slog.New(slog.NewJSONHandler(&log, nil)), handler))
			defer server.Close()
			res := get(t, server.URL)
			defer func() { _ = res.Body.Close() }()
			if got := res.Header.Get("Content-Type"); res.StatusCode != http.StatusInternalServerError || got != "application/problem+json" {
				t.Errorf("answer %d %s, want a problem with status 500", res.StatusCode, got)
			}
			if got := decode(t, res.Body)["type"]; got != "urn:enneo-bridge:problem:internal" {
				t.Errorf("type %v, want urn:enneo-bridge:problem:internal", got)
			}
			line := decode(t, &log)
			stack, _ := line["stack"].(string)
			if line["msg"] != "handler panicked" || line["panic"] != "boom" || !strings.Contains(stack, "answer_test.go") {
				t.Errorf("log line %v, want the panic and the place where it happened", line)
			}
		})
	}
}

func TestRecoverBreaksAnAnswerThatHasBegun(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]http.HandlerFunc{
		"written": func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "half"); panic("boom") },
		"header":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK); panic("boom") },
		"flushed": func(w http.ResponseWriter, _ *http.Request) { _ = http.NewResponseController(w).Flush(); panic("boom") },
		"copied": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.Copy(w, strings.NewReader("half"))
			panic("boom")
		},
		"aborted": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			var passed any
			recovered := httpx.Recover(slog.New(slog.NewJSONHandler(&log, nil)), handler)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				defer func() { passed = recover(); panic(passed) }()
				recovered.ServeHTTP(w, r)
			}))
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			if res, err := server.Client().Do(req); err == nil {
				if _, err := io.ReadAll(res.Body); err == nil {
					t.Errorf("the client took the answer %s for complete", res.Status)
				}
				_ = res.Body.Close()
			}
			server.Close()
			if err, ok := passed.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
				t.Errorf("net/http was told %v, want http.ErrAbortHandler", passed)
			}
			if logged, want := log.Len() > 0, name != "aborted"; logged != want {
				t.Errorf("logged: %v, want %v: %s", logged, want, log.String())
			}
		})
	}
}

func get(t *testing.T, url string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "made-up.example"
	req.Header.Set("User-Agent", "agent-of-nobody")
	req.Header.Set("X-Forwarded-For", "forwarded-for-nobody")
	req.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("get: %v", err)
	}
	return res
}

func TestInstrumentShowsThePatternAndNeitherPathNorHeaders(t *testing.T) {
	t.Parallel()
	tel, err := telemetry.New(t.Context(), telemetry.Options{Service: "ingestor", LogWriter: io.Discard})
	if err != nil {
		t.Fatalf("telemetry: %v", err)
	}
	spans := tracetest.NewInMemoryExporter()
	provider := trace.NewTracerProvider(trace.WithSyncer(spans))
	tel.TracerProvider = provider

	mux := http.NewServeMux()
	mux.HandleFunc("POST /other", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /webhooks/{source}/{secret}", func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, r.Host, r.PathValue("secret"), r.URL.Query().Get("name"), r.RequestURI, r.UserAgent(), r.Header.Get("X-Forwarded-For"))
	})
	server := httptest.NewServer(httpx.Instrument(tel, "ingestor", httpx.Recover(discard, mux)))
	defer server.Close()
	res := get(t, server.URL+"/webhooks/erp/hunter2?name=Erika")
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if want := "made-up.examplehunter2Erika/webhooks/erp/hunter2?name=Erikaagent-of-nobodyforwarded-for-nobody"; string(body) != want {
		t.Errorf("the handler saw %q, want %q", body, want)
	}

	// The span ends after the answer has been sent.
	server.Close()
	recorded := spans.GetSpans()
	if len(recorded) != 1 || recorded[0].Name != "GET /webhooks/{source}/{secret}" {
		t.Fatalf("spans %v, want one named after the pattern", recorded)
	}
	if parent := recorded[0].Parent.TraceID().String(); parent != "0af7651916cd43dd8448eb211c80319c" {
		t.Errorf("the span belongs to the trace %s, want the sender's", parent)
	}
	families, err := tel.Registry.Gather()
	if err != nil {
		t.Fatalf("Gather: %v", err)
	}
	shown := fmt.Sprint(recorded[0].Attributes, families)
	for _, secret := range []string{"hunter2", "Erika", "made-up", "nobody"} {
		if strings.Contains(shown, secret) {
			t.Errorf("telemetry shows %q: %s", secret, shown)
		}
	}
	for _, want := range []string{"http_server_request_duration_seconds", "/webhooks/{source}/{secret}"} {
		if !strings.Contains(shown, want) {
			t.Errorf("telemetry does not show %q: %s", want, shown)
		}
	}
}
