package sweep

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/position"
)

// TestWhatStandsNowhereIsRevivedWithinTheBoundAndWhatStandsSomewhereIsNot: in every place on the way, as long as it stands
// there. The key "lost" is younger, so once it is revived the other one was looked at too.
func TestWhatStandsNowhereIsRevivedWithinTheBoundAndWhatStandsSomewhereIsNot(t *testing.T) {
	t.Parallel()
	for place, tc := range map[string]struct {
		put, lose func(w *world, k key.Key, p position.Position)
	}{
		placeWindow: {
			(*world).arm,
			func(w *world, _ key.Key, _ position.Position) { w.loseWindows() },
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
			limits := impatient()
			limits.Bound = 4 * time.Second
			bound := limits.MaxWait[source] + limits.Bound
			w := newWorld(t, limits)
			held, lost := contract("held"), contract("lost")
			p := w.append(held)
			tc.put(w, held, p)
			w.take()
			w.sweep()
			from := w.accepted(w.append(lost))
			w.take()
			if took := w.revived(lost).Sub(from); took > bound {
				t.Errorf("what stood nowhere was revived after %s, want at most %s", took, bound)
			}
			if n := w.swept(held); n != 0 {
				t.Fatalf("%d events for a key that stood in its place", n)
			}
			from = w.now()
			tc.lose(w, held, p)
			if took := w.revived(held).Sub(from); took > bound {
				t.Errorf("what was lost was revived after %s, want at most %s", took, bound)
			}
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

// TestPlacesAreLookedAtInTheOrderOfTheFlow: a key that stands everywhere is found in the first place, and so on.
func TestPlacesAreLookedAtInTheOrderOfTheFlow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, impatient())
	k := contract("A")
	p := w.append(k)
	open := w.due(1)
	w.arm(k, p)
	w.send(bus.StageEnrich, k, p)
	w.send(bus.StagePublish, k, p)
	w.settle(k, p)
	s := w.sweeper(leads)
	for _, leave := range []func(){
		w.take, w.loseWindows,
		func() { w.lose(bus.StageEnrich, k) },
		func() { w.lose(bus.StagePublish, k) },
		func() {},
	} {
		lost, err := s.lost(t.Context(), open, w.now())
		if err != nil || len(lost) != 0 {
			t.Fatalf("lost = %v, %v; want nothing", lost, err)
		}
		leave()
	}
	if diff := cmp.Diff([]string{placeLog, placeWindow, placeDue, placeReady, placeSettled}, w.meter.found); diff != "" {
		t.Errorf("found in (-want +got):\n%s", diff)
	}
}

// TestAKeyThatMovesOnDuringTheLookIsMetFurtherOn: from its window, at the last moment before that is looked at.
func TestAKeyThatMovesOnDuringTheLookIsMetFurtherOn(t *testing.T) {
	t.Parallel()
	for place, move := range map[string]func(w *world, k key.Key, p position.Position){
		placeDue:     func(w *world, k key.Key, p position.Position) { w.send(bus.StageEnrich, k, p) },
		placeReady:   func(w *world, k key.Key, p position.Position) { w.send(bus.StagePublish, k, p) },
		placeSettled: (*world).settle,
	} {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, impatient())
			k := contract("A")
			p := w.append(k)
			w.arm(k, p)
			w.take()
			open := w.due(1)
			w.windows.before = func() error {
				move(w, k, p)
				w.loseWindows()
				return nil
			}
			lost, err := w.sweeper(leads).lost(t.Context(), open, w.now())
			if err != nil || len(lost) != 0 {
				t.Errorf("lost = %v, %v; want nothing, since it has moved on", lost, err)
			}
			if diff := cmp.Diff([]string{place}, w.meter.found); diff != "" {
				t.Errorf("found in (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNothingIsExemptForEver(t *testing.T) {
	t.Parallel()
	limits := impatient()
	limits.Exempt = 600 * time.Millisecond
	w := newWorld(t, limits)
	p := w.append(contract("stuck"))
	w.send(bus.StageEnrich, contract("stuck"), p)
	w.take()
	w.sweep()
	if took := w.revived(contract("stuck")).Sub(w.accepted(p)); took < limits.Exempt {
		t.Errorf("it was revived after %s, want at least %s", took, limits.Exempt)
	}
}

// TestKeysOfSourcesThatAreNotConfiguredAreLeftAlone: it is the oldest, and beyond any exemption when "later" is revived.
func TestKeysOfSourcesThatAreNotConfiguredAreLeftAlone(t *testing.T) {
	t.Parallel()
	limits := impatient()
	limits.Exempt = 400 * time.Millisecond
	w := newWorld(t, limits)
	foreign := key.Key{Source: "elsewhere", Kind: key.Contract, ID: "A"}
	w.append(foreign)
	w.sweep()
	for _, id := range []string{"soon", "later"} {
		p := w.append(contract(id))
		w.send(bus.StageEnrich, contract(id), p)
		w.take()
		w.revived(contract(id))
	}
	if n := w.swept(foreign); n != 0 {
		t.Errorf("%d events for a key of a source that is not configured", n)
	}
}

func TestTheLogForgetsNoOpenEvent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, impatient())
	stream, err := w.bus.JetStream().Stream(t.Context(), bus.StreamEvents)
	w.must(err)
	// Its events leave after 12 s; nothing else would revive a key that has a ticket.
	config := stream.CachedInfo().Config
	config.MaxAge, config.Duplicates = 12*time.Second, time.Second
	_, err = w.bus.JetStream().UpdateStream(t.Context(), config)
	w.must(err)
	p := w.append(contract("waits"))
	accepted := w.accepted(p)
	w.send(bus.StageEnrich, contract("waits"), p)
	w.take()
	w.sweep()
	if took := w.revived(contract("waits")).Sub(accepted); took < config.MaxAge/4*3 || took >= config.MaxAge {
		t.Errorf("it was appended again after %s, want between three quarters of %s and all of it", took, config.MaxAge)
	}
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
	s := w.sweeper(leads)
	open := w.due(1)
	w.settle(k, p)
	lost, err := s.lost(t.Context(), open, w.now())
	if err != nil || len(lost) != 0 {
		t.Errorf("lost = %v, %v; want nothing, since it is settled", lost, err)
	}
}
