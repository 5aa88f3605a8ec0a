package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// observeTimeout bounds what a scrape asks NATS; what is not known by then is left out of it.
const observeTimeout = time.Second

// Observe shows the connection in metrics: nats.connected (0 or 1) and nats.reconnects.
func (b *Bus) Observe(meter metric.Meter) error {
	connected, connectedErr := meter.Int64ObservableGauge("nats.connected", metric.WithUnit("{connection}"),
		metric.WithDescription("1 while this process is connected to NATS, else 0"))
	reconnects, reconnectsErr := meter.Int64ObservableCounter("nats.reconnects", metric.WithUnit("{time}"),
		metric.WithDescription("How often the connection to NATS was lost and found again"))
	if err := errors.Join(connectedErr, reconnectsErr); err != nil {
		return fmt.Errorf("make instrument: %w", err)
	}
	_, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		up := int64(0)
		if b.conn.IsConnected() {
			up = 1
		}
		o.ObserveInt64(connected, up)
		o.ObserveInt64(reconnects, int64(b.Reconnects()))
		return nil
	}, connected, reconnects)
	if err != nil {
		return fmt.Errorf("observe the connection to nats: %w", err)
	}
	return nil
}

// ObserveConsumers shows how far a stage is behind, by source: consumer.pending is what waits, consumer.in.progress what some
// replica has in hand, both asked of NATS at each scrape. Every replica tells the same, so take the maximum over them.
func (b *Bus) ObserveConsumers(meter metric.Meter, stage Stage, sources []string) error {
	pending, pendingErr := meter.Int64ObservableGauge("consumer.pending", metric.WithUnit("{message}"),
		metric.WithDescription("Messages that wait for a stage, of all replicas, by stage and source"))
	progress, progressErr := meter.Int64ObservableGauge("consumer.in.progress", metric.WithUnit("{message}"),
		metric.WithDescription("Messages that a stage has pulled and not acknowledged, or that wait for their retry, of all replicas, by stage and source"))
	if err := errors.Join(pendingErr, progressErr); err != nil {
		return fmt.Errorf("make instrument: %w", err)
	}
	_, err := meter.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
		ctx, cancel := context.WithTimeout(ctx, observeTimeout)
		defer cancel()
		for _, source := range sources {
			if !b.conn.IsConnected() || ctx.Err() != nil {
				break
			}
			consumer, err := b.Consumer(ctx, stage, source)
			if err != nil {
				continue // Not there yet, or NATS does not answer; a gap says so.
			}
			info := consumer.CachedInfo()
			of := metric.WithAttributes(attribute.String("stage", string(stage)), attribute.String("source", source))
			o.ObserveInt64(pending, int64(info.NumPending), of)
			o.ObserveInt64(progress, int64(info.NumAckPending), of)
		}
		return nil
	}, pending, progress)
	if err != nil {
		return fmt.Errorf("observe the consumers of the %s: %w", stage, err)
	}
	return nil
}

// ObserveStreams shows how full the streams and buckets are: stream.messages, stream.size and, of those that have a limit,
// stream.limit. Every replica tells the same.
func (b *Bus) ObserveStreams(meter metric.Meter) error {
	messages, messagesErr := meter.Int64ObservableGauge("stream.messages", metric.WithUnit("{message}"),
		metric.WithDescription("Messages in a stream or bucket, by stream"))
	size, sizeErr := meter.Int64ObservableGauge("stream.size", metric.WithUnit("By"),
		metric.WithDescription("Bytes of a stream or bucket, by stream"))
	limit, limitErr := meter.Int64ObservableGauge("stream.limit", metric.WithUnit("By"),
		metric.WithDescription("Bytes at which a stream refuses new messages (EVENTS_MAX_BYTES), by stream; missing for one without a limit"))
	if err := errors.Join(messagesErr, sizeErr, limitErr); err != nil {
		return fmt.Errorf("make instrument: %w", err)
	}
	_, err := meter.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
		ctx, cancel := context.WithTimeout(ctx, observeTimeout)
		defer cancel()
		for _, cfg := range b.topo.streams() {
			if !b.conn.IsConnected() || ctx.Err() != nil {
				break
			}
			stream, err := b.js.Stream(ctx, cfg.Name)
			if err != nil {
				continue // As with consumers.
			}
			info := stream.CachedInfo()
			of := metric.WithAttributes(attribute.String("stream", cfg.Name))
			o.ObserveInt64(messages, int64(info.State.Msgs), of)
			o.ObserveInt64(size, int64(info.State.Bytes), of)
			if info.Config.MaxBytes > 0 {
				o.ObserveInt64(limit, info.Config.MaxBytes, of)
			}
		}
		return nil
	}, messages, size, limit)
	if err != nil {
		return fmt.Errorf("observe the streams: %w", err)
	}
	return nil
}
