package window

import (
	"context"
	"fmt"
	"time"
)

// Completion says what became of a claim. The zero value belongs to a window whose call failed.
type Completion int

const (
	// Unknown means that the call failed; the claim may have ended or not. Its lease ends in any case.
	Unknown Completion = iota
	// Lost means that somebody else has claimed the window since, or it is gone. Nothing changed.
	Lost
	// Done means, for Complete, that nothing newer had come; for Release, that the window holds its events again.
	Done
	// Rearmed means that newer events had come; the window is due for them by its own rule.
	Rearmed
)

// Settled is the answer to Complete and Release.
type Settled struct {
	// Completions has one entry for each window, in their order.
	Completions []Completion
	// Hints are for the Scheduler.
	Hints []Hint
}

// Complete ends the claims of windows whose flush has been acknowledged. The error sums up those that are Unknown.
func (s *Store) Complete(ctx context.Context, windows []Window) (Settled, error) {
	batches := batcher{store: s}
	for i, w := range windows {
		name := w.Key.String()
		batches.add(name, i, []any{name, w.Position.Epoch, w.Position.Sequence, w.token})
	}
	return s.settle(ctx, s.scripts.complete, batches.calls, len(windows), 3)
}

// Release gives the claims of windows back whose flush has failed. They can be claimed again after delay, with
// everything that came meanwhile. The error sums up those that are Unknown.
func (s *Store) Release(ctx context.Context, windows []Window, delay time.Duration) (Settled, error) {
	if delay < 0 || delay > maxPeriod {
		return Settled{}, fmt.Errorf("release for %s: %w", delay, ErrPeriod)
	}
	batches := batcher{store: s, first: []any{ceilMS(delay)}}
	for i, w := range windows {
		name := w.Key.String()
		batches.add(name, i, []any{name, w.token})
	}
	return s.settle(ctx, s.scripts.release, batches.calls, len(windows), 2)
}

func (s *Store) settle(ctx context.Context, sc script, calls []call, n, limit int) (Settled, error) {
	settled := Settled{Completions: make([]Completion, n)}
	errs := make([]error, n)
	for i, r := range s.run(ctx, sc, calls) {
		c := calls[i]
		codes, err := r.codes(len(c.items), limit)
		if r.err != nil {
			err = r.err
		}
		for j, item := range c.items {
			if errs[item] = err; err == nil {
				settled.Completions[item] = Lost + Completion(codes[j])
			}
		}
		if hint, ok := r.hint(c.shard); err == nil && ok {
			settled.Hints = append(settled.Hints, hint)
		}
	}
	return settled, sum(sc.name, errs)
}
