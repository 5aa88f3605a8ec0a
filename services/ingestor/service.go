// Package ingestor takes what the ERPs tell, finds the identifiers in it and appends one event per identifier to the
// event log. It answers 202 only after the log has acknowledged all of them; if the log cannot, it answers 503 with
// Retry-After itself, and stays in rotation to do so. Only a process that has just started waits outside for the log.
//
// It keeps no state beyond the limits on failed attempts and on requests, which each replica counts for itself: any number
// of replicas may run.
package ingestor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/enneo-ai/enneo-bridge/libs/app"
	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/httpx"
	"github.com/enneo-ai/enneo-bridge/libs/pipeline"
	"github.com/enneo-ai/enneo-bridge/libs/source"
)

// Config is the configuration of the ingestor.
type Config struct {
	ListenAddr     string        `env:"LISTEN_ADDR, default=:8080" desc:"Address of the webhook endpoints"`
	TrustedProxies []string      `env:"TRUSTED_PROXIES" desc:"Addresses and networks (CIDR) of the proxies before the ingestor: the sender is the rightmost address in X-Forwarded-For that is none of them. Without any the header is ignored"`
	MaxBody        int64         `env:"INGEST_MAX_BODY, default=524288" desc:"Largest body of a webhook in bytes; above 700000 the max_payload of NATS must be raised to twice as much"`
	MaxEvents      int           `env:"INGEST_MAX_EVENTS, default=1000" desc:"Most events in one body"`
	StartWait      time.Duration `env:"INGEST_START_WAIT, default=20s" desc:"How long a new process is not ready while it has not found the event log yet, so that requests go to others meanwhile; after that it is ready all the same, to answer 503 itself"`
	Windows        pipeline.Windows
	NATS           bus.Config
}

// mostEvents is the largest value of INGEST_MAX_EVENTS.
const mostEvents = 10_000

// Validate checks the limits and the proxies. A body without an identifier becomes a dead letter, as base64 in one message: the default
// fits into the 1 MiB that NATS allows unless its max_payload says more, and 2 MiB fit into the 4 MiB that DEAD takes.
func (c *Config) Validate() error {
	var errs []error
	if c.MaxBody < 1 || c.MaxBody > 2<<20 {
		errs = append(errs, fmt.Errorf("INGEST_MAX_BODY: %d is not between 1 and %d bytes", c.MaxBody, 2<<20))
	}
	if c.MaxEvents < 1 || c.MaxEvents > mostEvents {
		errs = append(errs, fmt.Errorf("INGEST_MAX_EVENTS: %d is not between 1 and %d", c.MaxEvents, mostEvents))
	}
	if c.StartWait < 0 || c.StartWait > time.Hour {
		errs = append(errs, fmt.Errorf("INGEST_START_WAIT: %s is not between 0 and 1h", c.StartWait))
	}
	_, wrong := source.ParseNetworks(c.TrustedProxies)
	for _, err := range wrong {
		errs = append(errs, fmt.Errorf("TRUSTED_PROXIES: %w", err))
	}
	return errors.Join(errs...)
}

// Run runs the service until ctx ends, then answers the requests that have begun.
func Run(ctx context.Context, env *app.Env) error {
	var cfg Config
	err := config.Load(ctx, env.Lookuper, &cfg)
	in := &intake{
		propagator: env.Telemetry.Propagator, maxBody: cfg.MaxBody, maxEvents: cfg.MaxEvents, logger: env.Logger,
	}
	// Before anything that takes time: without a check the process counts as ready.
	env.Health.Add("log", in.found(time.Now().Add(cfg.StartWait)))
	sources, sourcesErr := cfg.Windows.Sources(ctx, env, source.Need{Webhook: true})
	if err := errors.Join(err, sourcesErr); err != nil {
		return err
	}
	if in.metrics, err = newMetrics(env.Telemetry.Meter("ingestor")); err != nil {
		return err
	}
	trusted, _ := source.ParseNetworks(cfg.TrustedProxies) // Validate has refused what is wrong.
	in.guard(ctx, sources, trusted)
	mux := http.NewServeMux()
	in.routes(mux)
	server, err := httpx.New(ctx, httpx.Options{
		Addr: cfg.ListenAddr, Logger: env.Logger,
		Handler: httpx.Instrument(env.Telemetry, "ingestor", httpx.Recover(env.Logger, mux)),
	})
	if err != nil {
		return fmt.Errorf("LISTEN_ADDR: %w", err)
	}
	env.OnListen("http", server.Addr())
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return server.Run(ctx) })
	// The server answers 503 by itself until the log is there: a sender that is told nothing may not come again.
	group.Go(func() error {
		p, err := pipeline.Open(ctx, env, "ingestor", &cfg.NATS, sources)
		if err != nil {
			return err
		}
		in.open(p)
		again := newRereader(p.Log, p.Dead, env.Telemetry.Propagator, env.Logger)
		group.Go(func() error {
			again.run(ctx, sources)
			return nil
		})
		return p.Follow(ctx)
	})
	err = group.Wait()
	if p := in.pipeline.Load(); p != nil {
		p.Close()
	}
	return err
}
