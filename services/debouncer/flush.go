package debouncer

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/ticket"
	"github.com/enneo-ai/enneo-bridge/services/debouncer/internal/window"
)

// flusher sends the tickets of windows that are due.
type flusher struct {
	bus        *bus.Bus
	tracer     trace.Tracer
	propagator propagation.TextMapPropagator
}

// flush sends one ticket per window to DUE and waits for the acknowledgements. It returns one error per window.
func (f *flusher) flush(ctx context.Context, windows []window.Window) []error {
	errs := make([]error, len(windows))
	msgs, of := make([]*nats.Msg, 0, len(windows)), make([]int, 0, len(windows))
	for i, w := range windows {
		msg, err := f.ticket(ctx, w)
		if err != nil {
			errs[i] = err
			continue
		}
		msgs, of = append(msgs, msg), append(of, i)
	}
	_, failed := f.bus.PublishAll(ctx, msgs)
	for j, err := range failed {
		errs[of[j]] = err
	}
	return errs
}

// ticket makes the ticket of a window. Its span begins a trace of its own that links to the newest sampled event, since a
// flush has as many causes as the window has events.
func (f *flusher) ticket(ctx context.Context, w window.Window) (*nats.Msg, error) {
	options := []trace.SpanStartOption{
		trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindProducer),
		trace.WithAttributes(attribute.String("source", w.Key.Source), attribute.String("kind", string(w.Key.Kind)),
			attribute.Int64("collapsed", int64(w.Collapsed))),
	}
	if w.TraceParent != "" {
		from := f.propagator.Extract(ctx, propagation.MapCarrier{"traceparent": w.TraceParent})
		options = append(options, trace.WithLinks(trace.LinkFromContext(from)))
	}
	ctx, span := f.tracer.Start(ctx, "flush", options...)
	defer span.End()
	return ticket.Encode(ctx, f.propagator, bus.StageEnrich, ticket.Ticket{
		Key: w.Key, Position: w.Position, Collapsed: w.Collapsed, FirstEventAt: w.First,
	}, time.Now())
}
