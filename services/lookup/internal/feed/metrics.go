package feed

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/model"
)

// Observe exports what the model holds and how far behind it is.
func (f *Feed) Observe(meter metric.Meter) error {
	// Their names stand here as they are, since docs/metrics.md is written from the source.
	var errs [5]error
	keys, err := meter.Int64ObservableGauge("lookup.model.keys", metric.WithUnit("{key}"),
		metric.WithDescription("Contracts and customers in the read model, by kind"))
	errs[0] = err
	size, err := meter.Int64ObservableGauge("lookup.model.size", metric.WithUnit("By"),
		metric.WithDescription("Size of the read model's store"))
	errs[1] = err
	left, err := meter.Int64ObservableGauge("lookup.model.left", metric.WithUnit("{record}"),
		metric.WithDescription("Snapshots that the read model does not have yet"))
	errs[2] = err
	built, err := meter.Int64ObservableGauge("lookup.model.built",
		metric.WithDescription("1 while the read model is complete, 0 while it is being built"))
	errs[3] = err
	lag, err := meter.Float64ObservableGauge("lookup.model.lag", metric.WithUnit("s"),
		metric.WithDescription("How long after it was stored the newest snapshot came into the read model; 0 until one comes after it was built"))
	errs[4] = err
	for _, err := range errs {
		if err != nil {
			return fmt.Errorf("make instrument: %w", err)
		}
	}
	_, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		f.mu.Lock()
		o.ObserveInt64(left, int64(f.left)) // A number of records.
		o.ObserveInt64(built, map[bool]int64{true: 1}[f.built])
		o.ObserveFloat64(lag, f.lag.Seconds())
		f.mu.Unlock()
		f.using.RLock()
		defer f.using.RUnlock()
		if f.model != nil {
			observeModel(o, f.model, keys, size)
		}
		return nil
	}, keys, size, left, built, lag)
	if err != nil {
		return fmt.Errorf("observe the read model: %w", err)
	}
	return nil
}

func observeModel(o metric.Observer, m *model.Model, keys, size metric.Int64ObservableGauge) {
	contracts, customers, bytes := m.Stats()
	o.ObserveInt64(keys, int64(contracts), metric.WithAttributes(attribute.String("kind", string(key.Contract))))
	o.ObserveInt64(keys, int64(customers), metric.WithAttributes(attribute.String("kind", string(key.Customer))))
	o.ObserveInt64(size, bytes)
}
