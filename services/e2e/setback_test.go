package e2e

import (
	"path/filepath"
	"testing"

	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	"github.com/enneo-ai/enneo-bridge/services/e2e/internal/rig"
)

// TestALogThatWasSetBackSwallowsNothing sets the store of the event log back to an older copy, under settlements that are
// newer: the new events get sequences that are settled already, and have to reach Enneo all the same.
func TestALogThatWasSetBackSwallowsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	env := w.With(impatient)
	ids := w.contracts(3)
	var running []*rig.Process
	startAll := func() (ingestor string) {
		for _, name := range []string{"ingestor", "debouncer", "enricher", "publisher"} {
			running = append(running, w.start(name, env))
		}
		address := w.http(running[0])
		must(t, w.Accepting(t.Context(), address))
		return address
	}
	stopAll := func() {
		for _, p := range running {
			must(t, p.Stop())
		}
		running = nil
		w.NATS.Kill()
	}

	w.change(startAll(), 1000, ids...)
	w.settled(len(ids))
	stopAll()
	older := filepath.Join(t.TempDir(), "EVENTS")
	must(t, w.NATS.CopyEvents(older))
	must(t, w.NATS.Start(t.Context()))
	ingestor := startAll()
	before := w.epoch()
	for _, status := range []int{2000, 3000, 4000} {
		w.change(ingestor, status, ids...)
		w.settled(0)
	}
	stopAll()

	must(t, w.NATS.SetBackEvents(older))
	must(t, w.NATS.Start(t.Context()))
	w.change(startAll(), simclient.StatusActive, ids...)
	w.settled(2 * len(ids))
	if after := w.epoch(); after <= before {
		t.Errorf("epoch %d after the log was set back, %d before: a new one was due", after, before)
	}
	w.sound()
}

// TestServicesGoOnWithAnEmptyServer: a server that comes back without its disk has neither streams nor consumers; the services
// that run make them again, in a new epoch, and nobody has to restart anything.
func TestServicesGoOnWithAnEmptyServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	env := w.With(impatient)
	ids := w.contracts(3)
	ingestor := w.ingestor(env)
	for _, name := range []string{"debouncer", "enricher", "publisher"} {
		w.start(name, env)
	}
	w.change(ingestor, 1000, ids...)
	w.settled(len(ids))
	before := w.epoch()

	w.NATS.Kill()
	must(t, w.NATS.Empty())
	must(t, w.NATS.Start(t.Context()))
	for _, id := range ids {
		eventually(t, "the log takes a change again", func() error {
			return w.Change(t.Context(), ingestor, id, simclient.StatusActive)
		})
	}
	w.settled(len(ids))
	if after := w.epoch(); after <= before {
		t.Errorf("epoch %d with an empty server, %d before: a new one was due", after, before)
	}
	w.sound()
}

func (w *world) epoch() uint64 {
	w.t.Helper()
	epoch, err := w.Epoch(w.t.Context())
	must(w.t, err)
	return epoch
}
