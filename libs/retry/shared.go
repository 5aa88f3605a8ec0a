package retry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/enneo-ai/enneo-bridge/libs/key"
)

const (
	// deadline bounds one call of Redis, and away is for how long it is not called after one that failed.
	deadline = 250 * time.Millisecond
	away     = time.Second
	// kept is how long failures in a row are remembered after the pause that the last one caused.
	kept = time.Hour
)

// Shared makes a schedule that all replicas of a stage share through Redis, and that outlives them. While Redis is away each
// goes by its own memory.
func Shared(rdb redis.UniversalClient, stage string, first, limit time.Duration, logger *slog.Logger) *Schedule {
	s := New(first, limit)
	s.shared = &shared{rdb: rdb, stage: stage, logger: logger}
	return s
}

// shared is the memory of all replicas.
type shared struct {
	rdb    redis.UniversalClient
	stage  string
	logger *slog.Logger

	mu     sync.Mutex
	awayTo time.Time
	gone   bool
}

func (r *shared) key(k key.Key) string { return "retry:" + r.stage + ":{" + k.String() + "}" }

// call does something in Redis unless that failed just now.
func (r *shared) call(do func(ctx context.Context) error) {
	r.mu.Lock()
	asks := time.Now().After(r.awayTo)
	r.mu.Unlock()
	if !asks {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	err := do(ctx)
	r.mu.Lock()
	before := r.gone
	if r.gone = err != nil; r.gone {
		r.awayTo = time.Now().Add(away)
	}
	r.mu.Unlock()
	switch {
	case err != nil && !before:
		r.logger.WarnContext(ctx, "redis is away, pauses are known to this replica alone", "stage", r.stage, "error", err.Error())
	case err == nil && before:
		r.logger.InfoContext(ctx, "redis is back, pauses are shared again", "stage", r.stage)
	}
}

// get returns what the replicas know of a key; false if that is nothing, or nobody could be asked.
func (r *shared) get(k key.Key, longest time.Duration) (e entry, found bool) {
	var text string
	r.call(func(ctx context.Context) error {
		var err error
		if text, err = r.rdb.Get(ctx, r.key(k)).Result(); errors.Is(err, redis.Nil) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("ask for a pause: %w", err)
		}
		return nil
	})
	count, at, _ := strings.Cut(text, " ")
	attempts, err := strconv.Atoi(count)
	ms, atErr := strconv.ParseInt(at, 10, 64)
	if err != nil || atErr != nil || attempts < 1 {
		return entry{}, false
	}
	// The clocks of two machines may differ; nobody waits longer for that than for a failure.
	return entry{attempts: attempts, notBefore: earliest(time.UnixMilli(ms), time.Now().Add(longest))}, true
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// set tells the other replicas.
func (r *shared) set(k key.Key, e entry) {
	text := strconv.Itoa(e.attempts) + " " + strconv.FormatInt(e.notBefore.UnixMilli(), 10)
	r.call(func(ctx context.Context) error {
		if err := r.rdb.Set(ctx, r.key(k), text, max(0, time.Until(e.notBefore))+kept).Err(); err != nil {
			return fmt.Errorf("share a pause: %w", err)
		}
		return nil
	})
}

func (r *shared) forget(k key.Key) {
	r.call(func(ctx context.Context) error {
		if err := r.rdb.Del(ctx, r.key(k)).Err(); err != nil {
			return fmt.Errorf("end a pause: %w", err)
		}
		return nil
	})
}
