package lease

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/record"
)

// Once calls lead if nobody else holds the lease, and returns what lead returns, ErrLost if the lease was lost meanwhile, or
// ErrTaken if a living process holds it. A holder that has died looks the same until its lease ends, so Once waits until then,
// or until the holder shows that it lives by renewing.
func (l *Lease) Once(ctx context.Context, lead func(ctx context.Context) error) error {
	if err := l.acquireFromTheDead(ctx); err != nil {
		return err
	}
	lost, err := l.hold(ctx, lead)
	l.until.Store(0)
	if lost {
		return errors.Join(ErrLost, err)
	}
	return err
}

func (l *Lease) acquireFromTheDead(ctx context.Context) error {
	first, err := l.bucket.Get(ctx, l.name)
	if err != nil {
		return err
	}
	for {
		wait, err := l.try(ctx)
		if err == nil {
			return nil
		}
		if !errors.Is(err, ErrTaken) && !errors.Is(err, record.ErrConflict) {
			return err
		}
		now, err := l.bucket.Get(ctx, l.name)
		if err != nil {
			return err
		}
		if now.Revision != first.Revision && now.Value.GetHolder() != "" {
			return ErrTaken
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("wait for the lease of a dead holder: %w", ctx.Err())
		case <-timer.C:
		}
	}
}
