package erp

import (
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/enneo-ai/enneo-bridge/libs/fault"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
)

// spanOptions describe the span of one request. otelhttp is not used, since it records the whole URL.
func (c *Client) spanOptions(op profile.Operation) []trace.SpanStartOption {
	attributes := []attribute.KeyValue{attribute.String("enneobridge.source", c.source.Name), attribute.String("enneobridge.operation", string(op))}
	if c.source.Host != nil {
		attributes = append(attributes, attribute.String("server.address", c.source.Host.Hostname()))
	}
	return []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attributes...)}
}

func endSpan(span trace.Span, status int, err error) {
	if status != 0 {
		span.SetAttributes(attribute.Int("http.response.status_code", status))
	}
	if err != nil {
		reason := fault.Of(err).Reason
		span.SetAttributes(attribute.String("error.type", reason))
		span.SetStatus(codes.Error, reason)
	}
}
