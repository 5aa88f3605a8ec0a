package telemetry

import (
	"strings"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// secondBounds are the bounds of a histogram without bounds of its own, made for durations from 1 ms to 10 min.
var secondBounds = []float64{
	0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600,
}

// byteBounds are the bounds for instruments with the unit "By".
var byteBounds = []float64{256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20}

// aggregation is a reader's default and not a view, so that bounds which an instrument asks for itself are kept.
func aggregation(kind sdkmetric.InstrumentKind) sdkmetric.Aggregation {
	if kind == sdkmetric.InstrumentKindHistogram {
		return sdkmetric.AggregationExplicitBucketHistogram{Boundaries: secondBounds}
	}
	return sdkmetric.DefaultAggregationSelector(kind)
}

// Prefix stands before the name of each metric of ours, so that nobody else's has the same: events.accepted is exported as
// bridge_events_accepted_total.
const Prefix = "bridge."

// streams names our instruments, and gives every histogram of bytes its bounds. The instruments of libraries, whose scopes are
// import paths, keep the names that others know them by, but ask for no bounds when they measure bodies.
func streams(i sdkmetric.Instrument) (sdkmetric.Stream, bool) {
	stream := sdkmetric.Stream{Name: i.Name, Description: i.Description, Unit: i.Unit}
	ours, bytes := !strings.Contains(i.Scope.Name, "/"), i.Kind == sdkmetric.InstrumentKindHistogram && i.Unit == "By"
	if ours {
		stream.Name = Prefix + i.Name
	}
	if bytes {
		stream.Aggregation = sdkmetric.AggregationExplicitBucketHistogram{Boundaries: byteBounds}
	}
	return stream, ours || bytes
}
