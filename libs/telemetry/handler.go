package telemetry

import (
	"context"
	"log/slog"
	"slices"

	"go.opentelemetry.io/otel/trace"
)

// traceHandler adds trace_id and span_id of the context's span to each record, always at the top level.
type traceHandler struct {
	slog.Handler
	// base and steps can build Handler again with the ids in front of the groups that were opened. steps is empty as
	// long as there is no group.
	base  slog.Handler
	steps []func(slog.Handler) slog.Handler
}

func newTraceHandler(h slog.Handler) *traceHandler { return &traceHandler{Handler: h, base: h} }

// Handle implements slog.Handler.
func (h *traceHandler) Handle(ctx context.Context, r slog.Record) error {
	span := trace.SpanContextFromContext(ctx)
	if !span.IsValid() {
		return h.Handler.Handle(ctx, r) //nolint:wrapcheck // A handler is transparent.
	}
	ids := []slog.Attr{slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String())}
	if len(h.steps) == 0 {
		r = r.Clone()
		r.AddAttrs(ids...)
		return h.Handler.Handle(ctx, r) //nolint:wrapcheck // A handler is transparent.
	}
	grouped := h.base.WithAttrs(ids)
	for _, step := range h.steps {
		grouped = step(grouped)
	}
	return grouped.Handle(ctx, r) //nolint:wrapcheck // A handler is transparent.
}

// WithAttrs implements slog.Handler.
func (h *traceHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := h.Handler.WithAttrs(attrs)
	if len(h.steps) == 0 {
		return newTraceHandler(next)
	}
	return h.then(next, func(g slog.Handler) slog.Handler { return g.WithAttrs(attrs) })
}

// WithGroup implements slog.Handler.
func (h *traceHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return h.then(h.Handler.WithGroup(name), func(g slog.Handler) slog.Handler { return g.WithGroup(name) })
}

func (h *traceHandler) then(next slog.Handler, step func(slog.Handler) slog.Handler) slog.Handler {
	return &traceHandler{Handler: next, base: h.base, steps: append(slices.Clip(h.steps), step)}
}
