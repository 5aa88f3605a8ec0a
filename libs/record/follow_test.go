package record_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/record"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

type revision = record.Revision[bridgev1.LogEpoch, *bridgev1.LogEpoch]

// heard is what a follower has been told.
type heard struct {
	mu      sync.Mutex
	records map[string]uint64
	largest int
	caught  int
}

func (h *heard) visit(batch []revision, left uint64) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.largest = max(h.largest, len(batch))
	for _, r := range batch {
		if r.Deleted {
			delete(h.records, r.Key)
		} else {
			h.records[r.Key] = r.Value.GetEpoch()
		}
	}
	if left == 0 {
		h.caught++
	}
	return nil
}

func (h *heard) has(want map[string]uint64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.caught > 0 && maps.Equal(h.records, want)
}

// follow follows until the returned function is called, which returns the error.
func follow(t *testing.T, b *bucket, cursor *record.Cursor, h *heard) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		for {
			err := b.Follow(ctx, cursor, []string{"a.>"}, h.visit)
			if ctx.Err() != nil || errors.Is(err, record.ErrRecreated) {
				ended <- err
				return
			}
		}
	}()
	return func() error {
		cancel()
		return <-ended
	}
}

func TestFollowTellsWhatIsThereAndThenWhatChanges(t *testing.T) {
	t.Parallel()
	conn := bustest.Start(t).Connect(t)
	b := open(t, conn)
	want := map[string]uint64{}
	for i := range 600 {
		k := fmt.Sprintf("a.%d", i%300) // Each twice.
		entry := get(t, b, k)
		put(t, b, k, uint64(i), entry.Revision)
		want[k] = uint64(i)
	}
	put(t, b, "b.1", 1, 0)
	h := &heard{records: map[string]uint64{}}
	stop := follow(t, b, &record.Cursor{}, h)
	bustest.Eventually(t, "what is there was told", func() bool { return h.has(want) })
	put(t, b, "a.new", 7, 0)
	want["a.new"] = 7
	kv, err := conn.JetStream().KeyValue(t.Context(), bus.BucketBridge)
	if err == nil {
		err = kv.Delete(t.Context(), "a.0")
	}
	if err != nil {
		t.Fatal(err)
	}
	delete(want, "a.0")
	bustest.Eventually(t, "changes were told", func() bool { return h.has(want) })
	_ = stop() // It says that ctx has ended.
	if h.largest > 256 {
		t.Errorf("%d records were held at once", h.largest)
	}
}

func TestFollowOfAnEmptyBucketSaysThatNothingIsLeft(t *testing.T) {
	t.Parallel()
	h := &heard{records: map[string]uint64{}}
	stop := follow(t, open(t, bustest.Start(t).Connect(t)), &record.Cursor{}, h)
	bustest.Eventually(t, "nothing is left", func() bool { return h.has(map[string]uint64{}) })
	_ = stop() // As above.
}

func TestFollowGoesOnAfterARestartOfNATS(t *testing.T) {
	t.Parallel()
	server := bustest.Start(t)
	b := open(t, server.Connect(t))
	put(t, b, "a.1", 1, 0)
	h := &heard{records: map[string]uint64{}}
	stop := follow(t, b, &record.Cursor{}, h)
	bustest.Eventually(t, "what is there was told", func() bool { return h.has(map[string]uint64{"a.1": 1}) })
	server.Stop(t)
	server.Run(t)
	bustest.Eventually(t, "the bucket is there again", func() bool {
		_, err := b.Get(t.Context(), "a.1")
		return err == nil
	})
	put(t, b, "a.2", 2, 0)
	bustest.Eventually(t, "the change was told", func() bool { return h.has(map[string]uint64{"a.1": 1, "a.2": 2}) })
	_ = stop() // As above.
}

func TestFollowSaysThatABucketIsAnother(t *testing.T) {
	t.Parallel()
	conn := bustest.Start(t).Connect(t)
	b := open(t, conn)
	put(t, b, "a.1", 1, 0)
	h := &heard{records: map[string]uint64{}}
	cursor := &record.Cursor{}
	stop := follow(t, b, cursor, h)
	bustest.Eventually(t, "what is there was told", func() bool { return h.has(map[string]uint64{"a.1": 1}) })
	_ = stop() // As above.
	stream, err := conn.JetStream().Stream(t.Context(), bus.KVStream(bus.BucketBridge))
	if err != nil {
		t.Fatal(err)
	}
	cfg := stream.CachedInfo().Config
	if err := conn.JetStream().DeleteStream(t.Context(), cfg.Name); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.JetStream().CreateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if err := b.Follow(t.Context(), cursor, []string{"a.>"}, h.visit); !errors.Is(err, record.ErrRecreated) {
		t.Errorf("following another bucket of this name ends with %v, want %v", err, record.ErrRecreated)
	}
	if diff := cmp.Diff(map[string]uint64{"a.1": 1}, h.records); diff != "" {
		t.Errorf("it told something of it (-want +got):\n%s", diff)
	}
}
