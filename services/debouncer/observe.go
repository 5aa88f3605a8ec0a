package debouncer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/record"
	"github.com/enneo-ai/enneo-bridge/libs/source"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// observeTimeout bounds what a scrape asks NATS.
const observeTimeout = time.Second

// observe shows in metrics what every replica knows alike: how far the stage is behind, how full the streams are, and when
// the reconciler was here last.
func observe(ctx context.Context, meter metric.Meter, b *bus.Bus, sources []*source.Source) error {
	return errors.Join(
		b.ObserveConsumers(meter, bus.StageDebounce, source.Names(sources)), b.ObserveStreams(meter), observeReconciler(ctx, meter, b, sources))
}

// observeReconciler shows when the reconciler's last run of each source ended well. It is told here since a run of a CronJob
// has ended before anybody scrapes it.
func observeReconciler(ctx context.Context, meter metric.Meter, b *bus.Bus, sources []*source.Source) error {
	records, err := record.Open[bridgev1.Reconciliation](ctx, b.JetStream(), bus.BucketBridge)
	if err != nil {
		return err
	}
	_, err = meter.Int64ObservableGauge("reconcile.last.success.time", metric.WithUnit("s"),
		metric.WithDescription("When the reconciler's last run of a source ended well, in Unix time, by source; 0 if there was none yet"),
		metric.WithInt64Callback(func(ctx context.Context, o metric.Int64Observer) error {
			ctx, cancel := context.WithTimeout(ctx, observeTimeout)
			defer cancel()
			for _, s := range sources {
				entry, err := records.Get(ctx, "reconcile."+s.Name)
				if err != nil {
					return nil // Without NATS a gap says so.
				}
				at := int64(0)
				if ended := entry.Value.GetEndedAt(); ended != nil {
					at = ended.GetSeconds()
				}
				o.Observe(at, metric.WithAttributes(attribute.String("source", s.Name)))
			}
			return nil
		}))
	if err != nil {
		return fmt.Errorf("make instrument: %w", err)
	}
	return nil
}
