package windows

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/propagation"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/libs/redisx/redistest"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
	"github.com/enneo-ai/enneo-bridge/services/debouncer/internal/window"
)

var keyA = key.Key{Source: "powercloud", Kind: key.Contract, ID: "A"}

// installation is a Redis and a NATS with what the debouncers keep there.
type installation struct {
	store   *window.Store
	windows *Windows
	bus     *bus.Bus
	books   Books
}

func install(t *testing.T, rdb redis.UniversalClient) *installation {
	t.Helper()
	i := &installation{bus: bustest.Start(t).Connect(t, "powercloud")}
	var err error
	if i.books.Log, err = eventlog.Open(t.Context(), i.bus, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if i.books.Ledger, err = ledger.Open(t.Context(), i.bus); err != nil {
		t.Fatal(err)
	}
	if i.store, err = window.Open(t.Context(), rdb, window.Options{}); err != nil {
		t.Fatal(err)
	}
	if i.windows, err = Open(t.Context(), rdb); err != nil {
		t.Fatal(err)
	}
	return i
}

// event appends an event of key A and arms its window with it.
func (i *installation) event(t *testing.T, quiet time.Duration) position.Position {
	t.Helper()
	event, err := eventlog.NewEvent(t.Context(), propagation.TraceContext{}, eventlog.Change{
		Key: keyA, Origin: bridgev1.Origin_ORIGIN_WEBHOOK, ReceivedAt: time.Now(),
	})
	if err != nil {
		t.Fatal(err)
	}
	acks, errs := i.books.Log.Append(t.Context(), []eventlog.Event{event})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	epoch, err := i.books.Log.Epoch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := position.Position{Epoch: epoch, Sequence: acks[0].Sequence}
	i.arm(t, p, quiet)
	return p
}

func (i *installation) arm(t *testing.T, p position.Position, quiet time.Duration) {
	t.Helper()
	if _, err := i.store.Arm(t.Context(), []window.Arm{{Key: keyA, Position: p, Quiet: quiet, MaxWait: time.Hour}}); err != nil {
		t.Fatal(err)
	}
}

// claim claims what is due in any shard.
func (i *installation) claim(t *testing.T) []window.Window {
	t.Helper()
	var all []window.Window
	for shard := range i.store.Shards() {
		claimed, err := i.store.Claim(t.Context(), shard, 10, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, claimed.Windows...)
	}
	return all
}

func (i *installation) settlement(t *testing.T) *bridgev1.Settlement {
	t.Helper()
	entry, err := i.books.Ledger.Get(t.Context(), keyA.String())
	if err != nil {
		t.Fatal(err)
	}
	return entry.Value
}

func (i *installation) look(t *testing.T) *Window {
	t.Helper()
	w, err := i.windows.Look(t.Context(), keyA)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (i *installation) drop(t *testing.T, want Dropped) {
	t.Helper()
	got, _, err := i.windows.Drop(t.Context(), i.books, keyA, "test contract")
	if err != nil || got != want {
		t.Fatalf("Drop = %d, %v; want %d", got, err, want)
	}
}

// dropped checks that the ledger has everything up to p as dropped.
func (i *installation) dropped(t *testing.T, p position.Position) {
	t.Helper()
	s := i.settlement(t)
	if !ledger.Settles(s, p) || position.FromProto(s.GetCovered()) != p ||
		s.GetOutcome() != bridgev1.Outcome_OUTCOME_DROPPED || s.GetReason() != "test contract" {
		t.Errorf("settled: %v, want everything up to %s dropped, with the reason", s, p)
	}
}

var servers = []struct {
	name string
	open func(testing.TB) redis.UniversalClient
}{{"redis", redistest.Open}, {"miniredis", redistest.Miniredis}, {"cluster", redistest.Cluster}}

func TestADropSettlesAndRemovesTheWindow(t *testing.T) {
	t.Parallel()
	for _, server := range servers {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			i := install(t, server.open(t))
			i.drop(t, DropNoWindow)
			i.event(t, time.Hour)
			p := i.event(t, time.Hour)
			i.drop(t, DropDone)
			i.dropped(t, p)
			if w := i.look(t); w != nil {
				t.Errorf("window left: %+v", w)
			}
			epoch, err := i.books.Log.Epoch(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			balance, err := i.books.Ledger.Audit(t.Context(), epoch)
			if err != nil || balance.Accepted != 2 || balance.Settled != 2 || balance.ByOutcome["dropped"] != 2 {
				t.Errorf("balance %+v, %v; want two events dropped", balance, err)
			}
			i.drop(t, DropNoWindow)
		})
	}
}

// The moment between the ledger and Redis: whatever happens there, the newer event stays and the settled ones are settled.
func TestAnEventBetweenSettlingAndRemovingStaysOpen(t *testing.T) {
	t.Parallel()
	for _, server := range servers {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			i := install(t, server.open(t))
			p := i.event(t, time.Hour)
			if err := i.books.settle(t.Context(), keyA, p, "test contract"); err != nil {
				t.Fatal(err)
			}
			newer := i.event(t, time.Hour)
			if got, err := i.windows.remove(t.Context(), keyA, p); err != nil || got != DropNewer {
				t.Fatalf("remove = %d, %v; want DropNewer", got, err)
			}
			i.dropped(t, p)
			if w := i.look(t); w == nil || w.Position != newer || w.State() != StateOpen {
				t.Errorf("window %+v, want one that is open up to %s", w, newer)
			}
			if answers, err := i.windows.Flush(t.Context(), []key.Key{keyA}); err != nil || answers[0] != DueNow {
				t.Fatalf("flush: %v, %v", answers, err)
			}
			if claimed := i.claim(t); len(claimed) != 1 || claimed[0].Position != newer {
				t.Errorf("claimed %+v, want the newer event", claimed)
			}
		})
	}
}

func TestADropThatDiesAfterSettlingIsFinishedByTheNext(t *testing.T) {
	t.Parallel()
	i := install(t, redistest.Open(t))
	p := i.event(t, time.Hour)
	if err := i.books.settle(t.Context(), keyA, p, "test contract"); err != nil {
		t.Fatal(err)
	}
	settled := i.settlement(t)
	if got, _, err := i.windows.Drop(t.Context(), i.books, keyA, "another reason"); err != nil || got != DropDone {
		t.Fatalf("Drop = %d, %v; want DropDone", got, err)
	}
	i.dropped(t, p) // the reason of the first one
	if again := i.settlement(t); !again.GetSettledAt().AsTime().Equal(settled.GetSettledAt().AsTime()) {
		t.Error("settled anew")
	}
	if w := i.look(t); w != nil {
		t.Errorf("window left: %+v", w)
	}
}

func TestADropRespectsAClaim(t *testing.T) {
	t.Parallel()
	i := install(t, redistest.Open(t))
	p := i.event(t, 0)
	claimed := i.claim(t)
	if len(claimed) != 1 {
		t.Fatalf("claimed %+v", claimed)
	}
	i.drop(t, DropClaimed)
	if s := i.settlement(t); s.GetOutcome() != bridgev1.Outcome_OUTCOME_UNSPECIFIED {
		t.Errorf("settled %v, though the window is claimed", s)
	}
	// Claimed only after the events were settled: the claim goes its way.
	if err := i.books.settle(t.Context(), keyA, p, "test contract"); err != nil {
		t.Fatal(err)
	}
	if got, err := i.windows.remove(t.Context(), keyA, p); err != nil || got != DropOvertaken {
		t.Errorf("remove = %d, %v; want DropOvertaken", got, err)
	}
	if settled, err := i.store.Complete(t.Context(), claimed); err != nil || settled.Completions[0] != window.Done {
		t.Errorf("complete: %+v, %v", settled, err)
	}
}

func TestADropLeavesOutcomesAndRequestsAlone(t *testing.T) {
	t.Parallel()
	for _, outcome := range []bridgev1.Outcome{bridgev1.Outcome_OUTCOME_DELIVERED, bridgev1.Outcome_OUTCOME_DEAD_LETTER} {
		i := install(t, redistest.Miniredis(t))
		p := i.event(t, time.Hour)
		_, err := i.books.Ledger.Change(t.Context(), keyA.String(), func(s *bridgev1.Settlement) error {
			ledger.Settle(s, p, time.Time{}, outcome, "")
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		i.drop(t, DropDone)
		if got := i.settlement(t).GetOutcome(); got != outcome {
			t.Errorf("outcome %s became %s", outcome, got)
		}
	}
	i := install(t, redistest.Miniredis(t))
	first := i.event(t, time.Hour)
	_, err := i.books.Ledger.Change(t.Context(), keyA.String(), func(s *bridgev1.Settlement) error {
		s.Intent = &bridgev1.Intent{Token: "TOK", Position: first.Proto()}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	p := i.event(t, time.Hour)
	i.drop(t, DropDone)
	if s := i.settlement(t); s.GetIntent().GetToken() != "TOK" || !ledger.Covers(s, p) {
		t.Errorf("settled %v, want the request that is under way to stay", s)
	}
}

func TestADropBeyondTheLogIsRefused(t *testing.T) {
	t.Parallel()
	i := install(t, redistest.Miniredis(t))
	p := i.event(t, time.Hour)
	p.Sequence++
	i.arm(t, p, time.Hour)
	if got, _, err := i.windows.Drop(t.Context(), i.books, keyA, "test contract"); !errors.Is(err, ErrBeyondLog) || got != DropFailed {
		t.Errorf("Drop = %d, %v; want ErrBeyondLog", got, err)
	}
	if s := i.settlement(t); s.GetCovered() != nil {
		t.Errorf("settled %v beyond the log", s)
	}
	if w := i.look(t); w == nil {
		t.Error("the window is gone")
	}
}

func TestARedisWithoutWindowsSaysSo(t *testing.T) {
	t.Parallel()
	if _, err := Open(t.Context(), redistest.Miniredis(t)); !errors.Is(err, ErrNone) {
		t.Errorf("Open = %v, want ErrNone", err)
	}
}
