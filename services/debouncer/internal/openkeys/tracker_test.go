package openkeys

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
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

// tracking is a Tracker whose Run is under way.
type tracking struct {
	*Tracker
	w      *world
	cancel context.CancelFunc
	result chan error
}

func (w *world) track() *tracking {
	w.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.Context()))
	t := &tracking{
		Tracker: New(w.bus, w.log, w.ledger, modelRules, 20*time.Millisecond, quiet),
		w:       w, cancel: cancel, result: make(chan error, 1),
	}
	go func() { t.result <- t.Run(ctx) }()
	w.Cleanup(cancel)
	return t
}

// stop ends the tracker in order.
func (t *tracking) stop() {
	t.w.Helper()
	t.cancel()
	if err := <-t.result; err != nil {
		t.w.Errorf("Run: %v", err)
	}
}

// synced waits until the book knows the whole log and everything settled.
func (t *tracking) synced() *Book {
	t.w.Helper()
	_, log := t.w.stream(bus.StreamEvents)
	_, settled := t.w.stream(bus.KVStream(bus.BucketSettled))
	var book *Book
	bustest.Eventually(t.w, "the book knows everything", func() bool {
		if book = t.Book(); book == nil || t.followed.Load() < settled.LastSeq {
			return false
		}
		book.mu.Lock()
		defer book.mu.Unlock()
		return book.read >= log.LastSeq
	})
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

// TestRandomHistoriesAgreeWithTheAudit: events, settlements, debts and restarts at random on the real server.
func TestRandomHistoriesAgreeWithTheAudit(t *testing.T) {
	t.Parallel()
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			random := rand.New(rand.NewPCG(seed, 1))
			keys := make([]key.Key, 6)
			for i := range keys {
				keys[i] = key.Key{Source: fmt.Sprint("s", i%2), Kind: key.Contract, ID: fmt.Sprint("ü ", i)}
			}
			appended := map[key.Key][]position.Position{}
			tr := w.track()
			for step := range 150 {
				k := keys[random.IntN(len(keys))]
				switch n := random.IntN(20); {
				case n < 10:
					for range 1 + random.IntN(8) {
						appended[k] = append(appended[k], w.append(k, bridgev1.Origin(random.IntN(origins))))
					}
				case n < 16:
					if all := appended[k]; len(all) > 0 {
						w.settle(k, all[random.IntN(len(all))], bridgev1.Outcome(1+random.IntN(5)))
					}
				case n < 18:
					w.owe(k, random.IntN(2) == 0)
				default:
					tr.stop()
					tr = w.track()
				}
				if step%10 == 0 {
					w.agrees(tr.synced())
				}
			}
			for k, all := range appended {
				w.settle(k, all[len(all)-1], bridgev1.Outcome_OUTCOME_DELIVERED)
				w.owe(k, false)
			}
			balance := w.agrees(tr.synced())
			if keys := tr.Book().Keys(); balance.Open != 0 || len(keys) != 0 {
				t.Errorf("open at the end: %v", keys)
			}
			_, log := w.stream(bus.StreamEvents)
			bustest.Eventually(t, "the watermark reaches the end", func() bool { return w.watermark().GetSequence() == log.LastSeq })
		})
	}
}

// TestOutcomesAndOriginsAreCountedApart: as the audit has them, with what is superseded apart.
func TestOutcomesAndOriginsAreCountedApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := contract("A"), contract("B")
	w.append(a, bridgev1.Origin_ORIGIN_WEBHOOK)
	w.append(a, bridgev1.Origin_ORIGIN_CLOUDEVENT)
	w.settle(a, w.append(a, bridgev1.Origin_ORIGIN_RECONCILER), bridgev1.Outcome_OUTCOME_UNCHANGED)
	w.append(b, bridgev1.Origin_ORIGIN_WEBHOOK)
	w.settle(b, w.append(b, bridgev1.Origin_ORIGIN_SWEEPER), bridgev1.Outcome_OUTCOME_DEAD_LETTER)
	w.append(a, bridgev1.Origin_ORIGIN_OPERATOR)
	got := w.track().synced().Summaries()["s"]
	var want Counts
	for _, o := range []bridgev1.Origin{1, 1, 2, 3, 4, 5} {
		want.Accepted[o]++
	}
	want.Settled[Superseded], want.Settled[bridgev1.Outcome_OUTCOME_UNCHANGED], want.Settled[bridgev1.Outcome_OUTCOME_DEAD_LETTER] = 3, 1, 1
	want.Fresh, want.Stale = 3, 2
	if diff := cmp.Diff(want, got.Counts); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	epoch, err := w.log.Epoch(t.Context())
	w.must(err)
	balance, err := w.ledger.Audit(t.Context(), epoch)
	w.must(err)
	if balance.Superseded != 3 {
		t.Errorf("the audit finds %d superseded, want 3", balance.Superseded)
	}
}

// TestARestartReadsOnlyWhatCameAfterTheWatermark: what lies before it may even be gone.
func TestARestartReadsOnlyWhatCameAfterTheWatermark(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tr := w.track()
	var last position.Position
	for i := range 50 {
		last = w.append(contract(fmt.Sprint(i)), bridgev1.Origin_ORIGIN_WEBHOOK)
		w.settle(contract(fmt.Sprint(i)), last, bridgev1.Outcome_OUTCOME_DELIVERED)
	}
	tr.synced()
	tr.stop()
	if low := w.watermark().GetSequence(); low != last.Sequence {
		t.Fatalf("the watermark is %d after everything up to %d was settled", low, last.Sequence)
	}
	// While nobody follows: settled and open events, and a debt.
	settled, open := w.append(contract("settled"), bridgev1.Origin_ORIGIN_WEBHOOK), contract("open")
	w.settle(contract("settled"), settled, bridgev1.Outcome_OUTCOME_DELIVERED)
	w.append(open, bridgev1.Origin_ORIGIN_WEBHOOK)
	w.owe(contract("7"), true)
	log, _ := w.stream(bus.StreamEvents)
	w.must(log.Purge(t.Context(), jetstream.WithPurgeSequence(last.Sequence+1)))

	tr = w.track()
	book := tr.synced()
	got := book.Summaries()["s"]
	if accepted, done := got.Sums(); accepted != 52 || done != 51 || got.OpenEvents != 1 || got.OpenKeys != 2 {
		t.Errorf("accepted %d, settled %d, %d events of %d keys open; want 52, 51, 1 of 2", accepted, done, got.OpenEvents, got.OpenKeys)
	}
	names := func() (names []string) {
		for _, k := range tr.synced().Keys() {
			names = append(names, k.Key)
		}
		slices.Sort(names)
		return names
	}
	if diff := cmp.Diff([]string{"s.contract.7", "s.contract.open"}, names()); diff != "" {
		t.Errorf("open keys (-want +got):\n%s", diff)
	}
	// The debt is remembered over further restarts, although its event lies before the watermark.
	for range 2 {
		tr.stop()
		tr = w.track()
		if diff := cmp.Diff([]string{"s.contract.7", "s.contract.open"}, names()); diff != "" {
			t.Errorf("open keys after a restart (-want +got):\n%s", diff)
		}
	}
	w.owe(contract("7"), false)
	if diff := cmp.Diff([]string{"s.contract.open"}, names()); diff != "" {
		t.Errorf("open keys after the debt was paid (-want +got):\n%s", diff)
	}
}

// TestADisplacedTrackerNeverMovesTheWatermark: a paused leader that comes back knows an older state.
func TestADisplacedTrackerNeverMovesTheWatermark(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.append(contract("A"), bridgev1.Origin_ORIGIN_WEBHOOK)
	bucket, err := record.Open[bridgev1.Watermark](t.Context(), w.bus.JetStream(), bus.BucketBridge)
	w.must(err)
	paused := &marks{bucket: bucket, bus: w.bus}
	from, err := paused.load(t.Context(), first.Epoch, false)
	w.must(err)
	old := newBook(first.Epoch, from.GetSequence(), totals{}, modelRules)

	tr := w.track()
	w.settle(contract("A"), first, bridgev1.Outcome_OUTCOME_DELIVERED)
	tr.synced()
	bustest.Eventually(t, "the successor stores its watermark", func() bool { return w.watermark().GetSequence() == first.Sequence })
	old.accept(Event{Key: contract("A").String(), Sequence: first.Sequence})
	if err := paused.store(t.Context(), old, 1); !errors.Is(err, ErrDisplaced) {
		t.Errorf("store: %v, want %v", err, ErrDisplaced)
	}
	if got := w.watermark(); got.GetSequence() != first.Sequence {
		t.Errorf("the watermark was set back to %d", got.GetSequence())
	}

	// And Run ends with that error, as soon as it has something to write.
	w.must(writeAnew(t.Context(), bucket))
	w.settle(contract("B"), w.append(contract("B"), bridgev1.Origin_ORIGIN_WEBHOOK), bridgev1.Outcome_OUTCOME_DELIVERED)
	if err := <-tr.result; !errors.Is(err, ErrDisplaced) {
		t.Errorf("Run: %v, want %v", err, ErrDisplaced)
	}
	if tr.Book() != nil {
		t.Error("a displaced tracker still says what is open")
	}
	tr.result <- nil
}

// writeAnew writes the watermark as it is.
func writeAnew(ctx context.Context, bucket *record.Bucket[bridgev1.Watermark, *bridgev1.Watermark]) error {
	_, err := bucket.Change(ctx, watermarkRecord, func(m *bridgev1.Watermark) error {
		m.Sequence++
		return nil
	})
	return err
}

func TestANewEpochBeginsAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.append(contract("A"), bridgev1.Origin_ORIGIN_WEBHOOK)
	w.settle(contract("A"), p, bridgev1.Outcome_OUTCOME_DELIVERED)
	tr := w.track()
	tr.synced()
	bustest.Eventually(t, "the watermark is stored", func() bool { return w.watermark().GetSequence() == p.Sequence })
	w.must(w.log.SetBack(t.Context(), p.Epoch))
	bustest.Eventually(t, "a book of the new epoch", func() bool { return tr.Book() != nil && tr.Book().Epoch() > p.Epoch })
	if balance := w.agrees(tr.synced()); balance.Open != 1 {
		t.Errorf("%d open in the new epoch, want 1", balance.Open)
	}
	bustest.Eventually(t, "the watermark of the new epoch", func() bool { return w.watermark().GetEpoch() > p.Epoch })
	if low := w.watermark().GetSequence(); low != 0 {
		t.Errorf("the watermark is %d, and the event is open again", low)
	}
}

// TestWhatIsSettledMayBeTakenBack: by a hand that removes a record or the bucket, or an older copy of it.
func TestWhatIsSettledMayBeTakenBack(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		// live: it happens while the tracker runs, else between two runs.
		live bool
		take func(w *world, kv jetstream.KeyValue)
	}{
		{"a record is removed", true, func(w *world, kv jetstream.KeyValue) { w.must(kv.Delete(w.Context(), contract("A").String())) }},
		{"a record is removed while nobody follows", false, func(w *world, kv jetstream.KeyValue) { w.must(kv.Purge(w.Context(), contract("A").String())) }},
		{"the bucket is recreated", true, recreate},
		{"the bucket is recreated while nobody follows", false, recreate},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			p := w.append(contract("A"), bridgev1.Origin_ORIGIN_WEBHOOK)
			w.settle(contract("A"), p, bridgev1.Outcome_OUTCOME_DELIVERED)
			tr := w.track()
			tr.synced()
			bustest.Eventually(t, "the watermark is stored", func() bool { return w.watermark().GetSequence() == p.Sequence })
			kv, err := w.bus.JetStream().KeyValue(t.Context(), bus.BucketSettled)
			w.must(err)
			if !tc.live {
				tr.stop()
			}
			tc.take(w, kv)
			if !tc.live {
				tr = w.track()
			}
			for range 2 {
				bustest.Eventually(t, "the event is open again", func() bool { return tr.Book() != nil && len(tr.Book().Keys()) == 1 })
				w.agrees(tr.Book())
				tr.stop()
				tr = w.track() // It is not read anew for ever.
			}
			w.settle(contract("A"), p, bridgev1.Outcome_OUTCOME_DELIVERED)
			bustest.Eventually(t, "it is settled once more", func() bool { return tr.Book() != nil && len(tr.Book().Keys()) == 0 })
		})
	}
}

func recreate(w *world, _ jetstream.KeyValue) {
	w.must(w.bus.JetStream().DeleteStream(w.Context(), bus.KVStream(bus.BucketSettled)))
	w.must(w.bus.Ensure(w.Context(), nil))
}

func TestTheTrackerOutlivesARestartOfNATS(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.append(contract("A"), bridgev1.Origin_ORIGIN_WEBHOOK)
	tr := w.track()
	tr.synced()
	w.nats.Stop(t)
	w.nats.Run(t)
	bustest.Eventually(t, "NATS is back", func() bool { return w.bus.Check(t.Context()) == nil })
	w.append(contract("B"), bridgev1.Origin_ORIGIN_WEBHOOK)
	w.settle(contract("A"), a, bridgev1.Outcome_OUTCOME_DELIVERED)
	if balance := w.agrees(tr.synced()); balance.Open != 1 {
		t.Errorf("%d open, want 1", balance.Open)
	}
	tr.stop()
}

// TestASettlementBetweenMergedEventsIsExact on the real log, where the merged events are read again.
func TestASettlementBetweenMergedEventsIsExact(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hot, other := contract("hot"), contract("other")
	var positions []position.Position
	for range 300 {
		positions = append(positions, w.append(hot, bridgev1.Origin_ORIGIN_WEBHOOK))
		w.append(other, bridgev1.Origin_ORIGIN_WEBHOOK)
	}
	tr := w.track()
	tr.synced()
	for _, i := range []int{10, 77, 140, 298} {
		w.settle(hot, positions[i], bridgev1.Outcome_OUTCOME_DELIVERED)
		if balance := w.agrees(tr.synced()); balance.Open != uint64(600-i-1) {
			t.Errorf("%d open, want %d", balance.Open, 600-i-1)
		}
	}
}

// TestCatchingUpNeedsNoMoreMemoryThanWhatIsOpen: a log of settled keys leaves nothing behind, in parts of lookupBatch.
func TestCatchingUpNeedsNoMoreMemoryThanWhatIsOpen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 2*lookupBatch + 10 {
		p := w.append(contract(fmt.Sprint(i)), bridgev1.Origin_ORIGIN_WEBHOOK)
		if i%100 != 0 {
			w.settle(contract(fmt.Sprint(i)), p, bridgev1.Outcome_OUTCOME_DELIVERED)
		}
	}
	book := w.track().synced()
	w.agrees(book)
	if n := len(book.Keys()); n != 21 {
		t.Errorf("%d keys are known, want the 21 open ones", n)
	}
}

// TestForeignRecordsAndMessagesStopNothing: somebody else writes into our names.
func TestForeignRecordsAndMessagesStopNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tr := w.track()
	tr.synced()
	kv, err := w.bus.JetStream().KeyValue(t.Context(), bus.BucketSettled)
	w.must(err)
	_, err = kv.Put(t.Context(), "s.contract.B", []byte(`{"covered":`))
	w.must(err)
	_, err = w.bus.JetStream().Publish(t.Context(), strings.TrimSuffix(eventPrefix, ".")+".x", []byte("no event"))
	w.must(err)
	w.append(contract("A"), bridgev1.Origin_ORIGIN_WEBHOOK)
	book := tr.synced()
	if n := len(book.Keys()); n != 2 {
		t.Errorf("%d keys, want the foreign one and ours", n)
	}
	if got := book.Summaries()["x"]; got.OpenEvents != 1 || got.Accepted[0] != 1 {
		t.Errorf("the foreign message counts as %v", got)
	}
}
