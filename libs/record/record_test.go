package record_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/record"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

type (
	bucket = record.Bucket[bridgev1.LogEpoch, *bridgev1.LogEpoch]
	entry  = record.Entry[bridgev1.LogEpoch, *bridgev1.LogEpoch]
)

func open(t *testing.T, b *bus.Bus) *bucket {
	t.Helper()
	got, err := record.Open[bridgev1.LogEpoch](t.Context(), b.JetStream(), bus.BucketBridge)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func put(t *testing.T, b *bucket, k string, epoch, revision uint64) uint64 {
	t.Helper()
	got, err := b.Put(t.Context(), k, &bridgev1.LogEpoch{Epoch: epoch}, revision)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func get(t *testing.T, b *bucket, k string) entry {
	t.Helper()
	got, err := b.Get(t.Context(), k)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestRecordIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	b := open(t, bustest.Start(t).Connect(t))
	if got := get(t, b, "a"); got.Revision != 0 || got.Value == nil || got.Value.GetEpoch() != 0 {
		t.Errorf("no record reads as %+v, want an empty one with revision 0", got)
	}
	before, err := b.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	first := put(t, b, "a", 1, 0)
	second := put(t, b, "a", 2, first)
	after, err := b.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := get(t, b, "a")
	if got.Value.GetEpoch() != 2 || got.Revision != second || second <= first {
		t.Errorf("record = %+v after revisions %d and %d", got, first, second)
	}
	if got.StoredAt.Before(before) || got.StoredAt.After(after) {
		t.Errorf("stored at %s, want between %s and %s by the server's clock", got.StoredAt, before, after)
	}
}

func TestWhoDoesNotKnowTheNewestRevisionGetsAConflict(t *testing.T) {
	t.Parallel()
	b := open(t, bustest.Start(t).Connect(t))
	first := put(t, b, "a", 1, 0)
	newest := put(t, b, "a", 2, first)
	for _, revision := range []uint64{0, first, newest + 1} {
		if _, err := b.Put(t.Context(), "a", &bridgev1.LogEpoch{Epoch: 9}, revision); !errors.Is(err, record.ErrConflict) {
			t.Errorf("Put at revision %d = %v, want a conflict", revision, err)
		}
	}
	if _, err := b.Put(t.Context(), "b", &bridgev1.LogEpoch{}, newest); !errors.Is(err, record.ErrConflict) {
		t.Errorf("Put of another key at a revision of this one = %v, want a conflict", err)
	}
	if got := get(t, b, "a"); got.Value.GetEpoch() != 2 || got.Revision != newest {
		t.Errorf("record = %+v, want it untouched", got)
	}
}

func TestChangesUnderContentionAreAllThere(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t)
	buses := []*bus.Bus{srv.Connect(t), srv.Connect(t)}
	const writers, times = 8, 15
	var group sync.WaitGroup
	for i := range writers {
		b := open(t, buses[i%len(buses)])
		group.Go(func() {
			for range times {
				_, err := b.Change(t.Context(), "counter", func(e *bridgev1.LogEpoch) error {
					e.Epoch++
					return nil
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	if got := get(t, open(t, buses[0]), "counter").Value.GetEpoch(); got != writers*times {
		t.Errorf("counter = %d, want %d", got, writers*times)
	}
}

func TestChangeReturnsWhatIsStored(t *testing.T) {
	t.Parallel()
	b := open(t, bustest.Start(t).Connect(t))
	revision := put(t, b, "a", 1, 0)

	got, err := b.Change(t.Context(), "a", func(*bridgev1.LogEpoch) error { return record.ErrUnchanged })
	if err != nil || got.Revision != revision || got.Value.GetEpoch() != 1 {
		t.Errorf("Change that leaves the record = %+v, %v; want the record as it is", got, err)
	}
	mine := errors.New("mine")
	if _, err := b.Change(t.Context(), "a", func(*bridgev1.LogEpoch) error { return mine }); !errors.Is(err, mine) {
		t.Errorf("Change = %v, want the error of the function", err)
	}
	if now := get(t, b, "a"); now.Revision != revision {
		t.Errorf("revision = %d, want %d: nothing was to be written", now.Revision, revision)
	}
	got, err = b.Change(t.Context(), "a", func(e *bridgev1.LogEpoch) error { e.Epoch = 7; return nil })
	if now := get(t, b, "a"); err != nil || got.Revision != now.Revision || now.Value.GetEpoch() != 7 {
		t.Errorf("Change = %+v, %v; stored is %+v", got, err, now)
	}
}

func TestDeletedRecordCanBeWrittenAgain(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t).Connect(t)
	b := open(t, srv)
	put(t, b, "a", 1, 0)
	kv, err := srv.JetStream().KeyValue(t.Context(), bus.BucketBridge)
	if err != nil {
		t.Fatal(err)
	}
	if err := kv.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if got := get(t, b, "a"); got.Revision != 0 || got.Value.GetEpoch() != 0 {
		t.Errorf("deleted record reads as %+v, want none", got)
	}
	if err := b.Each(t.Context(), func(k string, _ entry) error { return fmt.Errorf("%s is listed", k) }); err != nil {
		t.Error(err)
	}
	put(t, b, "a", 2, 0)
	if got := get(t, b, "a"); got.Value.GetEpoch() != 2 {
		t.Errorf("record = %+v, want the new one", got)
	}
}

func TestFieldsOfANewerVersionAreIgnored(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t).Connect(t)
	kv, err := srv.JetStream().KeyValue(t.Context(), bus.BucketBridge)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Put(t.Context(), "a", []byte(`{"epoch":"5","of_tomorrow":{"x":1}}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Put(t.Context(), "broken", []byte(`{"epoch":`)); err != nil {
		t.Fatal(err)
	}
	b := open(t, srv)
	if got := get(t, b, "a").Value.GetEpoch(); got != 5 {
		t.Errorf("epoch = %d, want 5", got)
	}
	if got, err := b.Get(t.Context(), "broken"); err == nil {
		t.Errorf("a record that is none reads as %+v", got)
	}
	if err := b.Each(t.Context(), func(string, entry) error { return nil }); err == nil {
		t.Error("Each passes over a record that is none")
	}
}

func TestEachVisitsEveryKeyOnce(t *testing.T) {
	t.Parallel()
	b := open(t, bustest.Start(t).Connect(t))
	const keys = 300
	var want []string
	for i := range keys {
		k := fmt.Sprintf("pc.contract.%03d", i)
		want = append(want, k)
		put(t, b, k, 2, put(t, b, k, 1, 0))
	}
	var got []string
	err := b.Each(t.Context(), func(k string, e entry) error {
		got = append(got, k)
		if e.Value.GetEpoch() != 2 || e.Revision == 0 || e.StoredAt.IsZero() {
			t.Errorf("%s = %+v, want the newest record", k, e)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys differ (-want +got):\n%s", diff)
	}
}

func TestEachEndsEarly(t *testing.T) {
	t.Parallel()
	b := open(t, bustest.Start(t).Connect(t))
	if err := b.Each(t.Context(), func(k string, _ entry) error { return errors.New(k) }); err != nil {
		t.Errorf("Each of an empty bucket = %v", err)
	}
	put(t, b, "a", 1, 0)
	put(t, b, "b", 1, 0)
	enough := errors.New("enough")
	var visits int
	if err := b.Each(t.Context(), func(string, entry) error { visits++; return enough }); !errors.Is(err, enough) || visits != 1 {
		t.Errorf("Each = %v after %d visits, want the error of the first", err, visits)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Each(ctx, func(string, entry) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("Each = %v, want the end of its context", err)
	}
}

func TestEachIsNeverSilentlyCutShort(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t).Connect(t)
	b := open(t, srv)
	for i := range 300 {
		put(t, b, fmt.Sprint(i), 1, 0)
	}
	var visits int
	err := b.Each(t.Context(), func(string, entry) error {
		if visits++; visits == 1 {
			srv.Close()
		}
		return nil
	})
	if err == nil && visits != 300 {
		t.Errorf("Each = nil after %d of 300 records: the connection was closed in between", visits)
	}
}

func TestWatchTellsTheNewestAndThenEachChange(t *testing.T) {
	t.Parallel()
	b := open(t, bustest.Start(t).Connect(t))
	revision := put(t, b, "a", 2, put(t, b, "a", 1, 0))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen, ended := make(chan uint64, 10), make(chan error, 1)
	go func() { ended <- b.Watch(ctx, "a", func(e entry) { seen <- e.Value.GetEpoch() }) }()
	var got []uint64
	wait := func() {
		t.Helper()
		select {
		case epoch := <-seen:
			got = append(got, epoch)
		case err := <-ended:
			t.Fatalf("Watch = %v", err)
		case <-time.After(time.Minute):
			t.Fatal("waited a minute for a change")
		}
	}
	wait()
	revision = put(t, b, "a", 3, revision)
	wait()
	put(t, b, "another", 9, 0)
	put(t, b, "a", 4, revision)
	wait()
	if !slices.Equal(got, []uint64{2, 3, 4}) {
		t.Errorf("seen %v, want 2, 3 and 4", got)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Watch = %v, want nil at the end of its context", err)
	}
}

func TestWatchSaysThatItHasEnded(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t).Connect(t)
	b := open(t, srv)
	put(t, b, "a", 1, 0)
	err := b.Watch(t.Context(), "a", func(entry) { srv.Close() })
	if err == nil {
		t.Error("Watch = nil although the connection was closed under it")
	}
}

func TestBucketThatIsMissingIsNamed(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t).Connect(t)
	_, err := record.Open[bridgev1.LogEpoch](t.Context(), srv.JetStream(), "NONE")
	if err == nil {
		t.Error("a bucket that does not exist was opened")
	}
}

func TestEachLikeVisitsTheNewestOfWhatFitsAlone(t *testing.T) {
	t.Parallel()
	connected := bustest.Start(t).Connect(t)
	b := open(t, connected)
	visit := func(pattern string) (visited []string) {
		t.Helper()
		err := b.EachLike(t.Context(), pattern, func(k string, e entry) error {
			visited = append(visited, fmt.Sprint(k, " ", e.Value.GetEpoch()))
			if got := get(t, b, k); got.Revision != e.Revision || !got.StoredAt.Equal(e.StoredAt) {
				t.Errorf("%s was visited as %+v, want %+v", k, e, got)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return visited
	}
	if got := visit("erp.contract.*"); got != nil {
		t.Errorf("an empty bucket: %v", got)
	}
	first := put(t, b, "erp.contract.1", 1, 0)
	put(t, b, "erp.customer.1", 2, 0)
	put(t, b, "erp.contract.2", 3, 0)
	put(t, b, "erp2.contract.1", 4, 0)
	put(t, b, "erp.contract.1", 5, first)
	put(t, b, "erp.contract.3", 6, 0)
	kv, err := connected.JetStream().KeyValue(t.Context(), bus.BucketBridge)
	if err != nil {
		t.Fatal(err)
	}
	if err := kv.Delete(t.Context(), "erp.contract.3"); err != nil {
		t.Fatal(err)
	}
	if got, want := visit("erp.contract.*"), []string{"erp.contract.2 3", "erp.contract.1 5"}; !slices.Equal(got, want) {
		t.Errorf("visited %v, want %v", got, want)
	}
	stop := errors.New("enough")
	if err := b.EachLike(t.Context(), ">", func(string, entry) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the error of visit = %v", err)
	}
}

func TestEachLikeEndsThoughWhatWasToComeIsDeleted(t *testing.T) {
	t.Parallel()
	connected := bustest.Start(t).Connect(t)
	b := open(t, connected)
	const records = 600 // More than are pulled at a time.
	for i := range records {
		put(t, b, fmt.Sprint("k.", i), 1, 0)
	}
	stream, err := connected.JetStream().Stream(t.Context(), bus.KVStream(bus.BucketBridge))
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	err = b.EachLike(t.Context(), "k.*", func(string, entry) error {
		if seen++; seen == 1 {
			return stream.Purge(t.Context())
		}
		return nil
	})
	if err != nil || seen == records {
		t.Errorf("%d of %d records seen, %v", seen, records, err)
	}
}
