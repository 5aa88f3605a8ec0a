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
	failures metric.Int64Counter
	previous metric.Int64Counter
	throttle metric.Int64Counter
}

func newMetrics(meter metric.Meter) (*metrics, error) {
	m := &metrics{}
	var errs [5]error
	m.requests, errs[0] = meter.Int64Counter("webhooks", metric.WithUnit("{request}"),
		metric.WithDescription("Requests answered, by source and status"))
	m.events, errs[1] = meter.Int64Counter("webhook.events", metric.WithUnit("{event}"),
		metric.WithDescription("What the requests told, by source and result: accepted, duplicate, unrecognised"))
	m.failures, errs[2] = meter.Int64Counter("webhook.failed.attempts", metric.WithUnit("{request}"),
		metric.WithDescription("Requests that were not authenticated, by source, method and reason: missing, wrong, malformed, expired, address"))
	m.previous, errs[3] = meter.Int64Counter("webhook.previous.secret", metric.WithUnit("{request}"),
		metric.WithDescription("Requests that only the previous secret authenticated, by source; a rotation is done when it stands still"))
	m.throttle, errs[4] = meter.Int64Counter("webhook.throttled", metric.WithUnit("{request}"),
		metric.WithDescription("Authenticated requests that were refused with 429 because of WEBHOOK_RATE, by source"))
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

// failure counts a request that was not authenticated; how often, not with what or from where.
func (m *metrics) failure(ctx context.Context, source string, v verdict) {
	m.failures.Add(ctx, 1, metric.WithAttributes(attribute.String("source", source),
		attribute.String("method", v.method), attribute.String("reason", string(v.reason))))
}

func (m *metrics) previousSecret(ctx context.Context, source string, n int64) {
	m.previous.Add(ctx, n, metric.WithAttributes(attribute.String("source", source)))
}

func (m *metrics) throttled(ctx context.Context, source string) {
	m.throttle.Add(ctx, 1, metric.WithAttributes(attribute.String("source", source)))
}

func (m *metrics) accepted(ctx context.Context, source string, r receipt) {
	for result, n := range map[string]int{"accepted": r.Accepted, "duplicate": r.Duplicates, "unrecognised": r.Unrecognised} {
		if n > 0 {
			m.events.Add(ctx, int64(n), metric.WithAttributes(attribute.String("source", source), attribute.String("result", result)))
		}
	}
}
