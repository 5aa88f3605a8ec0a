package window

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/redisx/redistest"
)

func TestRefillArmsAgainOnlyWhatWasEmptied(t *testing.T) {
	t.Parallel()
	for _, server := range serversAndCluster {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			rdb := server.open(t)
			s := openStore(t, rdb, 3)
			fills := 0
			fill := func(context.Context) error { fills++; return nil }
			refill := func(wantFilled bool, wantFills int) {
				t.Helper()
				filled, err := s.Refill(t.Context(), fill)
				if err != nil || filled != wantFilled || fills != wantFills {
					t.Errorf("Refill = %t, %v after %d fills; want %t, nil, %d", filled, err, fills, wantFilled, wantFills)
				}
			}
			item := soon(keyA, 1, 0)
			if result := mustArm(t, s, item); !result.Emptied {
				t.Error("Arm before the first refill does not say that the shard is empty")
			}
			refill(true, 1)
			refill(false, 1)
			if result := mustArm(t, s, item); result.Emptied {
				t.Error("Arm after the refill says that the shard was emptied")
			}
			shard := s.shardOf(keyA.String())
			claimed, err := s.Claim(t.Context(), shard, 1, time.Minute)
			if err != nil || claimed.Emptied {
				t.Errorf("Claim after the refill: emptied %t, %v", claimed.Emptied, err)
			}
			if err := redistest.FlushAll(t.Context(), rdb); err != nil {
				t.Fatalf("FLUSHALL: %v", err)
			}
			claimed, err = s.Claim(t.Context(), shard, 1, time.Minute)
			if err != nil || !claimed.Emptied {
				t.Errorf("Claim after FLUSHALL: emptied %t, %v", claimed.Emptied, err)
			}
			refill(true, 2)
			if err := rdb.Del(t.Context(), epochKey(1)).Err(); err != nil {
				t.Fatalf("DEL: %v", err)
			}
			refill(true, 3)
			refill(false, 3)
		})
	}
}

func TestRefillIsNotDoneWhenRedisIsEmptiedMeanwhile(t *testing.T) {
	t.Parallel()
	for _, server := range servers {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			rdb := server.open(t)
			s := openStore(t, rdb, 2)
			emptied := true
			fill := func(ctx context.Context) error {
				if emptied {
					emptied = false
					return rdb.FlushAll(ctx).Err()
				}
				return nil
			}
			if filled, err := s.Refill(t.Context(), fill); !filled || !errors.Is(err, ErrEmptiedAgain) {
				t.Errorf("Refill = %t, %v; want ErrEmptiedAgain", filled, err)
			}
			if filled, err := s.Refill(t.Context(), fill); !filled || err != nil {
				t.Errorf("second Refill = %t, %v", filled, err)
			}
		})
	}
}

func TestRefillThatFailsIsRepeated(t *testing.T) {
	t.Parallel()
	s := openStore(t, redistest.Open(t), 2)
	boom := errors.New("boom")
	if filled, err := s.Refill(t.Context(), func(context.Context) error { return boom }); !filled || !errors.Is(err, boom) {
		t.Errorf("Refill = %t, %v; want the error of fill", filled, err)
	}
	if filled, err := s.Refill(t.Context(), func(context.Context) error { return nil }); !filled || err != nil {
		t.Errorf("second Refill = %t, %v", filled, err)
	}
}

// Two replicas notice at the same time; the one that ends first must not spoil the other's work.
func TestReplicasRefillAtTheSameTime(t *testing.T) {
	t.Parallel()
	for _, server := range servers {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			rdb := server.open(t)
			var inside, both sync.WaitGroup
			inside.Add(2)
			for range 2 {
				s := openStore(t, rdb, 2)
				both.Go(func() {
					filled, err := s.Refill(t.Context(), func(context.Context) error {
						inside.Done()
						inside.Wait() // until both are here
						return nil
					})
					if !filled || err != nil {
						t.Errorf("Refill = %t, %v", filled, err)
					}
				})
			}
			both.Wait()
		})
	}
}

func TestRefillRefusesANewShardCount(t *testing.T) {
	t.Parallel()
	rdb := redistest.Open(t)
	s := openStore(t, rdb, 2)
	if err := rdb.FlushAll(t.Context()).Err(); err != nil {
		t.Fatalf("FLUSHALL: %v", err)
	}
	openStore(t, rdb, 4)
	filled, err := s.Refill(t.Context(), func(context.Context) error { return nil })
	if filled || !errors.Is(err, ErrShardCount) {
		t.Errorf("Refill = %t, %v; want ErrShardCount", filled, err)
	}
}

func TestRefillFailsWithoutRedisAndSurvivesForgottenScripts(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := openStore(t, server.Client, 1)
	if err := server.Client.ScriptFlush(t.Context()).Err(); err != nil {
		t.Fatalf("SCRIPT FLUSH: %v", err)
	}
	fill := func(context.Context) error { return nil }
	if filled, err := s.Refill(t.Context(), fill); !filled || err != nil {
		t.Errorf("Refill without scripts = %t, %v", filled, err)
	}
	server.Kill(t)
	if filled, err := s.Refill(t.Context(), fill); filled || err == nil {
		t.Errorf("Refill without Redis = %t, %v", filled, err)
	}
	server.Restart(t)
	kill := func(context.Context) error { server.Kill(t); return nil }
	if filled, err := s.Refill(t.Context(), kill); !filled || err == nil {
		t.Errorf("Refill that loses Redis = %t, %v", filled, err)
	}
}
