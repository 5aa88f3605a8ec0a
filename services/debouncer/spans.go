package debouncer

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/enneo-ai/enneo-bridge/libs/ce"
	"github.com/enneo-ai/enneo-bridge/services/debouncer/internal/window"
)

const traceParent = "traceparent"

// spans makes the spans of the debouncer, so that the way of a change is one picture: an event's own trace goes on with
// "arm", the trace of the first sampled event of a window with "window" and "flush". The window links to the other events,
// and their "arm" links to the trace in which they will be flushed.
type spans struct {
	tracer     trace.Tracer
	propagator propagation.TextMapPropagator
}

// context is a context with the span that a traceparent names; without it, if that is not one.
func (s *spans) context(parent string) context.Context {
	return s.propagator.Extract(context.Background(), propagation.MapCarrier{traceParent: parent})
}

// arming is the span of one event that is being armed; it has none if the event is not sampled.
type arming struct{ span trace.Span }

// arm begins the span of one event, if its sender's was sampled, and lets the window continue from there.
func (s *spans) arm(item *window.Arm, msg jetstream.Msg) (a arming) {
	ctx := s.propagator.Extract(context.Background(), ce.TraceCarrier(msg.Headers()))
	if !trace.SpanContextFromContext(ctx).IsSampled() {
		return a
	}
	//nolint:spancheck // armed ends it.
	ctx, a.span = s.tracer.Start(ctx, "arm", trace.WithSpanKind(trace.SpanKindConsumer), attributes(item.Key.Source, string(item.Key.Kind)))
	carrier := propagation.MapCarrier{}
	s.propagator.Inject(ctx, carrier)
	item.TraceParent = carrier[traceParent]
	return a
}

// armed ends the span of an event; flushedIn is the traceparent of the window's first event, empty if it is this one's.
func (s *spans) armed(a arming, outcome window.Outcome, flushedIn string, err error) {
	if a.span == nil {
		return
	}
	a.span.SetAttributes(attribute.String("outcome", outcomeWord(outcome)))
	if flushedIn != "" {
		a.span.AddLink(trace.LinkFromContext(s.context(flushedIn), attribute.String("relation", "flushed_in")))
	}
	if err != nil {
		a.span.SetStatus(codes.Error, "not armed")
	}
	a.span.End()
}

// flushing are the spans of a window that is being flushed.
type flushing struct{ window, flush trace.Span }

// flush begins the spans of a window: "window", which lasts from its first event to the end of its flush, and "flush". The
// ticket belongs to the context that it returns.
func (s *spans) flush(w window.Window) (context.Context, flushing) {
	options := []trace.SpanStartOption{
		attributes(w.Key.Source, string(w.Key.Kind)), trace.WithAttributes(attribute.Int64("collapsed", int64(w.Collapsed))),
		trace.WithTimestamp(w.First),
	}
	ctx := context.Background()
	if len(w.TraceParents) > 0 {
		ctx = s.context(w.TraceParents[0])
		for _, parent := range w.TraceParents[1:] {
			options = append(options, trace.WithLinks(trace.LinkFromContext(s.context(parent), attribute.String("relation", "collapsed"))))
		}
	}
	var f flushing
	//nolint:spancheck // end ends both.
	ctx, f.window = s.tracer.Start(ctx, "window", options...)
	f.window.AddEvent("due", trace.WithTimestamp(w.Due))
	//nolint:spancheck // end ends both.
	ctx, f.flush = s.tracer.Start(ctx, "flush", trace.WithSpanKind(trace.SpanKindProducer), attributes(w.Key.Source, string(w.Key.Kind)))
	return ctx, f
}

// end ends both spans.
func (f flushing) end(err error) {
	now := time.Now()
	for _, span := range []trace.Span{f.flush, f.window} {
		if err != nil {
			span.SetStatus(codes.Error, "ticket not acknowledged")
		}
		span.End(trace.WithTimestamp(now))
	}
}

func attributes(source, kind string) trace.SpanStartEventOption {
	return trace.WithAttributes(attribute.String("source", source), attribute.String("kind", kind))
}
