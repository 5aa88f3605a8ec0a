package debouncer

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/services/debouncer/internal/window"
)

// lookEvery is how often Redis is asked whether it still has its windows: nobody else notices while nothing is due and no
// event comes. It is one cheap round trip, and all open keys are promised to be armed again within 5 s.
const lookEvery = 2 * time.Second

// refiller arms the open keys of the log again when Redis has lost its windows.
type refiller struct {
	log    *eventlog.Log
	ledger *ledger.Ledger
	store  *window.Store
	hint   func(window.Hint)
	widths map[string]*width
	logger *slog.Logger
	wanted chan struct{}
}

// want asks for a look at the windows; it does not block.
func (r *refiller) want() {
	select {
	case r.wanted <- struct{}{}:
	default:
	}
}

// run looks whenever it is asked to, and every lookEvery, until ctx ends; a failed refill is repeated.
func (r *refiller) run(ctx context.Context) error {
	pause := firstPause
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.wanted:
		case <-look.C:
		}
		filled, err := r.store.Refill(ctx, r.fill)
		switch {
		case err != nil && ctx.Err() == nil:
			r.logger.WarnContext(ctx, "windows cannot be filled from the log, trying again", "error", err.Error())
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(pause):
			}
			pause = min(2*pause, longestPause)
			r.want()
		case filled:
			r.logger.InfoContext(ctx, "windows were filled from the event log")
			pause = firstPause
		}
	}
}

// fill arms the newest open event of every key of the log.
func (r *refiller) fill(ctx context.Context) error {
	epoch, err := r.log.Epoch(ctx)
	if err != nil {
		return err
	}
	var items []window.Arm
	err = r.ledger.EachOpen(ctx, epoch, func(k key.Key, p position.Position) error {
		width := r.widths[k.Source]
		if width == nil {
			return nil // Not configured (any more), so nobody could read it.
		}
		items = append(items, window.Arm{
			Key: k, Position: p, Quiet: width.quiet(), MaxWait: width.source.MaxWait,
			// What was urgent is not known here, and whoever arms the event itself finds it armed: it would have to wait.
			Urgent: len(width.source.UrgentTypes) > 0,
		})
		if len(items) < armBatch {
			return nil
		}
		return r.arm(ctx, &items)
	})
	return errors.Join(err, r.arm(ctx, &items))
}

func (r *refiller) arm(ctx context.Context, items *[]window.Arm) error {
	if len(*items) == 0 {
		return nil
	}
	result, err := r.store.Arm(ctx, *items)
	*items = (*items)[:0]
	for _, hint := range result.Hints {
		r.hint(hint)
	}
	return err
}
