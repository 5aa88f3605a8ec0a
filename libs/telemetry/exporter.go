package telemetry

import (
	"context"
	"log/slog"
	"sync/atomic"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// reportingExporter logs with the service's own logger when exporting begins to fail and when it works again. The SDK
// would tell a global handler, once per batch, for as long as the collector is away.
type reportingExporter struct {
	next    sdktrace.SpanExporter
	logger  *slog.Logger
	failing atomic.Bool
}

// ExportSpans implements sdktrace.SpanExporter. It never returns an error: it has been dealt with.
func (e *reportingExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := e.next.ExportSpans(ctx, spans)
	switch was := e.failing.Swap(err != nil); {
	case err != nil && !was:
		e.logger.WarnContext(ctx, "traces cannot be exported and are lost until further notice", slog.Any("error", err))
	case err == nil && was:
		e.logger.InfoContext(ctx, "traces are exported again")
	}
	return nil
}

// Shutdown implements sdktrace.SpanExporter.
func (e *reportingExporter) Shutdown(ctx context.Context) error {
	return e.next.Shutdown(ctx) //nolint:wrapcheck // The caller names the action.
}
