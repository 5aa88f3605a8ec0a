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
	var errs [5]error
	gauge := func(i int, name, unit, description string) metric.Int64ObservableGauge {
		g, err := meter.Int64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(description))
		errs[i] = err
		return g
	}
	keys := gauge(0, "lookup.model.keys", "{key}", "Contracts and customers in the read model, by kind")
	size := gauge(1, "lookup.model.size", "By", "Size of the read model's store")
	left := gauge(2, "lookup.model.left", "{record}", "Snapshots that the read model does not have yet")
	built := gauge(3, "lookup.model.built", "1", "Whether the read model is complete: 1 or 0")
	lag, err := meter.Float64ObservableGauge("lookup.model.lag", metric.WithUnit("s"),
		metric.WithDescription("How long after it was stored the newest snapshot came into the read model"))
	errs[4] = err
	for _, err := range errs {
		if err != nil {
			return fmt.Errorf("make instrument: %w", err)
		}
	}
	_, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		f.mu.Lock()
		o.ObserveInt64(left, int64(f.left)) //nolint:gosec // A number of records.
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
