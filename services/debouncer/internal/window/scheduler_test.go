package window

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/redisx/redistest"
)

func TestSchedulerFlushesEachWindowWhenItIsDue(t *testing.T) {
	t.Parallel()
	for _, server := range servers {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			rdb := server.open(t)
			const n = 200
			s := openStore(t, rdb, 4)
			var mu sync.Mutex
			got := map[key.Key]int{}
			r := run(t, s, SchedulerOptions{Limit: 16}, func(_ context.Context, windows []Window) []error {
				mu.Lock()
				defer mu.Unlock()
				for _, w := range windows {
					got[w.Key]++
				}
				return nil
			})
			// By another store: what wakes the scheduler is only what Redis publishes.
			other, want := openStore(t, rdb, 4), map[key.Key]int{}
			for i := range n {
				k := contract(t, strconv.Itoa(i))
				want[k] = 1
				mustArm(t, other, soon(k, 1, time.Duration(i%50)*time.Millisecond))
			}
			r.await(t, "flushed", n)
			mu.Lock()
			defer mu.Unlock()
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("flushes (-want +got):\n%s", diff)
			}
			for _, lateness := range r.lateness {
				if lateness < 0 {
					t.Errorf("a window was flushed %s before it was due", -lateness)
				}
			}
			mustBeEmpty(t, s)
		})
	}
}

// While nothing is due the scheduler asks Redis nothing: from one flush to the next there are exactly the calls of the
// arm, of one claim and of one complete, however long it waits in between.
func TestSchedulerThatWaitsAsksNothing(t *testing.T) {
	t.Parallel()
	rdb := redistest.Open(t)
	s, other := openStore(t, rdb, 1), openStore(t, rdb, 1)
	r := run(t, s, SchedulerOptions{}, succeed)
	calls := func() int {
		info, err := rdb.InfoMap(t.Context(), "commandstats").Result()
		if err != nil {
			t.Fatalf("INFO: %v", err)
		}
		n := 0
		for name, stats := range info["Commandstats"] {
			if !strings.HasPrefix(name, "cmdstat_eval") {
				continue
			}
			text, _, _ := strings.Cut(strings.TrimPrefix(stats, "calls="), ",")
			calls, err := strconv.Atoi(text)
			if err != nil {
				t.Fatalf("INFO: %s: %v", stats, err)
			}
			n += calls
		}
		return n
	}
	mustArm(t, other, soon(contract(t, "far"), 1, time.Hour))
	// The subscription begins with a wake for all shards. It is over once a later wake stands in the plan; until then
	// that one comes too early, or means nothing beside the earlier plan.
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for planned := time.Hour; planned > 30*time.Minute || planned < 29*time.Minute; planned = r.plans[0].peek() {
		<-again.C
		if err := rdb.Publish(t.Context(), wakeChannel, "0 1800000").Err(); err != nil {
			t.Fatalf("PUBLISH: %v", err)
		}
	}
	// Turns are taken one after the other, so a flush ends the one that may still be under way.
	for _, hint := range mustArm(t, unheard(t, s), soon(contract(t, "first"), 1, time.Millisecond)).Hints {
		r.Hint(hint)
	}
	r.await(t, "flushed", 1)
	before := calls()
	mustArm(t, other, soon(contract(t, "second"), 1, 500*time.Millisecond))
	r.await(t, "flushed", 2)
	if got := calls() - before; got != 3 {
		t.Errorf("%d script calls for one window, want 3: arm, claim, complete", got)
	}
}

func TestHintsReplaceWakes(t *testing.T) {
	t.Parallel()
	rdb := redistest.Open(t)
	s := openStore(t, rdb, 2)
	r := run(t, s, SchedulerOptions{}, succeed)
	mustArm(t, s, soon(contract(t, "heard"), 1, time.Millisecond))
	r.await(t, "flushed", 1)
	result := mustArm(t, unheard(t, s), soon(contract(t, "unheard"), 1, 10*time.Millisecond))
	for _, hint := range result.Hints {
		r.Hint(hint)
	}
	r.Hint(Hint{Shard: -1})
	r.Hint(Hint{Shard: 2})
	r.await(t, "flushed", 2)
}

func TestEventsDuringAFlushAreFlushedAgain(t *testing.T) {
	t.Parallel()
	for _, server := range servers {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			rdb := server.open(t)
			s := openStore(t, rdb, 1)
			positions := make(chan uint64, 10)
			r := run(t, s, SchedulerOptions{}, func(ctx context.Context, windows []Window) []error {
				positions <- windows[0].Position.Sequence
				if windows[0].Position.Sequence == 1 {
					if _, err := s.Arm(ctx, []Arm{soon(keyA, 2, time.Millisecond)}); err != nil {
						return []error{err}
					}
				}
				return nil
			})
			mustArm(t, s, soon(keyA, 1, time.Millisecond))
			r.await(t, "flushed", 2)
			if first, second := <-positions, <-positions; first != 1 || second != 2 {
				t.Errorf("flushed %d and %d, want 1 and 2", first, second)
			}
			mustBeEmpty(t, s)
		})
	}
}

func TestStopFinishesTheBatchInHand(t *testing.T) {
	t.Parallel()
	for _, server := range servers {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			rdb := server.open(t)
			s := openStore(t, rdb, 1)
			mustArm(t, s, soon(keyA, 1, 0))
			inFlush, goOn := make(chan context.Context, 1), make(chan struct{})
			r := run(t, s, SchedulerOptions{Lease: time.Minute}, func(ctx context.Context, _ []Window) []error {
				inFlush <- ctx
				<-goOn
				return nil
			})
			ctx := <-inFlush
			r.stop()
			if err := ctx.Err(); err != nil {
				t.Errorf("the context of the flush ended with the one of Run: %v", err)
			}
			if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) > time.Minute {
				t.Errorf("the context of the flush ends at %s (%t), want the end of the lease", deadline, ok)
			}
			select {
			case <-r.done:
				t.Error("Run returned with a batch in hand")
			default:
			}
			close(goOn)
			r.finished(t)
			mustBeEmpty(t, s)
			if got := r.count("flushed"); got != 1 {
				t.Errorf("%d flushed, want 1", got)
			}
		})
	}
}

func TestTwoSchedulersFlushEachWindowOnce(t *testing.T) {
	t.Parallel()
	for _, server := range serversAndCluster {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			rdb := server.open(t)
			const n = 300
			var mu sync.Mutex
			got, want := map[key.Key]int{}, map[key.Key]int{}
			both := newObserved()
			for range 2 {
				runObserved(t, openStore(t, rdb, 2), SchedulerOptions{Limit: 8}, both, func(_ context.Context, windows []Window) []error {
					mu.Lock()
					defer mu.Unlock()
					for _, w := range windows {
						got[w.Key]++
					}
					return nil
				})
			}
			s := openStore(t, rdb, 2)
			for i := range n {
				k := contract(t, strconv.Itoa(i))
				want[k] = 1
				mustArm(t, s, soon(k, 1, time.Duration(i%20)*time.Millisecond))
			}
			both.await(t, "flushed", n)
			mu.Lock()
			defer mu.Unlock()
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("flushes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAPlanKeepsTheEarliestHint(t *testing.T) {
	t.Parallel()
	p, now := newPlan(), time.Now()
	if _, _, planned := p.take(now); planned {
		t.Error("a new plan has a time")
	}
	p.hint(now.Add(time.Hour))
	p.hint(now.Add(time.Minute))
	p.hint(now.Add(time.Hour))
	if due, in, planned := p.take(now); due || in != time.Minute || !planned {
		t.Errorf("got due %t, in %s, planned %t; want in one minute", due, in, planned)
	}
	if due, _, _ := p.take(now.Add(time.Minute)); !due {
		t.Error("not due at its time")
	}
	if _, _, planned := p.take(now.Add(time.Hour)); planned {
		t.Error("the plan was not forgotten when it was due")
	}
}
