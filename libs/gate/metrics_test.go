package gate_test

import (
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/fault"
	"github.com/enneo-ai/enneo-bridge/libs/gate"
)

// observed are the figures of a gate by name, and for probes by result.
func observed(t *testing.T, reader *sdkmetric.ManualReader) map[string]float64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatalf("collect: %v", err)
	}
	figures := map[string]float64{}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Gauge[int64]:
				figures[m.Name] = float64(data.DataPoints[0].Value)
			case metricdata.Sum[float64]:
				figures[m.Name] = data.DataPoints[0].Value
			case metricdata.Sum[int64]:
				for _, point := range data.DataPoints {
					result, _ := point.Attributes.Value("result")
					figures[m.Name+result.AsString()] = float64(point.Value)
				}
			}
		}
	}
	return figures
}

func TestAGateShowsItsStateAndItsProbes(t *testing.T) {
	t.Parallel()
	reader := sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	g := gate.New(gate.Options{Threshold: 1, First: 20 * time.Millisecond, Max: 20 * time.Millisecond})
	if err := g.Observe(provider.Meter(""), "source.erp"); err != nil {
		t.Fatal(err)
	}
	is := func(when string, state, shuts, passed, failed float64) {
		t.Helper()
		got := observed(t, reader)
		if got["gate.state"] != state || got["gate.shuts"] != shuts || got["gate.probespassed"] != passed || got["gate.probesfailed"] != failed {
			t.Errorf("%s: %v, want state %v, shuts %v, probes passed %v and failed %v", when, got, state, shuts, passed, failed)
		}
	}
	halfOpen := func() {
		t.Helper()
		bustest.Eventually(t, "the pause is over", func() bool { return observed(t, reader)["gate.state"] == 2 })
	}
	outage := &fault.Fault{Scope: fault.Target, Reason: "unavailable"}

	is("at first", 0, 0, 0, 0)
	g.Report(outage)
	halfOpen()
	g.Report(outage)
	halfOpen()
	is("after a probe in vain", 2, 1, 0, 1)
	if shut := observed(t, reader)["gate.shut.time"]; shut <= 0 {
		t.Errorf("it was shut for %v s", shut)
	}
	g.Report(nil)
	is("after one that passed", 0, 1, 1, 1)
	before := observed(t, reader)["gate.shut.time"]
	g.Report(nil)
	is("after a success while it is open", 0, 1, 1, 1)
	if after := observed(t, reader)["gate.shut.time"]; after != before {
		t.Errorf("an open gate is shut for longer: %v s, then %v s", before, after)
	}
	g.Report(&fault.Fault{Scope: fault.Target, Reason: fault.RateLimited, RetryAfter: time.Minute})
	is("when it is shut for a minute", 1, 2, 1, 1)
}
