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
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/enneo-ai/enneo-bridge/libs/app"
	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/gate"
	"github.com/enneo-ai/enneo-bridge/libs/pipeline"
	"github.com/enneo-ai/enneo-bridge/libs/pressure"
	"github.com/enneo-ai/enneo-bridge/libs/retry"
	"github.com/enneo-ai/enneo-bridge/libs/source"
	"github.com/enneo-ai/enneo-bridge/services/publisher/internal/mind"
)

// Config is the configuration of the publisher.
type Config struct {
	Mode        string `env:"ENNEO_MODE, default=import" desc:"How Enneo learns of a change: import (create, update and delete contracts and customers)"`
	Disjoint    bool   `env:"ENNEO_IDS_DISJOINT, default=false" desc:"Your word that the ids of several sources never coincide in Enneo"`
	Concurrency int    `env:"ENNEO_CONCURRENCY, default=8" desc:"Requests to Enneo at the same time, per source and process"`
	// LeaseMargin is how much longer a lease is than a request may take.
	LeaseMargin time.Duration `env:"ENNEO_LEASE_MARGIN, default=5s" desc:"How much longer a process may hold a key's turn than a request may take: room for storing what it is about to do and how that ended. Whoever takes over from a process that died waits that much longer"`
	Enneo       mind.Config
	Windows     pipeline.Windows
	NATS        bus.Config
}

// Validate checks the mode and the figures.
func (c *Config) Validate() error {
	var errs []error
	if c.Mode != "import" {
		errs = append(errs, fmt.Errorf("ENNEO_MODE: %q is not supported; set import", c.Mode))
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
	if err := errors.Join(err, sourcesErr, source.CheckDisjoint(sources, cfg.Disjoint)); err != nil {
		return err
	}
	p, err := pipeline.OpenReady(ctx, env, "publisher", &cfg.NATS, sources)
	if err != nil {
		return err
	}
	defer p.Close()
	metrics, err := newMetrics(env.Telemetry.Meter("publisher"))
	if err != nil {
		return err
	}
	// One gate for all sources, and one pace: they share the target.
	g := gate.New(gate.Options{})
	seen := &witness{}
	tracer := env.Telemetry.Tracer("publisher")
	target := mind.New(&cfg.Enneo, tracer)
	pace := pressure.NewPace(target.Timeout())
	group, ctx := errgroup.WithContext(ctx)
	for _, s := range sources {
		d := &deliverer{
			bus: p.Bus, snapshots: p.Snapshots, ledger: p.Ledger, dead: p.Dead, target: target, gate: g, witness: seen, pace: pace,
			retries: retry.New(firstRetry, maxRetry), propagator: env.Telemetry.Propagator,
			tracer: tracer, enneoID: s.EnneoIDFor,
			logger: env.Logger, metrics: metrics, margin: cfg.LeaseMargin,
		}
		workers := &bus.Workers{
			Open: func(ctx context.Context) (jetstream.Consumer, error) {
				return p.Bus.Consumer(ctx, bus.StagePublish, s.Name)
			},
			Count: cfg.Concurrency, Gate: g, Handle: d.handle, Logger: env.Logger,
		}
		group.Go(func() error { return workers.Run(ctx) })
		group.Go(func() error {
			return pressure.Tell(ctx, p.Bus, bus.StagePublish, s.Name, pace.Or(g.Pressed), env.Logger)
		})
	}
	group.Go(func() error { return p.Follow(ctx) })
	return group.Wait()
}
