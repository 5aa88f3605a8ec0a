// Package pipeline opens what every service of the pipeline shares: the bus with its topology, the event log, what is
// settled, the snapshots, the dead letters and what an acknowledgement of the log is worth.
//
// # Concurrency
//
// A Pipeline is safe for concurrent use.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"
	"golang.org/x/sync/errgroup"

	"github.com/enneo-ai/enneo-bridge/libs/app"
	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/deadletter"
	"github.com/enneo-ai/enneo-bridge/libs/durability"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/record"
	"github.com/enneo-ai/enneo-bridge/libs/source"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// Snapshots is the bucket CONTRACTS.
type Snapshots = record.Bucket[bridgev1.Snapshot, *bridgev1.Snapshot]

// Windows are the defaults of the debounce windows for sources that set none of their own.
type Windows struct {
	QuietPeriod time.Duration `env:"DEBOUNCE_QUIET_PERIOD, default=15s" desc:"How long a key must be quiet before it is flushed; every new event restarts it"`
	MaxWait     time.Duration `env:"DEBOUNCE_MAX_WAIT, default=2m" desc:"The longest wait from a window's first event to its flush, however many events follow"`
}

// Sources reads the sources as far as the service needs them.
func (w Windows) Sources(ctx context.Context, env *app.Env, need source.Need) ([]*source.Source, error) {
	return source.Load(ctx, env.Lookuper, source.Defaults{QuietPeriod: w.QuietPeriod, MaxWait: w.MaxWait}, need)
}

// Pipeline is an open connection to everything in NATS.
type Pipeline struct {
	Bus       *bus.Bus
	Log       *eventlog.Log
	Ledger    *ledger.Ledger
	Snapshots *Snapshots
	Dead      *deadletter.Box
	// Durability guards the log: nothing is appended below the level that DURABILITY demands.
	Durability *durability.Watcher

	sources []string
	logger  *slog.Logger
}

// OpenReady is Open for a service that cannot do anything without NATS: its readiness depends on it, and on its streams, from
// now on.
func OpenReady(ctx context.Context, env *app.Env, name string, cfg *bus.Config, sources []*source.Source) (*Pipeline, error) {
	var opened atomic.Pointer[Pipeline]
	env.Health.Add("nats", func(ctx context.Context) error {
		if p := opened.Load(); p != nil {
			return p.check(ctx)
		}
		return errNotConnected
	})
	p, err := Open(ctx, env, name, cfg, sources)
	opened.Store(p)
	return p, err
}

var errNotConnected = errors.New("not connected to NATS yet: see NATS_URL")

// Open connects as the service called name, creates the topology for the sources if it is missing and verifies the log's
// epoch. It finds out what an acknowledgement of the log is worth and logs it. It waits until NATS is there, or ctx ends.
// Keep Follow running, and Close it.
func Open(ctx context.Context, env *app.Env, name string, cfg *bus.Config, sources []*source.Source) (*Pipeline, error) {
	b, err := bus.Connect(ctx, cfg, name, env.Logger)
	if err != nil {
		return nil, err
	}
	p, err := open(ctx, env, b, &cfg.Durability, sources)
	if err != nil {
		b.Close()
		return nil, err
	}
	return p, nil
}

func open(ctx context.Context, env *app.Env, b *bus.Bus, cfg *durability.Config, sources []*source.Source) (*Pipeline, error) {
	names := source.Names(sources)
	if err := b.Ensure(ctx, names); err != nil {
		return nil, err
	}
	meter := env.Telemetry.Meter("pipeline")
	if err := b.Observe(meter); err != nil {
		return nil, err
	}
	if err := reportUnknown(ctx, env, b, names); err != nil {
		return nil, err
	}
	p := &Pipeline{Bus: b, Dead: deadletter.Open(b), sources: names, logger: env.Logger}
	var err error
	if p.Log, err = eventlog.Open(ctx, b, env.Logger); err != nil {
		return nil, err
	}
	if p.Ledger, err = ledger.Open(ctx, b); err != nil {
		return nil, err
	}
	snapshots, err := record.Open[bridgev1.Snapshot](ctx, b.JetStream(), bus.BucketContracts)
	if err != nil {
		return nil, err
	}
	p.Snapshots = snapshots.Erasing()
	// DEAD counts as well: a webhook without an identifier is answered 202 once it is there.
	p.Durability, err = durability.New(b.JetStream(), cfg, []string{bus.StreamEvents, bus.StreamDead}, env.Logger, meter)
	if err != nil {
		return nil, err
	}
	if err := p.observeEpoch(meter); err != nil {
		return nil, err
	}
	p.Durability.Check(ctx)
	p.Log.Guard(p.Durability.Allow)
	return p, nil
}

// Follow keeps what is known of the log up to date until ctx ends: its epoch, and what its acknowledgements are worth. It
// makes streams and consumers again that go missing meanwhile.
func (p *Pipeline) Follow(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return p.heal(ctx) })
	group.Go(func() error { return p.Log.Follow(ctx) })
	group.Go(func() error { return p.Durability.Run(ctx) })
	return group.Wait()
}

// observeEpoch shows the log's epoch in metrics, the Unix time of its beginning: a change tells that the log was set back.
func (p *Pipeline) observeEpoch(meter metric.Meter) error {
	_, err := meter.Int64ObservableGauge("log.epoch.start.time", metric.WithUnit("s"),
		metric.WithDescription("The epoch of the event log: the Unix time at which it began. A new one begins when the log was recreated or set back"),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			epoch, _ := p.Log.Changed()
			o.Observe(int64(epoch))
			return nil
		}))
	if err != nil {
		return fmt.Errorf("make instrument: %w", err)
	}
	return nil
}

// Close closes the connection.
func (p *Pipeline) Close() { p.Bus.Close() }
