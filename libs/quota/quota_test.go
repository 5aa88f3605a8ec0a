package quota_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/enneo-ai/enneo-bridge/libs/quota"
	"github.com/enneo-ai/enneo-bridge/libs/redisx"
	"github.com/enneo-ai/enneo-bridge/libs/redisx/redistest"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// servers are what the product runs on.
func servers() map[string]func(testing.TB) redis.UniversalClient {
	return map[string]func(testing.TB) redis.UniversalClient{
		"redis": redistest.Open, "cluster": redistest.Cluster, "in process": redistest.Miniredis,
	}
}

// replicas are quotas of one target in several processes.
func replicas(rdb redis.UniversalClient, n int, l quota.Limits) (all []*quota.Quota) {
	for range n {
		all = append(all, quota.New(rdb, "erp", l, discard()))
	}
	return all
}

func TestReplicasTogetherNeverExceedTheSlots(t *testing.T) {
	t.Parallel()
	for name, open := range servers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := replicas(open(t), 3, quota.Limits{Concurrency: 4, Lease: time.Minute})
			var held []func()
			for i := range 30 {
				release, wait := all[i%3].Take(t.Context())
				if release != nil {
					held = append(held, release)
				} else if wait <= 0 || wait > 2*time.Second {
					t.Errorf("refused with a wait of %s", wait)
				}
			}
			if len(held) != 4 {
				t.Fatalf("%d were let through at the same time, want 4", len(held))
			}
			held[0]()
			held[0]() // A second release gives nothing back.
			if release, _ := all[2].Take(t.Context()); release == nil {
				t.Error("a slot that was given back is not to be had")
			}
			if release, _ := all[1].Take(t.Context()); release != nil {
				t.Error("a slot that was given back twice was to be had twice")
			}
		})
	}
}

func TestReplicasTogetherKeepTheRate(t *testing.T) {
	t.Parallel()
	for name, open := range servers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// One in ten minutes, so that the speed of the machine decides nothing.
			all := replicas(open(t), 3, quota.Limits{Rate: 1.0 / 600})
			through := 0
			for i := range 12 {
				release, wait := all[i%3].Take(t.Context())
				if release != nil {
					through++
					release()
				} else if wait < 5*time.Minute {
					t.Errorf("refused with a wait of %s, want about ten minutes", wait)
				}
			}
			if through != 1 {
				t.Errorf("%d were let through, want 1", through)
			}
		})
	}
}

func TestOneSecondsWorthMayGoAtOnce(t *testing.T) {
	t.Parallel()
	q := quota.New(redistest.Open(t), "erp", quota.Limits{Rate: 5}, discard())
	for i := range 5 {
		if release, _ := q.Take(t.Context()); release == nil {
			t.Errorf("request %d of a burst of 5 was refused", i+1)
		}
	}
}

func TestARefusalByTheRateGivesTheSlotBack(t *testing.T) {
	t.Parallel()
	rdb := redistest.Open(t)
	all := replicas(rdb, 2, quota.Limits{Rate: 1.0 / 600, Concurrency: 2, Lease: time.Minute})
	first, _ := all[0].Take(t.Context())
	if first == nil {
		t.Fatal("the first was refused")
	}
	all[1].Take(t.Context())
	if n, err := rdb.ZCard(t.Context(), "limit:{erp}:slots").Result(); err != nil || n != 1 {
		t.Errorf("%d slots are taken (%v), want the one that was let through", n, err)
	}
}

// TestTheSlotOfADeadHolderComesBack when its lease has ended, by Redis' own clock.
func TestTheSlotOfADeadHolderComesBack(t *testing.T) {
	t.Parallel()
	all := replicas(redistest.Open(t), 2, quota.Limits{Concurrency: 1, Lease: time.Second})
	if release, _ := all[0].Take(t.Context()); release == nil {
		t.Fatal("the first was refused")
	}
	if release, _ := all[1].Take(t.Context()); release != nil {
		t.Fatal("the only slot was to be had twice")
	}
	for {
		if _, err := all[1].Enter(t.Context()); err != nil {
			t.Fatalf("the slot does not come back: %v", err)
		}
		if release, _ := all[1].Take(t.Context()); release != nil {
			return
		}
	}
}

func TestATimeToWaitHoldsForAllReplicas(t *testing.T) {
	t.Parallel()
	for name, open := range servers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := replicas(open(t), 2, quota.Limits{Rate: 1000})
			all[0].Hold(t.Context(), time.Hour)
			all[0].Hold(t.Context(), time.Minute) // Less than what holds already.
			for i, q := range all {
				if release, wait := q.Take(t.Context()); release != nil || wait < 50*time.Minute {
					t.Errorf("replica %d: let through, or told to wait %s", i, wait)
				}
			}
			impatient, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := all[1].Enter(impatient); !errors.Is(err, context.Canceled) {
				t.Errorf("Enter = %v, want that the process pulls nothing", err)
			}
		})
	}
}

// TestAnEmptiedRedisForgetsTheLimitsAndNothingElse.
func TestAnEmptiedRedisForgetsTheLimitsAndNothingElse(t *testing.T) {
	t.Parallel()
	rdb := redistest.Open(t)
	q := quota.New(rdb, "erp", quota.Limits{Concurrency: 1, Lease: time.Minute}, discard())
	release, _ := q.Take(t.Context())
	if err := redistest.FlushAll(t.Context(), rdb); err != nil {
		t.Fatal(err)
	}
	again, _ := q.Take(t.Context())
	if again == nil {
		t.Fatal("refused by an empty Redis")
	}
	release()
	again()
	if last, _ := q.Take(t.Context()); last == nil {
		t.Error("refused after all was given back")
	}
}

// lines is a log that may be read while it is written.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) count(of string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), of)
}

func TestWithoutRedisEachReplicaKeepsItsPart(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb, err := redisx.Open(t.Context(), server.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rdb.Close() })
	var log lines
	logger := slog.New(slog.NewTextHandler(&log, nil))
	limits := quota.Limits{Concurrency: 4, Lease: time.Minute}
	one, two := quota.New(rdb, "erp", limits, logger), quota.New(rdb, "erp", limits, discard())
	for range 2 { // Each hears of the other.
		for _, q := range []*quota.Quota{two, one} {
			release, _ := q.Take(t.Context())
			release()
		}
	}
	server.Kill(t)
	var held []func()
	for range 6 {
		if release, _ := one.Take(t.Context()); release != nil {
			held = append(held, release)
		}
	}
	if len(held) != 2 {
		t.Errorf("%d of 4 were let through without Redis, want the half of one of two replicas", len(held))
	}
	for _, release := range held {
		release()
	}
	if release, _ := one.Take(t.Context()); release == nil {
		t.Error("refused without Redis, though nothing is under way")
	} else {
		release()
	}
	server.Restart(t)
	for log.count("redis is back") == 0 {
		if t.Context().Err() != nil {
			t.Fatal("the limits are not shared again")
		}
		if release, _ := one.Take(t.Context()); release != nil {
			release()
		}
	}
	if n := log.count("redis is away"); n != 1 {
		t.Errorf("it was said %d times that Redis is away, want once", n)
	}
}

func TestNoQuotaLetsEverythingThrough(t *testing.T) {
	t.Parallel()
	var q *quota.Quota
	q.Hold(t.Context(), time.Hour)
	if release, _ := q.Take(t.Context()); release == nil {
		t.Error("refused")
	}
	if _, err := q.Enter(t.Context()); err != nil {
		t.Errorf("Enter = %v", err)
	}
}
