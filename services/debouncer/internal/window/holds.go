package window

import (
	"context"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/enneo-ai/enneo-bridge/libs/key"
)

// The places of two fields of a state, and the number of fields without a claim; see the package.
const (
	fieldFirst     = 2
	unclaimedCount = 8
)

// Holds tells for each key whether a window will bring its events to a flush: one with events, or claimed and not
// completed, that stands in the schedule. A window that only cools down does not, nor does one whose state or place in
// the schedule is missing. It costs two commands for each shard touched (and each MaxBatch keys of it), in one round trip.
//
// The two are not one snapshot: a window that is completed meanwhile may be told either way.
func (s *Store) Holds(ctx context.Context, keys []key.Key) ([]bool, error) {
	held := make([]bool, len(keys))
	batches := batcher{store: s}
	for i, k := range keys {
		name := k.String()
		batches.add(name, i, []any{name})
	}
	pipe := s.rdb.Pipeline()
	states, scores := make([]*redis.SliceCmd, len(batches.calls)), make([]*redis.FloatSliceCmd, len(batches.calls))
	for i, c := range batches.calls {
		names := make([]string, len(c.args))
		for j, arg := range c.args {
			names[j], _ = arg.(string)
		}
		states[i] = pipe.HMGet(ctx, windowsKey(c.shard), names...)
		scores[i] = pipe.ZMScore(ctx, dueKey(c.shard), names...)
	}
	if len(batches.calls) > 0 {
		if _, err := pipe.Exec(ctx); err != nil {
			return nil, fmt.Errorf("look up windows: %w", err)
		}
	}
	for i, c := range batches.calls {
		if len(states[i].Val()) != len(c.items) || len(scores[i].Val()) != len(c.items) {
			return nil, fmt.Errorf("look up windows: %w", errReply)
		}
		for j, item := range c.items {
			state, _ := states[i].Val()[j].(string)
			// A score is a time, so 0 means that there is none.
			held[item] = scores[i].Val()[j] > 0 && brings(state)
		}
	}
	return held, nil
}

// brings tells whether the window of a packed state has events or a claim.
func brings(state string) bool {
	fields := strings.Fields(state)
	return len(fields) > unclaimedCount || len(fields) > fieldFirst && fields[fieldFirst] != "0"
}
