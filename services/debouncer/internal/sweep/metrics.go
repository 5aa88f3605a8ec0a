package sweep

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

type metrics struct {
	sweeps metric.Int64Counter
	looks  metric.Int64Counter
}

func newMetrics(meter metric.Meter) (*metrics, error) {
	sweeps, errSweeps := meter.Int64Counter("events.swept", metric.WithUnit("{event}"),
		metric.WithDescription("Events appended for open keys, by source and reason: lost, exempt_limit, retention"))
	looks, errLooks := meter.Int64Counter("sweep.found", metric.WithUnit("{key}"),
		metric.WithDescription("Old open keys that were found, by source and place: log, window, due, ready, settled"))
	if err := errors.Join(errSweeps, errLooks); err != nil {
		return nil, fmt.Errorf("make instrument: %w", err)
	}
	return &metrics{sweeps: sweeps, looks: looks}, nil
}

func (m *metrics) swept(ctx context.Context, source, reason string) {
	m.sweeps.Add(ctx, 1, metric.WithAttributes(attribute.String("source", source), attribute.String("reason", reason)))
}

func (m *metrics) found(ctx context.Context, source, place string) {
	m.looks.Add(ctx, 1, metric.WithAttributes(attribute.String("source", source), attribute.String("place", place)))
}
