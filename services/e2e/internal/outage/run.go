package outage

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	"github.com/enneo-ai/enneo-bridge/services/e2e/internal/rig"
)

// settleLimit bounds the wait for the end of a phase: the pauses of a gate last 45 s at most, and then everything is read.
const settleLimit = 5 * time.Minute

// replicas of each service: limits and gates have to hold for several.
func replicas() map[string]int {
	return map[string]int{"debouncer": 1, "enricher": 2, "publisher": 2}
}

// Options are the settings of a run.
type Options struct {
	// Dead is how long each system is dead, Before how long everything runs undisturbed before.
	Dead, Before time.Duration
	Contracts    int
	// Every is the time between two changes of one contract; all of them must change at least once in Before and in Dead.
	Every time.Duration
	// Quiet and MaxWait are those of the windows.
	Quiet, MaxWait time.Duration
	// Dir is where everything is kept. It has to exist.
	Dir      string
	Binaries rig.Binaries
	// Out is told of each phase as it begins.
	Out io.Writer
}

// runner is one run.
type runner struct {
	*Options
	world    *rig.World
	ingestor string
	ids      []string
	out      *slog.Logger
	accepted uint64
}

// Run plays both outages and reports. An error says that the run itself failed; what it found wrong stands in the report.
func Run(ctx context.Context, o *Options) (*Report, error) {
	world, err := rig.Open(ctx, rig.Options{Dir: o.Dir, Binaries: o.Binaries, Contracts: o.Contracts, Seed: 11})
	if err != nil {
		return nil, err
	}
	defer world.Close()
	r := &runner{Options: o, world: world, out: slog.New(slog.NewTextHandler(o.Out, nil))}
	if err := r.begin(ctx); err != nil {
		return nil, err
	}
	report := &Report{Options: o, Logs: world.Logs}
	for _, system := range []string{simclient.Powercloud, simclient.Enneo} {
		phase, err := r.outage(ctx, system)
		if err != nil {
			return nil, fmt.Errorf("outage of %s: %w", system, err)
		}
		report.Outages = append(report.Outages, phase)
	}
	report.Unsound = world.Sound(ctx)
	summary, err := world.Sim.Summary(ctx)
	if err != nil {
		return nil, err
	}
	if summary.Dropped > 0 {
		return nil, fmt.Errorf("the simulator has recorded %d requests too few; run for a shorter time", summary.Dropped)
	}
	return report, nil
}

// begin starts the services, and makes every contract and customer known to Enneo.
func (r *runner) begin(ctx context.Context) error {
	env := r.world.With(map[string]string{
		"DEBOUNCE_QUIET_PERIOD": r.Quiet.String(), "DEBOUNCE_MAX_WAIT": r.MaxWait.String(), "SOURCE_POWERCLOUD_RATE": "100",
	})
	ingestor, err := r.world.Start(ctx, "ingestor", env)
	if err != nil {
		return err
	}
	if r.ingestor, err = ingestor.Listener(ctx, "http"); err != nil {
		return err
	}
	for service, n := range replicas() {
		for range n {
			if _, err := r.world.Start(ctx, service, env); err != nil {
				return err
			}
		}
	}
	if err := r.world.Accepting(ctx, r.ingestor); err != nil {
		return err
	}
	if r.ids, err = r.world.Sim.IDs(ctx, key.Contract, 0, r.Contracts); err != nil {
		return err
	}
	r.out.InfoContext(ctx, "every contract is made known to Enneo")
	for _, id := range r.ids {
		if err := r.world.Change(ctx, r.ingestor, id, simclient.StatusActive); err != nil {
			return err
		}
		r.accepted++
	}
	_, err = r.settled(ctx)
	return err
}

// outage lets one system be dead for a while under load.
func (r *runner) outage(ctx context.Context, system string) (*Outage, error) {
	p := &Outage{System: system, Began: time.Now()}
	loading, stop := context.WithCancel(ctx)
	defer stop()
	load := startLoad(loading, r.world, r.ingestor, r.ids, r.Every)
	r.out.InfoContext(ctx, "load begins")
	if err := wait(ctx, r.Before); err != nil {
		return nil, err
	}
	p.AcceptedBefore = load.accepted()
	if err := r.kill(ctx, p); err != nil {
		return nil, err
	}
	if err := wait(ctx, r.Dead); err != nil {
		return nil, err
	}
	stop()
	if err := load.wait(); err != nil {
		return nil, err
	}
	p.AcceptedDuring, p.Repeated = load.accepted()-p.AcceptedBefore, load.repeated.Load()
	r.accepted += load.accepted()
	r.out.InfoContext(ctx, "load ends", "accepted", load.accepted())
	if system == simclient.Enneo {
		if err := r.world.Read(ctx, r.MaxWait+settleLimit); err != nil {
			return nil, err
		}
	}
	p.Recovered = time.Now()
	if err := r.world.Sim.ClearFaults(ctx, system); err != nil {
		return nil, err
	}
	r.out.InfoContext(ctx, "back", "system", system)
	var err error
	if p.Balance, err = r.settled(ctx); err != nil {
		return nil, err
	}
	p.Sent = r.accepted
	if p.Reads, err = r.count(ctx, simclient.Powercloud, p); err != nil {
		return nil, err
	}
	if p.Requests, err = r.count(ctx, simclient.Enneo, p); err != nil {
		return nil, err
	}
	return p, nil
}

// kill resets every connection to the system from now on, those of requests that are on their way as well.
func (r *runner) kill(ctx context.Context, p *Outage) error {
	p.Died = time.Now()
	_, err := r.world.Sim.AddFault(ctx, simclient.Fault{System: p.System, Action: simclient.Reset})
	r.out.InfoContext(ctx, "dead", "system", p.System)
	return err
}

// settled waits until the services have nothing left to do, and then until nothing is open. The order spares the servers audits of
// the whole log while it still matters how long something takes.
func (r *runner) settled(ctx context.Context) (ledger.Balance, error) {
	if err := r.world.IdleWithin(ctx, settleLimit); err != nil {
		return ledger.Balance{}, err
	}
	return r.world.SettledWithin(ctx, settleLimit, r.accepted)
}

// wait returns when the time is over, or with the error of ctx.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait %s: %w", d, context.Cause(ctx))
	}
}
