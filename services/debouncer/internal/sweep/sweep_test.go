package sweep

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
	"github.com/enneo-ai/enneo-bridge/services/debouncer/internal/openkeys"
)

// TestWhatStandsNowhereIsRevivedAndWhatStandsSomewhereIsNot: in every place on the way, as long as it stands there. The key
// "lost" is younger, so once it is revived the other one was looked at too.
func TestWhatStandsNowhereIsRevivedAndWhatStandsSomewhereIsNot(t *testing.T) {
	t.Parallel()
	for place, tc := range map[string]struct {
		put, lose func(w *world, k key.Key, p position.Position)
	}{
		placeWindow: {
			func(w *world, k key.Key, _ position.Position) { w.windows.hold(k, true) },
			func(w *world, k key.Key, _ position.Position) { w.windows.hold(k, false) },
		},
		placeDue: {
			func(w *world, k key.Key, p position.Position) { w.send(bus.StageEnrich, k, p) },
			func(w *world, k key.Key, _ position.Position) { w.lose(bus.StageEnrich, k) },
		},
		placeReady: {
			func(w *world, k key.Key, p position.Position) { w.send(bus.StagePublish, k, p) },
			func(w *world, k key.Key, _ position.Position) { w.lose(bus.StagePublish, k) },
		},
	} {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, impatient())
			held, lost := contract("held"), contract("lost")
			p := w.append(held)
			w.take()
			tc.put(w, held, p)
			w.sweep()
			w.append(lost)
			w.take()
			w.revived(lost)
			if n := w.swept(held); n != 0 {
				t.Fatalf("%d events for a key that stood in its place", n)
			}
			tc.lose(w, held, p)
			w.revived(held)
		})
	}
}

func TestWhatTheDebouncersHaveNotTakenIsNotLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, impatient())
	w.append(contract("lost"))
	w.take()
	w.append(contract("backlog"))
	w.sweep()
	w.revived(contract("lost"))
	if n := w.swept(contract("backlog")); n != 0 {
		t.Fatalf("%d events for a key whose event waits in the log", n)
	}
	w.take()
	w.revived(contract("backlog"))
}

func TestNothingIsExemptForEver(t *testing.T) {
	t.Parallel()
	limits := impatient()
	limits.Exempt = 600 * time.Millisecond
	w := newWorld(t, limits)
	p := w.append(contract("stuck"))
	w.take()
	w.send(bus.StageEnrich, contract("stuck"), p)
	w.sweep()
	w.revived(contract("stuck"))
}

func TestTheLogForgetsNoOpenEvent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, impatient())
	stream, err := w.bus.JetStream().Stream(t.Context(), bus.StreamEvents)
	w.must(err)
	// Its events leave after 3 s; nothing else would revive a key that has a ticket.
	config := stream.CachedInfo().Config
	config.MaxAge, config.Duplicates = 3*time.Second, time.Second
	_, err = w.bus.JetStream().UpdateStream(t.Context(), config)
	w.must(err)
	p := w.append(contract("waits"))
	w.take()
	w.send(bus.StageEnrich, contract("waits"), p)
	w.sweep()
	w.revived(contract("waits"))
	bustest.Eventually(t, "the first event has left the log", func() bool {
		_, err := stream.GetMsg(t.Context(), p.Sequence)
		return errors.Is(err, jetstream.ErrMsgNotFound)
	})
	if n := w.swept(contract("waits")); n == 0 {
		t.Error("the log holds no event of an open key")
	}
}

func TestWhatIsSettledMeanwhileIsLeftAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, impatient())
	k := contract("settled")
	p := w.append(k)
	w.take()
	s := w.sweeper(func() bool { return true })
	open := w.due(1)
	_, err := w.ledger.Change(t.Context(), k.String(), func(r *bridgev1.Settlement) error {
		ledger.Settle(r, p, time.Time{}, bridgev1.Outcome_OUTCOME_DELIVERED, "")
		return nil
	})
	w.must(err)
	lost, err := s.lost(t.Context(), open, w.now())
	if err != nil || len(lost) != 0 {
		t.Errorf("lost = %v, %v; want nothing, since it is settled", lost, err)
	}
}

// TestOfTwoLeadersThatDecideAlikeOneAppends: one of them was paused after its decision, and woke when another one led.
func TestOfTwoLeadersThatDecideAlikeOneAppends(t *testing.T) {
	t.Parallel()
	w := newWorld(t, impatient())
	k := contract("lost")
	w.append(k)
	w.take()
	leads := func() bool { return true }
	paused, other, deposed := w.sweeper(leads), w.sweeper(leads), w.sweeper(func() bool { return false })
	open := w.due(1)
	decided, err := paused.lost(t.Context(), open, w.now())
	w.must(err)
	if len(decided) != 1 {
		t.Fatalf("lost = %v, want the key", decided)
	}
	w.must(deposed.revive(t.Context(), decided, w.now()))
	if n := w.swept(k); n != 0 {
		t.Fatalf("%d events by a replica that knew that it had lost its lease", n)
	}
	w.must(other.revive(t.Context(), decided, w.now()))
	w.must(paused.revive(t.Context(), decided, w.now()))
	if n := w.swept(k); n != 1 {
		t.Errorf("%d events, want one of the two replicas'", n)
	}
}

func TestNothingIsAppendedOverSomethingNewer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, impatient())
	k := contract("lost")
	w.append(k)
	w.take()
	s := w.sweeper(func() bool { return true })
	decided, err := s.lost(t.Context(), w.due(1), w.now())
	w.must(err)
	w.append(k)
	w.must(s.revive(t.Context(), decided, w.now()))
	if n := w.swept(k); n != 0 || len(decided) != 1 {
		t.Errorf("%d events after a newer one had come, %d decided; want 0 and 1", n, len(decided))
	}
}

// TestAKeyThatTheLogHasForgottenIsRevived: its event has left the log, and the condition of the append with it.
func TestAKeyThatTheLogHasForgottenIsRevived(t *testing.T) {
	t.Parallel()
	w := newWorld(t, impatient())
	k := contract("forgotten")
	w.append(k)
	w.take()
	s := w.sweeper(func() bool { return true })
	decided, err := s.lost(t.Context(), w.due(1), w.now())
	w.must(err)
	stream, err := w.bus.JetStream().Stream(t.Context(), bus.StreamEvents)
	w.must(err)
	w.must(stream.Purge(t.Context(), jetstream.WithPurgeSubject(bus.EventSubject(k))))
	w.must(s.revive(t.Context(), decided, w.now()))
	if n := w.swept(k); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
}

func TestWaitsDoubleWithEachSweepUpToALimit(t *testing.T) {
	t.Parallel()
	l := Limits{MaxWait: map[string]time.Duration{source: 2 * time.Minute}, Bound: 40 * time.Second}
	for sweeps, factor := range map[uint64]int64{0: 1, 1: 2, 2: 4, 4: 16, 5: 16, 1 << 40: 16} {
		for range 50 {
			wait, ok := l.Wait(contract("A").String(), sweeps)
			if lowest, highest := time.Duration(factor*140)*time.Second, time.Duration(factor*150)*time.Second; !ok || wait < lowest || wait > highest {
				t.Fatalf("after %d sweeps a key waits %s, want %s to %s: within the bound, with room for the look", sweeps, wait, lowest, highest)
			}
		}
	}
	for _, text := range []string{"other.contract.A", "no key", ""} {
		if wait, ok := l.Wait(text, 0); ok {
			t.Errorf("%q is looked at after %s, though nobody could read it", text, wait)
		}
	}
}

// TestARoundLooksAtABoundedNumber of keys, however many are lost.
func TestARoundLooksAtABoundedNumber(t *testing.T) {
	t.Parallel()
	w := newWorld(t, impatient())
	events := make([]eventlog.Event, roundLimit+200)
	for i := range events {
		var err error
		events[i], err = w.sweeper(nil).event(t.Context(), candidate{key: contract(fmt.Sprint("lost", i))}, w.now())
		w.must(err)
	}
	_, errs := w.log.Append(t.Context(), events)
	w.must(errors.Join(errs...))
	w.take()
	bustest.Eventually(t, "the book knows the keys", func() bool { return len(w.tracker.Book().Keys()) == len(events) })
	if n := len(w.tracker.Book().Due(w.now().Add(time.Hour), roundLimit)); n != roundLimit {
		t.Errorf("a round gets %d keys, want %d", n, roundLimit)
	}
}

// due waits until the book knows n open keys whose time has come, and returns them.
func (w *world) due(n int) []openkeys.Open {
	w.Helper()
	bustest.Eventually(w, "the book knows the keys", func() bool { return len(w.tracker.Book().Keys()) == n })
	return w.tracker.Book().Due(w.now().Add(time.Hour), n)
}

func (w *world) now() time.Time {
	w.Helper()
	now, err := w.ledger.Now(w.Context())
	w.must(err)
	return now
}
