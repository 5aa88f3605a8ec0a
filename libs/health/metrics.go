package health

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Observe shows the checks in metrics: health.check, 1 while what is checked is there and 0 while it is not, by check. While
// draining nothing is shown.
func (r *Registry) Observe(meter metric.Meter) error {
	_, err := meter.Int64ObservableGauge("health.check", metric.WithUnit("{check}"),
		metric.WithDescription("1 while what a service needs is there, 0 while it is not and /readyz is red, by check"),
		metric.WithInt64Callback(func(ctx context.Context, o metric.Int64Observer) error {
			if r.draining.Load() {
				return nil
			}
			for name, result := range r.results(context.WithoutCancel(ctx)) {
				ok := int64(0)
				if result == resultOK {
					ok = 1
				}
				o.Observe(ok, metric.WithAttributes(attribute.String("check", name)))
			}
			return nil
		}))
	if err != nil {
		return fmt.Errorf("make instrument: %w", err)
	}
	return nil
}
