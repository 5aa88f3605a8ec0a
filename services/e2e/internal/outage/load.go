package outage

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	"github.com/enneo-ai/enneo-bridge/services/e2e/internal/rig"
)

// senders share the contracts; each has one webhook under way at a time.
const senders = 8

// again is the pause before a webhook is repeated that was answered 503.
const again = 200 * time.Millisecond

// load changes contracts all the time, and tells of each change until it is accepted. Neither the ERP nor Enneo is any of the
// ingestor's business, so it answers 503 only if the disk under the log is slow; whatever else it answers ends the run.
type load struct {
	group       *errgroup.Group
	n, repeated atomic.Uint64
}

// startLoad changes each contract once per every until ctx ends. A change that has begun is finished.
func startLoad(ctx context.Context, world *rig.World, ingestor string, ids []string, every time.Duration) *load {
	l := &load{group: &errgroup.Group{}}
	for sender := range min(senders, len(ids)) {
		var mine []string
		for i := sender; i < len(ids); i += senders {
			mine = append(mine, ids[i])
		}
		l.group.Go(func() error { return l.send(ctx, world, ingestor, mine, every) })
	}
	return l
}

func (l *load) send(ctx context.Context, world *rig.World, ingestor string, ids []string, every time.Duration) error {
	tick := time.NewTicker(every / time.Duration(len(ids)))
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			if i < len(ids) {
				return fmt.Errorf("only %d of %d contracts have changed; let it last longer than %s", i, len(ids), every)
			}
			return nil
		case <-tick.C:
		}
		// A status of its own for each change: what Enneo is told is never what it has already.
		if err := l.change(context.WithoutCancel(ctx), world, ingestor, ids[i%len(ids)], 10_000+i); err != nil {
			return err
		}
	}
}

func (l *load) change(ctx context.Context, world *rig.World, ingestor, id string, status int) error {
	if _, err := world.Sim.Change(ctx, simclient.Change{Contracts: []string{id}, StatusID: status}); err != nil {
		return err
	}
	hint, err := rig.Hint(id)
	if err != nil {
		return err
	}
	for {
		err := world.Post(ctx, ingestor, hint)
		if err == nil {
			l.n.Add(1)
		}
		if !errors.Is(err, rig.ErrLater) {
			return err
		}
		l.repeated.Add(1)
		if err := wait(ctx, again); err != nil {
			return err
		}
	}
}

// wait returns when all senders have ended, with the first error of one.
func (l *load) wait() error { return l.group.Wait() }

// accepted is how many webhooks were answered 202 until now.
func (l *load) accepted() uint64 { return l.n.Load() }
