// Package reconciler compares ERPs with what enneo-bridge knows, and carries over what no webhook told.
//
// # What it does
//
// Of each source, one of three, as the ERP's profile allows:
//
//   - changed: pages through what the ERP says has changed since the last run, with an overlap.
//   - full: pages through everything that the ERP has, and finds what is gone as well.
//   - reread: without any listing, the known contracts whose last read is the oldest, a bounded number of them.
//
// What differs gets an event in the log; windows, limits and fences do the rest. Where a listing shows whole contracts and
// customers, their snapshots are stored at once, so that the ERP is not asked for each (docs/adr/0019).
//
// # Guarantees
//
//   - A snapshot out of a listing covers only events that the log held before the listing (its page, if the profile says that
//     pages are live) was asked for, or an event that this run has appended itself on the condition that none came in between.
//     What has a newer event is left to that event.
//   - The cursor moves after the log has the events. A run that is killed anywhere is repeated by the next one, which finds what
//     was carried over unchanged.
//   - One process at a time reconciles a source; a second one leaves with ErrBusy.
//   - Nothing is told gone if what a listing misses or calls gone were more than a share of what is known: ErrTooManyGone asks an
//     operator.
//   - Memory grows with the size of a page, not with the number of contracts.
//
// # Exit codes
//
// 0: done. 1: done, but some of it failed and was told. 2: it could not do its work, or was interrupted; the next run goes on.
// 3: another process reconciles the source. 4: too much would be deleted; look with --dry-run, then repeat with --allow-gone.
//
// # Concurrency
//
// Run may be called several times at once; the lease divides the sources among them.
package reconciler

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/enneo-ai/enneo-bridge/libs/app"
	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/pipeline"
	"github.com/enneo-ai/enneo-bridge/libs/redisx"
	"github.com/enneo-ai/enneo-bridge/libs/source"
)

// Config is the configuration of the reconciler.
type Config struct {
	Schedule     string        `env:"RECONCILE_SCHEDULE" desc:"When to reconcile, as a cron expression of five fields in the process's time zone, or for example @every 15m; without any schedule the process reconciles once and ends"`
	FullSchedule string        `env:"RECONCILE_FULL_SCHEDULE" desc:"When to compare everything, as RECONCILE_SCHEDULE"`
	Overlap      time.Duration `env:"RECONCILE_OVERLAP, default=10m" desc:"How long before the beginning of the last run a list of changes begins, for clocks that differ and changes that an ERP lists late"`
	PageSize     int           `env:"RECONCILE_PAGE_SIZE, default=500" desc:"How many contracts a page of a list is asked to hold; an ERP may give fewer"`
	Backlog      int           `env:"RECONCILE_BACKLOG, default=1000" desc:"Tickets of a source that wait for enricher and publisher above which the next page waits, so that live changes go first"`
	GoneShare    float64       `env:"RECONCILE_GONE_SHARE, default=0.05" desc:"A list that misses or calls gone more than this share of what is known (0.05 is 5 %), and more than RECONCILE_GONE_MIN, tells nothing gone and asks an operator; 1 lets everything through"`
	GoneMin      int           `env:"RECONCILE_GONE_MIN, default=20" desc:"How many contracts or customers that are missing or called gone are always told gone"`
	Reread       int           `env:"RECONCILE_REREAD, default=500" desc:"How many known contracts and customers are read again in a run if the ERP has no list that shows whether they changed, the one whose last read is the oldest first"`
	Patience     time.Duration `env:"RECONCILE_PATIENCE, default=10m" desc:"How long an ERP or NATS may fail before the run gives up"`
	TempDir      string        `env:"RECONCILE_TEMP_DIR" desc:"Directory for temporary files, 32 bytes for each contract; the system's if not set"`
	Redis        redisx.Config
	Windows      pipeline.Windows
	NATS         bus.Config
}

// Validate checks the figures and schedules.
func (c *Config) Validate() error {
	var errs []error
	for name, spec := range map[string]string{"RECONCILE_SCHEDULE": c.Schedule, "RECONCILE_FULL_SCHEDULE": c.FullSchedule} {
		if _, err := parseSchedule(spec); err != nil {
			errs = append(errs, fmt.Errorf("%s: %q is no cron expression of five fields: %w", name, spec, err))
		}
	}
	for name, n := range map[string]int{"RECONCILE_PAGE_SIZE": c.PageSize, "RECONCILE_BACKLOG": c.Backlog, "RECONCILE_REREAD": c.Reread} {
		if n < 1 || n > 100_000 {
			errs = append(errs, fmt.Errorf("%s: %d is not between 1 and 100000", name, n))
		}
	}
	switch {
	case !(c.GoneShare >= 0) || c.GoneShare > 1:
		errs = append(errs, fmt.Errorf("RECONCILE_GONE_SHARE: %v is no share; write for example 0.05 for 5 %%", c.GoneShare))
	case c.GoneMin < 0:
		errs = append(errs, fmt.Errorf("RECONCILE_GONE_MIN: %d is negative", c.GoneMin))
	}
	if c.Overlap < 0 || c.Patience <= 0 {
		errs = append(errs, fmt.Errorf("RECONCILE_OVERLAP, RECONCILE_PATIENCE: %s must not be negative, and %s must be positive", c.Overlap, c.Patience))
	}
	return errors.Join(errs...)
}

// parseSchedule returns nil for an empty text.
func parseSchedule(spec string) (cron.Schedule, error) {
	if spec == "" {
		return nil, nil //nolint:nilnil // No schedule is none.
	}
	return cron.ParseStandard(spec) //nolint:wrapcheck // Validate does.
}

// Run reconciles once, or by the schedules until ctx ends.
func Run(ctx context.Context, env *app.Env) error { return With(Options{})(ctx, env) }

// With is Run with options.
func With(o Options) app.RunFunc {
	return func(ctx context.Context, env *app.Env) error {
		var cfg Config
		err := config.Load(ctx, env.Lookuper, &cfg)
		sources, sourcesErr := cfg.Windows.Sources(ctx, env, source.Need{ERP: true})
		if err := errors.Join(o.check(), err, sourcesErr); err != nil {
			return failure(err)
		}
		s, err := open(ctx, env, &cfg, o, sources)
		if err != nil {
			return failure(err)
		}
		defer s.close()
		return s.run(ctx)
	}
}

// run reconciles once or by the schedules.
func (s *service) run(ctx context.Context) error {
	following, stop := context.WithCancel(context.WithoutCancel(ctx))
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		_ = s.pipeline.Follow(following) // It ends with its context only; what it cannot find out, each append does.
	}()
	defer func() { <-followed }()
	defer stop()
	normal, err := parseSchedule(s.cfg.Schedule)
	if err != nil {
		return failure(err) // Validate has refused it before.
	}
	full, err := parseSchedule(s.cfg.FullSchedule)
	if err != nil {
		return failure(err)
	}
	if normal == nil && full == nil || s.options.once() {
		return s.reconcile(ctx, s.options)
	}
	for {
		at, everything := next(time.Now(), normal, full)
		timer := time.NewTimer(time.Until(at))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		switch err := s.reconcile(ctx, Options{Full: everything, Report: s.options.Report}); {
		case err == nil || ctx.Err() != nil:
		case errors.Is(err, ErrBusy):
			s.logger.InfoContext(ctx, "another process reconciles at this time", "error", err.Error())
		default:
			// The next one goes on where it was.
			s.logger.ErrorContext(ctx, "reconciliation has not ended well", "error", err.Error())
		}
	}
}

// next is when to reconcile next, and whether everything.
func next(now time.Time, normal, full cron.Schedule) (at time.Time, everything bool) {
	if normal != nil {
		at = normal.Next(now)
	}
	if full == nil {
		return at, false
	}
	if whole := full.Next(now); at.IsZero() || !whole.After(at) {
		return whole, true
	}
	return at, false
}
