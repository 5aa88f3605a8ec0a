// Package outage takes an ERP or Enneo away for a while from contracts that change all the time, and counts what that costs
// once it is back.
//
// Every contract is brought to Enneo first. Then the system answers 503 to everything, and the contracts go on changing, in turn
// and at a steady rate. They stop in the moment in which the ERP is back; before Enneo is back, the last bursts come to their
// end as well. Whatever is asked after that moment is the cost of the outage. It should be one answered request per contract,
// however often the contract has changed meanwhile.
package outage

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	"github.com/enneo-ai/enneo-bridge/services/e2e/internal/rig"
)

// senders is how many webhooks are under way at once.
const senders = 4

// settleLimit bounds the wait for the end: pauses of what has failed last a minute at most, with a quarter of jitter.
const settleLimit = 3 * time.Minute

// Options are the settings of a run.
type Options struct {
	// Dir is where stores and logs are kept. It has to exist.
	Dir      string
	Binaries rig.Binaries
	// System is what goes away: simclient.Powercloud or simclient.Enneo.
	System    string
	Contracts int
	// Duration is how long it is away, and Rate how many changes there are per second in the meantime, over all contracts.
	Duration time.Duration
	Rate     float64
}

// Run takes the system away once. An error says that the run itself failed; what it found wrong stands in the report.
func Run(ctx context.Context, o *Options) (*Report, error) {
	if o.System != simclient.Powercloud && o.System != simclient.Enneo {
		return nil, fmt.Errorf("system %q is neither %s nor %s", o.System, simclient.Powercloud, simclient.Enneo)
	}
	world, err := rig.Open(ctx, rig.Options{Dir: o.Dir, Binaries: o.Binaries, Contracts: o.Contracts, Seed: 1})
	if err != nil {
		return nil, err
	}
	defer world.Close()
	ids, err := world.Sim.IDs(ctx, key.Contract, 0, o.Contracts)
	if err != nil {
		return nil, fmt.Errorf("list the contracts: %w", err)
	}
	ingestor, err := services(ctx, world)
	if err != nil {
		return nil, err
	}
	if err := changeAll(ctx, world, ingestor, ids); err != nil {
		return nil, err
	}
	before, err := world.SettledWithin(ctx, settleLimit, uint64(len(ids)))
	if err != nil {
		return nil, err
	}
	if err := world.Sim.ResetJournal(ctx); err != nil {
		return nil, fmt.Errorf("reset the journal: %w", err)
	}
	report := &Report{Options: o}
	var back time.Time
	if report.Changes, back, err = away(ctx, world, ingestor, ids, o); err != nil {
		return nil, err
	}
	if report.Balance, err = world.SettledWithin(ctx, settleLimit, before.Accepted+uint64(report.Changes)); err != nil {
		return nil, fmt.Errorf("after the outage: %w", err)
	}
	report.Settled = time.Since(back)
	report.Wrong = errors.Join(world.Same(ctx), world.Sound(ctx))
	return report, report.count(ctx, world.Sim, back)
}

// services starts one of each and returns where the ingestor listens.
func services(ctx context.Context, world *rig.World) (string, error) {
	env := world.With(map[string]string{"DEBOUNCE_QUIET_PERIOD": "2s", "DEBOUNCE_MAX_WAIT": "30s"})
	ingestor, err := world.Start(ctx, "ingestor", env)
	if err != nil {
		return "", err
	}
	for _, name := range []string{"debouncer", "enricher", "publisher"} {
		if _, err := world.Start(ctx, name, env); err != nil {
			return "", err
		}
	}
	address, err := ingestor.Listener(ctx, "http")
	if err != nil {
		return "", err
	}
	return address, world.Accepting(ctx, address)
}

// changeAll changes every contract once.
func changeAll(ctx context.Context, world *rig.World, ingestor string, ids []string) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(senders)
	for _, id := range ids {
		group.Go(func() error { return world.Change(ctx, ingestor, id, 1000) })
	}
	return group.Wait()
}

// away takes the system away, changes contracts in turn until the time is over, and gives it back. It returns how many changes
// were accepted, and when it was given back: nothing was answered before that.
func away(ctx context.Context, world *rig.World, ingestor string, ids []string, o *Options) (changes int, back time.Time, err error) {
	_, err = world.Sim.AddFault(ctx, simclient.Fault{System: o.System, Action: simclient.Status, Status: http.StatusServiceUnavailable})
	if err != nil {
		return 0, back, fmt.Errorf("take %s away: %w", o.System, err)
	}
	end := time.Now().Add(o.Duration)
	pace := rate.NewLimiter(rate.Limit(o.Rate), 1)
	group, working := errgroup.WithContext(ctx)
	group.SetLimit(senders)
	for time.Now().Before(end) && working.Err() == nil {
		if err := pace.Wait(working); err != nil {
			break
		}
		id, status := ids[changes%len(ids)], 1001+changes/len(ids)
		group.Go(func() error { return world.Change(working, ingestor, id, status) })
		changes++
	}
	if err := group.Wait(); err != nil {
		return 0, back, fmt.Errorf("change contracts: %w", err)
	}
	if o.System == simclient.Enneo {
		// What changed within the last quiet period is a burst of its own, and would be a second request.
		if err := world.Read(ctx); err != nil {
			return 0, back, err
		}
	}
	back = time.Now()
	if err := world.Sim.ClearFaults(ctx, o.System); err != nil {
		return 0, back, fmt.Errorf("give %s back: %w", o.System, err)
	}
	return changes, back, ctx.Err()
}
