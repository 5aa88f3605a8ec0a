// Package debouncer turns the events of the log into windows in Redis, one per key, and flushes each window that is due
// as one ticket.
//
// Any number of replicas may run. An event is acknowledged once its window holds it; a window goes once its ticket is
// acknowledged. So whatever dies in between is done again, and a repetition changes nothing. An event that its appender
// carries over itself in this log epoch needs no window; like every open event, it is swept if nothing becomes of it.
package debouncer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/enneo-ai/enneo-bridge/libs/app"
	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/pipeline"
	"github.com/enneo-ai/enneo-bridge/libs/redisx"
	"github.com/enneo-ai/enneo-bridge/libs/source"
	"github.com/enneo-ai/enneo-bridge/services/debouncer/internal/window"
)

// Config is the configuration of the debouncer.
type Config struct {
	Redis   redisx.Config
	Shards  int           `env:"DEBOUNCE_SHARDS, default=16" desc:"Parts that the windows are divided into; must be the same in all replicas, and stands in Redis"`
	Batch   int           `env:"DEBOUNCE_BATCH, default=256" desc:"Most windows of a part that are claimed and flushed together"`
	Lease   time.Duration `env:"DEBOUNCE_LEASE, default=30s" desc:"How long a claim keeps its windows from other replicas; after a crash they wait that long"`
	Windows pipeline.Windows
	Widen   WidenConfig
	Sweep   SweepConfig
	NATS    bus.Config
}

// Validate checks the figures.
func (c *Config) Validate() error {
	var errs []error
	if c.Shards < 1 || c.Shards > window.MaxShards {
		errs = append(errs, fmt.Errorf("DEBOUNCE_SHARDS: %d is not between 1 and %d", c.Shards, window.MaxShards))
	}
	if c.Batch < 1 || c.Batch > window.MaxBatch {
		errs = append(errs, fmt.Errorf("DEBOUNCE_BATCH: %d is not between 1 and %d", c.Batch, window.MaxBatch))
	}
	if c.Lease < time.Second || c.Lease > 10*time.Minute {
		errs = append(errs, fmt.Errorf("DEBOUNCE_LEASE: %s is not between 1s and 10m", c.Lease))
	}
	return errors.Join(errs...)
}

// Run runs the service until ctx ends, then finishes the batches in hand.
func Run(ctx context.Context, env *app.Env) error {
	var cfg Config
	err := config.Load(ctx, env.Lookuper, &cfg)
	sources, sourcesErr := cfg.Windows.Sources(ctx, env, source.Need{})
	if err := errors.Join(err, sourcesErr); err != nil {
		return err
	}
	rdb, closeRedis, err := openRedis(ctx, env, cfg.Redis.URL)
	if err != nil {
		return err
	}
	defer closeRedis()
	p, err := pipeline.OpenReady(ctx, env, "debouncer", &cfg.NATS, sources)
	if err != nil {
		return err
	}
	defer p.Close()
	store, err := openStore(ctx, env, rdb, cfg.Shards)
	if err != nil {
		return err
	}
	return run(ctx, env, &cfg, p, store, sources)
}

var errNoRedis = errors.New("not connected to Redis yet: see REDIS_URL")

// openRedis waits until Redis is there; readiness depends on it from now on, and on its policy of eviction. A wrong policy
// keeps nobody from working: what Redis loses is armed again, but only once that is noticed.
func openRedis(ctx context.Context, env *app.Env, url config.Secret) (_ redis.UniversalClient, closeRedis func(), _ error) {
	var opened atomic.Pointer[redis.UniversalClient]
	env.Health.Add("redis", func(ctx context.Context) error {
		if rdb := opened.Load(); rdb != nil {
			return redisx.Ping(ctx, *rdb)
		}
		return errNoRedis
	})
	redisx.LogTo(env.Logger)
	rdb, err := redisx.Open(ctx, url.Reveal())
	if err != nil {
		return nil, nil, fmt.Errorf("REDIS_URL: %w", err)
	}
	opened.Store(&rdb)
	eviction := redisx.NewEviction(rdb, env.Logger)
	if err := eviction.Observe(env.Telemetry.Meter("debouncer")); err != nil {
		return nil, nil, errors.Join(err, rdb.Close())
	}
	env.Health.Add("redis_eviction", eviction.Check)
	watch, stop := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() { eviction.Run(watch) })
	return rdb, func() {
		stop()
		watching.Wait()
		_ = rdb.Close() // Everything sent has been answered.
	}, nil
}

// openStore waits until Redis is there; only a configuration that does not fit what is in Redis is final.
func openStore(ctx context.Context, env *app.Env, rdb redis.UniversalClient, shards int) (*window.Store, error) {
	pause := firstPause
	for {
		store, err := window.Open(ctx, rdb, window.Options{Shards: shards})
		if err == nil || errors.Is(err, window.ErrShardCount) {
			return store, err
		}
		env.Logger.WarnContext(ctx, "waiting for redis", "error", err.Error())
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for redis: %w", err)
		case <-time.After(pause):
		}
		pause = min(2*pause, longestPause)
	}
}

func run(ctx context.Context, env *app.Env, cfg *Config, p *pipeline.Pipeline, store *window.Store, sources []*source.Source) error {
	traced := &spans{tracer: env.Telemetry.Tracer("debouncer"), propagator: env.Telemetry.Propagator}
	meter := env.Telemetry.Meter("debouncer")
	metrics, err := newMetrics(meter, traced, store.Len)
	if err != nil {
		return err
	}
	if err := observe(ctx, meter, p.Bus, sources); err != nil {
		return err
	}
	scheduler := window.NewScheduler(store, window.SchedulerOptions{Limit: cfg.Batch, Lease: cfg.Lease}, metrics, env.Logger)
	widen := newWidener(p.Bus, &cfg.Widen, sources, env.Logger, metrics)
	if err := metrics.exportWidths(meter, widen.widths); err != nil {
		return err
	}
	refill := &refiller{
		log: p.Log, ledger: p.Ledger, store: store, hint: scheduler.Hint, widths: widen.widths,
		logger: env.Logger, wanted: make(chan struct{}, 1),
	}
	metrics.refill = refill.want
	refill.want()
	leader, err := newLeader(ctx, env, &cfg.Sweep, cfg.NATS.Topology.DeadMaxAge, p, store, sources)
	if err != nil {
		return err
	}
	flush := &flusher{bus: p.Bus, spans: traced}
	group, ctx := errgroup.WithContext(ctx)
	for _, s := range sources {
		a := &armer{
			bus: p.Bus, log: p.Log, store: store, hint: scheduler.Hint, emptied: refill.want,
			source: s, width: widen.widths[s.Name], logger: env.Logger, metrics: metrics, spans: traced,
		}
		group.Go(func() error { return a.run(ctx) })
	}
	group.Go(func() error { return refill.run(ctx) })
	group.Go(func() error { return widen.run(ctx) })
	group.Go(func() error { return leader.run(ctx) })
	group.Go(func() error { return p.Follow(ctx) })
	group.Go(func() error {
		scheduler.Run(ctx, flush.flush)
		return nil
	})
	return group.Wait()
}
