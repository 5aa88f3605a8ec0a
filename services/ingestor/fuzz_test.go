package ingestor

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"

	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/source"
)

// unconnected is an intake whose log is away, so that every request that would be accepted is answered 503.
func unconnected(f *testing.F) (*intake, *source.Source, http.Handler) {
	f.Helper()
	sources, err := source.Load(f.Context(), config.Map(environment("", nil)), source.Defaults{QuietPeriod: time.Second, MaxWait: time.Minute}, source.Need{Webhook: true})
	if err != nil {
		f.Fatal(err)
	}
	m, err := newMetrics(noop.Meter{})
	if err != nil {
		f.Fatal(err)
	}
	in := &intake{
		sources: map[string]*source.Source{}, propagator: propagation.TraceContext{}, maxBody: 1 << 16, maxEvents: 20,
		logger: slog.New(slog.DiscardHandler), metrics: m,
	}
	for _, src := range sources {
		in.sources[src.Name] = src
	}
	mux := http.NewServeMux()
	in.routes(mux)
	return in, in.sources["hooks"], mux
}

// sound checks that everything that was read can be stored: what cannot be stored would be told again for ever.
func sound(t *testing.T, in *intake, read told) {
	t.Helper()
	for _, change := range read.changes {
		if parsed, err := key.Parse(change.Key.String()); err != nil || parsed != change.Key {
			t.Errorf("the key %+v is parsed as %+v: %v", change.Key, parsed, err)
		}
		if _, err := eventlog.NewEvent(context.Background(), in.propagator, change); err != nil {
			t.Errorf("an event that was read cannot be stored: %v", err)
		}
		if len(change.SenderID) > maxSenderID {
			t.Errorf("a sender's id of %d bytes is kept", len(change.SenderID))
		}
	}
	for _, s := range read.strange {
		if s.reason == "" || s.message == "" {
			t.Error("something is kept without a reason")
		}
	}
}

func serve(t *testing.T, handler http.Handler, req *http.Request, allowed ...int) {
	t.Helper()
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, req)
	if !slices.Contains(allowed, w.Code) {
		t.Errorf("answered %d %s, want one of %v", w.Code, w.Body, allowed)
	}
	if w.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("answered %d with the type %s", w.Code, w.Header().Get("Content-Type"))
	}
}

func FuzzWebhookBody(f *testing.F) {
	in, src, handler := unconnected(f)
	for _, seed := range [][3]string{
		{typeJSON, `{"contractId":"4711","eventId":"e1","type":"t"}`, "d1"},
		{"", `[{"contracts":[{"id":1},{"id":"2"}]},{"customerId":3.5}]`, "\xff"},
		{"application/x+json", `[1,null,"\ud800",[[]]]`, strings.Repeat("x", 500)},
		{typeForm, `contractId=1&contractId=2&data=%7B%22contractId%22%3A%22F2%22%7D`, ""},
		{"text/json; charset=\"\xff\"", `{"contractId":"a.b*>\u0000"}`, ""},
	} {
		f.Add(seed[0], []byte(seed[1]), seed[2])
	}
	f.Fuzz(func(t *testing.T, contentType string, body []byte, delivery string) {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/webhooks/hooks", strings.NewReader(string(body)))
		req.Header["Content-Type"], req.Header["X-Delivery"] = []string{contentType}, []string{delivery}
		serve(t, handler, req, 400, 413, 415, 503)
		elements, err := parse(contentType, body, in.maxEvents)
		if err == nil {
			sound(t, in, read(src, elements, delivery, time.Unix(0, 0)))
		}
	})
}

func FuzzCloudEvent(f *testing.F) {
	in, src, handler := unconnected(f)
	f.Add(mediaEvent, "", "", "", "", "", []byte(`{"specversion":"1.0","id":"1","source":"s","type":"t","subject":"4711","data_base64":1}`))
	f.Add(mediaEvent, "", "", "", "", "", []byte(`{"specversion":"1.0","id":"1","source":"s","type":"t","data":{"contractId":"\ud800"}}`))
	f.Add(mediaBatch, "", "", "", "", "", []byte(`[{"specversion":"1.0","id":"1","source":"s","type":"t"},{"specversion":"1.0","id":"1","source":"s","type":"t","subject":"1"}]`))
	f.Add(typeJSON, "1.0", "1", "/s", "t", "100%25", []byte(`{"contractId":1}`))
	f.Add("", "1.0", "%C3%BC", "a b", "\xff", "", []byte(``))
	f.Fuzz(func(t *testing.T, contentType, version, id, from, kind, subject string, body []byte) {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/events/hooks", strings.NewReader(string(body)))
		for name, value := range map[string]string{
			"Content-Type": contentType, "Ce-Specversion": version, "Ce-Id": id, "Ce-Source": from, "Ce-Type": kind, "Ce-Subject": subject,
		} {
			req.Header[name] = []string{value}
		}
		serve(t, handler, req, 400, 413, 415, 503)
		found, err := eventsOf(req.Header, body, in.maxEvents)
		if err != nil {
			return
		}
		read, err := readEvents(src, found, time.Unix(0, 0))
		if err != nil {
			t.Fatalf("an event that was read cannot be kept: %v", err)
		}
		sound(t, in, read)
	})
}
