package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

// TestALogThatWasSetBackSwallowsNothing sets the store of the event log back to an older copy, under settlements that are
// newer: the new events get sequences that are settled already, and have to reach Enneo all the same.
func TestALogThatWasSetBackSwallowsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	env := w.with(impatient)
	ids, err := w.sim.IDs(t.Context(), key.Contract, 0, 3)
	if err != nil {
		t.Fatal(err)
	}
	services := []string{"ingestor", "debouncer", "enricher", "publisher"}
	var running []*process
	startAll := func() (ingestor string) {
		for _, name := range services {
			running = append(running, start(t, name, env))
		}
		w.accepting(t, running[0].http)
		return running[0].http
	}
	stopAll := func() {
		for _, p := range running {
			p.stop(t)
		}
		running = nil
		w.bus.Close()
		w.nats.Stop(t)
	}
	tell := func(ingestor string, status int) {
		for _, id := range ids {
			if err := w.change(t.Context(), ingestor, id, status); err != nil {
				t.Fatal(err)
			}
		}
	}

	tell(startAll(), 1000)
	w.settled(t, uint64(len(ids)))
	stopAll()
	events := filepath.Join(w.nats.Dir, "jetstream", "$G", "streams", "EVENTS")
	older := filepath.Join(t.TempDir(), "EVENTS")
	if err := os.CopyFS(older, os.DirFS(events)); err != nil {
		t.Fatal(err)
	}
	w.nats.Run(t)
	w.bus = w.nats.Connect(t, sourceName)
	before := w.epoch(t)
	ingestor := startAll()
	for _, status := range []int{2000, 3000, 4000} {
		tell(ingestor, status)
		w.settled(t, 0)
	}
	stopAll()

	if err := os.RemoveAll(events); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(events, os.DirFS(older)); err != nil {
		t.Fatal(err)
	}
	w.nats.Run(t)
	w.bus = w.nats.Connect(t, sourceName)
	tell(startAll(), simclient.StatusActive)
	w.settled(t, uint64(2*len(ids)))
	if after := w.epoch(t); after <= before {
		t.Errorf("epoch %d after the log was set back, %d before: a new one was due", after, before)
	}
	w.sound(t)
}

func (w *world) epoch(t *testing.T) uint64 {
	t.Helper()
	log, err := eventlog.Open(t.Context(), w.bus, discard())
	if err != nil {
		t.Fatal(err)
	}
	epoch, err := log.Epoch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return epoch
}
