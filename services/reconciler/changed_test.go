package reconciler

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/enneo"
	"github.com/enneo-ai/enneo-bridge/libs/lease"
	"github.com/enneo-ai/enneo-bridge/libs/pause"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/libs/record"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// imported is a world whose ERP has been carried over.
func imported(t *testing.T, contracts int) *world {
	t.Helper()
	w := newWorld(t, contracts)
	w.well(Options{}, nil)
	w.settle()
	return w
}

func (w *world) cursor() time.Time {
	w.t.Helper()
	records, err := record.Open[bridgev1.Reconciliation](w.t.Context(), w.bus.JetStream(), bus.BucketBridge)
	w.must(err)
	entry, err := records.Get(w.t.Context(), recordKey(testSource))
	w.must(err)
	return entry.Value.GetChangedSince().AsTime()
}

func (w *world) setCursor(at time.Time) {
	w.t.Helper()
	records, err := record.Open[bridgev1.Reconciliation](w.t.Context(), w.bus.JetStream(), bus.BucketBridge)
	w.must(err)
	_, err = records.Change(w.t.Context(), recordKey(testSource), func(r *bridgev1.Reconciliation) error {
		r.ChangedSince = timestamppb.New(at)
		return nil
	})
	w.must(err)
}

func TestLaterRunsListWhatHasChangedSinceTheLastOne(t *testing.T) {
	t.Parallel()
	w := imported(t, 60)
	first := w.cursor()
	before := w.events()
	w.revise(6000, w.contracts[7])
	w.remove(w.contracts[8])
	got := w.run(Options{}, map[string]string{"RECONCILE_OVERLAP": "0s"})
	w.must(got.err)
	// The data that the simulator began with has no time; the customer of what is gone has changed or is gone.
	if got.last.Mode != Changed || got.last.Changed+got.last.Gone != 3 || got.last.Gone < 1 || got.last.New != 0 {
		t.Errorf("mode %s, %s", got.last.Mode, got.last.Tally)
	}
	if w.events() != before+3 || !w.cursor().After(first) {
		t.Errorf("%d events, the cursor has moved from %s to %s", w.events()-before, first, w.cursor())
	}
	if n := w.messages(bus.StreamReady, bus.StagePublish.Subject(contract(w.contracts[8]))); n != 0 {
		t.Error("what a listing calls removed was stored instead of looked at")
	}
	w.settle()
	// The overlap lists it again, and finds it carried over; the two that are removed are still in Enneo here.
	if got := w.well(Options{}, nil); got.Changed != 0 || got.Unchanged < 1 {
		t.Errorf("with an overlap: %s", got)
	}
}

func TestALaterSinceLeavesTheCursorWhereItWas(t *testing.T) {
	t.Parallel()
	w := imported(t, 5)
	before := w.cursor()
	w.well(Options{Since: time.Now()}, nil)
	if after := w.cursor(); !after.Equal(before) {
		t.Errorf("the cursor has moved from %s to %s over what nobody has listed", before, after)
	}
	w.well(Options{Since: time.Now().Add(-time.Hour)}, map[string]string{"RECONCILE_OVERLAP": "0s"})
	if after := w.cursor(); !after.After(before) {
		t.Error("the cursor has not moved although more was listed than it asks for")
	}
}

// whilePageIsHeld makes a full run that calls do while the ERP has made its first page and not sent it yet.
func (w *world) whilePageIsHeld(operation string, do func()) (run func() outcome) {
	w.t.Helper()
	held, err := w.sim.AddFault(w.t.Context(), simclient.Fault{System: simclient.Generic, Operation: operation, Action: simclient.Hold, Phase: simclient.After})
	w.must(err)
	return func() outcome {
		var (
			group sync.WaitGroup
			got   outcome
		)
		group.Go(func() { got = w.run(Options{Full: true}, nil) })
		_, err := w.sim.AwaitHeld(w.t.Context(), held.ID, 1)
		w.must(err)
		do()
		w.must(w.sim.Release(w.t.Context(), simclient.Release{Fault: held.ID}))
		group.Wait()
		return got
	}
}

func TestAChangeDuringAPageIsLeftToItsOwnEvent(t *testing.T) {
	t.Parallel()
	w := imported(t, 20)
	k := contract(w.contracts[4])
	w.revise(1000, k.ID) // The page shows this …
	var at position.Position
	got := w.whilePageIsHeld("list_contracts", func() {
		w.revise(6000, k.ID) // … and the webhook tells of this.
		at = w.event(k)
	})()
	w.must(got.err)
	last, _, err := w.log.Last(t.Context(), k)
	w.must(err)
	if got.last.Live != 1 || last.Position != at {
		t.Errorf("%s; the log ends with %v, want the webhook's %v", got.last.Tally, last.Position, at)
	}
	if covers := position.FromProto(w.snapshot(k).Value.GetCovers()); covers.Covers(at) {
		t.Error("an older page was taken to cover a newer event: the change would be lost")
	}
}

func TestPagesThatAreNotLiveCoverWhatWasKnownBeforeTheFirst(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		live    string
		covered bool
	}{{"live", "live_pages: true", true}, {"not live", "live_pages: false", false}} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := imported(t, 60)
			k := contract(w.contracts[55]) // On the last page, and it stays there.
			held, err := w.sim.AddFault(t.Context(), simclient.Fault{System: simclient.Generic, Operation: "list_contracts", Action: simclient.Hold, Phase: simclient.After})
			w.must(err)
			var group sync.WaitGroup
			env := map[string]string{"SOURCE_ERP_PROFILE": w.profile("live_pages: true", tc.live)}
			group.Go(func() { w.run(Options{Full: true}, env) })
			_, err = w.sim.AwaitHeld(t.Context(), held.ID, 1)
			w.must(err)
			at := w.event(k) // During the first page.
			w.must(w.sim.Release(t.Context(), simclient.Release{Fault: held.ID}))
			group.Wait()
			if covers := position.FromProto(w.snapshot(k).Value.GetCovers()); covers.Covers(at) != tc.covered {
				t.Errorf("the snapshot covers %v, the event is %v; want it covered: %t", covers, at, tc.covered)
			}
		})
	}
}

func TestWhatAWebhookHasToldAlreadyIsCoveredWithoutARead(t *testing.T) {
	t.Parallel()
	w := imported(t, 20)
	k := contract(w.contracts[4])
	w.revise(6000, k.ID)
	at := w.event(k)
	before := w.events()
	got := w.well(Options{Full: true}, nil)
	if covers := position.FromProto(w.snapshot(k).Value.GetCovers()); covers != at || w.events() != before || got.Changed != 1 {
		t.Errorf("%s; the snapshot covers %v, want the open event %v and no further one", got, covers, at)
	}
	if w.messages(bus.StreamReady, bus.StagePublish.Subject(k)) != 1 {
		t.Error("the publisher has no ticket")
	}
	// An event that is younger than the ERP's webhook is fast is read later, by itself.
	w.revise(2000, k.ID)
	at = w.event(k)
	w.well(Options{Full: true}, map[string]string{"SOURCE_ERP_MIN_AGE": "1h"})
	if covers := position.FromProto(w.snapshot(k).Value.GetCovers()); covers.Covers(at) {
		t.Error("a listing covers an event that is younger than SOURCE_<NAME>_MIN_AGE")
	}
}

func TestAReadSinceTheListingBeganIsNotReplacedByIt(t *testing.T) {
	t.Parallel()
	w := imported(t, 20)
	k := contract(w.contracts[4])
	before := w.snapshot(k).Value
	w.revise(1000, k.ID)
	w.whilePageIsHeld("list_contracts", func() {
		// The enricher reads a later state than the page shows, for the event that is known.
		_, err := w.snapshots.Change(t.Context(), k.String(), func(s *bridgev1.Snapshot) error {
			body, err := enneo.Canonical(map[string]any{"id": k.ID, "later": true})
			s.Body = body
			return err
		})
		w.must(err)
	})()
	after := w.snapshot(k).Value
	if !strings.Contains(after.GetBody(), "later") || position.FromProto(after.GetCovers()) != position.FromProto(before.GetCovers()) {
		t.Error("a page has replaced what was read after it was asked for")
	}
	if n := w.messages(bus.StreamEvents, bus.EventSubject(k)); n != 2 {
		t.Errorf("%d events, want a second one: a read of its own tells which is right", n)
	}
}

func TestContractsTellCustomersThatAreNotListed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 20)
	env := map[string]string{"SOURCE_ERP_PROFILE": w.profile(
		"  list_all_customers:\n    path: /customers\n    query: {limit: limit, cursor: cursor}\n    items: [/items/*]\n    next: [/nextCursor]\n    total: [/total]\n    live_pages: true\n", "")}
	got := w.well(Options{Full: true}, env)
	if got.New != 20 {
		t.Errorf("%s", got)
	}
	for _, id := range w.customers {
		if n := w.messages(bus.StreamEvents, bus.EventSubject(customer(id))); n == 0 {
			t.Errorf("the customer %s has no event", id)
		}
	}
}

func TestOfTwoAtOnceTheSecondLeaves(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5)
	held, err := w.sim.AddFault(t.Context(), simclient.Fault{System: simclient.Generic, Action: simclient.Hold})
	w.must(err)
	var group sync.WaitGroup
	var first outcome
	group.Go(func() { first = w.run(Options{}, nil) })
	_, err = w.sim.AwaitHeld(t.Context(), held.ID, 1)
	w.must(err)
	second := w.run(Options{}, nil)
	if second.code() != exitBusy || second.last.Pages != 0 {
		t.Errorf("exit code %d after %d pages: %v", second.code(), second.last.Pages, second.err)
	}
	w.must(w.sim.Release(t.Context(), simclient.Release{Fault: held.ID}))
	group.Wait()
	w.must(first.err)
}

func TestTheLeaseOfTheDeadIsWaitedOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	ctx, die := context.WithCancel(t.Context())
	holder, err := lease.Open(ctx, w.nats.Connect(t, testSource).JetStream(), "reconciler."+testSource, 2*time.Second, slog.New(slog.DiscardHandler))
	w.must(err)
	leads, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		_ = holder.Run(ctx, func(ctx context.Context) error {
			close(leads)
			<-ctx.Done()
			return nil
		})
	}()
	<-leads
	die()
	<-done
	if got := w.well(Options{}, nil); got.New == 0 {
		t.Errorf("%s", got)
	}
}

func TestAPausedSourceIsWaitedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	pauses, err := pause.Open(t.Context(), w.bus)
	w.must(err)
	w.must(pauses.Begin(t.Context(), pause.Source(testSource), "maintenance", time.Time{}))
	waiting := make(chan string, 64)
	var group sync.WaitGroup
	var got outcome
	group.Go(func() {
		got = w.run(Options{Report: func(p Progress) {
			if p.Waiting != "" {
				waiting <- p.Waiting
			}
		}}, nil)
	})
	if what := <-waiting; !strings.Contains(what, "operator") {
		t.Errorf("it waits for %s", what)
	}
	if pages, single := w.requests(); pages+single != 0 {
		t.Error("a paused source was asked")
	}
	_, err = pauses.End(t.Context(), pause.Source(testSource))
	w.must(err)
	group.Wait()
	w.must(got.err)
}

func TestLiveChangesGoFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 60)
	var group sync.WaitGroup
	var got outcome
	group.Go(func() { got = w.run(Options{}, map[string]string{"RECONCILE_BACKLOG": "30"}) })
	// The first two pages are 50 tickets, which nobody takes here.
	bustest.Eventually(t, "the run waits for the backlog", func() bool { return w.ready() == 50 })
	if pages, _ := w.requests(); pages != 2 {
		t.Errorf("%d pages were asked for above the limit", pages)
	}
	ended := make(chan struct{})
	go func() { group.Wait(); close(ended) }()
	bustest.Eventually(t, "the run ends once the backlog is worked off", func() bool {
		w.purge(bus.StreamReady)
		select {
		case <-ended:
			return true
		default:
			return false
		}
	})
	w.must(got.err)
}

func TestWithoutAListTheOldestReadsAreRepeated(t *testing.T) {
	t.Parallel()
	w := imported(t, 12)
	env := map[string]string{"SOURCE_ERP_PROFILE": w.withLists(""), "RECONCILE_REREAD": "4"}
	oldest := contract(w.contracts[9])
	_, err := w.snapshots.Change(t.Context(), oldest.String(), func(s *bridgev1.Snapshot) error {
		s.ReadStartedAt = timestamppb.New(time.Now().Add(-time.Hour))
		return nil
	})
	w.must(err)
	before := w.events()
	got := w.run(Options{}, env)
	w.must(got.err)
	if got.last.Mode != Reread || got.last.Seen != 4 || w.events() != before+4 {
		t.Errorf("mode %s, %s, %d events", got.last.Mode, got.last.Tally, w.events()-before)
	}
	if n := w.messages(bus.StreamEvents, bus.EventSubject(oldest)); n != 2 {
		t.Error("the key whose read is the oldest is not read again")
	}
	// They are on their way: a second run at once leaves them alone.
	if got := w.well(Options{}, env); got.Live != 4 {
		t.Errorf("a second run: %s", got)
	}
}
