package ce_test

import (
	"context"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/enneo-ai/enneo-bridge/libs/ce"
)

func TestTraceTravelsInTheHeaders(t *testing.T) {
	t.Parallel()
	state, err := trace.ParseTraceState("vendor=x")
	if err != nil {
		t.Fatal(err)
	}
	want := trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1, 2, 3}, SpanID: trace.SpanID{4, 5}, TraceFlags: trace.FlagsSampled, TraceState: state, Remote: true,
	})
	header := nats.Header{}
	propagation.TraceContext{}.Inject(trace.ContextWithSpanContext(t.Context(), want), ce.TraceCarrier(header))
	wantHeader := nats.Header{
		"traceparent": {"00-01020300000000000000000000000000-0405000000000000-01"},
		"tracestate":  {"vendor=x"},
	}
	if diff := cmp.Diff(wantHeader, header); diff != "" {
		t.Errorf("header differs (-want +got):\n%s", diff)
	}
	got := trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), ce.TraceCarrier(header)))
	if !got.Equal(want) {
		t.Errorf("span context = %v, want %v", got, want)
	}
	keys := ce.TraceCarrier(header).Keys()
	slices.Sort(keys)
	if diff := cmp.Diff([]string{"traceparent", "tracestate"}, keys); diff != "" {
		t.Errorf("keys differ (-want +got):\n%s", diff)
	}
}

func TestNoTraceIsNoTrace(t *testing.T) {
	t.Parallel()
	got := trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), ce.TraceCarrier(nats.Header{})))
	if got.IsValid() {
		t.Errorf("span context = %v, want none", got)
	}
}
