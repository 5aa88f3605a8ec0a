package ingestor

import (
	"net/http"
	"strings"
	"testing"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
)

const oneContract = `{"contractId":"4711"}`

// opened waits until the service has the log, whether it may write to it or not.
func (s *service) opened(t testing.TB) {
	t.Helper()
	bustest.Eventually(t, "the log is open", func() bool {
		a := s.post(t, "/webhooks/acme", "application/json", "[]")
		return a.status == http.StatusAccepted || !strings.HasSuffix(a.problem(t).Type, "log-unavailable")
	})
}

func TestALogBelowTheDemandedDurabilityIsRefused(t *testing.T) {
	t.Parallel()
	server := bustest.Start(t)
	s := begin(t, environment(server.URL(), map[string]string{"DURABILITY": "fsync", "NATS_MONITOR_URL": server.MonitorURL()}), Run)
	s.opened(t)
	for name, body := range map[string]string{"with an identifier": oneContract, "without": `{"x":1}`, "empty": `[]`} {
		got := s.post(t, "/webhooks/acme", "application/json", body)
		if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") != "5" {
			t.Errorf("a body %s is answered %d with Retry-After %q, want 503 and 5", name, got.status, got.header.Get("Retry-After"))
		}
		if p := got.problem(t); !strings.HasSuffix(p.Type, "durability") {
			t.Errorf("a body %s is refused with the problem %q, want durability", name, p.Type)
		}
	}
	b := server.Connect(t)
	for _, name := range []string{bus.StreamEvents, bus.StreamDead} {
		stream, err := b.JetStream().Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if n := stream.CachedInfo().State.LastSeq; n != 0 {
			t.Errorf("%s has stored %d messages of refused requests", name, n)
		}
	}
	for _, text := range []string{"DURABILITY=fsync", "within the last 2m0s (sync_interval)", "sync_interval: always"} {
		if !strings.Contains(s.log.String(), text) {
			t.Errorf("the log does not say %q:\n%s", text, s.log)
		}
	}

	// The operator mends it: no restart of ours.
	server.Stop(t)
	server.Run(t, bustest.SyncAlways())
	bustest.Eventually(t, "events are taken", func() bool {
		return s.post(t, "/webhooks/acme", "application/json", oneContract).status == http.StatusAccepted
	})
}

func TestALogOfTheDemandedDurabilityTakesEvents(t *testing.T) {
	t.Parallel()
	server := bustest.Start(t, bustest.SyncAlways())
	s := begin(t, environment(server.URL(), map[string]string{"DURABILITY": "fsync", "NATS_MONITOR_URL": server.MonitorURL()}), Run)
	s.opened(t)
	if got := s.post(t, "/webhooks/acme", "application/json", oneContract).receipt(t); got.Accepted != 1 {
		t.Errorf("accepted %d events, want 1", got.Accepted)
	}
}

func TestWithoutADemandALazyLogTakesEventsAndSaysWhatCanBeLost(t *testing.T) {
	t.Parallel()
	s, _ := start(t, nil)
	if got := s.post(t, "/webhooks/acme", "application/json", oneContract).receipt(t); got.Accepted != 1 {
		t.Errorf("accepted %d events, want 1", got.Accepted)
	}
	for _, text := range []string{"acknowledged events can be lost", "can be lost by a power failure", "set NATS_MONITOR_URL"} {
		if !strings.Contains(s.log.String(), text) {
			t.Errorf("the log does not say %q:\n%s", text, s.log)
		}
	}
}
