package ingestor

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/enneo-ai/enneo-bridge/libs/app"
	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/config"
)

func startNATS(t testing.TB) *bustest.Server {
	t.Helper()
	return bustest.Start(t)
}

// unavailable checks that the answer is the one that every sender repeats, and that it came quickly.
func unavailable(t *testing.T, a answer, took time.Duration) {
	t.Helper()
	if p := a.problem(t); a.status != http.StatusServiceUnavailable || p.Type != "urn:enneo-bridge:problem:log-unavailable" {
		t.Errorf("answered %d with %+v, want 503", a.status, p)
	}
	if got := a.header.Get("Retry-After"); got != "5" {
		t.Errorf("Retry-After is %q, want 5", got)
	}
	if limit := 4 * time.Second; took > limit {
		t.Errorf("the answer took %s, want less than the %s after which a publish is given up", took, limit)
	}
}

// requests are one of each kind that needs the log.
func requests(t *testing.T, s *service) map[string]func() answer {
	t.Helper()
	return map[string]func() answer{
		"webhook": func() answer { return s.post(t, "/webhooks/acme", typeJSON, `{"contractId":"4711","eventId":"e1"}`) },
		"event": func() answer {
			return s.post(t, "/events/acme", mediaEvent, `{"specversion":"1.0","id":"1","source":"s","type":"t","subject":"4711"}`)
		},
		"dead letter": func() answer { return s.post(t, "/webhooks/acme", typeJSON, `{"odd":"one"}`) },
	}
}

func (s *service) ready(t *testing.T) bool {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.admin+"/readyz", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	return send(t, req).status == http.StatusOK
}

func TestANewProcessIsReadyOnceItHasTheLog(t *testing.T) {
	t.Parallel()
	server := startNATS(t)
	server.Stop(t)
	s := begin(t, environment(server.URL(), map[string]string{"INGEST_START_WAIT": "1h"}), Run)
	if s.ready(t) {
		t.Error("it is ready without the log: requests would be answered 503 here, and 202 by the processes before it")
	}
	server.Run(t)
	bustest.Eventually(t, "it is ready", func() bool { return s.ready(t) })
	server.Stop(t)
	if a := s.post(t, "/webhooks/acme", typeJSON, `{"contractId":"4711"}`); a.status != http.StatusServiceUnavailable || !s.ready(t) {
		t.Errorf("with the log away again it answers %d, ready: %t, want 503 and ready", a.status, s.ready(t))
	}
}

func TestWithoutNATSTheAnswerIs503AndHealsByItself(t *testing.T) {
	t.Parallel()
	for name, begun := range map[string]func(*testing.T) (*service, *bustest.Server){
		"stopped meanwhile": func(t *testing.T) (*service, *bustest.Server) {
			t.Helper()
			s, server := start(t, nil)
			server.Stop(t)
			return s, server
		},
		"never there": func(t *testing.T) (*service, *bustest.Server) {
			t.Helper()
			server := startNATS(t)
			server.Stop(t)
			return begin(t, environment(server.URL(), map[string]string{"INGEST_START_WAIT": "0s"}), Run), server
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, server := begun(t)
			for kind, request := range requests(t, s) {
				began := time.Now()
				a := request()
				unavailable(t, a, time.Since(began))
				if !s.ready(t) {
					t.Errorf("%s: the service left the rotation: nobody would answer 503", kind)
				}
			}
			if a := s.post(t, "/webhooks/acme", typeJSON, `{`); a.status != 400 {
				t.Errorf("a malformed body is answered %d, want 400 with or without the log", a.status)
			}
			server.Run(t)
			for kind, request := range requests(t, s) {
				bustest.Eventually(t, "the same "+kind+" is accepted", func() bool {
					a := request()
					if a.status != http.StatusAccepted && a.status != http.StatusServiceUnavailable {
						t.Fatalf("%s: answered %d %s, want 202 or 503", kind, a.status, a.body)
					}
					return a.status == http.StatusAccepted
				})
			}
			if got := len(events(t, server.Connect(t))); got != 2 {
				t.Errorf("the log has %d events, want the 2 that were told until they were accepted", got)
			}
		})
	}
}

func TestAFullLogIsAnswered503UntilThereIsRoom(t *testing.T) {
	t.Parallel()
	s, server := start(t, map[string]string{"EVENTS_MAX_BYTES": "4000"})
	b := server.Connect(t)
	limit := func(bytes int64) {
		t.Helper()
		stream, err := b.JetStream().Stream(calm(t), bus.StreamEvents)
		if err != nil {
			t.Fatal(err)
		}
		cfg := stream.CachedInfo().Config
		cfg.MaxBytes = bytes
		if _, err := b.JetStream().UpdateStream(calm(t), cfg); err != nil {
			t.Fatal(err)
		}
	}
	limit(4000) // Connecting has set it to the default of the test.
	accepted, full := 0, answer{}
	for i := 0; full.status == 0; i++ {
		began := time.Now()
		switch a := s.post(t, "/webhooks/acme", typeJSON, fmt.Sprintf(`{"contractId":"%d"}`, i)); {
		case a.status == http.StatusAccepted && i < 100:
			accepted++
		default:
			full = a
			unavailable(t, a, time.Since(began))
		}
	}
	if got := len(events(t, b)); got != accepted || accepted == 0 {
		t.Errorf("the log has %d events, want the %d accepted ones: a full log drops nothing", got, accepted)
	}
	// Some of a request fits and some does not: all of it is told again, and what was stored already changes nothing.
	limit(int64(4000 + 600))
	many := `{"contractIds":["a","b","c","d","e"],"eventId":"e1"}`
	began := time.Now()
	unavailable(t, s.post(t, "/webhooks/acme", typeJSON, many), time.Since(began))
	limit(1 << 20)
	r := s.post(t, "/webhooks/acme", typeJSON, many).receipt(t)
	if r.Accepted == 0 || r.Duplicates == 0 || r.Accepted+r.Duplicates != 5 {
		t.Errorf("receipt %+v, want 5 events, of which the first attempt stored some", r)
	}
	if got := len(events(t, b)); got != accepted+5 {
		t.Errorf("the log has %d events, want %d", got, accepted+5)
	}
}

func TestALogThatVanishedIsAnswered503(t *testing.T) {
	t.Parallel()
	s, server := start(t, nil)
	if err := server.Connect(t).JetStream().DeleteStream(calm(t), bus.StreamEvents); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	unavailable(t, s.post(t, "/webhooks/acme", typeJSON, `{"contractId":"4711"}`), time.Since(began))
}

func TestIdenticalWebhooksAtOnceHaveOneEffect(t *testing.T) {
	t.Parallel()
	s, server := start(t, nil)
	const senders = 20
	var accepted, duplicates atomic.Int64
	var all sync.WaitGroup
	for range senders {
		all.Go(func() {
			a := s.post(t, "/webhooks/acme", typeJSON, `{"contractId":"4711","eventId":"e1"}`)
			if a.status != http.StatusAccepted {
				t.Errorf("answered %d %s", a.status, a.body)
				return
			}
			r := a.receipt(t)
			accepted.Add(int64(r.Accepted))
			duplicates.Add(int64(r.Duplicates))
		})
	}
	all.Wait()
	if accepted.Load() != 1 || duplicates.Load() != senders-1 {
		t.Errorf("accepted %d, duplicates %d, want 1 and %d", accepted.Load(), duplicates.Load(), senders-1)
	}
	if got := len(events(t, server.Connect(t))); got != 1 {
		t.Errorf("the log has %d events, want 1", got)
	}
}

func TestAThousandWebhooksAtOnceForOneContractAreAccepted(t *testing.T) {
	t.Parallel()
	s, server := start(t, nil)
	const senders = 1000
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	var all sync.WaitGroup
	for i := range senders {
		all.Go(func() {
			body := strings.NewReader(fmt.Sprintf(`{"contractId":"4711","n":%d}`, i))
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/webhooks/acme", body)
			if err != nil {
				t.Error(err)
				return
			}
			res, err := client.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = res.Body.Close() }()
			if res.StatusCode != http.StatusAccepted {
				t.Errorf("answered %s", res.Status)
			}
		})
	}
	all.Wait()
	stream, err := server.Connect(t).JetStream().Stream(calm(t), bus.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	info, err := stream.Info(calm(t), jetstream.WithSubjectFilter("erp.event.acme.contract.4711"))
	if err != nil {
		t.Fatal(err)
	}
	if got := info.State.Subjects["erp.event.acme.contract.4711"]; got != senders {
		t.Errorf("the log has %d events of the contract, want %d", got, senders)
	}
}

func TestRequestsInFlightAreAnsweredAtTheEnd(t *testing.T) {
	t.Parallel()
	s, server := start(t, nil)
	begun := make(chan struct{})
	body, rest := io.Pipe()
	trace := &httptrace.ClientTrace{Got100Continue: func() { close(begun) }}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodPost, s.url+"/webhooks/acme", body)
	if err != nil {
		t.Fatal(err)
	}
	// The server asks for the body as soon as the handler reads it.
	req.Header.Set("Expect", "100-continue")
	client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: patience}}
	answered := make(chan string, 1)
	go func() {
		res, err := client.Do(req)
		if err != nil {
			answered <- err.Error()
			return
		}
		defer func() { _ = res.Body.Close() }()
		text, _ := io.ReadAll(res.Body)
		answered <- fmt.Sprint(res.StatusCode, " ", string(text[:min(13, len(text))]))
	}()
	<-begun
	s.stop()
	bustest.Eventually(t, "the service leaves the rotation", func() bool { return !s.ready(t) })
	if _, err := io.WriteString(rest, `{"contractId":"4711"}`); err != nil {
		t.Fatal(err)
	}
	if err := rest.Close(); err != nil {
		t.Fatal(err)
	}
	if got, want := <-answered, `202 {"accepted":1`; got != want {
		t.Errorf("the request in flight was answered %s, want %s", got, want)
	}
	if got := keysOf(events(t, server.Connect(t))); len(got) != 1 {
		t.Errorf("the log has %v, want the one event", got)
	}
}

func TestTheTraceOfARequestGoesOnInItsEvents(t *testing.T) {
	t.Parallel()
	const traceID, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	for name, tc := range map[string]struct {
		run  app.RunFunc
		want func(traceparent string) bool
	}{
		"tracing": {
			func(ctx context.Context, env *app.Env) error {
				env.Telemetry.TracerProvider = sdktrace.NewTracerProvider()
				return Run(ctx, env)
			},
			func(traceparent string) bool {
				return strings.HasPrefix(traceparent, "00-"+traceID+"-") && strings.HasSuffix(traceparent, "-01") && !strings.Contains(traceparent, parent)
			},
		},
		"not tracing": {Run, func(traceparent string) bool { return traceparent == "00-"+traceID+"-"+parent+"-01" }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := startNATS(t)
			s := begin(t, environment(server.URL(), nil), tc.run)
			s.accepting(t)
			told := s.post(t, "/webhooks/acme", typeJSON, `{"contractIds":["1","2"]}`, "Traceparent", "00-"+traceID+"-"+parent+"-01").
				receipt(t).told(t, server.Connect(t))
			for _, ev := range told {
				if got := strings.Join(ev.raw.Header["traceparent"], "|"); !tc.want(got) {
					t.Errorf("the event has the traceparent %q", got)
				}
			}
		})
	}
}

func TestAWrongConfigurationStopsTheStartWithEveryError(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		changes map[string]string
		want    []string
	}{
		"unreadable": {
			map[string]string{"INGEST_MAX_BODY": "1MB", "INGEST_MAX_EVENTS": "many", "STREAM_REPLICAS": "three", "SOURCE_ACME_PROFILE": ""},
			[]string{`INGEST_MAX_BODY="1MB": cannot be read`, `INGEST_MAX_EVENTS="many": cannot be read`, `STREAM_REPLICAS="three": cannot be read`, "SOURCE_ACME_PROFILE: required"},
		},
		"limits and sources": {
			map[string]string{
				"INGEST_MAX_BODY": "0", "INGEST_MAX_EVENTS": "-1", "SOURCE_ACME_WEBHOOK_AUTH": "header", "SOURCE_OTHER_PROFILE": "nosuch",
				"SOURCE_HOOKS_WEBHOOK_AUTH": "none,path", "SOURCE_ACME_WEBHOOKAUTH": "x",
			},
			[]string{
				"INGEST_MAX_BODY: 0 is not between", "INGEST_MAX_EVENTS: -1 is not between", "SOURCE_ACME_WEBHOOK_SECRET: required",
				"SOURCE_OTHER_PROFILE: ", "SOURCE_HOOKS_WEBHOOK_AUTH: none cannot be combined", "SOURCE_ACME_WEBHOOKAUTH: unknown variable",
			},
		},
		"address": {map[string]string{"LISTEN_ADDR": "nonsense"}, []string{"LISTEN_ADDR: ", "missing port"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := app.Run(t.Context(), "ingestor", config.Map(environment("nats://127.0.0.1:1", tc.changes)), io.Discard, nil, Run)
			if err == nil {
				t.Fatal("the service ran")
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error does not tell %q:\n%v", want, err)
				}
			}
			if unwanted := "QUIET_PERIOD"; strings.Contains(err.Error(), unwanted) {
				t.Errorf("the error tells of %s, which is right:\n%v", unwanted, err)
			}
		})
	}
}
