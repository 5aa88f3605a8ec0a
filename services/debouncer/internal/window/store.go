package window

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/redis/go-redis/v9"
)

const (
	// DefaultShards is a number of shards that keeps each script short at a million windows.
	DefaultShards = 16
	// MaxShards bounds the number of shards: each costs every replica a goroutine and a timer.
	MaxShards = 4096
	// MaxBatch is the most windows that one script call takes, so that no call holds Redis for long.
	MaxBatch = 500

	countKey = "debounce:{shards}:count"
)

// ErrShardCount is the error of Open when the data in Redis is divided into another number of shards.
var ErrShardCount = errors.New("number of shards differs from the one in Redis")

// Options are the settings of a Store.
type Options struct {
	// Shards is the number of parts that the windows are divided into, 1 to MaxShards; 0 means DefaultShards. All
	// replicas must agree, and the number outlives them: it stands in Redis.
	Shards int
}

// Store is the windows of one installation. It is safe for concurrent use.
type Store struct {
	rdb     redis.UniversalClient
	shards  int
	scripts scripts
	now     func() string // the scripts' now_ms: empty for the clock of Redis, a number in tests
}

// Open checks the number of shards against the one in Redis, sets it if there is none, and loads the scripts.
func Open(ctx context.Context, rdb redis.UniversalClient, o Options) (*Store, error) {
	if o.Shards == 0 {
		o.Shards = DefaultShards
	}
	if o.Shards < 1 || o.Shards > MaxShards {
		return nil, fmt.Errorf("open windows: %d shards, want 1 to %d", o.Shards, MaxShards)
	}
	s := &Store{rdb: rdb, shards: o.Shards, scripts: embedded(), now: func() string { return "" }}
	if err := s.checkCount(ctx); err != nil {
		return nil, err
	}
	for _, sc := range s.scripts.all() {
		if err := rdb.ScriptLoad(ctx, sc.source).Err(); err != nil {
			return nil, fmt.Errorf("load script %s: %w", sc.name, err)
		}
	}
	return s, nil
}

// checkCount compares the number of shards with the one in Redis, and sets it where there is none.
func (s *Store) checkCount(ctx context.Context) error {
	if err := s.rdb.SetNX(ctx, countKey, s.shards, 0).Err(); err != nil {
		return fmt.Errorf("set the number of shards: %w", err)
	}
	count, err := s.rdb.Get(ctx, countKey).Result()
	if err != nil {
		return fmt.Errorf("read the number of shards: %w", err)
	}
	if count != strconv.Itoa(s.shards) {
		return fmt.Errorf("%w: %d configured, %s in Redis; either configure %s, or drain: stop all that arms windows, "+
			"wait until none is open, stop all debouncers, and delete the key %s",
			ErrShardCount, s.shards, count, count, countKey)
	}
	return nil
}

// Shards is the number of shards.
func (s *Store) Shards() int { return s.shards }

// Len counts the windows in Redis: open, claimed, or cooling down after an urgent event.
func (s *Store) Len(ctx context.Context) (int64, error) {
	pipe := s.rdb.Pipeline()
	counts := make([]*redis.IntCmd, s.shards)
	for shard := range counts {
		counts[shard] = pipe.HLen(ctx, windowsKey(shard))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return 0, fmt.Errorf("count windows: %w", err)
	}
	var n int64
	for _, count := range counts {
		n += count.Val()
	}
	return n, nil
}

// shardOf is the shard of a key in its text form. It must never change: the data in Redis is divided by it.
func (s *Store) shardOf(key string) int {
	return int(xxhash.Sum64String(key) % uint64(s.shards))
}

func windowsKey(shard int) string { return "debounce:{" + strconv.Itoa(shard) + "}:windows" }
func dueKey(shard int) string     { return "debounce:{" + strconv.Itoa(shard) + "}:due" }
func epochKey(shard int) string   { return "debounce:{" + strconv.Itoa(shard) + "}:epoch" }

// keysOf are the KEYS of every script.
func keysOf(shard int) []string {
	return []string{windowsKey(shard), dueKey(shard), epochKey(shard)}
}

// ceilMS is d in whole milliseconds, rounded up: a window is due late by less than one rather than early.
func ceilMS(d time.Duration) int64 {
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}
