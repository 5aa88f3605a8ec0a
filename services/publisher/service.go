// Package publisher brings the newest snapshot of each key to Enneo and settles it.
//
// # Guarantees
//
// Any number of replicas may run. For one key there are never two requests at once, short of a process that was paused
// for longer than its lease, and never an older state over a newer one in the end: before each request its sender takes
// the key's turn by compare-and-set in SETTLED, with a lease; whoever takes over an uncleared turn waits until that
// request can no longer be under way and sends without condition; whoever finds that it lost its turn causes one more
// delivery. A request whose outcome is not known is repeated. Unchanged content is skipped only if Enneo is known to
// have exactly that.
package publisher

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"

	"github.com/enneo-ai/enneo-bridge/libs/app"
	"github.com/enneo-ai/enneo-bridge/libs/brake"
	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/gate"
	"github.com/enneo-ai/enneo-bridge/libs/pause"
	"github.com/enneo-ai/enneo-bridge/libs/pipeline"
	"github.com/enneo-ai/enneo-bridge/libs/pressure"
	"github.com/enneo-ai/enneo-bridge/libs/quota"
	"github.com/enneo-ai/enneo-bridge/libs/redisx"
	"github.com/enneo-ai/enneo-bridge/libs/retry"
	"github.com/enneo-ai/enneo-bridge/libs/source"
	"github.com/enneo-ai/enneo-bridge/libs/witness"
	"github.com/enneo-ai/enneo-bridge/services/publisher/internal/mind"
)

// Config is the configuration of the publisher.
type Config struct {
	Mode        mind.Mode     `env:"ENNEO_MODE, default=import" desc:"How Enneo learns of a change: import (create, update and delete contracts and customers), refresh (drop what it has cached of them) or webhook (tell its webhook target once per burst)"`
	DryRun      bool          `env:"ENNEO_DRY_RUN, default=false" desc:"Do everything but the requests to Enneo, for a first rollout; bridge dry-run shows what would have been sent, bridge resync sends it afterwards"`
	Order       sequence      `env:"ENNEO_ORDER, default=contract-first" desc:"Mode import: which is created first in Enneo, contract-first, customer-first or any. Not public; contract-first is an assumption of ours, since a customer has to name a contract and a contract needs nothing of its customer"`
	OrderWait   time.Duration `env:"ENNEO_ORDER_WAIT, default=30s" desc:"How long after its read one waits for the other at most; it is sent anyway then"`
	Disjoint    bool          `env:"ENNEO_IDS_DISJOINT, default=false" desc:"Your word that the ids of several sources never coincide in Enneo"`
	Concurrency int           `env:"ENNEO_CONCURRENCY, default=8" desc:"Requests to Enneo at the same time, per source and process"`
	// LeaseMargin is how much longer a lease is than a request may take.
	Rate        float64 `env:"ENNEO_RATE, default=0" desc:"Requests to Enneo per second, of all replicas and sources together; 0 for any number"`
	Redis       redisx.Config
	LeaseMargin time.Duration `env:"ENNEO_LEASE_MARGIN, default=5s" desc:"How much longer a process may hold a key's turn than a request may take: room for storing what it is about to do and how that ended. Whoever takes over from a process that died waits that much longer"`
	DriftEvery  time.Duration `env:"DRIFT_EVERY, default=15m" desc:"Mode import: how often one settled contract of each source, chosen at random, is read in Enneo and compared with what was sent there (metric bridge_enneo_drift_total); 0 never"`
	Brake       brake.Config
	Enneo       mind.Config
	Windows     pipeline.Windows
	NATS        bus.Config
}

// Validate checks the mode and the figures.
func (c *Config) Validate() error {
	var errs []error
	if c.DriftEvery != 0 && c.DriftEvery < time.Second {
		errs = append(errs, fmt.Errorf("DRIFT_EVERY: %s is neither 0 nor at least 1s", c.DriftEvery))
	}
	if !slices.Contains(mind.Modes(), c.Mode) {
		errs = append(errs, fmt.Errorf("ENNEO_MODE: %q is no mode; set import, refresh or webhook", c.Mode))
	}
	if !slices.Contains(sequences(), c.Order) {
		errs = append(errs, fmt.Errorf("ENNEO_ORDER: %q is no order; set contract-first, customer-first or any", c.Order))
	}
	if c.OrderWait < 0 || c.OrderWait > time.Hour {
		errs = append(errs, fmt.Errorf("ENNEO_ORDER_WAIT: %s is not between 0 and 1h", c.OrderWait))
	}
	if c.Mode != mind.Webhook && (c.Enneo.WebhookPath != "" || c.Enneo.WebhookContractBody != "" || c.Enneo.WebhookCustomerBody != "") {
		errs = append(errs, fmt.Errorf("ENNEO_WEBHOOK_PATH, _CONTRACT_BODY or _CUSTOMER_BODY: set, but without effect in mode %s; set ENNEO_MODE=webhook, or remove them", c.Mode))
	}
	if !(c.Rate >= 0) || c.Rate > 1e6 {
		errs = append(errs, fmt.Errorf("ENNEO_RATE: %v is not between 0 and 1000000", c.Rate))
	}
	if c.Concurrency < 1 || c.Concurrency > 1000 {
		errs = append(errs, fmt.Errorf("ENNEO_CONCURRENCY: %d is not between 1 and 1000", c.Concurrency))
	}
	if c.LeaseMargin < 100*time.Millisecond || c.LeaseMargin > 10*time.Minute {
		errs = append(errs, fmt.Errorf("ENNEO_LEASE_MARGIN: %s is not between 100ms and 10m", c.LeaseMargin))
	}
	return errors.Join(errs...)
}

// Pauses between the tries of a key that fails.
const (
	firstRetry = time.Second
	maxRetry   = time.Minute
)

// Run runs the service until ctx ends, then finishes the requests that have begun.
func Run(ctx context.Context, env *app.Env) error {
	var cfg Config
	err := config.Load(ctx, env.Lookuper, &cfg)
	sources, sourcesErr := cfg.Windows.Sources(ctx, env, source.Need{})
	tracer := env.Telemetry.Tracer("publisher")
	targets, targetsErr := targetsOf(&cfg, sources, tracer)
	if err := errors.Join(err, sourcesErr, source.CheckDisjoint(sources, cfg.Disjoint), targetsErr); err != nil {
		return err
	}
	if cfg.DryRun {
		env.Logger.WarnContext(ctx, "dry run: nothing is sent to enneo; see bridge dry-run for what would be", "mode", cfg.Mode)
	}
	redisx.LogTo(env.Logger)
	rdb, err := redisx.Client(cfg.Redis.URL.Reveal())
	if err != nil {
		return fmt.Errorf("REDIS_URL: %w", err)
	}
	defer func() { _ = rdb.Close() }() // Everything sent has been answered.
	p, err := pipeline.OpenReady(ctx, env, "publisher", &cfg.NATS, sources)
	if err != nil {
		return err
	}
	defer p.Close()
	meter := env.Telemetry.Meter("publisher")
	metrics, err := newMetrics(meter)
	if err != nil {
		return err
	}
	looks, err := newDriftCounter(meter)
	if err != nil {
		return err
	}
	// One gate for all sources, and one pace: they share the target.
	g := gate.New(gate.Options{})
	if err := g.Observe(meter, pause.Enneo); err != nil {
		return err
	}
	seen := witness.New(time.Now)
	pace := pressure.NewPace(cfg.Enneo.Timeout)
	pauses, err := pause.Open(ctx, p.Bus)
	if err != nil {
		return err
	}
	paused, err := pauses.Gate(ctx, pause.Enneo, env.Logger)
	if err != nil {
		return err
	}
	brakes, err := brakesOf(ctx, env, p.Bus, &cfg, sources)
	if err != nil {
		return err
	}
	limits := quota.New(rdb, "enneo", quota.Limits{Rate: cfg.Rate}, env.Logger)
	if err := observe(meter, p.Bus, sources, limits, paused); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, s := range sources {
		d := &deliverer{
			bus: p.Bus, snapshots: p.Snapshots, ledger: p.Ledger, dead: p.Dead, target: targets[s.Name], gate: g, paused: paused, witness: seen, pace: pace,
			quota: limits, retries: retry.Shared(rdb, "publish", firstRetry, maxRetry, env.Logger), propagator: env.Telemetry.Propagator,
			tracer: tracer, enneoID: s.EnneoIDFor,
			log: p.Log, brake: brakes[s.Name], order: cfg.order(), rehearsal: cfg.DryRun,
			logger: env.Logger, metrics: metrics, margin: cfg.LeaseMargin,
		}
		workers := &bus.Workers{
			Open: func(ctx context.Context) (jetstream.Consumer, error) {
				return p.Bus.Consumer(ctx, bus.StagePublish, s.Name)
			},
			Count: cfg.Concurrency, Gate: bus.Gates(paused, limits, g), Handle: d.handle, Logger: env.Logger,
		}
		group.Go(func() error { return workers.Run(ctx) })
		if cfg.DriftEvery > 0 && cfg.Mode == mind.Import && !cfg.DryRun {
			watch := &drift{
				source: s.Name, every: cfg.DriftEvery, deliver: d, reader: targets[s.Name], gate: bus.Gates(paused, limits, g), looks: looks, logger: env.Logger,
			}
			group.Go(func() error { return watch.run(ctx) })
		}
		group.Go(func() error {
			return pressure.Tell(ctx, p.Bus, bus.StagePublish, s.Name, pace.Or(g.Pressed), env.Logger)
		})
	}
	group.Go(func() error { return paused.Follow(ctx) })
	group.Go(func() error { return p.Follow(ctx) })
	return group.Wait()
}

// observe shows in metrics what bounds the deliveries.
func observe(meter metric.Meter, b *bus.Bus, sources []*source.Source, limits *quota.Quota, paused *pause.Gate) error {
	return errors.Join(
		b.ObserveConsumers(meter, bus.StagePublish, source.Names(sources)), limits.Observe(meter, pause.Enneo), paused.Observe(meter))
}

// order is the order in which Enneo gets a contract and its customer. Only an import creates anything.
func (c *Config) order() order {
	if c.Mode != mind.Import {
		return order{sequence: anyOrder}
	}
	return order{sequence: c.Order, wait: c.OrderWait}
}

// targetsOf makes the target of each source's deliveries; they share one client, as they share Enneo.
func targetsOf(cfg *Config, sources []*source.Source, tracer trace.Tracer) (map[string]*mind.Target, error) {
	client := mind.New(&cfg.Enneo, tracer)
	targets := map[string]*mind.Target{}
	var errs []error
	for _, s := range sources {
		target, err := client.Target(cfg.Mode, s.Profile.Name())
		if err != nil {
			errs = append(errs, fmt.Errorf("source %s: %w", s.Name, err))
		}
		targets[s.Name] = target
	}
	return targets, errors.Join(errs...)
}

// brakesOf makes the brake of each source. Only an import deletes or overwrites anything.
func brakesOf(ctx context.Context, env *app.Env, b *bus.Bus, cfg *Config, sources []*source.Source) (map[string]*brake.Brake, error) {
	brakes := map[string]*brake.Brake{}
	if cfg.Mode != mind.Import {
		return brakes, nil
	}
	opened, err := brake.Open(ctx, b)
	if err != nil {
		return nil, err
	}
	for _, s := range sources {
		brakes[s.Name] = opened.Brake(s.Name, cfg.Brake, env.Logger)
	}
	return brakes, exportBrakes(env.Telemetry.Meter("publisher"), brakes)
}
