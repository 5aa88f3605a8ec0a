package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/telemetry"
)

func start(t *testing.T, o telemetry.Options) *telemetry.Telemetry {
	t.Helper()
	if o.LogWriter == nil {
		o.LogWriter = io.Discard
	}
	tel, err := telemetry.New(t.Context(), o)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	t.Cleanup(func() {
		if err := tel.Shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
	return tel
}

// family returns the metrics called name, or fails.
func family(t *testing.T, tel *telemetry.Telemetry, name string) []*dto.Metric {
	t.Helper()
	families, err := tel.Registry.Gather()
	if err != nil {
		t.Fatalf("Gather: %v", err)
	}
	var names []string
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()
		}
		names = append(names, f.GetName())
	}
	t.Fatalf("no metric %s among %v", name, names)
	return nil
}

func TestServicesInOneProcessHaveTheirOwnMetrics(t *testing.T) {
	t.Parallel()
	for i, service := range []string{"first", "second"} {
		tel := start(t, telemetry.Options{Service: service, Version: "v1.2.3"})
		counter, err := tel.Meter("test").Int64Counter("events.accepted")
		if err != nil {
			t.Fatalf("counter: %v", err)
		}
		counter.Add(t.Context(), int64(i+1))
		if got := family(t, tel, "bridge_events_accepted_total")[0].GetCounter().GetValue(); got != float64(i+1) {
			t.Errorf("%s counts %v, want %d", service, got, i+1)
		}
		labels := map[string]string{}
		for _, l := range family(t, tel, "target_info")[0].GetLabel() {
			labels[l.GetName()] = l.GetValue()
		}
		if labels["service_name"] != service || labels["service_version"] != "v1.2.3" {
			t.Errorf("target_info has the labels %v, want the name and version of %s", labels, service)
		}
		family(t, tel, "go_goroutines")
		family(t, tel, "process_start_time_seconds")
	}
}

func TestHistogramsHaveBoundsThatFitTheirUnit(t *testing.T) {
	t.Parallel()
	tel := start(t, telemetry.Options{Service: "test"})
	for _, tc := range []struct {
		name, exported string
		options        []metric.Float64HistogramOption
		first, last    float64
	}{
		{"read.duration", "bridge_read_duration_seconds", []metric.Float64HistogramOption{metric.WithUnit("s")}, 0.001, 600},
		{"body.size", "bridge_body_size_bytes", []metric.Float64HistogramOption{metric.WithUnit("By")}, 256, 16 << 20},
		{"own", "bridge_own_seconds", []metric.Float64HistogramOption{metric.WithUnit("s"), metric.WithExplicitBucketBoundaries(7, 8)}, 7, 8},
	} {
		histogram, err := tel.Meter("test").Float64Histogram(tc.name, tc.options...)
		if err != nil {
			t.Fatalf("histogram: %v", err)
		}
		histogram.Record(t.Context(), 1)
		buckets := family(t, tel, tc.exported)[0].GetHistogram().GetBucket()
		var bounds []float64
		for _, b := range buckets {
			if b.GetUpperBound() < 1e9 {
				bounds = append(bounds, b.GetUpperBound())
			}
		}
		if len(bounds) == 0 || bounds[0] != tc.first || bounds[len(bounds)-1] != tc.last {
			t.Errorf("%s has the bounds %v, want them from %v to %v", tc.name, bounds, tc.first, tc.last)
		}
	}
}

func TestTracesAreExportedOnlyIfTheEnvironmentSaysSo(t *testing.T) {
	t.Parallel()
	const endpoint = "http://127.0.0.1:1"
	for name, tc := range map[string]struct {
		env  map[string]string
		want bool
	}{
		"nothing set":           {nil, false},
		"endpoint":              {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}, true},
		"endpoint for traces":   {map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": endpoint}, true},
		"empty endpoint":        {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, false},
		"disabled":              {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_SDK_DISABLED": "TRUE"}, false},
		"not disabled":          {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_SDK_DISABLED": "false"}, true},
		"disabled by no word":   {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_SDK_DISABLED": "1"}, true},
		"endpoint for metrics ": {map[string]string{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": endpoint}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tel := start(t, telemetry.Options{Service: "test", Env: config.Map(tc.env)})
			// Not ended, so that nothing waits for a collector that is not there.
			_, span := tel.Tracer("test").Start(t.Context(), "work")
			if got := span.IsRecording(); got != tc.want {
				t.Errorf("spans are recorded: %v, want %v", got, tc.want)
			}
		})
	}
}

func TestTraceContextIsPassedOnWithoutExport(t *testing.T) {
	t.Parallel()
	tel := start(t, telemetry.Options{Service: "test"})
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	ctx := tel.Propagator.Extract(t.Context(), propagation.MapCarrier{"traceparent": parent, "baggage": "secret=1"})
	ctx, span := tel.Tracer("test").Start(ctx, "work")
	defer span.End()
	carrier := propagation.MapCarrier{}
	tel.Propagator.Inject(ctx, carrier)
	if diff := cmp.Diff(propagation.MapCarrier{"traceparent": parent}, carrier); diff != "" {
		t.Errorf("trace context (-want +got):\n%s", diff)
	}
}

func TestLogNamesServiceAndSpan(t *testing.T) {
	t.Parallel()
	ctx := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2},
	}))
	const traceID, spanID = "01000000000000000000000000000000", "0200000000000000"
	for name, tc := range map[string]struct {
		log  func(l *slog.Logger)
		want map[string]any
	}{
		"without a span": {
			func(l *slog.Logger) { l.InfoContext(t.Context(), "done", slog.Int("n", 1)) },
			map[string]any{"level": "INFO", "msg": "done", "service": "test", "n": 1.0},
		},
		"with a span": {
			func(l *slog.Logger) { l.With(slog.Int("a", 1)).InfoContext(ctx, "done", slog.Int("n", 1)) },
			map[string]any{"level": "INFO", "msg": "done", "service": "test", "a": 1.0, "n": 1.0, "trace_id": traceID, "span_id": spanID},
		},
		"with a span below a group": {
			func(l *slog.Logger) {
				l.With(slog.Int("a", 1)).WithGroup("").WithGroup("g").With(slog.Int("b", 2)).WarnContext(ctx, "done", slog.Int("n", 1))
			},
			map[string]any{
				"level": "WARN", "msg": "done", "service": "test", "a": 1.0, "trace_id": traceID, "span_id": spanID,
				"g": map[string]any{"b": 2.0, "n": 1.0},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			tel := start(t, telemetry.Options{Service: "test", Level: slog.LevelInfo, LogWriter: &b})
			tel.Logger.DebugContext(ctx, "below the level")
			tc.log(tel.Logger)
			var got map[string]any
			if err := json.Unmarshal(b.Bytes(), &got); err != nil {
				t.Fatalf("not one JSON line: %v: %s", err, b.String())
			}
			delete(got, "time")
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("line (-want +got):\n%s", diff)
			}
		})
	}
}

// collector is an OTLP receiver that answers what the test says.
type collector struct {
	collectorpb.UnimplementedTraceServiceServer
	mu       sync.Mutex
	refuse   bool
	received []string
}

func (c *collector) Export(_ context.Context, r *collectorpb.ExportTraceServiceRequest) (*collectorpb.ExportTraceServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refuse {
		// Not one of the codes after which a client tries again.
		return nil, status.Error(codes.InvalidArgument, "refused")
	}
	for _, resource := range r.GetResourceSpans() {
		for _, a := range resource.GetResource().GetAttributes() {
			if a.GetKey() == "service.name" {
				c.received = append(c.received, a.GetValue().GetStringValue())
			}
		}
		for _, scope := range resource.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				c.received = append(c.received, span.GetName())
			}
		}
	}
	return &collectorpb.ExportTraceServiceResponse{}, nil
}

func (c *collector) set(refuse bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refuse = refuse
}

func TestSpansReachTheCollectorAndItsAbsenceIsLoggedOnce(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, sink := grpc.NewServer(), &collector{refuse: true}
	collectorpb.RegisterTraceServiceServer(server, sink)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Errorf("Serve: %v", err)
		}
	})
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+listener.Addr().String())

	var log bytes.Buffer
	tel, err := telemetry.New(t.Context(), telemetry.Options{Service: "enricher", LogWriter: &log, Env: config.OS()})
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	flusher, ok := tel.TracerProvider.(interface{ ForceFlush(context.Context) error })
	if !ok {
		t.Fatalf("%T cannot be flushed", tel.TracerProvider)
	}
	for _, step := range []struct {
		name   string
		refuse bool
	}{{"lost", true}, {"lost too", true}, {"kept", false}, {"kept too", false}} {
		sink.set(step.refuse)
		_, span := tel.Tracer("test").Start(ctx, step.name)
		span.End()
		if err := flusher.ForceFlush(ctx); err != nil {
			t.Fatalf("flush %s: %v", step.name, err)
		}
	}
	_, span := tel.Tracer("test").Start(ctx, "at the end")
	span.End()
	if err := tel.Shutdown(ctx); err != nil {
		t.Fatalf("Shutdown: %v", err)
	}

	want := []string{"enricher", "kept", "enricher", "kept too", "enricher", "at the end"}
	if diff := cmp.Diff(want, sink.received); diff != "" {
		t.Errorf("received (-want +got):\n%s", diff)
	}
	if n := strings.Count(log.String(), "traces cannot be exported"); n != 1 {
		t.Errorf("the failure was logged %d times, want once:\n%s", n, log.String())
	}
	if n := strings.Count(log.String(), "traces are exported again"); n != 1 {
		t.Errorf("the recovery was logged %d times, want once:\n%s", n, log.String())
	}
}

func TestStandardVariablesDescribeTheService(t *testing.T) {
	t.Setenv("OTEL_SERVICE_NAME", "renamed")
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "k8s.pod.name=pod-1,broken")
	var log bytes.Buffer
	tel := start(t, telemetry.Options{Service: "test", LogWriter: &log})
	labels := map[string]string{}
	for _, l := range family(t, tel, "target_info")[0].GetLabel() {
		labels[l.GetName()] = l.GetValue()
	}
	if labels["service_name"] != "renamed" || labels["k8s_pod_name"] != "pod-1" {
		t.Errorf("target_info has the labels %v, want service_name=renamed and k8s_pod_name=pod-1", labels)
	}
	if !strings.Contains(log.String(), "OTEL_RESOURCE_ATTRIBUTES") {
		t.Errorf("the broken attribute is not logged: %s", log.String())
	}
}
