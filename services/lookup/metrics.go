package lookup

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/enneo-ai/enneo-bridge/libs/fault"
)

// The four calls, as metrics name them.
const (
	opContract       = "contract"
	opCustomer       = "customer"
	opContractSearch = "contract_search"
	opCustomerSearch = "customer_search"
)

// Results of calls, as metrics name them.
const (
	resultFound        = "found"
	resultNone         = "none"
	resultLimited      = "limited"
	resultInvalid      = "invalid"
	resultUnauthorized = "unauthorized"
	resultUnavailable  = "unavailable"
	resultFailed       = "failed"
)

type metrics struct {
	calls     metric.Float64Histogram
	requests  metric.Float64Histogram
	fallbacks metric.Int64Counter
	limited   metric.Int64Counter
	previous  metric.Int64Counter
	active    metric.Int64UpDownCounter
}

func newMetrics(meter metric.Meter) (*metrics, error) {
	m := &metrics{}
	var errs [6]error
	m.calls, errs[0] = meter.Float64Histogram("lookup.calls", metric.WithUnit("s"),
		metric.WithDescription("Duration of calls, by operation, origin of the answer and result"))
	m.requests, errs[1] = meter.Float64Histogram("lookup.erp.requests", metric.WithUnit("s"),
		metric.WithDescription("Duration of requests to the ERP, by source, operation and result"))
	m.fallbacks, errs[2] = meter.Int64Counter("lookup.fallbacks", metric.WithUnit("{call}"),
		metric.WithDescription("Questions that the ERP did not answer, so that what is known had to do, by source and reason"))
	m.limited, errs[3] = meter.Int64Counter("lookup.tickets.limited", metric.WithUnit("{call}"),
		metric.WithDescription("Searches of tickets that had found nobody too often"))
	m.previous, errs[4] = meter.Int64Counter("lookup.previous.token", metric.WithUnit("{call}"),
		metric.WithDescription("Calls with the token before the present one"))
	m.active, errs[5] = meter.Int64UpDownCounter("lookup.calls.active", metric.WithUnit("{call}"),
		metric.WithDescription("Calls that are being answered, by operation"))
	for _, err := range errs {
		if err != nil {
			return nil, fmt.Errorf("make instrument: %w", err)
		}
	}
	// It is there from the start, or the first searches of who guesses would be no increase.
	m.limited.Add(context.Background(), 0)
	return m, nil
}

func (m *metrics) called(ctx context.Context, operation string, from origin, result string, took time.Duration) {
	m.calls.Record(ctx, took.Seconds(), metric.WithAttributes(
		attribute.String("operation", operation), attribute.String("origin", string(from)), attribute.String("result", result)))
}

// begun counts a call until it has ended.
func (m *metrics) begun(ctx context.Context, operation string) (ended func()) {
	labels := metric.WithAttributes(attribute.String("operation", operation))
	m.active.Add(ctx, 1, labels)
	return func() { m.active.Add(ctx, -1, labels) }
}

// asked returns what hears of the requests to a source.
func (m *metrics) asked(source string) func(context.Context, string, *fault.Fault, time.Duration) {
	return func(ctx context.Context, operation string, f *fault.Fault, took time.Duration) {
		result := "ok"
		if f != nil {
			result = f.Reason
		}
		m.requests.Record(ctx, took.Seconds(), metric.WithAttributes(
			attribute.String("source", source), attribute.String("operation", operation), attribute.String("result", result)))
	}
}

func (m *metrics) fellBack(ctx context.Context, source string, f *fault.Fault) {
	m.fallbacks.Add(ctx, 1, metric.WithAttributes(attribute.String("source", source), attribute.String("reason", f.Reason)))
}
