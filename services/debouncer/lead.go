package debouncer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/enneo-ai/enneo-bridge/libs/app"
	"github.com/enneo-ai/enneo-bridge/libs/lease"
	"github.com/enneo-ai/enneo-bridge/libs/pipeline"
	"github.com/enneo-ai/enneo-bridge/libs/source"
	"github.com/enneo-ai/enneo-bridge/services/debouncer/internal/letters"
	"github.com/enneo-ai/enneo-bridge/services/debouncer/internal/openkeys"
	"github.com/enneo-ai/enneo-bridge/services/debouncer/internal/sweep"
	"github.com/enneo-ai/enneo-bridge/services/debouncer/internal/window"
)

// leadPause follows work of the leader that failed, so that another replica may try.
const leadPause = 5 * time.Second

// SweepConfig says when what is open counts as lost.
type SweepConfig struct {
	Bound              time.Duration `env:"SWEEP_BOUND, default=30s" desc:"How long after the max wait an open key may stand nowhere before it is revived"`
	ExemptLimit        time.Duration `env:"SWEEP_EXEMPT_LIMIT, default=1h" desc:"How long an open key may wait in a window or as a ticket before it is revived all the same; doubled with each time, up to 16 times. Each costs one read of the ERP"`
	DeadAlarm          time.Duration `env:"DEAD_ALARM, default=72h" desc:"How long before a dead letter expires (DEAD_MAX_AGE) it is reported"`
	FreshnessObjective time.Duration `env:"FRESHNESS_OBJECTIVE, default=5m" desc:"How long an event may take from the log to Enneo and still count as fresh; metrics only"`
}

// Validate checks the figures.
func (c *SweepConfig) Validate() error {
	var errs []error
	if c.Bound < time.Second || c.Bound > 24*time.Hour {
		errs = append(errs, fmt.Errorf("SWEEP_BOUND: %s is not between 1s and 24h", c.Bound))
	}
	if c.ExemptLimit < time.Minute || c.ExemptLimit > 30*24*time.Hour {
		errs = append(errs, fmt.Errorf("SWEEP_EXEMPT_LIMIT: %s is not between 1m and 720h", c.ExemptLimit))
	}
	if c.DeadAlarm < 0 {
		errs = append(errs, fmt.Errorf("DEAD_ALARM: %s is negative", c.DeadAlarm))
	}
	if c.FreshnessObjective <= 0 {
		errs = append(errs, fmt.Errorf("FRESHNESS_OBJECTIVE: %s is not positive", c.FreshnessObjective))
	}
	return errors.Join(errs...)
}

// leader does what one replica at a time does: it follows the open keys, exports the balance and sweeps.
type leader struct {
	lease   *lease.Lease
	tracker *openkeys.Tracker
	sweeper *sweep.Sweeper
	letters *letters.Keeper
	logger  *slog.Logger
}

func newLeader(ctx context.Context, env *app.Env, cfg *SweepConfig, deadMaxAge time.Duration, p *pipeline.Pipeline, store *window.Store, sources []*source.Source) (*leader, error) {
	l, err := lease.Open(ctx, p.Bus.JetStream(), "sweeper", lease.DefaultLength, env.Logger)
	if err != nil {
		return nil, err
	}
	limits := &sweep.Limits{MaxWait: map[string]time.Duration{}, Bound: cfg.Bound, Exempt: cfg.ExemptLimit}
	for _, s := range sources {
		limits.MaxWait[s.Name] = s.MaxWait
	}
	meter := env.Telemetry.Meter("debouncer")
	rules := openkeys.Rules{Objective: cfg.FreshnessObjective, Wait: limits.Wait}
	tracker := openkeys.New(p.Bus, p.Log, p.Ledger, rules, openkeys.DefaultStoreEvery, env.Logger)
	if err := exportBalance(meter, tracker.Book); err != nil {
		return nil, err
	}
	sweeper, err := sweep.New(sweep.Parts{
		Bus: p.Bus, Log: p.Log, Ledger: p.Ledger, Tracker: tracker, Windows: store, Held: l.Held,
		Propagator: env.Telemetry.Propagator, Meter: meter, Logger: env.Logger,
	}, limits)
	if err != nil {
		return nil, err
	}
	refs := map[string]string{}
	for _, s := range sources {
		refs[s.Name] = s.Profile.Ref()
	}
	keeper, err := letters.New(letters.Parts{
		Box: p.Dead, Log: p.Log, Held: l.Held, Profiles: refs, MaxAge: deadMaxAge, Alarm: cfg.DeadAlarm,
		Propagator: env.Telemetry.Propagator, Meter: meter, Logger: env.Logger,
	})
	if err != nil {
		return nil, err
	}
	return &leader{lease: l, tracker: tracker, sweeper: sweeper, letters: keeper, logger: env.Logger}, nil
}

// run leads whenever this replica holds the lease, until ctx ends.
func (l *leader) run(ctx context.Context) error {
	for ctx.Err() == nil {
		err := l.lease.Run(ctx, func(ctx context.Context) error {
			group, ctx := errgroup.WithContext(ctx)
			group.Go(func() error { return l.tracker.Run(ctx) })
			group.Go(func() error { return l.sweeper.Run(ctx) })
			group.Go(func() error { return l.letters.Run(ctx) })
			return group.Wait()
		})
		if err == nil {
			continue
		}
		l.logger.WarnContext(ctx, "leading was interrupted", "error", err.Error())
		select {
		case <-ctx.Done():
		case <-time.After(leadPause):
		}
	}
	return nil
}
