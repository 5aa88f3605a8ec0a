// Package otlpsink stands in for a collector of traces: it takes what services export by OTLP over gRPC and keeps it.
//
// # Concurrency
//
// A Sink is safe for concurrent use.
package otlpsink

import (
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"sync"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
)

// Span is a span as it was exported. Ids are in hexadecimal; Parent is empty for the first of a trace.
type Span struct {
	Service, Name     string
	Trace, ID, Parent string
	Links             []Link
	Attributes        map[string]string
	// Failed: its status is an error.
	Failed bool
}

// Link is where a span links to.
type Link struct{ Trace, Span string }

// Sink keeps spans. Make one with Open, and Close it.
type Sink struct {
	collectorpb.UnimplementedTraceServiceServer

	// Endpoint is what OTEL_EXPORTER_OTLP_ENDPOINT would hold.
	Endpoint string

	server *grpc.Server
	mu     sync.Mutex
	spans  []Span
}

// Open listens on a free port of this machine.
func Open(ctx context.Context) (*Sink, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for traces: %w", err)
	}
	s := &Sink{Endpoint: "http://" + listener.Addr().String(), server: grpc.NewServer()}
	collectorpb.RegisterTraceServiceServer(s.server, s)
	// It ends with Close, and what it returns then says nothing.
	go func() { _ = s.server.Serve(listener) }()
	return s, nil
}

// Close ends the server.
func (s *Sink) Close() { s.server.Stop() }

// Spans are all spans that have arrived, in no order.
func (s *Sink) Spans() []Span {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Span(nil), s.spans...)
}

// Export implements collectorpb.TraceServiceServer.
func (s *Sink) Export(_ context.Context, r *collectorpb.ExportTraceServiceRequest) (*collectorpb.ExportTraceServiceResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, of := range r.GetResourceSpans() {
		service := ""
		for _, a := range of.GetResource().GetAttributes() {
			if a.GetKey() == "service.name" {
				service = a.GetValue().GetStringValue()
			}
		}
		for _, scope := range of.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				s.spans = append(s.spans, read(service, span))
			}
		}
	}
	return &collectorpb.ExportTraceServiceResponse{}, nil
}

func read(service string, span *tracepb.Span) Span {
	read := Span{
		Service: service, Name: span.GetName(), Trace: hex.EncodeToString(span.GetTraceId()), ID: hex.EncodeToString(span.GetSpanId()),
		Parent: hex.EncodeToString(span.GetParentSpanId()), Attributes: map[string]string{},
		Failed: span.GetStatus().GetCode() == tracepb.Status_STATUS_CODE_ERROR,
	}
	for _, link := range span.GetLinks() {
		read.Links = append(read.Links, Link{Trace: hex.EncodeToString(link.GetTraceId()), Span: hex.EncodeToString(link.GetSpanId())})
	}
	for _, a := range span.GetAttributes() {
		text := a.GetValue().GetStringValue()
		if text == "" {
			text = fmt.Sprint(a.GetValue().GetIntValue())
		}
		read.Attributes[a.GetKey()] = text
	}
	return read
}
