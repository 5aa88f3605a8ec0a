package openkeys

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/propagation"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/libs/record"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// patience is far beyond what any step takes; it only fails a test that would hang.
const patience = 20 * time.Second

var quiet = slog.New(slog.DiscardHandler)

// world is NATS with a log and a ledger.
type world struct {
	*testing.T
	nats   *bustest.Server
	bus    *bus.Bus
	log    *eventlog.Log
	ledger *ledger.Ledger
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, nats: bustest.Start(t)}
	w.bus = w.nats.Connect(t)
	var err error
	if w.log, err = eventlog.Open(t.Context(), w.bus, quiet); err != nil {
		t.Fatal(err)
	}
	if w.ledger, err = ledger.Open(t.Context(), w.bus); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func contract(id string) key.Key { return key.Key{Source: "s", Kind: key.Contract, ID: id} }

// append appends an event and returns its position.
func (w *world) append(k key.Key, origin bridgev1.Origin) position.Position {
	w.Helper()
	event, err := eventlog.NewEvent(w.Context(), propagation.TraceContext{}, eventlog.Change{Key: k, Origin: origin, ReceivedAt: time.Now()})
	w.must(err)
	acks, errs := w.log.Append(w.Context(), []eventlog.Event{event})
	w.must(errs[0])
	epoch, err := w.log.Epoch(w.Context())
	w.must(err)
	return position.Position{Epoch: epoch, Sequence: acks[0].Sequence}
}

func (w *world) settle(k key.Key, p position.Position, outcome bridgev1.Outcome) {
	w.Helper()
	_, err := w.ledger.Change(w.Context(), k.String(), func(s *bridgev1.Settlement) error {
		if position.FromProto(s.GetCovered()).Compare(p) < 0 {
			ledger.Settle(s, p, time.Time{}, outcome, "")
		}
		return nil
	})
	w.must(err)
}

// owe sets whether a delivery is owed.
func (w *world) owe(k key.Key, owed bool) {
	w.Helper()
	_, err := w.ledger.Change(w.Context(), k.String(), func(s *bridgev1.Settlement) error {
		s.Redeliver = owed
		return nil
	})
	w.must(err)
}

func (w *world) stream(name string) (jetstream.Stream, jetstream.StreamState) {
	w.Helper()
	stream, err := w.bus.JetStream().Stream(w.Context(), name)
	w.must(err)
	return stream, stream.CachedInfo().State
}

// eventually waits until a condition holds, and fails the test with what state says if it does not.
func (w *world) eventually(what string, holds func() bool, state func() string) {
	w.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(patience)
	for !holds() {
		select {
		case <-ticker.C:
		case <-deadline:
			w.Fatalf("waited %s for: %s\n%s", patience, what, state())
		}
	}
}

// tracking is a Tracker whose Run is under way.
type tracking struct {
	*Tracker
	w      *world
	cancel context.CancelFunc
	ended  chan struct{}
	err    error // of Run, once it has ended
}

// track starts a tracker. What it logs is told if the test fails.
func (w *world) track() *tracking {
	w.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.Context()))
	logger := slog.New(slog.NewTextHandler(w.Output(), nil))
	t := &tracking{
		Tracker: New(w.bus, w.log, w.ledger, modelRules, 20*time.Millisecond, logger),
		w:       w, cancel: cancel, ended: make(chan struct{}),
	}
	go func() {
		defer close(t.ended)
		t.err = t.Run(ctx)
	}()
	w.Cleanup(func() {
		cancel()
		_ = t.result() // It is the test's matter.
	})
	return t
}

// result waits until Run has ended and returns its error.
func (t *tracking) result() error {
	t.w.Helper()
	select {
	case <-t.ended:
		return t.err
	case <-time.After(patience):
		t.w.Fatalf("Run does not end within %s: %s", patience, t.state())
		return nil
	}
}

// stop ends the tracker in order.
func (t *tracking) stop() {
	t.w.Helper()
	t.cancel()
	if err := t.result(); err != nil {
		t.w.Errorf("Run: %v", err)
	}
}

// state tells what the tracker knows, and what there is to know.
func (t *tracking) state() string {
	_, log := t.w.stream(bus.StreamEvents)
	_, settled := t.w.stream(bus.KVStream(bus.BucketSettled))
	known := "there is no book"
	if b := t.Book(); b != nil {
		b.mu.Lock()
		known = fmt.Sprintf("the book of epoch %d has read up to %d, %d keys are open", b.epoch, b.read, len(b.keys))
		b.mu.Unlock()
	}
	return fmt.Sprintf("%s; the log ends at %d; %d revisions of %d are followed; the watermark is %v",
		known, log.LastSeq, t.followed.Load(), settled.LastSeq, t.w.watermark())
}

// synced waits until the book knows the whole log and everything settled.
func (t *tracking) synced() *Book {
	t.w.Helper()
	_, log := t.w.stream(bus.StreamEvents)
	_, settled := t.w.stream(bus.KVStream(bus.BucketSettled))
	var book *Book
	t.w.eventually("the book knows everything", func() bool {
		if book = t.Book(); book == nil || t.followed.Load() < settled.LastSeq {
			return false
		}
		book.mu.Lock()
		defer book.mu.Unlock()
		return book.read >= log.LastSeq
	}, t.state)
	return book
}

// watermark is the stored one.
func (w *world) watermark() *bridgev1.Watermark {
	w.Helper()
	bucket, err := record.Open[bridgev1.Watermark](w.Context(), w.bus.JetStream(), bus.BucketBridge)
	w.must(err)
	entry, err := bucket.Get(w.Context(), watermarkRecord)
	w.must(err)
	return entry.Value
}

// agrees compares a book with the audit of the whole log.
func (w *world) agrees(b *Book) ledger.Balance {
	w.Helper()
	balance, err := w.ledger.Audit(w.Context(), b.Epoch())
	w.must(err)
	got := []ledger.OpenKey{}
	for _, k := range b.Keys() {
		if k.Events > 0 {
			got = append(got, ledger.OpenKey{Key: k.Key, Events: k.Events, Oldest: k.Oldest.UTC()})
		}
	}
	slices.SortFunc(got, func(a, b ledger.OpenKey) int { return a.Oldest.Compare(b.Oldest) })
	if diff := cmp.Diff(balance.OpenKeys, got); diff != "" {
		w.Errorf("open keys (-audit +book):\n%s", diff)
	}
	var accepted, settled, open uint64
	for source, s := range b.Summaries() {
		a, done := s.Sums()
		if a != done+s.OpenEvents {
			w.Errorf("%s: accepted %d is not settled %d + open %d", source, a, done, s.OpenEvents)
		}
		accepted, settled, open = accepted+a, settled+done, open+s.OpenEvents
	}
	if accepted != balance.Accepted || settled != balance.Settled || open != balance.Open {
		w.Errorf("accepted %d settled %d open %d, the audit says %d %d %d", accepted, settled, open, balance.Accepted, balance.Settled, balance.Open)
	}
	return balance
}
