package debouncer

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// sweeping revives what has stood nowhere for at most 3 s.
func sweeping(period string) map[string]string {
	return map[string]string{"DEBOUNCE_QUIET_PERIOD": period, "DEBOUNCE_MAX_WAIT": "2s", "SWEEP_BOUND": "1s"}
}

func TestALostTicketComesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin(t, sweeping("200ms"), Run)
	first := w.append(t.Context(), t, "acme", "", "A")
	w.ticket(t, "acme A")
	stream, _ := w.state(t, bus.StreamDue)
	if err := stream.Purge(calm(t)); err != nil {
		t.Fatal(err)
	}
	if got := w.ticket(t, "acme A"); got.Position.Sequence <= first {
		t.Errorf("the ticket is %+v, want one of an event that was appended after %d", got, first)
	}
}

// TestAWindowThatAFailoverLostComesBack: the replica that took over lacks the last second, but has the markers.
func TestAWindowThatAFailoverLostComesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.filledBy(t, w.begin(t, sweeping("1900ms"), Run))
	w.acknowledged(t, "acme", w.append(t.Context(), t, "acme", "", "A"))
	for shard := range 16 {
		prefix := "debounce:{" + strconv.Itoa(shard) + "}:"
		if err := w.redis.Client.Del(t.Context(), prefix+"windows", prefix+"due").Err(); err != nil {
			t.Fatal(err)
		}
	}
	if len(w.windows(t)) > 0 {
		t.Fatal("the window is still there")
	}
	w.ticket(t, "acme A")
}

// filledBy waits until a replica has filled the empty Redis.
func (w *world) filledBy(t *testing.T, s *service) {
	t.Helper()
	s.readyTurns(t, "")
	w.filled(t)
}

// sample is a line of /metrics: its labels, and its value.
var sample = regexp.MustCompile(`^([a-z_]+)\{([^}]*)\} ([0-9.e+]+)$`)

// metric adds up the samples of a metric that have all the given labels.
func (s *service) metric(t *testing.T, name string, labels ...string) (sum float64, found bool) {
	t.Helper()
	_, body := s.get(t, "/metrics")
	for line := range strings.Lines(body) {
		parts := sample.FindStringSubmatch(strings.TrimSpace(line))
		if parts == nil || parts[1] != name {
			continue
		}
		matches := true
		for _, label := range labels {
			matches = matches && strings.Contains(parts[2], label)
		}
		value, err := strconv.ParseFloat(parts[3], 64)
		if err != nil {
			t.Fatal(err)
		}
		if matches {
			sum, found = sum+value, true
		}
	}
	return sum, found
}

func TestTheBalanceIsExportedLive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.begin(t, nil, Run)
	var last uint64
	for range 3 {
		last = w.append(t.Context(), t, "acme", "", "A")
	}
	w.append(t.Context(), t, "acme", "", "B")
	w.append(t.Context(), t, "other", "", "C")
	settled, err := ledger.Open(t.Context(), w.bus)
	if err != nil {
		t.Fatal(err)
	}
	epoch, _ := w.log.Changed()
	_, err = settled.Change(t.Context(), "acme.contract.A", func(r *bridgev1.Settlement) error {
		ledger.Settle(r, position.Position{Epoch: epoch, Sequence: last}, time.Time{}, bridgev1.Outcome_OUTCOME_DELIVERED, "")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	const acme, other = `source="acme"`, `source="other"`
	for _, tc := range []struct {
		name   string
		labels []string
		want   float64
	}{
		{"sweeper_leading", nil, 1},
		{"events_accepted_total", []string{acme}, 4},
		{"events_accepted_total", []string{other}, 1},
		{"events_settled_total", []string{acme, `outcome="delivered"`}, 1},
		{"events_settled_total", []string{acme, `outcome="superseded"`}, 2},
		{"events_open", []string{acme}, 1},
		{"events_open", []string{other}, 1},
		{"keys_open", []string{acme}, 1},
		{"freshness_good_total", []string{acme}, 3},
		{"freshness_all_total", []string{acme}, 3},
	} {
		bustest.Eventually(t, tc.name+" "+strings.Join(tc.labels, " ")+" is "+strconv.FormatFloat(tc.want, 'g', -1, 64), func() bool {
			got, found := s.metric(t, tc.name, tc.labels...)
			return found && got == tc.want
		})
	}
	if age, found := s.metric(t, "events_open_oldest_age_seconds", acme); !found || age <= 0 {
		t.Errorf("the oldest open event is %v s old, %t; want its age", age, found)
	}
	// An operator's decision counts apart.
	if err := settled.Drop(t.Context(), key.Key{Source: "acme", Kind: key.Contract, ID: "B"}, position.Position{Epoch: epoch, Sequence: last + 1}, "a test"); err != nil {
		t.Fatal(err)
	}
	bustest.Eventually(t, "the dropped event is counted", func() bool {
		n, _ := s.metric(t, "events_settled_total", acme, `outcome="dropped"`)
		good, _ := s.metric(t, "freshness_all_total", acme)
		return n == 1 && good == 3
	})
}

// TestAnotherReplicaGoesOnWithTheBalance: the second one reads only what came after the watermark, which the log may have
// lost by then.
func TestAnotherReplicaGoesOnWithTheBalance(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.begin(t, nil, Run)
	last := w.append(t.Context(), t, "acme", "", "A")
	settled, err := ledger.Open(t.Context(), w.bus)
	if err != nil {
		t.Fatal(err)
	}
	epoch, _ := w.log.Changed()
	if err := settled.Drop(t.Context(), key.Key{Source: "acme", Kind: key.Contract, ID: "A"}, position.Position{Epoch: epoch, Sequence: last}, "a test"); err != nil {
		t.Fatal(err)
	}
	counted := func(s *service) {
		t.Helper()
		bustest.Eventually(t, "the event is counted", func() bool {
			accepted, _ := s.metric(t, "events_accepted_total")
			done, _ := s.metric(t, "events_settled_total")
			return accepted == 1 && done == 1
		})
	}
	counted(first)
	first.stop(t)
	stream, _ := w.state(t, bus.StreamEvents)
	if err := stream.Purge(calm(t), jetstream.WithPurgeSequence(last+1)); err != nil {
		t.Fatal(err)
	}
	counted(w.begin(t, nil, Run))
}
