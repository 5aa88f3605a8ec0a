package redisx

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/enneo-ai/enneo-bridge/libs/redisx/redistest"
)

// eviction looks only when it is told to; lines are what it has logged.
func eviction(rdb redis.UniversalClient) (e *Eviction, lines func() string) {
	var log bytes.Buffer
	e = NewEviction(rdb, slog.New(slog.NewTextHandler(&log, nil)))
	return e, func() string {
		text := log.String()
		log.Reset()
		return text
	}
}

func setPolicy(t *testing.T, rdb redis.UniversalClient, policy string) {
	t.Helper()
	err := redistest.EachServer(t.Context(), rdb, func(ctx context.Context, server redis.UniversalClient) error {
		return server.ConfigSet(ctx, "maxmemory-policy", policy).Err()
	})
	if err != nil {
		t.Fatalf("set the policy: %v", err)
	}
}

func TestAPolicyThatEvictsAnyKeyIsRedUntilItIsChanged(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(testing.TB) redis.UniversalClient{"server": redistest.Open, "cluster": redistest.Cluster} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rdb := open(t)
			e, lines := eviction(rdb)
			for _, step := range []struct {
				policy string
				red    bool
				logged string // level
			}{
				{"noeviction", false, ""},
				{"allkeys-lru", true, "level=ERROR"},
				{"allkeys-lru", true, ""},
				{"noeviction", false, "level=INFO"},
				{"volatile-ttl", false, ""},
				{"allkeys-random", true, "level=ERROR"},
				{"volatile-lru", false, "level=INFO"},
			} {
				setPolicy(t, rdb, step.policy)
				looked := e.look(t.Context())
				err := e.Check(t.Context())
				if !errors.Is(err, looked) || errors.Is(err, ErrEvicts) != step.red || (err != nil) != step.red {
					t.Errorf("%s: %v and %v, want red: %t", step.policy, looked, err, step.red)
				}
				if step.red && (!strings.Contains(err.Error(), "maxmemory-policy noeviction") || !strings.Contains(err.Error(), step.policy)) {
					t.Errorf("%s: %q names no remedy or not the policy", step.policy, err)
				}
				if got := lines(); (got == "") != (step.logged == "") || !strings.Contains(got, step.logged) {
					t.Errorf("%s: logged %q, want %q", step.policy, got, step.logged)
				}
			}
		})
	}
}

func TestAPolicyForKeysWithAnExpiryIsAWarningAtTheStart(t *testing.T) {
	t.Parallel()
	rdb := redistest.Open(t)
	setPolicy(t, rdb, "volatile-lru")
	e, lines := eviction(rdb)
	if err := e.look(t.Context()); err != nil {
		t.Errorf("volatile-lru: %v, want no error", err)
	}
	if got := lines(); !strings.Contains(got, "level=WARN") || !strings.Contains(got, "volatile-lru") {
		t.Errorf("logged %q, want a warning that names the policy", got)
	}
	if err := e.look(t.Context()); err != nil || lines() != "" {
		t.Errorf("looking again: %v, or the warning was repeated", err)
	}
}

func TestAServerThatDoesNotTellItsPolicyIsLeftAlone(t *testing.T) {
	t.Parallel()
	e, lines := eviction(redistest.Miniredis(t))
	if err := e.look(t.Context()); err != nil || lines() != "" {
		t.Errorf("stand-in: %v, want no error and nothing logged", err)
	}
}

func TestWhileRedisIsAwayTheLastPolicyCounts(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	e, lines := eviction(server.Client)
	setPolicy(t, server.Client, "allkeys-lfu")
	if err := e.look(t.Context()); !errors.Is(err, ErrEvicts) {
		t.Fatalf("allkeys-lfu: %v, want ErrEvicts", err)
	}
	lines()
	server.Kill(t)
	if err := e.look(t.Context()); !errors.Is(err, ErrEvicts) || lines() != "" {
		t.Errorf("away: %v, want what was known before and nothing logged", err)
	}
	server.Restart(t)
	if err := e.look(t.Context()); err != nil {
		t.Errorf("back with the default policy: %v", err)
	}
}

func TestThePolicyIsReadAgainByItself(t *testing.T) {
	t.Parallel()
	rdb := redistest.Open(t)
	setPolicy(t, rdb, "allkeys-lru")
	e, _ := eviction(rdb)
	e.every, e.soon = time.Millisecond, time.Millisecond
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		e.Run(ctx)
	}()
	turns := func(red bool) {
		t.Helper()
		poll := time.NewTicker(time.Millisecond)
		defer poll.Stop()
		for (e.Check(t.Context()) != nil) != red {
			select {
			case <-poll.C:
			case <-ctx.Done():
				t.Fatalf("did not turn, want red: %t", red)
			}
		}
	}
	turns(true)
	setPolicy(t, rdb, "noeviction")
	turns(false)
	setPolicy(t, rdb, "allkeys-lru")
	turns(true)
	stop()
	<-ended
}
