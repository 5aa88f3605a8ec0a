// Package lookup answers the four calls of Enneo's real-time contract search: a contract or customer by its id, the one contract
// that attributes mean, and customers by what an agent types.
//
// # Guarantees
//
//   - What Enneo was told about is what it gets: an answer is never older than a snapshot that was stored before the call
//     began, whichever replica answers.
//   - An ERP that is slow, away, paused or at its limits does not keep a call from being answered with what is known, marked with its
//     age. Callers that ask for one contract at the same time cost one read.
//   - Nothing is written but limits in Redis and this replica's own read model, which goes with the process.
//   - Attributes mean exactly one contract, or none.
//
// # Concurrency
//
// Any number of replicas may run. Each builds its own read model.
package lookup

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/enneo-ai/enneo-bridge/libs/app"
	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/erp"
	"github.com/enneo-ai/enneo-bridge/libs/gate"
	"github.com/enneo-ai/enneo-bridge/libs/httpx"
	"github.com/enneo-ai/enneo-bridge/libs/pause"
	"github.com/enneo-ai/enneo-bridge/libs/pipeline"
	"github.com/enneo-ai/enneo-bridge/libs/quota"
	"github.com/enneo-ai/enneo-bridge/libs/redisx"
	"github.com/enneo-ai/enneo-bridge/libs/source"
	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/feed"
	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/live"
	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/tickets"
)

// slotMargin is how much longer a slot of the ERP is held for a process that has died than a read may take.
const slotMargin = 5 * time.Second

// Run runs the service until ctx ends, then answers the calls that have begun.
func Run(ctx context.Context, env *app.Env) error {
	var cfg Config
	err := config.Load(ctx, env.Lookuper, &cfg)
	sources, sourcesErr := cfg.Windows.Sources(ctx, env, source.Need{ERP: cfg.Mode != Model})
	if err := errors.Join(err, sourcesErr, source.CheckDisjoint(sources, cfg.Disjoint)); err != nil {
		return err
	}
	redisx.LogTo(env.Logger)
	rdb, err := redisx.Client(cfg.Redis.URL.Reveal())
	if err != nil {
		return fmt.Errorf("REDIS_URL: %w", err)
	}
	defer func() { _ = rdb.Close() }() // Everything sent has been answered.
	metrics, err := newMetrics(env.Telemetry.Meter("lookup"))
	if err != nil {
		return err
	}
	a := &api{
		tickets: tickets.New(rdb, cfg.TicketAttempts, cfg.TicketWindow, env.Logger),
		rules:   cfg.rules(), budget: cfg.Budget, metrics: metrics, logger: env.Logger,
	}
	if cfg.Auth == authBearer {
		a.tokens = newTokens(cfg.Token, cfg.TokenPrevious)
	} else {
		env.Logger.WarnContext(ctx, "LOOKUP_AUTH=none: whoever reaches this service gets personal data")
	}
	mux := http.NewServeMux()
	a.routes(mux)
	docs(mux)
	server, err := httpx.New(ctx, httpx.Options{
		Addr: cfg.ListenAddr, Logger: env.Logger, ShutdownTimeout: cfg.Budget + httpx.DefaultShutdownTimeout,
		Handler: httpx.Instrument(env.Telemetry, "lookup", httpx.Recover(env.Logger, mux)),
	})
	if err != nil {
		return fmt.Errorf("LISTEN_ADDR: %w", err)
	}
	env.OnListen("http", server.Addr())
	a.ready(env, cfg.needsModel(sources))
	// Callers wait in the backlog until there is something to answer with.
	p, err := pipeline.OpenReady(ctx, env, "lookup", &cfg.NATS, sources)
	if err != nil {
		return errors.Join(err, server.Close())
	}
	defer p.Close()
	return serve(ctx, env, &cfg, server, a, p, rdb, sources)
}

// ready makes readiness depend on the read model.
func (a *api) ready(env *app.Env, needed bool) {
	env.Health.Add("model", func(ctx context.Context) error {
		f := a.built.Load()
		switch {
		case f == nil:
			return feed.ErrUnavailable
		case !needed:
			return nil
		}
		return f.Check(ctx)
	})
}

// serve answers calls until ctx ends.
func serve(
	ctx context.Context, env *app.Env, cfg *Config, server *httpx.Server, a *api, p *pipeline.Pipeline, rdb redis.UniversalClient, sources []*source.Source,
) error {
	// What calls use outlives them: it ends when the server has answered all.
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	group, background := errgroup.WithContext(background)
	cache := live.NewCache(cfg.CacheTTL)
	group.Go(func() error {
		cache.Run(background.Done())
		return nil
	})
	f := feed.New(feed.Options{Snapshots: p.Snapshots, Sources: sources, Dir: cfg.TempDir, Changed: cache.Forget, Logger: env.Logger})
	a.finder = &finder{mode: cfg.Mode, snapshots: p.Snapshots, log: p.Log, feed: f, metrics: a.metrics, logger: env.Logger}
	group.Go(func() error { return f.Run(background) })
	group.Go(func() error { return p.Follow(background) })
	err := f.Observe(env.Telemetry.Meter("lookup"))
	pauses, pausesErr := pause.Open(ctx, p.Bus)
	if err := errors.Join(err, pausesErr); err != nil {
		stop()
		return errors.Join(err, server.Close(), group.Wait())
	}
	for _, s := range sources {
		one := &erpSource{Source: s}
		a.finder.sources = append(a.finder.sources, one)
		if cfg.Mode == Model {
			continue
		}
		paused, err := pauses.Gate(ctx, pause.Source(s.Name), env.Logger)
		g := gate.New(gate.Options{})
		if err := errors.Join(err, g.Observe(env.Telemetry.Meter("lookup"), pause.Source(s.Name))); err != nil {
			stop()
			return errors.Join(err, server.Close(), group.Wait())
		}
		group.Go(func() error { return paused.Follow(background) })
		one.reader = live.New(live.Options{
			ERP:  erp.New(s, erp.WithTracerProvider(env.Telemetry.TracerProvider)),
			Gate: g, Paused: paused, Budget: cfg.Budget, Timeout: s.Timeout, MinAge: s.MinAge, Cache: cache, Observe: a.metrics.asked(s.Name),
			Quota: quota.New(rdb, "source."+s.Name, quota.Limits{Rate: s.Rate, Concurrency: s.Concurrency, Lease: s.Timeout + slotMargin}, env.Logger),
		})
		defer one.reader.Close()
	}
	a.built.Store(f)
	served := make(chan error, 1)
	go func() { served <- server.Run(ctx) }()
	select {
	case err = <-served:
	case <-background.Done(): // Something that calls need has failed.
		err = server.Close()
		<-served //nolint:errcheck // It was told to end.
	}
	stop()
	return errors.Join(err, group.Wait())
}
