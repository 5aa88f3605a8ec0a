package window

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/redisx/redistest"
)

func TestFailedFlushesAreRepeatedAndTheOthersAreNot(t *testing.T) {
	t.Parallel()
	for _, server := range servers {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			rdb := server.open(t)
			s := openStore(t, rdb, 1)
			mustArm(t, s, soon(keyA, 1, 0), soon(keyB, 1, 0))
			var mu sync.Mutex
			flushes := map[key.Key]int{}
			r := run(t, s, SchedulerOptions{ShortestPause: time.Millisecond, LongestPause: 2 * time.Millisecond}, func(_ context.Context, windows []Window) []error {
				mu.Lock()
				defer mu.Unlock()
				errs := make([]error, len(windows))
				for i, w := range windows {
					flushes[w.Key]++
					if w.Key == keyA && flushes[w.Key] < 4 {
						errs[i] = errors.New("not now")
					}
				}
				return errs
			})
			r.await(t, "flushed", 2)
			mu.Lock()
			defer mu.Unlock()
			if diff := cmp.Diff(map[key.Key]int{keyA: 4, keyB: 1}, flushes); diff != "" {
				t.Errorf("flushes (-want +got):\n%s", diff)
			}
			if got := r.count("released"); got != 3 {
				t.Errorf("%d released, want 3", got)
			}
			mustBeEmpty(t, s)
		})
	}
}

func TestAFlushThatOutlivesItsLeaseIsLost(t *testing.T) {
	t.Parallel()
	for _, server := range servers {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			rdb := server.open(t)
			s := openStore(t, rdb, 1)
			mustArm(t, s, soon(keyA, 1, 0))
			stuck, goOn := make(chan struct{}), make(chan struct{})
			var deadline, second time.Time
			slow := run(t, s, SchedulerOptions{Lease: 20 * time.Millisecond}, func(ctx context.Context, _ []Window) []error {
				close(stuck)
				<-goOn
				deadline, _ = ctx.Deadline()
				return nil
			})
			<-stuck
			other := run(t, openStore(t, rdb, 1), SchedulerOptions{}, func(context.Context, []Window) []error {
				second = time.Now()
				return nil
			})
			other.await(t, "flushed", 1)
			close(goOn)
			slow.await(t, "lost", 1)
			if !deadline.Before(second) {
				t.Errorf("the first flush could go on until %s, the second began at %s", deadline, second)
			}
			mustBeEmpty(t, s)
		})
	}
}

func TestSchedulerOutlivesARestartOfRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := openStore(t, server.Client, 2)
	r := run(t, s, SchedulerOptions{ShortestPause: time.Millisecond, LongestPause: 10 * time.Millisecond}, succeed)
	if _, err := s.Refill(t.Context(), func(context.Context) error { return nil }); err != nil {
		t.Fatalf("Refill: %v", err)
	}
	mustArm(t, s, soon(keyA, 1, 0))
	r.await(t, "flushed", 1)
	emptied := r.count("emptied")
	server.Restart(t)
	// The subscription comes back by itself, and finds that the windows are gone: no event is needed for that.
	r.await(t, "emptied", emptied+1)
	mustArm(t, s, soon(keyA, 2, 0), soon(keyB, 1, 0))
	r.await(t, "flushed", 3)
}

func TestSchedulerBacksOffWhileRedisIsAway(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := openStore(t, server.Client, 1)
	logs := make(chan string, 100)
	ctx, cancel := context.WithCancel(t.Context())
	o := newObserved()
	scheduler := NewScheduler(s, SchedulerOptions{ShortestPause: time.Millisecond, LongestPause: 2 * time.Millisecond}, o, slog.New(lines{logs}))
	done := make(chan struct{})
	inFlush, goOn := make(chan struct{}, 10), make(chan struct{})
	mustArm(t, s, soon(keyA, 1, 0))
	go func() {
		defer close(done)
		scheduler.Run(ctx, func(context.Context, []Window) []error {
			inFlush <- struct{}{}
			<-goOn
			return []error{errors.New("away as well")}
		})
	}()
	<-inFlush
	server.Kill(t)
	close(goOn)
	for range 3 {
		select {
		case <-logs:
		case <-time.After(patience):
			t.Fatal("no warning while Redis is away")
		}
	}
	cancel()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("Run does not return while Redis is away")
	}
}

func TestOrphansAreReported(t *testing.T) {
	t.Parallel()
	rdb := redistest.Open(t)
	s := openStore(t, rdb, 1)
	if err := rdb.ZAdd(t.Context(), dueKey(0), redis.Z{Score: 1, Member: "pc.contract.A"}).Err(); err != nil {
		t.Fatalf("ZADD: %v", err)
	}
	run(t, s, SchedulerOptions{}, succeed).await(t, "orphaned", 1)
	mustBeEmpty(t, s)
}

func TestPausesGrowToTheirBoundAndVary(t *testing.T) {
	t.Parallel()
	s := NewScheduler(&Store{shards: 1}, SchedulerOptions{ShortestPause: 10 * time.Millisecond, LongestPause: 100 * time.Millisecond}, nil, nil)
	for failures, longestMS := range map[int]int{0: 10, 1: 20, 3: 80, 4: 100, 63: 100, 1000: 100} {
		longest := time.Duration(longestMS) * time.Millisecond
		seen := map[time.Duration]bool{}
		for range 50 {
			pause := s.pause(failures)
			if pause > longest || pause < longest/2 {
				t.Errorf("pause after %d failures is %s, want %s to %s", failures, pause, longest/2, longest)
			}
			seen[pause] = true
		}
		if len(seen) < 2 {
			t.Errorf("all pauses after %d failures are the same", failures)
		}
	}
}

func TestErrorsThatDoNotFitTheWindowsFailAllOfThem(t *testing.T) {
	t.Parallel()
	windows := []Window{{Key: keyA}, {Key: keyB}}
	boom := errors.New("boom")
	tests := []struct {
		name         string
		errs         []error
		done, failed []Window
	}{
		{"nil means success", nil, windows, nil},
		{"one each", []error{boom, nil}, windows[1:], windows[:1]},
		{"all succeeded", []error{nil, nil}, windows, nil},
		{"too few", []error{nil}, nil, windows},
		{"too many", []error{nil, nil, nil}, nil, windows},
		{"none", []error{}, nil, windows},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			done, failed := split(windows, tc.errs)
			same := func(a, b []Window) bool { return fmt.Sprint(a) == fmt.Sprint(b) }
			if !same(done, tc.done) || !same(failed, tc.failed) {
				t.Errorf("got done %v, failed %v", done, failed)
			}
		})
	}
}
