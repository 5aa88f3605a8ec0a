package window

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/redisx/redistest"
)

// A key with 100,000 events holds no more than a key with ten, and windows beside it are claimed meanwhile.
func TestAHotKeyNeitherGrowsNorHoldsUpItsNeighbours(t *testing.T) {
	t.Parallel()
	rdb := redistest.Open(t)
	s := openStore(t, rdb, 1)
	clock := fakeClock{}
	clock.ms.Store(1000)
	s.now = clock.text
	const (
		few, events, batch = 10, 100_000, 1000
		quiet, maxWait     = 10 * time.Millisecond, 50 * time.Millisecond
	)
	hot, sequence := contract(t, "hot"), uint64(0)
	armHot := func(n int) {
		t.Helper()
		items := make([]Arm, n)
		for i := range items {
			sequence++
			items[i] = Arm{Key: hot, Position: at(1, sequence), Quiet: quiet, MaxWait: maxWait, TraceParent: sampled}
		}
		if _, err := s.Arm(t.Context(), items); err != nil {
			t.Fatalf("arm: %v", err)
		}
	}
	state := func() string {
		t.Helper()
		text, err := rdb.HGet(t.Context(), windowsKey(0), hot.String()).Result()
		if err != nil {
			t.Fatalf("read the state: %v", err)
		}
		return text
	}
	claimAll := func() []Window {
		t.Helper()
		claimed, err := s.Claim(t.Context(), 0, MaxBatch, time.Minute)
		if err != nil {
			t.Fatalf("claim: %v", err)
		}
		if _, err := s.Complete(t.Context(), claimed.Windows); err != nil {
			t.Fatalf("complete: %v", err)
		}
		return claimed.Windows
	}

	armHot(few)
	afterFew := state()
	for round := range (events - few) / batch {
		armHot(batch)
		neighbour := contract(t, "neighbour-"+strconv.Itoa(round))
		if _, err := s.Arm(t.Context(), []Arm{{Key: neighbour, Position: at(1, uint64(round+1))}}); err != nil {
			t.Fatalf("arm: %v", err)
		}
		if windows := claimAll(); len(windows) != 1 || windows[0].Key != neighbour {
			t.Fatalf("round %d: claimed %+v, want just the neighbour", round, windows)
		}
	}
	armHot((events - few) % batch)
	digits := func(from, to int) int { return len(strconv.Itoa(to)) - len(strconv.Itoa(from)) }
	if got, want := len(state()), len(afterFew)+2*digits(few, events); got != want {
		t.Errorf("state after %d events is %q (%d bytes), after %d %q: want %d bytes", events, state(), got, few, afterFew, want)
	}
	if got, want := len(strings.Fields(state())), len(strings.Fields(afterFew)); got != want {
		t.Errorf("%d fields, want %d", got, want)
	}
	if n, err := s.Len(t.Context()); n != 1 || err != nil {
		t.Errorf("%d windows, %v; want only the hot one", n, err)
	}

	// It never falls silent, and is flushed once for each max wait.
	var flushes []int64
	for range 200 {
		clock.ms.Add(1)
		armHot(10)
		for _, w := range claimAll() {
			flushes = append(flushes, clock.ms.Load())
			if w.Position != at(1, sequence) {
				t.Errorf("flushed up to %s, want the newest event, %d", w.Position, sequence)
			}
		}
	}
	// The window of the next flush opens with the first event after the claim, 1 ms later.
	if diff := cmp.Diff([]int64{1050, 1101, 1152}, flushes[:min(3, len(flushes))]); len(flushes) != 3 || diff != "" {
		t.Errorf("flushed at %v (-want +got):\n%s", flushes, diff)
	}
}
