package pipeline

import (
	"context"
	"fmt"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/enneo-ai/enneo-bridge/libs/app"
	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/inventory"
)

// reportUnknown reports what stands in the streams and buckets of sources that this service does not know: nobody works on
// it, and it is a person's to rename or retire them. Not being able to look is reported too, and keeps nobody from working.
func reportUnknown(ctx context.Context, env *app.Env, b *bus.Bus, known []string) error {
	found, err := env.Telemetry.Meter("pipeline").Int64Gauge("unknown.source.records", metric.WithUnit("{record}"),
		metric.WithDescription("Events, tickets, snapshots, settlements and dead letters of a source that SOURCES did not name when this service started"))
	if err != nil {
		return fmt.Errorf("make instrument: %w", err)
	}
	names, err := inventory.Sources(ctx, b)
	if err != nil {
		env.Logger.WarnContext(ctx, "cannot look for sources that are not configured", "error", err.Error())
		return nil
	}
	for _, name := range names {
		if slices.Contains(known, name) {
			continue
		}
		counts, err := inventory.Count(ctx, b, name)
		if err != nil {
			env.Logger.WarnContext(ctx, "cannot count what a source that is not configured has", "source", name, "error", err.Error())
			continue
		}
		found.Record(ctx, int64(counts.Total()), metric.WithAttributes(attribute.String("source", name)))
		env.Logger.WarnContext(ctx, "SOURCES does not name a source that has records; name it again, or use: bridge source rename, bridge source retire",
			"source", name, "events", counts.Events, "due", counts.Due, "ready", counts.Ready, "snapshots", counts.Snapshots,
			"settled", counts.Settled, "dead_letters", counts.Dead)
	}
	return nil
}
