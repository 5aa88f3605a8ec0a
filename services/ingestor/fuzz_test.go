package ingestor

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/source"
)

// unconnected is an intake whose log is away, so that every request that would be accepted is answered 503.
func unconnected(t testing.TB, changes map[string]string, trusted ...string) (*intake, http.Handler) {
	t.Helper()
	sources, err := source.Load(t.Context(), config.Map(environment("", changes)), source.Defaults{QuietPeriod: time.Second, MaxWait: time.Minute}, source.Need{Webhook: true})
	if err != nil {
		t.Fatal(err)
	}
	networks, errs := source.ParseNetworks(trusted)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	m, err := newMetrics(noop.Meter{})
	if err != nil {
		t.Fatal(err)
	}
	in := &intake{
		propagator: propagation.TraceContext{}, tracer: tracenoop.NewTracerProvider().Tracer(""), maxBody: 1 << 16, maxEvents: 20,
		logger: slog.New(slog.DiscardHandler), metrics: m,
	}
	in.guard(t.Context(), sources, networks)
	mux := http.NewServeMux()
	in.routes(mux)
	return in, mux
}

// sound checks that everything that was read can be stored: what cannot be stored would be told again for ever.
// What is kept must be as strange to the same profile when it is read again, or it would be replayed for nothing.
func sound(t *testing.T, in *intake, src *source.Source, read told) {
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
		if changes, err := Reread(src, s.mediaType, s.raw, time.Unix(0, 0)); !errors.Is(err, ErrStillStrange) || !strings.HasSuffix(err.Error(), s.message) {
			t.Errorf("%q of type %s was kept as %q; read again it is %v with %d changes", s.raw, s.mediaType, s.message, err, len(changes))
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
	in, handler := unconnected(f, nil)
	src := in.guards["hooks"].src
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
			sound(t, in, src, read(src, elements, delivery, time.Unix(0, 0)))
		}
	})
}

func FuzzCloudEvent(f *testing.F) {
	in, handler := unconnected(f, nil)
	src := in.guards["hooks"].src
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
		sound(t, in, src, read)
	})
}

func FuzzForwardedFor(f *testing.F) {
	trusted := proxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	f.Add("10.0.0.1:80", "192.0.2.7", "10.0.0.2, 10.0.0.3")
	f.Add("[2001:db8::1%eth0]:80", "junk", "[2001:db8::2]:443,, \"x\"")
	f.Add("@", "::ffff:10.0.0.1", "::ffff:192.0.2.7")
	f.Fuzz(func(t *testing.T, peer, first, second string) {
		r := &http.Request{RemoteAddr: peer, Header: http.Header{"X-Forwarded-For": {first, second}}}
		address, known := trusted.client(r)
		if known && !address.IsValid() || address.Is4In6() || address.Zone() != "" {
			t.Errorf("the address %v (known: %t) does not compare with a list", address, known)
		}
		// What an untrusted sender writes must not matter, whatever it is.
		for _, last := range []string{"192.0.2.7", "::ffff:192.0.2.7", "[192.0.2.7]", "192.0.2.7:80"} {
			r = &http.Request{RemoteAddr: "10.0.0.1:80", Header: http.Header{"X-Forwarded-For": {first, second + "," + last}}}
			if address, known := trusted.client(r); !known || address.String() != "192.0.2.7" {
				t.Errorf("before %q the sender changed its address to %v (known: %t)", last, address, known)
			}
		}
		clientOf(address)
	})
}

func FuzzSignature(f *testing.F) {
	key := bytes.Repeat([]byte{1}, 32)
	f.Add("msg_1", "1614265330", "v1,AAAA v1a,BBBB v1,", []byte("{}"))
	f.Add("a.1", "-1", "v1", []byte(""))
	f.Add("\xff", "9223372036854775807", strings.Repeat("v1,A ", 17), []byte("\x00"))
	f.Fuzz(func(t *testing.T, id, timestamp, signatures string, body []byte) {
		header := http.Header{headerWebhookID: {id}, headerWebhookTimestamp: {timestamp}, headerWebhookSignature: {signatures}}
		s, why := readSignature(header)
		if why != "" {
			return
		}
		if len(s.macs) == 0 || len(s.macs) > maxSignatures || s.id == "" {
			t.Errorf("read %+v, which can be no signature", s)
		}
		if s.by(key, body) == 1 {
			t.Error("a signature was made without the key")
		}
		right := sign(key, id, timestamp, body)
		header.Set(headerWebhookSignature, right)
		if s, why := readSignature(header); why != "" || s.by(key, body) != 1 || s.by(key, append(body, 'x')) != 0 {
			t.Errorf("the right signature is %q, or holds for another body", why)
		}
	})
}
