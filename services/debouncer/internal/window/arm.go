package window

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/position"
)

// maxNumber is the largest whole number that a script takes: 2^53 - 1, the precision of a Lua number.
const maxNumber = 1<<53 - 1

// maxPeriod bounds quiet period and max wait, so that no sum of times leaves the precision of a Lua number.
const maxPeriod = 366 * 24 * time.Hour

// Errors of an item that Arm refuses; test with errors.Is.
var (
	ErrPosition = errors.New("position is zero or beyond 2^53 - 1")
	ErrPeriod   = errors.New("quiet period or max wait is negative or longer than a year")
)

// Arm is one event that a window has to hold.
type Arm struct {
	Key key.Key
	// Position is the place of the event in the log.
	Position position.Position
	// Quiet is the quiet period, MaxWait the longest time from the first event to the flush. Redis counts milliseconds;
	// parts of one are rounded up.
	Quiet, MaxWait time.Duration
	// Urgent events are due at once; then the window cools down for one quiet period, in which they count like others.
	Urgent bool
	// TraceParent is the W3C traceparent of the event. It is kept only if its sampled flag is set, and not all of
	// more than eight are.
	TraceParent string
}

// Outcome says what became of an armed event. The zero value belongs to an item that failed.
type Outcome int

const (
	// Failed means not known to be armed; see the error of the item. Arming it again is safe.
	Failed Outcome = iota
	// Unchanged means that the window held this position, or a newer one, already.
	Unchanged
	// Opened means that the event is the first of the window, or the first since its claim.
	Opened
	// Extended means that the window had events already.
	Extended
)

// Hint says in what time the earliest window of a shard can be claimed.
type Hint struct {
	Shard int
	In    time.Duration
}

// ArmResult is the answer to Arm.
type ArmResult struct {
	// Outcomes and Errs have one entry for each item, in their order. Only an item without an error may be acknowledged.
	Outcomes []Outcome
	Errs     []error
	// Traces has for each item with a sampled TraceParent that has extended a window the traceparent of the window's first
	// sampled event, unless it is the item's own; it is nil if there is none. In that trace the window will be flushed.
	Traces map[int]string
	// Hints are for the Scheduler, one for each shard touched.
	Hints []Hint
	// Emptied tells that a shard has lost its windows since the last Refill.
	Emptied bool
}

// Arm lets the windows of the items hold their positions, in one round trip with one script call for each shard (and
// each MaxBatch items of it). An item counts as armed only if its entry in Errs is nil; the error of Arm itself sums up
// those that are not.
func (s *Store) Arm(ctx context.Context, items []Arm) (ArmResult, error) {
	result := ArmResult{Outcomes: make([]Outcome, len(items)), Errs: make([]error, len(items))}
	batches := batcher{store: s}
	for i, item := range items {
		args, err := item.args()
		if err != nil {
			result.Errs[i] = err
			continue
		}
		batches.add(item.Key.String(), i, args)
	}
	for i, r := range s.run(ctx, s.scripts.arm, batches.calls) {
		c := batches.calls[i]
		traces := r.takeTraces()
		codes, err := r.codes(len(c.items), 3)
		if r.err != nil {
			err = r.err
		}
		for j, item := range c.items {
			if err != nil {
				result.Errs[item] = err
				continue
			}
			result.Outcomes[item] = Unchanged + Outcome(codes[j])
			if trace, ok := traces[j]; ok {
				if result.Traces == nil {
					result.Traces = map[int]string{}
				}
				result.Traces[item] = trace
			}
		}
		if hint, ok := r.hint(c.shard); err == nil && ok {
			result.Hints = append(result.Hints, hint)
		}
		result.Emptied = result.Emptied || r.emptied
	}
	return result, sum("arm", result.Errs)
}

// args checks the item and makes the arguments of the script of it.
func (a Arm) args() ([]any, error) {
	if _, err := key.New(a.Key.Source, a.Key.Kind, a.Key.ID); err != nil {
		return nil, fmt.Errorf("arm: %w", err)
	}
	if a.Position.IsZero() || a.Position.Epoch > maxNumber || a.Position.Sequence > maxNumber {
		return nil, fmt.Errorf("arm %s: %w", a.Position, ErrPosition)
	}
	if min(a.Quiet, a.MaxWait) < 0 || max(a.Quiet, a.MaxWait) > maxPeriod {
		return nil, fmt.Errorf("arm with quiet period %s and max wait %s: %w", a.Quiet, a.MaxWait, ErrPeriod)
	}
	urgent := 0
	if a.Urgent {
		urgent = 1
	}
	return []any{
		a.Key.String(), a.Position.Epoch, a.Position.Sequence, ceilMS(a.Quiet), ceilMS(a.MaxWait), urgent, packTrace(a.TraceParent),
	}, nil
}

// batcher divides items into script calls: by shard, and into parts of MaxBatch.
type batcher struct {
	store *Store
	// first are arguments that stand before the items of each call.
	first []any
	calls []call
	// open is the call of each shard that still has room.
	open map[int]int
}

func (b *batcher) add(key string, item int, args []any) {
	shard := b.store.shardOf(key)
	at, ok := b.open[shard]
	if !ok || len(b.calls[at].items) == MaxBatch {
		if b.open == nil {
			b.open = map[int]int{}
		}
		at = len(b.calls)
		b.open[shard] = at
		b.calls = append(b.calls, call{shard: shard, args: append([]any(nil), b.first...)})
	}
	c := &b.calls[at]
	c.args = append(c.args, args...)
	c.items = append(c.items, item)
}

// sum makes one error of the failed items, with each text once; nil if none failed.
func sum(action string, errs []error) error {
	var failed int
	var distinct []error
	seen := map[string]bool{}
	for _, err := range errs {
		if err == nil {
			continue
		}
		failed++
		if text := err.Error(); !seen[text] && len(seen) < math.MaxInt8 {
			seen[text] = true
			distinct = append(distinct, err)
		}
	}
	if failed == 0 {
		return nil
	}
	return fmt.Errorf("%s: %d of %d windows failed: %w", action, failed, len(errs), errors.Join(distinct...))
}
