package debouncer

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/enneo-ai/enneo-bridge/services/debouncer/internal/window"
)

// metrics counts what happens to windows. It implements window.Observer.
type metrics struct {
	events    metric.Int64Counter
	refusals  metric.Int64Counter
	flushes   metric.Int64Counter
	collapsed metric.Int64Counter
	lateness  metric.Float64Histogram
	released  metric.Int64Counter
	lost      metric.Int64Counter
	orphaned  metric.Int64Counter
	widenings metric.Int64Counter
	refill    func()
	spans     *spans
}

func newMetrics(meter metric.Meter, traced *spans, open func(context.Context) (int64, error)) (*metrics, error) {
	m := &metrics{refill: func() {}, spans: traced}
	var errs [10]error
	m.events, errs[0] = meter.Int64Counter("events.armed", metric.WithUnit("{event}"),
		metric.WithDescription("Events armed, by source and outcome: opened, extended, unchanged, failed, or carried by whoever has appended them"))
	m.refusals, errs[1] = meter.Int64Counter("events.refused", metric.WithUnit("{event}"),
		metric.WithDescription("Messages in the log that are no events of ours, by source"))
	m.flushes, errs[2] = meter.Int64Counter("windows.flushed", metric.WithUnit("{window}"),
		metric.WithDescription("Windows flushed, by source"))
	m.collapsed, errs[3] = meter.Int64Counter("events.collapsed", metric.WithUnit("{event}"),
		metric.WithDescription("Events that the flushed windows stood for, by source"))
	m.lateness, errs[4] = meter.Float64Histogram("window.lateness", metric.WithUnit("s"),
		metric.WithDescription("Time from a window's due to the end of its flush"))
	m.released, errs[5] = meter.Int64Counter("windows.released", metric.WithUnit("{window}"),
		metric.WithDescription("Windows given back after a failed flush"))
	m.lost, errs[6] = meter.Int64Counter("claims.lost", metric.WithUnit("{window}"),
		metric.WithDescription("Claims that ended before they were completed"))
	m.orphaned, errs[7] = meter.Int64Counter("windows.orphaned", metric.WithUnit("{window}"),
		metric.WithDescription("Windows that could not be read and were removed"))
	_, errs[8] = meter.Int64ObservableGauge("windows.open", metric.WithUnit("{window}"),
		metric.WithDescription("Windows open in Redis, of all replicas"),
		metric.WithInt64Callback(func(ctx context.Context, o metric.Int64Observer) error {
			n, err := open(ctx)
			if err == nil {
				o.Observe(n)
			}
			return err
		}))
	m.widenings, errs[9] = meter.Int64Counter("window.widenings", metric.WithUnit("{step}"),
		metric.WithDescription("Steps by which the windows of a source were widened or narrowed, by source, direction and reason"))
	for _, err := range errs {
		if err != nil {
			return nil, fmt.Errorf("make instrument: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) armed(ctx context.Context, source string, outcomes []window.Outcome) {
	counts := map[string]int64{}
	for _, o := range outcomes {
		counts[outcomeWord(o)]++
	}
	for word, n := range counts {
		m.events.Add(ctx, n, metric.WithAttributes(attribute.String("source", source), attribute.String("outcome", word)))
	}
}

// carried counts events that need no window.
func (m *metrics) carried(ctx context.Context, source string, n int) {
	if n > 0 {
		m.events.Add(ctx, int64(n), metric.WithAttributes(attribute.String("source", source), attribute.String("outcome", "carried")))
	}
}

func outcomeWord(o window.Outcome) string {
	switch o {
	case window.Opened:
		return "opened"
	case window.Extended:
		return "extended"
	case window.Unchanged:
		return "unchanged"
	case window.Failed:
	}
	return "failed"
}

func (m *metrics) refused(ctx context.Context, source string) {
	m.refusals.Add(ctx, 1, metric.WithAttributes(attribute.String("source", source)))
}

// Claimed implements window.Observer; flushes and losses say the rest.
func (m *metrics) Claimed(int) {}

// Flushed implements window.Observer.
func (m *metrics) Flushed(w window.Window, lateness time.Duration) {
	attrs := metric.WithAttributes(attribute.String("source", w.Key.Source))
	ctx := context.Background()
	if len(w.TraceParents) > 0 {
		// For the exemplar.
		ctx = m.spans.context(w.TraceParents[0])
	}
	m.flushes.Add(ctx, 1, attrs)
	m.collapsed.Add(ctx, int64(w.Collapsed), attrs)
	m.lateness.Record(ctx, max(0, lateness.Seconds()), attrs)
}

// Released implements window.Observer.
func (m *metrics) Released(n int) { m.released.Add(context.Background(), int64(n)) }

// Lost implements window.Observer.
func (m *metrics) Lost(n int) { m.lost.Add(context.Background(), int64(n)) }

// Orphaned implements window.Observer.
func (m *metrics) Orphaned(n int) { m.orphaned.Add(context.Background(), int64(n)) }

// Emptied implements window.Observer: the windows have to be filled from the log.
func (m *metrics) Emptied(int) { m.refill() }

// exportWidths exports by how much the windows of each source are widened.
func (m *metrics) exportWidths(meter metric.Meter, widths map[string]*width) error {
	_, err := meter.Float64ObservableGauge("window.width", metric.WithUnit("1"),
		metric.WithDescription("Quiet period of the source's windows as a multiple of the configured one"),
		metric.WithFloat64Callback(func(_ context.Context, o metric.Float64Observer) error {
			for name, w := range widths {
				o.Observe(w.factor(), metric.WithAttributes(attribute.String("source", name)))
			}
			return nil
		}))
	if err != nil {
		return fmt.Errorf("make instrument: %w", err)
	}
	return nil
}

func (m *metrics) widened(ctx context.Context, source string, step int32, reason string) {
	direction := "wider"
	if step < 0 {
		direction = "narrower"
	}
	m.widenings.Add(ctx, 1, metric.WithAttributes(
		attribute.String("source", source), attribute.String("direction", direction), attribute.String("reason", reason)))
}
