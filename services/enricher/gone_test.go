package enricher

import (
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

func (w *world) remove(k key.Key) {
	w.t.Helper()
	_, err := w.sim.Delete(w.t.Context(), simclient.Ref{Kind: k.Kind, ID: k.ID})
	w.must(err)
}

// noted waits until the first look that found nothing is noted, and returns its time.
func (w *world) noted(k key.Key) (since time.Time) {
	w.t.Helper()
	bustest.Eventually(w.t, "the first look is noted", func() bool {
		noted := w.snapshot(k).GetGoneSince()
		since = noted.AsTime()
		return noted != nil
	})
	return since
}

// apart fails unless the look that confirmed began at least GONE_CONFIRM after the first one.
func (w *world) apart(k key.Key, first time.Time) {
	w.t.Helper()
	if wait := w.snapshot(k).GetReadStartedAt().AsTime().Sub(first); wait < testConfirm {
		w.t.Errorf("confirmed %s after the first look, want at least %s", wait, testConfirm)
	}
}

func TestGoneKeyNeedsASecondLook(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.replica(nil)
	k := contract(w.contracts[0])
	before := w.change(k)
	w.readyFor(k, before)
	w.remove(k)
	p := w.change(k)
	first := w.noted(k)
	if s := w.snapshot(k); s.GetGone() || s.GetBody() == "" {
		t.Error("one look was enough to lose the data")
	}
	if got := w.ready(k); got.Position != before {
		t.Errorf("the publisher was told of %v after one look", got.Position)
	}
	w.readyFor(k, p)
	w.holds(k, p, 0)
	w.count(k, 3)
	w.apart(k, first)
	text, err := protojson.Marshal(w.snapshot(k))
	w.must(err)
	if s := w.snapshot(k); s.GetBody() != "" || s.GetCustomerId() != "" || len(s.GetContractIds()) != 0 {
		t.Errorf("the tombstone holds data: %s", text)
	}
}

// TestKeyThatIsNotThereYetIsNotGone: its webhook may have come before the ERP's own commit.
func TestKeyThatIsNotThereYetIsNotGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.replica(nil)
	k := contract(w.contracts[0])
	found, err := w.sim.Contract(t.Context(), k.ID)
	w.must(err)
	w.remove(k)
	p := w.change(k)
	w.noted(k)
	revisions, err := w.sim.PutContract(t.Context(), found)
	w.must(err)
	w.readyFor(k, p)
	w.holds(k, p, w.revision(k, revisions))
	w.count(k, 2)
}

// TestGoneKeyThatComesBackIsNotTakenForGone: the event may tell that the key is back, and come before the ERP's own commit as any other.
func TestGoneKeyThatComesBackIsNotTakenForGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.replica(nil)
	k := contract(w.contracts[0])
	found, err := w.sim.Contract(t.Context(), k.ID)
	w.must(err)
	w.remove(k)
	w.readyFor(k, w.change(k))

	p := w.change(k)
	w.noted(k)
	revisions, err := w.sim.PutContract(t.Context(), found)
	w.must(err)
	w.readyFor(k, p)
	w.holds(k, p, w.revision(k, revisions))
	w.count(k, 4)
}

// TestTicketsDuringTheWaitDoNotShortenIt: each may bring the key back, so each is looked at.
func TestTicketsDuringTheWaitDoNotShortenIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.replica(nil)
	k := contract(w.contracts[0])
	w.remove(k)
	p := w.change(k)
	first := w.noted(k)
	for range 5 {
		p = w.change(k)
	}
	w.readyFor(k, p)
	w.holds(k, p, 0)
	w.apart(k, first)
}

// TestCustomerWithoutContractsIsGone: Enneo takes none without.
func TestCustomerWithoutContractsIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.replica(nil)
	found, err := w.sim.Contract(t.Context(), w.contracts[0])
	w.must(err)
	k := customer(found.CustomerID)
	w.readyFor(k, w.change(k))
	for _, id := range w.snapshot(k).GetContractIds() {
		w.remove(contract(id))
	}
	p := w.change(k)
	w.readyFor(k, p)
	w.holds(k, p, 0)
	w.count(k, 3)
}
