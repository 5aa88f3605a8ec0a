package openkeys

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/position"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

func webhook(key string, sequence uint64) Event {
	return Event{Key: key, Sequence: sequence, At: second(sequence), Origin: bridgev1.Origin_ORIGIN_WEBHOOK}
}

func delivered(sequence uint64, at time.Time) Settlement {
	return Settlement{
		Covered: position.Position{Epoch: modelEpoch, Sequence: sequence}, At: at, Revision: sequence,
		Outcome: bridgev1.Outcome_OUTCOME_DELIVERED,
	}
}

func emptyBook(rules Rules) *Book { return newBook(modelEpoch, 0, totals{}, rules) }

func TestAHotKeyDoesNotGrow(t *testing.T) {
	t.Parallel()
	b := emptyBook(modelRules)
	const n = 100_000
	var events []Event
	for i := range uint64(n) {
		ev := webhook("s.contract.hot", i+1)
		if i%1000 == 0 {
			ev.Origin = bridgev1.Origin_ORIGIN_OPERATOR
		}
		events = append(events, ev)
		b.accept(ev)
		if runs := len(b.keys[ev.Key].runs); runs > maxRuns {
			t.Fatalf("%d parts after %d events, want at most %d", runs, i+1, maxRuns)
		}
	}
	// A settlement falls into merged events, which are read again.
	s := delivered(33_333, second(n))
	c := b.settle("s.contract.hot", s)
	if c == nil || c.first > 33_333 || c.last < 33_333 {
		t.Fatalf("unclear %v, want merged events round 33333", c)
	}
	b.split("s.contract.hot", *c, events[c.first-1:c.last])
	if c := b.settle("s.contract.hot", s); c != nil {
		t.Fatalf("still unclear: %v", c)
	}
	got := b.Keys()
	want := Open{
		Key: "s.contract.hot", Source: "s", Epoch: modelEpoch, Newest: n, Events: n - 33_333,
		Oldest: second(33_334), NewestAt: second(n), Since: second(33_334),
	}
	want.Origins[bridgev1.Origin_ORIGIN_OPERATOR] = 66
	want.Origins[bridgev1.Origin_ORIGIN_WEBHOOK] = n - 33_333 - 66
	if diff := cmp.Diff([]Open{want}, got); diff != "" {
		t.Errorf("open (-want +got):\n%s", diff)
	}
	summary := b.Summaries()["s"]
	if summary.Settled[Superseded] != 33_332 || summary.Settled[bridgev1.Outcome_OUTCOME_DELIVERED] != 1 {
		t.Errorf("settled %v", summary.Settled)
	}
}

// TestMergedEventsThatLeftTheLogStayCounted: age or a hand took some or all of what is to be split.
func TestMergedEventsThatLeftTheLogStayCounted(t *testing.T) {
	t.Parallel()
	for _, left := range [][]uint64{{}, {3}, {2, 4}, {1, 2, 3, 4}} {
		t.Run(fmt.Sprint(left), func(t *testing.T) {
			t.Parallel()
			b := emptyBook(modelRules)
			for i := uint64(1); i <= 20; i++ {
				b.accept(webhook("s.contract.A", i))
			}
			s := delivered(2, second(20))
			c := b.settle("s.contract.A", s)
			if c == nil {
				t.Fatal("nothing is unclear")
			}
			var events []Event
			for _, sequence := range left {
				if sequence >= c.first && sequence <= c.last {
					events = append(events, webhook("s.contract.A", sequence))
				}
			}
			b.split("s.contract.A", *c, events)
			b.settle("s.contract.A", s)
			check := func() {
				t.Helper()
				summary := b.Summaries()["s"]
				if accepted, settled := summary.Sums(); accepted != 20 || accepted != settled+summary.OpenEvents {
					t.Errorf("accepted %d, settled %d, open %d", accepted, settled, summary.OpenEvents)
				}
			}
			check()
			b.settle("s.contract.A", delivered(20, second(20)))
			check()
			if keys, open := b.Keys(), b.Summaries()["s"].OpenEvents; len(keys) != 0 || open != 0 {
				t.Errorf("open: %v, %d events", keys, open)
			}
		})
	}
}

func TestRepeatedEventsAreCountedOnce(t *testing.T) {
	t.Parallel()
	b := emptyBook(modelRules)
	for _, sequence := range []uint64{1, 2, 2, 1, 3} {
		b.accept(webhook("s.contract.A", sequence))
	}
	if got := b.Summaries()["s"]; got.OpenEvents != 3 || got.Accepted[bridgev1.Origin_ORIGIN_WEBHOOK] != 3 {
		t.Errorf("accepted %v, open %d, want 3", got.Accepted, got.OpenEvents)
	}
}

// TestOldOpenKeysHoldTheWatermarkAndNotTheMemory: however long one key is open.
func TestOldOpenKeysHoldTheWatermarkAndNotTheMemory(t *testing.T) {
	t.Parallel()
	b := emptyBook(modelRules)
	b.accept(webhook("s.contract.settled", 1))
	b.settle("s.contract.settled", delivered(1, second(1)))
	b.checkpoint()
	b.accept(webhook("s.contract.old", 2))
	const n = 5000
	for i := uint64(3); i <= n; i++ {
		key := fmt.Sprintf("s.contract.%d", i)
		b.accept(webhook(key, i))
		b.settle(key, delivered(i, second(i)))
		b.checkpoint()
		if low, _, _ := b.watermark(); low != 1 {
			t.Fatalf("watermark %d, want 1", low)
		}
		if len(b.intervals) > maxCheckpoints+1 || len(b.keys) != 1 || len(b.ahead) > 0 {
			t.Fatalf("%d checkpoints, %d keys, %d settlements ahead", len(b.intervals), len(b.keys), len(b.ahead))
		}
	}
	b.settle("s.contract.old", delivered(2, second(n)))
	b.checkpoint()
	low, base, owed := b.watermark()
	if low != n || owed != math.MaxUint64 {
		t.Errorf("watermark %d, oldest debt %d; want %d and none", low, owed, n)
	}
	if got := totalsOf(base)["s"]; got.Settled[bridgev1.Outcome_OUTCOME_DELIVERED] != n {
		t.Errorf("delivered up to the watermark: %d, want %d", got.Settled[bridgev1.Outcome_OUTCOME_DELIVERED], n)
	}
}

func TestFreshnessOfEachOutcome(t *testing.T) {
	t.Parallel()
	tests := []struct {
		outcome      bridgev1.Outcome
		after        time.Duration
		fresh, stale uint64
	}{
		{bridgev1.Outcome_OUTCOME_DELIVERED, modelObjective, 1, 0},
		{bridgev1.Outcome_OUTCOME_DELIVERED, modelObjective + 1, 0, 1},
		{bridgev1.Outcome_OUTCOME_UNCHANGED, 0, 1, 0},
		{bridgev1.Outcome_OUTCOME_DELETED, modelObjective + 1, 0, 1},
		{bridgev1.Outcome_OUTCOME_DEAD_LETTER, 0, 0, 1},
		{bridgev1.Outcome_OUTCOME_DROPPED, 0, 0, 0},
	}
	for _, tc := range tests {
		t.Run(fmt.Sprint(tc.outcome, tc.after), func(t *testing.T) {
			t.Parallel()
			b := emptyBook(modelRules)
			b.accept(webhook("s.contract.A", 1))
			s := delivered(1, second(1).Add(tc.after))
			s.Outcome = tc.outcome
			b.settle("s.contract.A", s)
			got := b.Summaries()["s"]
			if got.Fresh != tc.fresh || got.Stale != tc.stale || got.Settled[tc.outcome] != 1 {
				t.Errorf("fresh %d, stale %d, settled %v", got.Fresh, got.Stale, got.Settled)
			}
		})
	}
}

// TestTotalsSurviveTheirForm: also those of a newer version, whose words are not known here.
func TestTotalsSurviveTheirForm(t *testing.T) {
	t.Parallel()
	c := &Counts{Fresh: 3, Stale: 4, Expired: 5}
	for i := range c.Accepted {
		c.Accepted[i] = uint64(i + 10)
	}
	for i := range c.Settled {
		c.Settled[i] = uint64(i + 20)
	}
	stored := totals{"s": c}.proto()
	if diff := cmp.Diff(totals{"s": c}, totalsOf(stored)); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
	stored[0].Accepted["oracle"], stored[0].Settled["forgiven"] = 100, 200
	got := totalsOf(stored)["s"]
	if got.Accepted[0] != c.Accepted[0]+100 || got.Settled[0] != c.Settled[0]+200 {
		t.Errorf("unknown words: accepted %v, settled %v", got.Accepted, got.Settled)
	}
}

// TestDueComesOldestFirstAndOnceForEachWait: by the log's time, not by this process's.
func TestDueComesOldestFirstAndOnceForEachWait(t *testing.T) {
	t.Parallel()
	const wait = 100 * time.Second
	waited := map[string]uint64{}
	b := emptyBook(Rules{Objective: modelObjective, Wait: func(key string, sweeps uint64) (time.Duration, bool) {
		waited[key] = sweeps
		return wait << sweeps, sourceOf(key) != "unknown"
	}})
	for i, key := range []string{"s.contract.A", "unknown.contract.A", "s.contract.B", "s.contract.A", "s.contract.C"} {
		b.accept(webhook(key, uint64(i+1)))
	}
	due := func(now uint64, limit int) (keys []string) {
		for _, open := range b.Due(second(now), limit) {
			keys = append(keys, open.Key)
		}
		return keys
	}
	expect := func(when string, got []string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
	}
	expect("before the wait is over", due(100, 9))
	expect("the first", due(101, 9), "s.contract.A")
	expect("it was looked at already", due(102, 9))
	expect("a limit", due(200, 1), "s.contract.B")
	expect("what is left, and the first again", due(201, 9), "s.contract.C", "s.contract.A")

	// A sweep begins the wait anew, and a longer one.
	b.accept(Event{Key: "s.contract.B", Sequence: 300, At: second(300), Origin: bridgev1.Origin_ORIGIN_SWEEPER})
	if waited["s.contract.B"] != 1 {
		t.Errorf("%d sweeps, want 1", waited["s.contract.B"])
	}
	b.settle("s.contract.A", delivered(4, second(300)))
	b.settle("s.contract.C", delivered(5, second(300)))
	expect("before the longer wait is over", due(499, 9))
	expect("after it", due(500, 9), "s.contract.B")
	b.Look("s.contract.B", second(501))
	b.Look("s.contract.A", second(501))
	expect("when asked for", due(501, 9), "s.contract.B")
}

func TestKeysThatNobodyReadsExpireWithTheLog(t *testing.T) {
	t.Parallel()
	b := emptyBook(Rules{Wait: func(key string, _ uint64) (time.Duration, bool) { return time.Hour, sourceOf(key) != "gone" }})
	b.accept(webhook("gone.contract.A", 1))
	b.accept(webhook("s.contract.A", 2))
	b.accept(webhook("gone.contract.A", 3))
	b.accept(webhook("gone.contract.B", 4))
	b.expire(3)
	if got := b.Summaries()["gone"]; got.OpenEvents != 3 || got.Expired != 0 {
		t.Errorf("while the newest event is in the log: %d open, %d expired; want 3 and 0", got.OpenEvents, got.Expired)
	}
	b.expire(4)
	b.settle("s.contract.A", delivered(2, second(9)))
	if got := b.Summaries()["gone"]; got.OpenEvents != 1 || got.Expired != 2 {
		t.Errorf("%d open, %d expired; want 1 and 2", got.OpenEvents, got.Expired)
	}
	b.checkpoint()
	if low, _, _ := b.watermark(); low != 0 {
		t.Errorf("watermark %d, the key at 4 is open", low)
	}
	b.expire(5)
	b.checkpoint()
	if low, base, _ := b.watermark(); low != 4 || totalsOf(base)["gone"].Expired != 3 {
		t.Errorf("watermark %d with %v, want 4 with 3 expired", low, base)
	}
	b.accept(webhook("s.contract.B", 6))
	b.expire(100)
	if len(b.Keys()) != 1 {
		t.Error("a key that the sweeper revives was given up")
	}
}
