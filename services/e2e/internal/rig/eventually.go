package rig

import (
	"context"
	"fmt"
	"time"
)

// lookEvery is how often a condition is asked that nobody tells of.
const lookEvery = 50 * time.Millisecond

// Eventually waits until check succeeds, for limit at most.
func Eventually(ctx context.Context, limit time.Duration, what string, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var last error
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		// Of a check that was cut short only that is known.
		if ctx.Err() == nil || last == nil {
			last = err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("not true within %s: %s: %w", limit, what, last)
		}
	}
}
