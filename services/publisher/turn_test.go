package publisher

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
	"github.com/enneo-ai/enneo-bridge/services/publisher/internal/mind"
)

// paused is the target of a process that is stopped around its first request, as by SIGSTOP.
type paused struct {
	Target
	// before: it is stopped before the request instead of after it.
	before bool
	once   sync.Once
	// stopped is closed when it has stopped; it goes on when resume is closed.
	stopped, resume chan struct{}
}

func (p *paused) Deliver(ctx context.Context, d mind.Delivery) (err error) {
	if !p.before {
		err = p.Target.Deliver(ctx, d)
	}
	p.once.Do(func() {
		close(p.stopped)
		<-p.resume
	})
	if p.before {
		err = p.Target.Deliver(ctx, d)
	}
	return err
}

// pausing starts a replica that stops around its first request. It goes on at the end of the test at the latest.
func (w *world) pausing(before bool) (p *paused, resume func()) {
	w.t.Helper()
	p = &paused{Target: w.target(testTimeout), before: before, stopped: make(chan struct{}), resume: make(chan struct{})}
	// One worker: a process that is stopped does nothing else.
	w.replicaWith(1, func(d *deliverer) { d.target = p })
	resume = sync.OnceFunc(func() { close(p.resume) })
	w.t.Cleanup(resume)
	return p, resume
}

// revisions are those of Enneo's writes for a key, in order.
func (w *world) revisions(k key.Key) []int64 {
	w.t.Helper()
	writes, err := w.sim.Writes(w.t.Context(), ref(k))
	w.must(err)
	var revisions []int64
	for _, write := range writes {
		revisions = append(revisions, write.Revision)
	}
	return revisions
}

// TestWhoeverLostItsTurnCausesOneMoreDelivery: a process sleeps over its lease, another one takes over and delivers what
// is newest, then the first one wakes up.
func TestWhoeverLostItsTurnCausesOneMoreDelivery(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		before bool
		want   []int64
	}{
		{name: "it slept after its request", want: []int64{1, 2, 2}},
		// An older state over a newer one cannot be kept off here; it is repaired.
		{name: "it slept before its request", before: true, want: []int64{2, 1, 2}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			sleeper, wake := w.pausing(tc.before)
			k := contract("VN-1")
			w.change(k, 1)
			<-sleeper.stopped

			w.replica(nil)
			newest := w.change(k, 2)
			checkOutcome(t, w.settled(k, newest), newest, bridgev1.Outcome_OUTCOME_DELIVERED)
			w.enneoHas(k, 2)

			wake()
			bustest.Eventually(t, "one more delivery follows", func() bool { return len(w.revisions(k)) == 3 })
			s := w.settled(k, newest)
			checkOutcome(t, s, newest, bridgev1.Outcome_OUTCOME_DELIVERED)
			if s.GetContentHash() == "" {
				t.Error("Enneo's content is not known after the repair")
			}
			w.idle()
			if diff := cmp.Diff(tc.want, w.revisions(k)); diff != "" {
				t.Errorf("Enneo's writes differ (-want +got):\n%s", diff)
			}
			w.balanced(map[string]uint64{"delivered": 2})
		})
	}
}

// TestOwedDeliveryOutlivesASuccess: the sleeper wakes up while another replica is sending, whose success must not
// swallow what the sleeper owes.
func TestOwedDeliveryOutlivesASuccess(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sleeper, wake := w.pausing(false)
	k := contract("VN-1")
	w.change(k, 1)
	<-sleeper.stopped

	w.replica(func(d *deliverer) { d.target = w.target(time.Minute) })
	hold := w.fault(simclient.Fault{Action: simclient.Hold, Count: 1})
	newest := w.change(k, 2)
	w.awaitHeld(hold, 1)
	wake()
	bustest.Eventually(t, "the sleeper has noted what it owes", func() bool { return w.settlement(k).GetRedeliver() })
	if w.settlement(k).GetIntent() == nil {
		t.Fatal("the turn of the other replica was cleared")
	}

	w.must(w.sim.Release(t.Context(), simclient.Release{Fault: hold}))
	s := w.settled(k, newest)
	checkOutcome(t, s, newest, bridgev1.Outcome_OUTCOME_DELIVERED)
	if s.GetContentHash() == "" {
		t.Error("Enneo's content is not known in the end")
	}
	if diff := cmp.Diff([]int64{1, 2, 2}, w.revisions(k)); diff != "" {
		t.Errorf("Enneo's writes differ (-want +got):\n%s", diff)
	}
	w.orderly()
}

// TestOwedDeliveryOutlivesAFailure: the delivery that is owed fails for now. That what it covers was settled before does
// not make it superfluous.
func TestOwedDeliveryOutlivesAFailure(t *testing.T) {
	t.Parallel()
	abandoned := &bridgev1.Intent{Token: "of a process that died"}
	tests := []struct {
		name  string
		fault simclient.Fault
		owe   func(*bridgev1.Settlement)
	}{
		{
			"the flag, and Enneo is away",
			simclient.Fault{Action: simclient.Status, Status: http.StatusServiceUnavailable},
			func(s *bridgev1.Settlement) { s.Redeliver, s.ContentHash = true, "" },
		},
		{
			"the flag, and the answer is lost",
			simclient.Fault{Action: simclient.Reset},
			func(s *bridgev1.Settlement) { s.Redeliver, s.ContentHash = true, "" },
		},
		{
			"a turn whose holder died, and Enneo is away",
			simclient.Fault{Action: simclient.Status, Status: http.StatusServiceUnavailable},
			func(s *bridgev1.Settlement) { s.Intent, s.ContentHash = abandoned, "" },
		},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.replica(nil)
			k := contract("VN-1")
			p := w.change(k, 1)
			w.settled(k, p)
			tc.fault.Count = 2
			w.fault(tc.fault)
			_, err := w.ledger.Change(t.Context(), k.String(), func(s *bridgev1.Settlement) error {
				tc.owe(s)
				return nil
			})
			w.must(err)
			w.tell(k, p)
			w.idle()
			s := w.settlement(k)
			checkOutcome(t, s, p, bridgev1.Outcome_OUTCOME_DELIVERED)
			if s.GetContentHash() == "" {
				t.Error("the owed delivery was given up")
			}
			if diff := cmp.Diff([]int64{1, 1}, w.revisions(k)); diff != "" {
				t.Errorf("Enneo's writes differ (-want +got):\n%s", diff)
			}
			w.orderly()
		})
	}
}

// TestDeadLetterOfALaterReadStands: while an earlier snapshot is on its way, the enricher finds that the newest state
// cannot be mapped, and settles it.
func TestDeadLetterOfALaterReadStands(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		answer simclient.Fault
		writes []int64
	}{
		{name: "the request succeeds", writes: []int64{1}},
		{
			name: "the request fails for now", writes: []int64{1, 1},
			answer: simclient.Fault{Action: simclient.Status, Phase: simclient.After, Status: http.StatusInternalServerError, Count: 1},
		},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			hold := w.fault(simclient.Fault{Action: simclient.Hold, Count: 1})
			if tc.answer.Action != "" {
				w.fault(tc.answer)
			}
			w.replica(func(d *deliverer) { d.target = w.target(time.Minute) })
			k := contract("VN-1")
			p := w.change(k, 1)
			w.awaitHeld(hold, 1)
			later := position.Position{Epoch: p.Epoch, Sequence: p.Sequence + 1}
			w.must(w.ledger.Dead(t.Context(), k, later, time.Now(), "unmappable"))
			w.must(w.sim.Release(t.Context(), simclient.Release{Fault: hold}))
			s := w.settled(k, later)
			if s.GetOutcome() != bridgev1.Outcome_OUTCOME_DEAD_LETTER || position.FromProto(s.GetCovered()) != later {
				t.Errorf("settled %v as %v, want %v as a dead letter", position.FromProto(s.GetCovered()), s.GetOutcome(), later)
			}
			if s.GetReason() != "unmappable" || s.GetContentHash() != "" {
				t.Errorf("the dead letter was changed: %v", s)
			}
			w.idle()
			if diff := cmp.Diff(tc.writes, w.revisions(k)); diff != "" {
				t.Errorf("Enneo's writes differ (-want +got):\n%s", diff)
			}
		})
	}
}

// TestProcessThatWasPausedBeforeItsRequestDoesNotSend: what is left of its lease is too short for a request.
func TestProcessThatWasPausedBeforeItsRequestDoesNotSend(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.replica(func(d *deliverer) { d.margin = -time.Millisecond })
	k := contract("VN-1")
	p := w.change(k, 1)
	bustest.Eventually(t, "the turn was taken three times", func() bool { return w.settlement(k).GetAttempts() >= 3 })
	if n := len(w.requests(k)); n != 0 {
		t.Errorf("%d requests, want none", n)
	}
	if shut, _ := d.gate.Shut(); shut {
		t.Error("the gate is shut although nothing was sent")
	}
	if ledger.Settles(w.settlement(k), p) {
		t.Error("the key is settled although nothing was sent")
	}
}
