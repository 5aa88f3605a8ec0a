package pause

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Observe shows in metrics whether the target is paused: paused, by target.
func (g *Gate) Observe(meter metric.Meter) error {
	of := metric.WithAttributes(attribute.String("target", g.target))
	_, err := meter.Int64ObservableGauge("paused", metric.WithUnit("{target}"),
		metric.WithDescription("1 while an operator has paused a target (bridge pause), else 0, by target"),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			paused := int64(0)
			if g.Paused() {
				paused = 1
			}
			o.Observe(paused, of)
			return nil
		}))
	if err != nil {
		return fmt.Errorf("make instrument: %w", err)
	}
	return nil
}
