package window

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/position"
)

// Window is a claimed window: its events up to Position have to be flushed before the lease ends.
type Window struct {
	Key      key.Key
	Position position.Position
	// First is the arrival of the first event, Due when the window was due by the rule; both by the clock of Redis.
	First, Due time.Time
	// Collapsed is the number of events that the window stands for, without duplicates.
	Collapsed uint64
	// TraceParents are the W3C traceparents of sampled events, oldest first: the first of the window, and the newest seven.
	TraceParents []string

	token string
}

// Claimed is the answer to Claim.
type Claimed struct {
	// Windows are oldest first.
	Windows []Window
	// Now is the clock of Redis at the claim.
	Now time.Time
	// Next is the time until the next window of the shard can be claimed, if HasNext.
	Next    time.Duration
	HasNext bool
	// Orphans counts what was removed because it could not be read. It stays 0 unless others write to these keys.
	Orphans int
	// Emptied tells that the shard has lost its windows since the last Refill.
	Emptied bool
}

// Claim leases up to limit (at most MaxBatch) due windows of a shard, under a new random token. Whoever claims must
// Complete or Release within the lease; afterwards the windows can be claimed by others, and so can those of a claim whose
// answer was lost.
func (s *Store) Claim(ctx context.Context, shard, limit int, lease time.Duration) (Claimed, error) {
	if shard < 0 || shard >= s.shards || limit < 1 || limit > MaxBatch || lease <= 0 || lease > maxPeriod {
		return Claimed{}, fmt.Errorf("claim %d windows of shard %d of %d for %s: out of range", limit, shard, s.shards, lease)
	}
	token := rand.Text()
	r := s.run(ctx, s.scripts.claim, []call{{shard: shard, args: []any{limit, token, ceilMS(lease)}}})[0]
	if r.err != nil {
		return Claimed{}, r.err
	}
	const perWindow = 7
	if len(r.rest)%perWindow != 1 {
		return Claimed{}, fmt.Errorf("claim in shard %d: %w", shard, errReply)
	}
	orphans, ok := r.rest[0].(int64)
	if !ok {
		return Claimed{}, fmt.Errorf("claim in shard %d: %w", shard, errReply)
	}
	claimed := Claimed{Now: r.now, Orphans: int(orphans), Emptied: r.emptied}
	if hint, ok := r.hint(shard); ok {
		claimed.Next, claimed.HasNext = hint.In, true
	}
	foreign := batcher{store: s}
	for fields := r.rest[1:]; len(fields) > 0; fields = fields[perWindow:] {
		w, name, err := parseWindow(fields, token)
		if err != nil {
			return Claimed{}, fmt.Errorf("claim in shard %d: %w", shard, err)
		}
		if w.Key == (key.Key{}) {
			// Not a key that Arm wrote. Left alone it would come back at the end of every lease.
			claimed.Orphans++
			foreign.calls = append(foreign.calls, call{
				shard: shard, items: []int{0}, args: []any{name, w.Position.Epoch, w.Position.Sequence, token},
			})
			continue
		}
		claimed.Windows = append(claimed.Windows, w)
	}
	if len(foreign.calls) > 0 {
		// An error only means that they are met again.
		s.run(ctx, s.scripts.complete, foreign.calls)
	}
	return claimed, nil
}

// parseWindow reads one window of the answer of claim.lua, and its key as it stands in Redis. The Key of the window is
// the zero value if that is none.
func parseWindow(fields []any, token string) (Window, string, error) {
	name, ok := fields[0].(string)
	trace, okTrace := fields[6].(string)
	if !ok || !okTrace {
		return Window{}, "", errReply
	}
	var n [5]int64
	for i := range n {
		if n[i], ok = fields[i+1].(int64); !ok {
			return Window{}, "", errReply
		}
	}
	k, err := key.Parse(name)
	if err != nil {
		k = key.Key{}
	}
	return Window{
		Key:          k,
		Position:     position.Position{Epoch: uint64(n[0]), Sequence: uint64(n[1])},
		First:        time.UnixMilli(n[2]),
		Due:          time.UnixMilli(n[3]),
		Collapsed:    uint64(n[4]),
		TraceParents: unpackTraces(trace),
		token:        token,
	}, name, nil
}
