package journal

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

func read(id string) simclient.Entry {
	return simclient.Entry{System: simclient.Generic, Operation: "get_contract", Kind: key.Contract, ID: id, Status: 200}
}

func TestFullJournalKeepsTheFirstAndCountsAll(t *testing.T) {
	t.Parallel()
	const limit = chunk + 10
	j := New(limit, 1)
	for i := range limit + 5 {
		j.Append(read(fmt.Sprint(i)), false)
	}
	j.AppendWrite(simclient.Write{ID: "first"})
	j.AppendWrite(simclient.Write{ID: "second"})

	next := int64(1)
	for entry := range j.Entries(simclient.JournalQuery{}) {
		if entry.Sequence != next || entry.ID != fmt.Sprint(next-1) {
			t.Fatalf("entry %d has sequence %d and id %s", next, entry.Sequence, entry.ID)
		}
		next++
	}
	if next-1 != limit {
		t.Errorf("journal yields %d entries, want %d", next-1, limit)
	}
	s := j.Summary()
	if s.Entries != limit || s.Dropped != 5 || s.Writes != 1 || s.WritesDropped != 1 {
		t.Errorf("summary says %d kept, %d dropped, %d and %d writes", s.Entries, s.Dropped, s.Writes, s.WritesDropped)
	}
	if got := s.Systems[simclient.Generic].Requests; got != limit+5 {
		t.Errorf("summary counts %d requests, want those that were dropped as well: %d", got, limit+5)
	}
}

func TestSummaryCountsRequestsPerID(t *testing.T) {
	t.Parallel()
	j := New(100, 100)
	for _, id := range []string{"a", "b", "b", "c", "c"} {
		j.Append(read(id), false)
	}
	more := read("a")
	more.Status, more.More = 404, []simclient.Ref{{Kind: key.Customer, ID: "k"}}
	j.Append(more, true)
	want := simclient.OperationSummary{
		Requests: 6, ByStatus: map[int]int64{200: 5, 404: 1}, IDs: 4, MaxPerID: 2,
		MaxRef: &simclient.Ref{Kind: key.Contract, ID: "a"}, PerID: map[int64]int{1: 1, 2: 3},
	}
	s := j.Summary()
	if diff := cmp.Diff(want, s.Systems[simclient.Generic].Operations["get_contract"]); diff != "" {
		t.Errorf("operation summary differs (-want +got):\n%s", diff)
	}
	if s.Overlaps != 1 {
		t.Errorf("summary counts %d overlaps, want 1", s.Overlaps)
	}
}

func TestAwaitCountsFromBeforeAndAfterItsStart(t *testing.T) {
	t.Parallel()
	j := New(1000, 1)
	j.Append(read("x"), false)
	var wait sync.WaitGroup
	wait.Go(func() {
		n, err := j.Await(t.Context(), simclient.JournalQuery{ID: "x"}, 3)
		if err != nil || n < 3 {
			t.Errorf("Await returned %d, %v; want at least 3", n, err)
		}
	})
	for range 5 {
		j.Append(read("y"), false)
		j.Append(read("x"), false)
	}
	wait.Wait()
}

func TestAwaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := New(1, 1).Await(ctx, simclient.JournalQuery{}, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("Await returned %v, want context.Canceled", err)
	}
}

func TestAwaitStartsAnewAfterAReset(t *testing.T) {
	t.Parallel()
	j := New(10, 1)
	for range 3 {
		j.Append(read("x"), false)
		j.Reset()
	}
	j.Append(read("x"), false)
	if n, err := j.Await(t.Context(), simclient.JournalQuery{ID: "x"}, 1); n != 1 || err != nil {
		t.Errorf("Await returned %d, %v; want 1 entry after the reset", n, err)
	}
}

func BenchmarkAppend(b *testing.B) {
	j := New(2_000_000, 1)
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			j.Append(read(fmt.Sprint(i%1000)), false)
		}
	})
}
