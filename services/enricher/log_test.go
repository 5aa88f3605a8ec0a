package enricher

import (
	"testing"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// settle notes that everything of the key up to p has reached Enneo.
func (w *world) settle(k key.Key, p position.Position, at time.Time) {
	w.t.Helper()
	_, err := w.ledger.Change(w.t.Context(), k.String(), func(s *bridgev1.Settlement) error {
		ledger.Settle(s, p, at, bridgev1.Outcome_OUTCOME_DELIVERED, "")
		return nil
	})
	w.must(err)
}

// TestEventOfALogThatWasSetBackIsNotSwallowed: the log gives a sequence again that was settled already.
func TestEventOfALogThatWasSetBackIsNotSwallowed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		// known prepares what is known of the key beyond its last event, and returns what the ticket names.
		known func(w *world, k key.Key, p position.Position, at time.Time) position.Position
	}{
		{
			"settled beyond it", func(w *world, k key.Key, p position.Position, at time.Time) position.Position {
				w.settle(k, position.Position{Epoch: p.Epoch, Sequence: p.Sequence + 10}, at)
				return p
			},
		},
		{
			"settled just there, at another time", func(w *world, k key.Key, p position.Position, at time.Time) position.Position {
				w.settle(k, p, at.Add(-time.Hour))
				return p
			},
		},
		{
			"settled in a later log", func(w *world, k key.Key, p position.Position, at time.Time) position.Position {
				w.settle(k, position.Position{Epoch: p.Epoch + 2, Sequence: p.Sequence}, at.Add(-time.Hour))
				return p
			},
		},
		{
			"read beyond it", func(w *world, k key.Key, p position.Position, _ time.Time) position.Position {
				_, err := w.snapshots.Put(w.t.Context(), k.String(), &bridgev1.Snapshot{
					Covers: position.Position{Epoch: p.Epoch, Sequence: p.Sequence + 10}.Proto(), Body: `{}`,
				}, 0)
				w.must(err)
				return p
			},
		},
		{
			"the ticket names more", func(_ *world, _ key.Key, p position.Position, _ time.Time) position.Position {
				return position.Position{Epoch: p.Epoch, Sequence: p.Sequence + 10}
			},
		},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			e := w.replica(nil)
			k := contract(w.contracts[0])
			p := w.event(k)
			w.flush(k, tc.known(w, k, p, w.last(k).At))
			bustest.Eventually(t, "the key is read", func() bool { return len(w.reads(k)) > 0 && w.ready(k) != nil })
			w.idle()
			epoch, err := e.log.Epoch(t.Context())
			w.must(err)
			if epoch <= p.Epoch {
				t.Errorf("epoch %d, want a later one than %d", epoch, p.Epoch)
			}
			if got := position.FromProto(w.snapshot(k).GetCovers()); got != (position.Position{Epoch: epoch, Sequence: p.Sequence}) {
				t.Errorf("the snapshot covers %v, want %d in the new epoch %d", got, p.Sequence, epoch)
			}
			w.count(k, 1)
		})
	}
}

func TestSettledEventOfTheSameLogIsNotReadAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.replica(nil)
	k := contract(w.contracts[0])
	p := w.event(k)
	w.settle(k, p, w.last(k).At)
	w.flush(k, p)
	w.idle()
	w.count(k, 0)
	epoch, err := e.log.Epoch(t.Context())
	w.must(err)
	if epoch != p.Epoch {
		t.Errorf("epoch %d, want still %d", epoch, p.Epoch)
	}
}

// TestRecreatedLogIsNoticed takes the whole stream away while the service runs.
func TestRecreatedLogIsNoticed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.replica(nil)
	k := contract(w.contracts[0])
	p := w.event(k)
	w.flush(k, p)
	w.readyFor(k, p)
	w.settle(k, p, w.last(k).At)
	w.idle()

	w.must(w.bus.JetStream().DeleteStream(t.Context(), bus.StreamEvents))
	w.must(w.bus.Ensure(t.Context(), []string{testSource}))
	revision := w.revise(k)
	again := w.event(k)
	if again.Sequence != p.Sequence {
		t.Fatalf("the new log gave sequence %d, want %d once more", again.Sequence, p.Sequence)
	}
	w.flush(k, again)
	bustest.Eventually(t, "the new event is read", func() bool { return revisionOf(t, w.snapshot(k)) == revision })
	w.idle()
	if got := position.FromProto(w.snapshot(k).GetCovers()); got.Epoch <= p.Epoch {
		t.Errorf("the snapshot covers %v, want a later epoch than %d", got, p.Epoch)
	}
}

// TestTicketOfALaterEpochIsUnderstood: the enricher, which does not follow the epoch here, has to hear of it.
func TestTicketOfALaterEpochIsUnderstood(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.replica(nil)
	k := contract(w.contracts[0])
	old := w.event(k)
	w.must(w.log.SetBack(t.Context(), old.Epoch))
	p := w.last(k).Position
	if p.Epoch <= old.Epoch {
		t.Fatalf("epoch %d did not follow %d", p.Epoch, old.Epoch)
	}
	if known, _ := e.log.Changed(); known != old.Epoch {
		t.Fatalf("the enricher knows epoch %d already", known)
	}
	w.flush(k, p)
	w.readyFor(k, p)
	w.holds(k, p, 1)
	w.count(k, 1)
}
