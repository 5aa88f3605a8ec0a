package openkeys

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/libs/record"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

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
	if err := tr.result(); !errors.Is(err, ErrDisplaced) {
		t.Errorf("Run: %v, want %v", err, ErrDisplaced)
	}
	if tr.Book() != nil {
		t.Error("a displaced tracker still says what is open")
	}
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
