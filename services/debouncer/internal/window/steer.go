package window

import (
	"context"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/position"
)

// Hastened says what became of a window that Hasten was told to make due. The zero value belongs to a failed call.
type Hastened int

const (
	// NotHastened means that the call failed; the window may be due now or not. Repeating it is safe.
	NotHastened Hastened = iota
	// NoWindow means that the key has none.
	NoWindow
	// DueNow means that the window can be claimed now.
	DueNow
	// DueNext means that the window is claimed, and what came after the claim is due as soon as that is completed.
	DueNext
	// UnderWay means that the window is claimed and holds nothing newer: its flush is under way.
	UnderWay
	// NoEvents means that the window only cools down.
	NoEvents
)

// Hasten makes windows due now and wakes the debouncers. A lease is respected, a pause after a failed flush is not. Events
// that come before the claim are taken along and do not put it off. There is one answer for each key, in their order; the
// error sums up those that are NotHastened.
func (s *Store) Hasten(ctx context.Context, keys []key.Key) ([]Hastened, error) {
	batches := batcher{store: s}
	for i, k := range keys {
		name := k.String()
		batches.add(name, i, []any{name})
	}
	codes, err := s.steer(ctx, s.scripts.hasten, batches.calls, len(keys), 5)
	hastened := make([]Hastened, len(keys))
	for i, code := range codes {
		hastened[i] = Hastened(code)
	}
	return hastened, err
}

// Removal says what became of a window that Drop was told to remove. The zero value belongs to a failed call.
type Removal int

const (
	// NotRemoved means that the call failed; the window may be gone or not. Repeating it is safe.
	NotRemoved Removal = iota
	// WasGone means that there was none (any more).
	WasGone
	// Removed means that the window holds no events any more.
	Removed
	// HoldsNewer means that newer events than the settled ones have come. Nothing changed.
	HoldsNewer
	// IsClaimed means that a debouncer flushes the window at the moment. Nothing changed.
	IsClaimed
)

// Settlement is a position of a key up to which everything is settled in the ledger.
type Settlement struct {
	Key      key.Key
	Position position.Position
}

// Drop removes windows that hold nothing newer than what is settled. It must only be called with positions that the
// ledger covers: what a removed window stood for is revived by nobody but the sweeper. There is one answer for each, in
// their order; the error sums up those that are NotRemoved.
func (s *Store) Drop(ctx context.Context, settled []Settlement) ([]Removal, error) {
	batches := batcher{store: s}
	for i, one := range settled {
		name := one.Key.String()
		batches.add(name, i, []any{name, one.Position.Epoch, one.Position.Sequence})
	}
	codes, err := s.steer(ctx, s.scripts.drop, batches.calls, len(settled), 4)
	removals := make([]Removal, len(settled))
	for i, code := range codes {
		removals[i] = Removal(code)
	}
	return removals, err
}

// steer makes the calls and returns, for each of n items, the answer of the script plus 1, or 0 if the call failed.
func (s *Store) steer(ctx context.Context, sc script, calls []call, n, limit int) ([]int, error) {
	results, errs := make([]int, n), make([]error, n)
	for i, r := range s.run(ctx, sc, calls) {
		c := calls[i]
		codes, err := r.codes(len(c.items), limit)
		if r.err != nil {
			err = r.err
		}
		for j, item := range c.items {
			if errs[item] = err; err == nil {
				results[item] = codes[j] + 1
			}
		}
	}
	return results, sum(sc.name, errs)
}
