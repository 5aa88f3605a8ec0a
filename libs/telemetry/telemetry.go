// Package telemetry gives one service its traces, metrics and log.
//
// Nothing here is global, neither a provider nor a registry nor a logger: several services run in one process, each with
// its own. Libraries get what they need from a Telemetry that is passed to them.
//
// Metrics are always collected, into a Prometheus registry. Traces are exported by OTLP over gRPC when the environment
// names an endpoint; otherwise spans cost nothing, and trace contexts from outside are still passed on.
//
// A Telemetry is safe for concurrent use, except for Shutdown, which comes once and last.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/sethvargo/go-envconfig"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// Telemetry is what a service uses to be observed. Make one with New and end it with Shutdown.
type Telemetry struct {
	TracerProvider trace.TracerProvider
	MeterProvider  metric.MeterProvider
	// Registry holds the metrics of MeterProvider and those of the Go runtime and the process. Metrics that are not
	// made with OpenTelemetry may be registered here as well.
	Registry *prometheus.Registry
	// Propagator reads and writes the W3C trace context and nothing else: baggage from outside is not passed on.
	Propagator propagation.TextMapPropagator
	// Logger writes JSON lines with the attribute "service" and, from the context, "trace_id" and "span_id".
	Logger *slog.Logger

	shutdown []func(context.Context) error
}

// Options say whose telemetry it is.
type Options struct {
	// Service is the name of the service, the default of the resource attribute service.name.
	Service string
	// Version is the version of the program.
	Version string
	// Level is the least severe level that is logged.
	Level slog.Level
	// LogWriter receives the log, os.Stderr if nil. Services that share a writer need one that is safe for concurrent use.
	LogWriter io.Writer
	// Env decides whether traces are exported: OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is set
	// and OTEL_SDK_DISABLED is not true. All other OTEL_ variables are read by the OpenTelemetry SDK itself, which looks
	// at the environment of the process. Nil means no traces.
	Env envconfig.Lookuper
}

// New makes the telemetry of a service. It does not wait for the collector: one that is away does not keep a service
// from starting.
func New(ctx context.Context, o Options) (*Telemetry, error) {
	t := &Telemetry{
		Registry:   prometheus.NewRegistry(),
		Propagator: propagation.TraceContext{},
		Logger:     newLogger(o),
	}
	res, err := resource.New(ctx,
		resource.WithTelemetrySDK(),
		resource.WithAttributes(semconv.ServiceName(o.Service), semconv.ServiceVersion(o.Version)),
		resource.WithFromEnv(),
	)
	if errors.Is(err, resource.ErrPartialResource) {
		t.Logger.WarnContext(ctx, "part of OTEL_RESOURCE_ATTRIBUTES is ignored", slog.Any("error", err))
	} else if err != nil {
		return nil, fmt.Errorf("describe the service for telemetry: %w", err)
	}
	if err := t.startMetrics(res); err != nil {
		return nil, err
	}
	if err := t.startTraces(ctx, res, o.Env); err != nil {
		return nil, errors.Join(err, t.Shutdown(ctx))
	}
	return t, nil
}

// Tracer makes a tracer for the package or component called name.
func (t *Telemetry) Tracer(name string) trace.Tracer { return t.TracerProvider.Tracer(name) }

// Meter makes a meter for the package or component called name.
func (t *Telemetry) Meter(name string) metric.Meter { return t.MeterProvider.Meter(name) }

// Shutdown exports what is still buffered and ends both providers. What could not be exported when ctx ends is lost.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	var errs []error
	for _, end := range t.shutdown {
		errs = append(errs, end(ctx))
	}
	t.shutdown = nil
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("shut down telemetry: %w", err)
	}
	return nil
}

func (t *Telemetry) startMetrics(res *resource.Resource) error {
	for _, c := range []prometheus.Collector{
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		if err := t.Registry.Register(c); err != nil {
			return fmt.Errorf("register collector: %w", err)
		}
	}
	exporter, err := otelprometheus.New(
		otelprometheus.WithRegisterer(t.Registry),
		otelprometheus.WithAggregationSelector(aggregation),
		// Names are ours alone by their prefix; three more labels on each series would say nothing.
		otelprometheus.WithoutScopeInfo(),
	)
	if err != nil {
		return fmt.Errorf("export metrics to prometheus: %w", err)
	}
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithResource(res), sdkmetric.WithReader(exporter), sdkmetric.WithView(streams))
	t.MeterProvider = provider
	t.shutdown = append(t.shutdown, provider.Shutdown)
	return nil
}

func (t *Telemetry) startTraces(ctx context.Context, res *resource.Resource, env envconfig.Lookuper) error {
	if !exportsTraces(env) {
		t.TracerProvider = noop.NewTracerProvider()
		return nil
	}
	exporter, err := otlptracegrpc.New(ctx)
	if err != nil {
		return fmt.Errorf("export traces by OTLP: %w", err)
	}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithResource(res),
		sdktrace.WithBatcher(&reportingExporter{next: exporter, logger: t.Logger}),
	)
	t.TracerProvider = provider
	// Spans first: ending them may still count something.
	t.shutdown = append([]func(context.Context) error{provider.Shutdown}, t.shutdown...)
	return nil
}

// exportsTraces follows the OpenTelemetry specification of environment variables: an empty one counts as not set, and
// "true" is the only word that disables the SDK, in any case.
func exportsTraces(env envconfig.Lookuper) bool {
	if env == nil {
		return false
	}
	if disabled, _ := env.Lookup("OTEL_SDK_DISABLED"); strings.EqualFold(strings.TrimSpace(disabled), "true") {
		return false
	}
	for _, key := range []string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"} {
		if endpoint, _ := env.Lookup(key); endpoint != "" {
			return true
		}
	}
	return false
}

func newLogger(o Options) *slog.Logger {
	w := o.LogWriter
	if w == nil {
		w = os.Stderr
	}
	json := slog.NewJSONHandler(w, &slog.HandlerOptions{Level: o.Level})
	return slog.New(newTraceHandler(json)).With(slog.String("service", o.Service))
}
