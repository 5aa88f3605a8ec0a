package debouncer

import (
	"strings"
	"testing"

	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
)

// A Redis that may evict keys is an alarm, not an outage: windows go on, and the remedy needs no restart.
func TestARedisThatEvictsTurnsReadinessRedUntilItNoLongerDoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	policy := func(name string) {
		t.Helper()
		if err := w.redis.Client.ConfigSet(t.Context(), "maxmemory-policy", name).Err(); err != nil {
			t.Fatal(err)
		}
	}
	policy("allkeys-lru")
	s := w.begin(t, quiet("10ms"), Run)
	s.readyTurns(t, "redis_eviction")
	if _, body := s.get(t, "/readyz"); !strings.Contains(body, "maxmemory-policy noeviction") {
		t.Errorf("readiness says %s, want the remedy", body)
	}
	bustest.Eventually(t, "an error in the log", func() bool {
		return strings.Contains(s.log.String(), "redis may evict keys of enneo-bridge")
	})
	last := w.append(t.Context(), t, "acme", "x", "4711")
	if got := w.ticket(t, "acme 4711").Position.Sequence; got != last {
		t.Errorf("ticket up to %d, want %d", got, last)
	}
	policy("noeviction")
	s.readyTurns(t, "")
}
