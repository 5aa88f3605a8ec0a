package ingestor

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

type metrics struct {
	requests metric.Int64Counter
	events   metric.Int64Counter
}

func newMetrics(meter metric.Meter) (*metrics, error) {
	m := &metrics{}
	var errs [2]error
	m.requests, errs[0] = meter.Int64Counter("webhooks", metric.WithUnit("{request}"),
		metric.WithDescription("Requests answered, by source and status"))
	m.events, errs[1] = meter.Int64Counter("events", metric.WithUnit("{event}"),
		metric.WithDescription("What the requests told, by source and result: accepted, duplicate, unrecognised"))
	for _, err := range errs {
		if err != nil {
			return nil, fmt.Errorf("make instrument: %w", err)
		}
	}
	return m, nil
}

// request counts an answer. An unknown source is counted without its name: anybody can invent one.
func (m *metrics) request(ctx context.Context, source string, status int) {
	m.requests.Add(ctx, 1, metric.WithAttributes(attribute.String("source", source), attribute.Int("status", status)))
}

func (m *metrics) accepted(ctx context.Context, source string, r receipt) {
	for result, n := range map[string]int{"accepted": r.Accepted, "duplicate": r.Duplicates, "unrecognised": r.Unrecognised} {
		if n > 0 {
			m.events.Add(ctx, int64(n), metric.WithAttributes(attribute.String("source", source), attribute.String("result", result)))
		}
	}
}
