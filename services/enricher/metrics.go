package enricher

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/enneo-ai/enneo-bridge/libs/fault"
	"github.com/enneo-ai/enneo-bridge/libs/key"
)

type metrics struct {
	reads   metric.Float64Histogram
	retries metric.Int64Counter
	waits   metric.Int64Counter
	dead    metric.Int64Counter
}

func newMetrics(meter metric.Meter) (*metrics, error) {
	m := &metrics{}
	var errs [4]error
	m.reads, errs[0] = meter.Float64Histogram("erp.read.duration", metric.WithUnit("s"),
		metric.WithDescription("Duration of reads in the ERP, by source, kind and result"))
	m.retries, errs[1] = meter.Int64Counter("erp.retries", metric.WithUnit("{read}"),
		metric.WithDescription("Reads put off, by source and reason"))
	m.dead, errs[2] = meter.Int64Counter("dead.letters", metric.WithUnit("{key}"),
		metric.WithDescription("Keys that became dead letters, by source, kind and reason"))
	m.waits, errs[3] = meter.Int64Counter("erp.reads.waited", metric.WithUnit("{ticket}"),
		metric.WithDescription("Tickets put off because their key was being read, by source and the replica that reads it: this, another"))
	for _, err := range errs {
		if err != nil {
			return nil, fmt.Errorf("make instrument: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) read(ctx context.Context, k key.Key, f *fault.Fault, took time.Duration) {
	result := "ok"
	if f != nil {
		result = f.Reason
	}
	m.reads.Record(ctx, took.Seconds(), metric.WithAttributes(
		attribute.String("source", k.Source), attribute.String("kind", string(k.Kind)), attribute.String("result", result)))
}

func (m *metrics) retried(ctx context.Context, k key.Key, reason string) {
	m.retries.Add(ctx, 1, metric.WithAttributes(attribute.String("source", k.Source), attribute.String("reason", reason)))
}

func (m *metrics) waited(ctx context.Context, k key.Key, elsewhere bool) {
	replica := "this"
	if elsewhere {
		replica = "another"
	}
	m.waits.Add(ctx, 1, metric.WithAttributes(attribute.String("source", k.Source), attribute.String("replica", replica)))
}

func (m *metrics) died(ctx context.Context, k key.Key, reason string) {
	m.dead.Add(ctx, 1, metric.WithAttributes(
		attribute.String("source", k.Source), attribute.String("kind", string(k.Kind)), attribute.String("reason", reason)))
}
