package retry_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/enneo-ai/enneo-bridge/libs/redisx"
	"github.com/enneo-ai/enneo-bridge/libs/redisx/redistest"
	"github.com/enneo-ai/enneo-bridge/libs/retry"
)

func replica(rdb redis.UniversalClient, stage string) *retry.Schedule {
	return retry.Shared(rdb, stage, time.Minute, time.Hour, slog.New(slog.DiscardHandler))
}

func TestAPauseHoldsForEveryReplicaAndAfterARestart(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(testing.TB) redis.UniversalClient{"redis": redistest.Open, "cluster": redistest.Cluster, "in process": redistest.Miniredis} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rdb, k := open(t), contract("1")
			one, two := replica(rdb, "enrich"), replica(rdb, "enrich")
			one.Failed(k, 0)
			if wait := two.Wait(k); wait < 50*time.Second || wait > 2*time.Minute {
				t.Errorf("another replica waits %s, want the minute of the first pause", wait)
			}
			if wait, attempts := replica(rdb, "enrich").Failed(k, 0); attempts != 2 || wait < 2*time.Minute {
				t.Errorf("a restarted one counts %d failures and waits %s, want the second and twice the pause", attempts, wait)
			}
			if wait := replica(rdb, "publish").Wait(k); wait != 0 {
				t.Errorf("another stage waits %s", wait)
			}
			if wait := replica(rdb, "enrich").Wait(contract("2")); wait != 0 {
				t.Errorf("another key waits %s", wait)
			}
			two.Succeeded(k)
			if wait := replica(rdb, "enrich").Wait(k); wait != 0 {
				t.Errorf("after a success on another replica a restarted one waits %s", wait)
			}
		})
	}
}

func TestWithoutRedisAReplicaKnowsItsOwnPauses(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb, err := redisx.Open(t.Context(), server.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rdb.Close() })
	s, k := replica(rdb, "enrich"), contract("1")
	server.Kill(t)
	if wait, attempts := s.Failed(k, 0); wait < time.Minute || attempts != 1 {
		t.Errorf("Failed = %s, %d", wait, attempts)
	}
	if wait := s.Wait(k); wait < 50*time.Second {
		t.Errorf("it waits %s, want its own pause", wait)
	}
	s.Succeeded(k)
	if wait := s.Wait(k); wait != 0 {
		t.Errorf("after its own success it waits %s", wait)
	}
}

func TestWhatIsNoPauseOfOursIsIgnored(t *testing.T) {
	t.Parallel()
	rdb, k := redistest.Open(t), contract("1")
	for _, text := range []string{"", "x", "1", "0 5", "1 x", "-1 99999999999999", "9999999999999999999999 1"} {
		if err := rdb.Set(t.Context(), "retry:enrich:{"+k.String()+"}", text, 0).Err(); err != nil {
			t.Fatal(err)
		}
		if wait := replica(rdb, "enrich").Wait(k); wait != 0 {
			t.Errorf("%q makes it wait %s", text, wait)
		}
	}
	// Another machine's clock may be wrong by years.
	if err := rdb.Set(t.Context(), "retry:enrich:{"+k.String()+"}", "3 99999999999999", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if wait := replica(rdb, "enrich").Wait(k); wait > 2*time.Hour {
		t.Errorf("a pause far in the future makes it wait %s, want no more than the longest pause", wait)
	}
}
