package window

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
)

// ErrEmptiedAgain is the error of Refill when Redis lost its data once more while the windows were armed.
var ErrEmptiedAgain = errors.New("redis was emptied again meanwhile")

// Refill finds the shards that have lost their windows (or never had any) and lets fill arm the open keys of the event
// log again; which of them belong to these shards, Arm decides, and arming the others changes nothing. Only when fill has
// succeeded, and no data was lost meanwhile, the shards count as complete. Without such a shard, Refill is one cheap round
// trip and fill is not called.
//
// Any number of replicas may refill at the same time. It answers whether fill was called.
func (s *Store) Refill(ctx context.Context, fill func(context.Context) error) (bool, error) {
	lives, err := s.emptied(ctx)
	if err != nil || len(lives) == 0 {
		return false, err
	}
	// The number of shards is lost with the windows.
	if err := s.checkCount(ctx); err != nil {
		return false, err
	}
	if err := fill(ctx); err != nil {
		return true, fmt.Errorf("arm the open keys of the log: %w", err)
	}
	for shard, life := range lives {
		cmd := s.rdb.EvalSha(ctx, s.scripts.refilled.sha, keysOf(shard), "", shard, life)
		if redis.HasErrorPrefix(cmd.Err(), "NOSCRIPT") {
			cmd = s.rdb.Eval(ctx, s.scripts.refilled.source, keysOf(shard), "", shard, life)
		}
		noted, err := cmd.Bool()
		if err != nil {
			return true, fmt.Errorf("note that shard %d is complete: %w", shard, err)
		}
		if !noted {
			return true, fmt.Errorf("refill shard %d: %w", shard, ErrEmptiedAgain)
		}
	}
	return true, nil
}

// emptied marks the beginning of a life of each shard that has none, and returns the lives of all shards that are not
// complete. Replicas that refill at the same time share the life: whichever comes first through, arms what was open when
// the life began.
func (s *Store) emptied(ctx context.Context) (map[int]string, error) {
	pipe := s.rdb.Pipeline()
	markers := make([]*redis.StringCmd, s.shards)
	fresh := rand.Text()
	for shard := range markers {
		pipe.SetNX(ctx, epochKey(shard), "-"+fresh, 0)
		markers[shard] = pipe.Get(ctx, epochKey(shard))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("read the epoch markers: %w", err)
	}
	lives := map[int]string{}
	for shard, marker := range markers {
		if life, incomplete := strings.CutPrefix(marker.Val(), "-"); incomplete {
			lives[shard] = life
		}
	}
	return lives, nil
}
