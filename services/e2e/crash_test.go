package e2e

import (
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

// TestKilledAtEveryStep kills one service after the other at each of its named steps, in the middle of the main job, and
// lets a second process finish it.
func TestKilledAtEveryStep(t *testing.T) {
	t.Parallel()
	for service, points := range map[string][]string{
		"debouncer": {
			"debouncer.arm.begin", "debouncer.arm.done", "debouncer.claim.begin", "debouncer.claim.done",
			"debouncer.flush.done", "debouncer.complete.done",
		},
		"enricher":  {"enricher.customers.told", "enricher.snapshot.stored", "enricher.ready.sent"},
		"publisher": {"publisher.intent.stored", "publisher.request.done", "publisher.outcome.stored"},
	} {
		for _, point := range points {
			t.Run(point, func(t *testing.T) {
				t.Parallel()
				turn(t)
				killedAt(t, service, point)
			})
		}
	}
}

func killedAt(t *testing.T, service, point string) {
	t.Helper()
	w := newWorld(t, 4)
	env := w.With(impatient)
	ingestor := w.ingestor(env)
	for _, name := range []string{"debouncer", "enricher", "publisher"} {
		if name != service {
			w.start(name, env)
		}
	}
	victim := w.launch(service, with(env, "FAILPOINTS", point+"=kill"))
	ids := w.contracts(4)
	w.change(ingestor, 1000, ids...)
	w.said(victim, "failpoint "+point)
	<-victim.Exited()
	w.start(service, env)
	w.settled(len(ids))
	w.sound()
}

func with(env map[string]string, name, value string) map[string]string {
	changed := maps.Clone(env)
	changed[name] = value
	return changed
}

// TestPausedBeyondTheLeaseAtEveryStep stops a debouncer with SIGSTOP at each of its named steps. Another one takes over
// when lease and ack wait are over, and everything reaches Enneo; what the woken one still does of its old turn changes
// nothing.
func TestPausedBeyondTheLeaseAtEveryStep(t *testing.T) {
	t.Parallel()
	for _, point := range []string{
		"debouncer.arm.begin", "debouncer.arm.done", "debouncer.claim.begin", "debouncer.claim.done",
		"debouncer.flush.done", "debouncer.complete.done",
	} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			turn(t)
			pausedAt(t, point)
		})
	}
}

func pausedAt(t *testing.T, point string) {
	t.Helper()
	w := newWorld(t, 4)
	env := w.With(impatient)
	ingestor := w.ingestor(env)
	w.start("enricher", env)
	w.start("publisher", env)
	// Alone at first, so that it is the one to come to the point; and not before there is something in its hand.
	sleeper := w.launch("debouncer", with(env, "FAILPOINTS", point+"=stop"))
	ids := w.contracts(4)
	w.change(ingestor, 1000, ids...)
	w.said(sleeper, "failpoint "+point)
	paused := time.Now()
	w.start("debouncer", env)
	w.settled(len(ids))
	must(t, w.Idle(t.Context()))
	w.sound()
	// The lease of the sleeper is over by its own clock as well.
	eventually(t, "the sleeper has slept for longer than its lease and the ack wait", func() error {
		if slept := time.Since(paused); slept < 3*time.Second {
			return fmt.Errorf("%s", slept)
		}
		return nil
	})
	before := w.requests()

	must(t, sleeper.Resume())
	// Whoever is told to stop finishes what it has in hand.
	if err := sleeper.Stop(); err != nil {
		t.Error(err)
	}
	must(t, w.Idle(t.Context()))
	w.settled(len(ids))
	w.sound()
	if after := w.requests(); !maps.Equal(before, after) {
		t.Errorf("the woken replica caused requests: %v before, %v after", before, after)
	}
}

// requests counts all requests to the ERP and to Enneo.
func (w *world) requests() map[string]int {
	w.t.Helper()
	total := map[string]int{}
	for _, system := range []string{simclient.Powercloud, simclient.Enneo} {
		for _, kind := range []key.Kind{key.Contract, key.Customer} {
			for _, n := range w.counts(system, kind) {
				total[system+" "+string(kind)] += n
			}
		}
	}
	if len(total) == 0 {
		w.t.Error(errors.New("no request was counted at all"))
	}
	return total
}
