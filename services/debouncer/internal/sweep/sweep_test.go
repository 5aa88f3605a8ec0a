package sweep

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/services/debouncer/internal/openkeys"
)

// TestOfTwoLeadersThatDecideAlikeOneAppends: one of them was paused after its decision, and woke when another one led.
func TestOfTwoLeadersThatDecideAlikeOneAppends(t *testing.T) {
	t.Parallel()
	w := newWorld(t, impatient())
	k := contract("lost")
	w.append(k)
	w.take()
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
	s := w.sweeper(leads)
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
	s := w.sweeper(leads)
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

// TestTheSweepsOfAKeyAreEachTwiceAsFarApart: nothing settles it, and the debouncers take each event.
func TestTheSweepsOfAKeyAreEachTwiceAsFarApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, impatient())
	k := contract("lost")
	times := []time.Time{w.accepted(w.append(k))}
	w.take()
	w.sweep()
	bustest.Eventually(t, "it is swept three times", func() bool {
		w.take()
		return w.swept(k) >= 3
	})
	times = append(times, w.sweeps(k)...)
	for i, shortest := 1, 300*time.Millisecond; i < len(times); i, shortest = i+1, 2*shortest {
		if gap := times[i].Sub(times[i-1]); gap < shortest {
			t.Errorf("sweep %d came after %s, want at least %s", i, gap, shortest)
		}
	}
}

// TestARoundLooksAtABoundedNumber of keys, however many wait; the next one at the others.
func TestARoundLooksAtABoundedNumber(t *testing.T) {
	t.Parallel()
	w := newWorld(t, impatient())
	s := w.sweeper(leads)
	events := make([]eventlog.Event, roundLimit+200)
	for i := range events {
		k := contract(fmt.Sprint("waits", i))
		var err error
		events[i], err = s.event(t.Context(), candidate{key: k}, w.now())
		w.must(err)
		w.arm(k, position.Position{Epoch: 1, Sequence: uint64(i + 1)})
	}
	_, errs := w.log.Append(t.Context(), events)
	w.must(errors.Join(errs...))
	w.take()
	bustest.Eventually(t, "the book knows the keys, and all are to be looked at", func() bool {
		keys := w.tracker.Book().Keys()
		now := w.now()
		return len(keys) == len(events) && !slices.ContainsFunc(keys, func(o openkeys.Open) bool {
			longest := (w.limits.MaxWait[source] + w.limits.Bound) << o.Sweeps()
			return now.Sub(o.NewestAt) < longest
		})
	})
	w.must(s.round(t.Context()))
	w.must(s.round(t.Context()))
	// The second round meets the rest, and some of the first again if that was long ago.
	if asked := w.windows.asked; len(asked) != 2 || asked[0] != roundLimit || asked[1] < 200 || asked[1] > roundLimit {
		t.Errorf("rounds looked at %v keys, want %d, and at least the 200 others", asked, roundLimit)
	}
	if n := len(w.windows.met); n != len(events) {
		t.Errorf("both rounds together looked at %d of %d keys", n, len(events))
	}
}

// TestARoundThatFailsIsDoneAgain at once, and has appended nothing.
func TestARoundThatFailsIsDoneAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, impatient())
	k := contract("lost")
	w.append(k)
	w.take()
	s := w.sweeper(leads)
	broken := errors.New("no redis")
	w.windows.before = func() error { return broken }
	bustest.Eventually(t, "a round looks at the key and fails", func() bool {
		err := s.round(t.Context())
		if err != nil && !errors.Is(err, broken) {
			t.Fatal(err)
		}
		return err != nil
	})
	if n := w.swept(k); n != 0 {
		t.Fatalf("%d events by a round that could not look everywhere", n)
	}
	w.windows.before = nil
	w.must(s.round(t.Context()))
	if n := w.swept(k); n != 1 {
		t.Errorf("%d events after the next round, want 1", n)
	}
}
