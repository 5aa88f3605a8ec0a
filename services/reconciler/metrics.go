package reconciler

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/enneo-ai/enneo-bridge/libs/fault"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
)

type metrics struct {
	pages metric.Float64Histogram
	keys  metric.Int64Counter
	runs  metric.Float64Histogram
}

func newMetrics(meter metric.Meter) (*metrics, error) {
	m := &metrics{}
	var errs [3]error
	m.pages, errs[0] = meter.Float64Histogram("reconcile.page.duration", metric.WithUnit("s"),
		metric.WithDescription("Duration of requests for pages of lists, by source, operation and result"))
	m.keys, errs[1] = meter.Int64Counter("reconcile.keys", metric.WithUnit("{key}"),
		metric.WithDescription("Keys that were compared, by source and result"))
	m.runs, errs[2] = meter.Float64Histogram("reconcile.run.duration", metric.WithUnit("s"),
		metric.WithDescription("Duration of runs, by source, mode and result"))
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("make instrument: %w", err)
	}
	return m, nil
}

func (m *metrics) page(ctx context.Context, source string, op profile.Operation, f *fault.Fault, took time.Duration) {
	result := "ok"
	if f != nil {
		result = f.Reason
	}
	m.pages.Record(ctx, took.Seconds(), metric.WithAttributes(
		attribute.String("source", source), attribute.String("operation", string(op)), attribute.String("result", result)))
}

func (m *metrics) items(ctx context.Context, source string, all []*work) {
	counts := map[class]int64{}
	for _, w := range all {
		counts[w.class]++
	}
	words := map[class]string{
		classNew: "new", classChanged: "changed", classUnchanged: "unchanged", classGone: "gone", classLive: "newer_event", classFailed: "failed",
	}
	for c, n := range counts {
		m.keys.Add(ctx, n, metric.WithAttributes(attribute.String("source", source), attribute.String("result", words[c])))
	}
}

func (m *metrics) run(ctx context.Context, source string, mode Mode, err error, took time.Duration) {
	result := "ok"
	switch {
	case err == nil:
	case errors.Is(err, ErrBusy):
		result = "busy"
	case errors.Is(err, ErrTooManyGone):
		result = "too_many_gone"
	case errors.Is(err, ErrFailures):
		result = "some_failed"
	default:
		result = "failed"
	}
	m.runs.Record(ctx, took.Seconds(), metric.WithAttributes(
		attribute.String("source", source), attribute.String("mode", string(mode)), attribute.String("result", result)))
}
