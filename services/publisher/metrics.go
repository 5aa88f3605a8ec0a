package publisher

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/enneo-ai/enneo-bridge/libs/fault"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

type metrics struct {
	requests  metric.Float64Histogram
	outcomes  metric.Int64Counter
	freshness metric.Float64Histogram
	retries   metric.Int64Counter
	takeovers metric.Int64Counter
	lostTurns metric.Int64Counter
	dead      metric.Int64Counter
}

func newMetrics(meter metric.Meter) (*metrics, error) {
	m := &metrics{}
	var errs [7]error
	m.requests, errs[0] = meter.Float64Histogram("enneo.request.duration", metric.WithUnit("s"),
		metric.WithDescription("Duration of requests to Enneo, by operation, kind and result"))
	m.outcomes, errs[1] = meter.Int64Counter("keys.settled", metric.WithUnit("{key}"),
		metric.WithDescription("Keys settled, by source, kind and outcome"))
	m.freshness, errs[2] = meter.Float64Histogram("freshness", metric.WithUnit("s"),
		metric.WithDescription("Time from the newest covered event in the log to its settlement"))
	m.retries, errs[3] = meter.Int64Counter("enneo.retries", metric.WithUnit("{delivery}"),
		metric.WithDescription("Deliveries put off, by reason"))
	m.takeovers, errs[4] = meter.Int64Counter("turns.taken.over", metric.WithUnit("{turn}"),
		metric.WithDescription("Turns taken over from a holder that did not come back"))
	m.lostTurns, errs[5] = meter.Int64Counter("turns.lost", metric.WithUnit("{turn}"),
		metric.WithDescription("Turns that were lost while a request was under way"))
	m.dead, errs[6] = meter.Int64Counter("dead.letters", metric.WithUnit("{key}"),
		metric.WithDescription("Keys that became dead letters, by source, kind and reason"))
	for _, err := range errs {
		if err != nil {
			return nil, fmt.Errorf("make instrument: %w", err)
		}
	}
	return m, nil
}

func outcomeWord(o bridgev1.Outcome) string {
	return strings.ToLower(strings.TrimPrefix(o.String(), "OUTCOME_"))
}

func (m *metrics) settled(ctx context.Context, k key.Key, o bridgev1.Outcome, s *bridgev1.Snapshot) {
	attrs := metric.WithAttributes(attribute.String("source", k.Source), attribute.String("kind", string(k.Kind)), attribute.String("outcome", outcomeWord(o)))
	m.outcomes.Add(ctx, 1, attrs)
	if at := logTime(s); !at.IsZero() {
		m.freshness.Record(ctx, max(0, time.Since(at).Seconds()), attrs)
	}
}

func (m *metrics) requested(ctx context.Context, k key.Key, s *bridgev1.Snapshot, f *fault.Fault, took time.Duration) {
	operation, result := "put", "ok"
	if s.GetGone() {
		operation = "delete"
	}
	if f != nil {
		result = f.Reason
	}
	m.requests.Record(ctx, took.Seconds(), metric.WithAttributes(
		attribute.String("operation", operation), attribute.String("kind", string(k.Kind)), attribute.String("result", result)))
}

func (m *metrics) retried(ctx context.Context, reason string) {
	m.retries.Add(ctx, 1, metric.WithAttributes(attribute.String("reason", reason)))
}

func (m *metrics) died(ctx context.Context, k key.Key, reason string) {
	m.dead.Add(ctx, 1, metric.WithAttributes(
		attribute.String("source", k.Source), attribute.String("kind", string(k.Kind)), attribute.String("reason", reason)))
}

func (m *metrics) takenOver(ctx context.Context) { m.takeovers.Add(ctx, 1) }

func (m *metrics) lostTurn(ctx context.Context) { m.lostTurns.Add(ctx, 1) }
