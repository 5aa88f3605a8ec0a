// Package logfill writes events into the event log as the ingestor does, many at a time.
//
// # Concurrency
//
// A Filler is safe for concurrent use.
package logfill

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

const (
	// batch is how many events wait for their acknowledgements together.
	batch = 1000
	// writers is how many batches are on their way at once.
	writers = 2
	// firstID makes the ids as long as the contract numbers of an ERP.
	firstID = 10_000_000
)

// Filler appends events. Make one with Open.
type Filler struct {
	Bus *bus.Bus
	// Log is the event log in the epoch that the services find.
	Log *eventlog.Log
}

// Open connects to NATS and creates the topology for the sources.
func Open(ctx context.Context, url string, sources ...string) (*Filler, error) {
	var cfg bus.Config
	if err := config.Load(ctx, config.Map(map[string]string{"NATS_URL": url}), &cfg); err != nil {
		return nil, err
	}
	logger := slog.New(slog.DiscardHandler)
	b, err := bus.Connect(ctx, &cfg, "bench", logger)
	if err != nil {
		return nil, err
	}
	if err := b.Ensure(ctx, sources); err != nil {
		b.Close()
		return nil, err
	}
	log, err := eventlog.Open(ctx, b, logger)
	if err != nil {
		b.Close()
		return nil, err
	}
	return &Filler{Bus: b, Log: log}, nil
}

// Close closes the connection.
func (f *Filler) Close() { f.Bus.Close() }

// Key is the key of a source's contract with a number from 0 on.
func Key(source string, number int) key.Key {
	return key.Key{Source: source, Kind: key.Contract, ID: strconv.Itoa(firstID + number)}
}

// Append stores one event for each key, in an order of its own, and returns the last sequence of the log. With traced each
// event carries a sampled trace.
func (f *Filler) Append(ctx context.Context, keys []key.Key, traced bool) (last uint64, err error) {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(writers)
	for begin := 0; begin < len(keys); begin += batch {
		part := keys[begin:min(begin+batch, len(keys))]
		group.Go(func() error { return f.append(ctx, part, traced) })
	}
	if err := group.Wait(); err != nil {
		return 0, err
	}
	stream, err := f.Bus.JetStream().Stream(context.WithoutCancel(ctx), bus.StreamEvents)
	if err != nil {
		return 0, fmt.Errorf("look at the event log: %w", err)
	}
	return stream.CachedInfo().State.LastSeq, nil
}

func (f *Filler) append(ctx context.Context, keys []key.Key, traced bool) error {
	events := make([]eventlog.Event, len(keys))
	for i, k := range keys {
		of := ctx
		if traced {
			of = trace.ContextWithSpanContext(ctx, sampled())
		}
		event, err := eventlog.NewEvent(of, propagation.TraceContext{}, eventlog.Change{
			Key: k, Origin: bridgev1.Origin_ORIGIN_WEBHOOK, ChangeType: "contract.status.changed", ReceivedAt: time.Now(),
		})
		if err != nil {
			return err
		}
		events[i] = event
	}
	_, errs := f.Log.Append(ctx, events)
	return errors.Join(errs...)
}

func sampled() trace.SpanContext {
	var traceID trace.TraceID
	var spanID trace.SpanID
	// They never return an error.
	_, _ = rand.Read(traceID[:])
	_, _ = rand.Read(spanID[:])
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: traceID, SpanID: spanID, TraceFlags: trace.FlagsSampled})
}

// AwaitAcked waits until a consumer of the log has acknowledged everything up to a sequence of the log.
func (f *Filler) AwaitAcked(ctx context.Context, consumer string, sequence uint64) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := f.Bus.JetStream().Consumer(ctx, bus.StreamEvents, consumer)
		switch {
		case errors.Is(err, jetstream.ErrConsumerNotFound): // not created yet
		case err != nil:
			return fmt.Errorf("look at consumer %s: %w", consumer, err)
		case acked(c.CachedInfo(), sequence):
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("wait until %s has acknowledged %d: %w", consumer, sequence, ctx.Err())
		}
	}
}

// acked tells whether nothing up to the sequence waits; the events of other sources do not count for the consumer.
func acked(info *jetstream.ConsumerInfo, sequence uint64) bool {
	if info.AckFloor.Stream >= sequence {
		return true
	}
	return info.NumPending == 0 && info.NumAckPending == 0 && info.Delivered.Stream > 0
}
