package debouncer

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/propagation"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// sample is a line of /metrics: its labels, and its value.
var sample = regexp.MustCompile(`^([a-z_]+)(?:\{([^}]*)\})? ([0-9.e+]+)$`)

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

// accept appends an event of an origin and returns its sequence.
func (w *world) accept(t *testing.T, k key.Key, origin bridgev1.Origin) uint64 {
	t.Helper()
	event, err := eventlog.NewEvent(t.Context(), propagation.TraceContext{}, eventlog.Change{Key: k, Origin: origin, ReceivedAt: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	acks, errs := w.log.Append(t.Context(), []eventlog.Event{event})
	if errs[0] != nil {
		t.Fatal(errs[0])
	}
	return acks[0].Sequence
}

// settle settles a key up to a sequence.
func (w *world) settle(t *testing.T, k key.Key, sequence uint64, outcome bridgev1.Outcome) {
	t.Helper()
	settled, err := ledger.Open(t.Context(), w.bus)
	if err != nil {
		t.Fatal(err)
	}
	epoch, _ := w.log.Changed()
	_, err = settled.Change(t.Context(), k.String(), func(r *bridgev1.Settlement) error {
		ledger.Settle(r, position.Position{Epoch: epoch, Sequence: sequence}, time.Time{}, outcome, "")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// settleEach lets a key of acme end with each outcome, named by its word: by its second event, which also covers the first.
func (w *world) settleEach(t *testing.T, outcomes ...bridgev1.Outcome) {
	t.Helper()
	for _, outcome := range outcomes {
		k := key.Key{Source: "acme", Kind: key.Contract, ID: ledger.OutcomeWord(outcome)}
		w.accept(t, k, bridgev1.Origin_ORIGIN_WEBHOOK)
		w.settle(t, k, w.accept(t, k, bridgev1.Origin_ORIGIN_RECONCILER), outcome)
	}
}

// exports waits until a metric has a value.
func (s *service) exports(t *testing.T, want float64, name string, labels ...string) {
	t.Helper()
	bustest.Eventually(t, fmt.Sprint(name, labels, " is ", want), func() bool {
		got, found := s.metric(t, name, labels...)
		return found && got == want
	})
}

const ofAcme, ofOther = `source="acme"`, `source="other"`

func TestTheBalanceIsExportedLive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.begin(t, nil, Run)
	w.settleEach(t, bridgev1.Outcome_OUTCOME_DELIVERED, bridgev1.Outcome_OUTCOME_UNCHANGED, bridgev1.Outcome_OUTCOME_DELETED,
		bridgev1.Outcome_OUTCOME_DROPPED, bridgev1.Outcome_OUTCOME_DEAD_LETTER)
	for range 3 {
		w.accept(t, key.Key{Source: "acme", Kind: key.Contract, ID: "open"}, bridgev1.Origin_ORIGIN_WEBHOOK)
	}
	w.accept(t, key.Key{Source: "other", Kind: key.Contract, ID: "open"}, bridgev1.Origin_ORIGIN_CLOUDEVENT)

	s.exports(t, 1, "bridge_sweeper_leading")
	s.exports(t, 8, "bridge_events_accepted_total", ofAcme, `origin="webhook"`)
	s.exports(t, 5, "bridge_events_accepted_total", ofAcme, `origin="reconciler"`)
	s.exports(t, 1, "bridge_events_accepted_total", ofOther, `origin="cloudevent"`)
	for _, outcome := range []string{"delivered", "unchanged", "deleted", "dropped", "dead_letter"} {
		s.exports(t, 1, "bridge_events_settled_total", ofAcme, `outcome="`+outcome+`"`)
	}
	s.exports(t, 5, "bridge_events_settled_total", ofAcme, `outcome="superseded"`)
	s.exports(t, 3, "bridge_events_open", ofAcme)
	s.exports(t, 1, "bridge_events_open", ofOther)
	s.exports(t, 1, "bridge_keys_open", ofAcme)
	// A dead letter is never fresh, and what an operator dropped says nothing.
	s.exports(t, 6, "bridge_freshness_good_total", ofAcme)
	s.exports(t, 8, "bridge_freshness_all_total", ofAcme)
	if age, found := s.metric(t, "bridge_events_open_oldest_age_seconds", ofAcme); !found || age <= 0 || age > patience.Seconds() {
		t.Errorf("the oldest open event is %v s old, %t; want its age", age, found)
	}
	for _, source := range []string{ofAcme, ofOther} {
		sums := map[string]float64{}
		for _, name := range []string{"bridge_events_accepted_total", "bridge_events_settled_total", "bridge_events_open", "bridge_events_expired_total"} {
			sums[name], _ = s.metric(t, name, source)
		}
		if got := sums["bridge_events_settled_total"] + sums["bridge_events_open"] + sums["bridge_events_expired_total"]; sums["bridge_events_accepted_total"] != got {
			t.Errorf("%s: accepted is not settled + open + expired: %v", source, sums)
		}
	}
}

// TestFreshIsWhatIsSettledWithinTheObjective: with one that nothing can meet.
func TestFreshIsWhatIsSettledWithinTheObjective(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.begin(t, map[string]string{"FRESHNESS_OBJECTIVE": "1ns"}, Run)
	w.settleEach(t, bridgev1.Outcome_OUTCOME_DELIVERED)
	s.exports(t, 2, "bridge_freshness_all_total", ofAcme)
	s.exports(t, 0, "bridge_freshness_good_total", ofAcme)
}

// TestAnotherReplicaGoesOnWithTheBalance: the second one reads only what came after the watermark, which the log may have
// lost by then.
func TestAnotherReplicaGoesOnWithTheBalance(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.begin(t, nil, Run)
	last := w.append(t.Context(), t, "acme", "", "A")
	w.settle(t, key.Key{Source: "acme", Kind: key.Contract, ID: "A"}, last, bridgev1.Outcome_OUTCOME_DELIVERED)
	counted := func(s *service) {
		t.Helper()
		bustest.Eventually(t, "the event is counted", func() bool {
			accepted, _ := s.metric(t, "bridge_events_accepted_total")
			done, _ := s.metric(t, "bridge_events_settled_total")
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
