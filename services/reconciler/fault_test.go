package reconciler

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

func (w *world) fault(f simclient.Fault) {
	w.t.Helper()
	f.System = simclient.Generic
	_, err := w.sim.AddFault(w.t.Context(), f)
	w.must(err)
}

func TestAnERPThatIsAwayForAWhileIsWaitedFor(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]simclient.Fault{
		"429 with Retry-After": {Action: simclient.Status, Status: 429, RetryAfter: "1", Count: 1},
		"503":                  {Action: simclient.Status, Status: 503, Count: 2},
		"a broken connection":  {Action: simclient.Reset, Count: 1},
		"half an answer":       {Action: simclient.Truncate, Count: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 30)
			w.fault(f)
			began := time.Now()
			got := w.well(Options{}, map[string]string{"RECONCILE_PATIENCE": "30s"})
			if got.New != 30+len(w.customers) || got.Failed != 0 {
				t.Errorf("%s", got)
			}
			if f.RetryAfter != "" && time.Since(began) < time.Second {
				t.Error("Retry-After was not obeyed")
			}
		})
	}
}

func TestAnERPThatStaysAwayEndsTheRunAndLeavesTheCursor(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]simclient.Fault{
		"503 for ever": {Operation: "list_customers", Action: simclient.Status, Status: 503},
		"a wrong key":  {Operation: "list_customers", Action: simclient.Status, Status: 401},
		"a refusal":    {Operation: "list_customers", Action: simclient.Status, Status: 422},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 20)
			w.fault(f)
			got := w.run(Options{}, map[string]string{"RECONCILE_PATIENCE": "100ms"})
			if got.code() != exitFailure || !w.cursor().IsZero() && w.cursor().Unix() != 0 {
				t.Errorf("exit code %d, cursor %s", got.code(), w.cursor())
			}
			// Contracts come first and are carried over; the next run finds them so.
			w.must(w.sim.ClearFaults(t.Context(), simclient.Generic))
			w.settle()
			if got := w.well(Options{}, nil); got.Unchanged != 20 || got.New != len(w.customers) {
				t.Errorf("the next run: %s", got)
			}
		})
	}
}

func TestPagesThatRepeatEndTheRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 60)
	// The ERP does not know the parameter, and gives the first page again and again.
	got := w.run(Options{Full: true}, map[string]string{"SOURCE_ERP_PROFILE": w.profile("cursor: cursor", "cursor: next")})
	if got.code() != exitFailure || got.last.Pages > 5 {
		t.Errorf("exit code %d after %d pages", got.code(), got.last.Pages)
	}
}

func TestWhatCannotBeMappedIsToldAndTheRestGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 30)
	_, err := w.sim.Change(t.Context(), simclient.Change{Contracts: []string{w.contracts[3]}, Patch: json.RawMessage(`{"override":{"customerId":null}}`)})
	w.must(err)
	got := w.run(Options{}, nil)
	if got.code() != exitFailures || got.last.Failed != 1 || got.last.New != 29+len(w.customers) {
		t.Errorf("exit code %d, %s", got.code(), got.last.Tally)
	}
	k := contract(w.contracts[3])
	if n := w.messages(bus.StreamEvents, bus.EventSubject(k)); n != 1 || w.snapshot(k).Revision != 0 {
		t.Errorf("%d events of what cannot be mapped, want one: its own read makes a dead letter or mends it", n)
	}
	if got := w.run(Options{Full: true}, nil); got.last.Failed != 1 || w.messages(bus.StreamEvents, bus.EventSubject(k)) != 1 {
		t.Errorf("repeated: %s; its event is on its way", got.last.Tally)
	}
}

func TestAnInterruptedRunIsNoSuccess(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5)
	w.fault(simclient.Fault{Action: simclient.Hang})
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	got := make(chan outcome, 1)
	go func() { got <- w.runWithin(ctx, Options{}, nil) }()
	bustest.Eventually(t, "the ERP is asked", func() bool {
		states, err := w.sim.Faults(t.Context())
		return err == nil && len(states) == 1 && states[0].Applied > 0
	})
	interrupt()
	if o := <-got; o.code() != exitFailure {
		t.Errorf("exit code %d: %v", o.code(), o.err)
	}
}

func TestASourceThatIsAwayHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 10)
	got := w.run(Options{Report: func(Progress) {}}, map[string]string{
		"SOURCES": "away,erp", "SOURCE_AWAY_PROFILE": "generic", "SOURCE_AWAY_HOST": "http://127.0.0.1:1", "SOURCE_AWAY_API_KEY": "x",
		"RECONCILE_PATIENCE": "1s",
	})
	if got.code() != exitFailure {
		t.Errorf("exit code %d: %v", got.code(), got.err)
	}
	if n := w.messages(bus.StreamReady, bus.StagePublish.Filter(testSource)); n != 10+len(w.customers) {
		t.Errorf("%d tickets of the other source", n)
	}
	if got := w.run(Options{Sources: []string{"epr"}}, nil); got.code() != exitFailure {
		t.Errorf("a source that is none: exit code %d", got.code())
	}
}

func TestByItsScheduleItStaysAndRunsAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 10)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ends := make(chan Progress, 16)
	done := make(chan outcome, 1)
	go func() {
		done <- w.runWithin(ctx, Options{Report: func(p Progress) {
			if p.Ended {
				ends <- p
			}
		}}, map[string]string{"RECONCILE_SCHEDULE": "@every 1s"})
	}()
	for _, want := range []Mode{Full, Changed} {
		if got := <-ends; got.Mode != want || got.Err != nil {
			t.Errorf("a run in mode %s ended with %v, want mode %s", got.Mode, got.Err, want)
		}
	}
	stop()
	if o := <-done; o.err != nil {
		t.Errorf("stopped between two runs: %v", o.err)
	}
}

// TestANewLogEpochListsAllChangesOfAnERPThatListsNothingElse: what the log has lost may have been told of before the last run.
func TestANewLogEpochListsAllChangesOfAnERPThatListsNothingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 20)
	env := map[string]string{"RECONCILE_OVERLAP": "0s", "SOURCE_ERP_PROFILE": w.withLists(
		"  list_changed:\n    path: /contracts\n    query: {since: changedSince, limit: limit, cursor: cursor}\n    items: [/items/*]\n    removed: [/deleted]\n    next: [/nextCursor]\n")}
	w.revise(6000, w.contracts...) // What the simulator began with has no time of change.
	if got := w.well(Options{}, env); got.New != 20 {
		t.Fatalf("the first run: %s", got)
	}
	w.settle()
	epoch, err := w.log.Epoch(t.Context())
	w.must(err)
	w.must(w.log.SetBack(t.Context(), epoch))
	for _, want := range []int{20, 0} {
		w.setCursor(time.Now().Add(time.Hour)) // Later than all changes.
		if got := w.well(Options{}, env); got.Seen != want {
			t.Errorf("%s; want %d seen", got, want)
		}
		if due, _, err := w.log.ReconciliationDue(t.Context()); err != nil || due {
			t.Errorf("a comparison is due still: %t, %v", due, err)
		}
	}
}

func TestANewLogEpochIsFollowedByAFullComparison(t *testing.T) {
	t.Parallel()
	w := imported(t, 20)
	epoch, err := w.log.Epoch(t.Context())
	w.must(err)
	w.must(w.log.SetBack(t.Context(), epoch))
	for _, want := range []Mode{Full, Changed} {
		got := w.run(Options{}, nil)
		w.must(got.err)
		if got.last.Mode != want {
			t.Errorf("mode %s, want %s", got.last.Mode, want)
		}
		if due, _, err := w.log.ReconciliationDue(t.Context()); err != nil || due {
			t.Errorf("a full comparison is due still: %t, %v", due, err)
		}
	}
}
