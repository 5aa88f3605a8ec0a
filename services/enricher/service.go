// Package enricher reads each key with an open event once in its ERP, maps the answer to Enneo's structures and stores
// it as the key's newest snapshot.
//
// Any number of replicas may run. A read covers the newest event that the log held for the key just before the read
// began; what is covered already is not read again. The reads of one key follow each other (package turn), so that what
// arrives during a read costs one more, however much it is. A ticket is acknowledged after the snapshot is stored and the
// publisher's ticket is sent, so whatever dies in between is done again.
package enricher

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/enneo-ai/enneo-bridge/libs/app"
	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/erp"
	"github.com/enneo-ai/enneo-bridge/libs/gate"
	"github.com/enneo-ai/enneo-bridge/libs/pause"
	"github.com/enneo-ai/enneo-bridge/libs/pipeline"
	"github.com/enneo-ai/enneo-bridge/libs/pressure"
	"github.com/enneo-ai/enneo-bridge/libs/quota"
	"github.com/enneo-ai/enneo-bridge/libs/redisx"
	"github.com/enneo-ai/enneo-bridge/libs/retry"
	"github.com/enneo-ai/enneo-bridge/libs/source"
	"github.com/enneo-ai/enneo-bridge/libs/witness"
	"github.com/enneo-ai/enneo-bridge/services/enricher/internal/turn"
)

// Config is the configuration of the enricher.
type Config struct {
	GoneConfirm time.Duration `env:"GONE_CONFIRM, default=60s" desc:"How long after the first look that finds a key gone in the ERP a second look has to find the same"`
	Redis       redisx.Config
	Windows     pipeline.Windows
	NATS        bus.Config
}

// Validate checks the figures.
func (c *Config) Validate() error {
	if c.GoneConfirm < 0 || c.GoneConfirm > 24*time.Hour {
		return fmt.Errorf("GONE_CONFIRM: %s is not between 0 and 24h", c.GoneConfirm)
	}
	return nil
}

// Pauses between the tries of a key that fails.
const (
	firstRetry = time.Second
	maxRetry   = time.Minute
	// slotMargin is how much longer a slot of the ERP is held for a process that has died than a read may take.
	slotMargin = 5 * time.Second
)

// Run runs the service until ctx ends, then finishes the reads that have begun.
func Run(ctx context.Context, env *app.Env) error {
	var cfg Config
	err := config.Load(ctx, env.Lookuper, &cfg)
	sources, sourcesErr := cfg.Windows.Sources(ctx, env, source.Need{ERP: true})
	if err := errors.Join(err, sourcesErr); err != nil {
		return err
	}
	redisx.LogTo(env.Logger)
	rdb, err := redisx.Client(cfg.Redis.URL.Reveal())
	if err != nil {
		return fmt.Errorf("REDIS_URL: %w", err)
	}
	defer func() { _ = rdb.Close() }() // Everything sent has been answered.
	p, err := pipeline.OpenReady(ctx, env, "enricher", &cfg.NATS, sources)
	if err != nil {
		return err
	}
	defer p.Close()
	meter := env.Telemetry.Meter("enricher")
	metrics, err := newMetrics(meter)
	if err != nil {
		return err
	}
	if err := p.Bus.ObserveConsumers(meter, bus.StageEnrich, source.Names(sources)); err != nil {
		return err
	}
	gates, err := pauseGates(ctx, p.Bus, sources, env.Logger)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, s := range sources {
		g := gate.New(gate.Options{})
		if err := g.Observe(meter, pause.Source(s.Name)); err != nil {
			return err
		}
		paused := gates[s.Name]
		e := &enricher{
			bus: p.Bus, log: p.Log, snapshots: p.Snapshots, ledger: p.Ledger, dead: p.Dead,
			reader: erp.New(s, erp.WithTracerProvider(env.Telemetry.TracerProvider)), gate: g, paused: paused,
			quota: quota.New(rdb, "source."+s.Name, quota.Limits{
				Rate: s.Rate, Concurrency: s.Concurrency, Lease: s.Timeout + slotMargin,
			}, env.Logger),
			retries:    retry.Shared(rdb, "enrich", firstRetry, maxRetry, env.Logger),
			refusals:   retry.Shared(rdb, "enrich-refused", firstRetry, maxRetry, env.Logger),
			witness:    witness.New(time.Now),
			pace:       pressure.NewPace(s.Timeout),
			propagator: env.Telemetry.Propagator, tracer: env.Telemetry.Tracer("enricher"),
			goneConfirm: cfg.GoneConfirm, minAge: s.MinAge, logger: env.Logger, metrics: metrics,
		}
		if err := errors.Join(e.quota.Observe(meter, pause.Source(s.Name)), paused.Observe(meter)); err != nil {
			return err
		}
		workers := &bus.Workers{
			Open: func(ctx context.Context) (jetstream.Consumer, error) {
				return p.Bus.Consumer(ctx, bus.StageEnrich, s.Name)
			},
			Count: s.Concurrency, Gate: bus.Gates(paused, e.quota, g), Handle: e.handle, Logger: env.Logger,
		}
		group.Go(func() error { return paused.Follow(ctx) })
		group.Go(func() error {
			var err error
			if e.turns, err = turn.New(p.Bus, s.Name, cfg.NATS.Topology.AckWait); err != nil {
				return err
			}
			defer e.turns.Close()
			return workers.Run(ctx)
		})
		group.Go(func() error {
			return pressure.Tell(ctx, p.Bus, bus.StageEnrich, s.Name, e.pace.Or(g.Pressed), env.Logger)
		})
	}
	group.Go(func() error { return p.Follow(ctx) })
	return group.Wait()
}

// pauseGates are the gates that an operator shuts, by source.
func pauseGates(ctx context.Context, b *bus.Bus, sources []*source.Source, logger *slog.Logger) (map[string]*pause.Gate, error) {
	pauses, err := pause.Open(ctx, b)
	if err != nil {
		return nil, err
	}
	gates := map[string]*pause.Gate{}
	for _, s := range sources {
		if gates[s.Name], err = pauses.Gate(ctx, pause.Source(s.Name), logger); err != nil {
			return nil, err
		}
	}
	return gates, nil
}
