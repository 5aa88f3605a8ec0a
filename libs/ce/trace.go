package ce

import "github.com/nats-io/nats.go"

// TraceCarrier lets an OpenTelemetry propagator read and write the W3C headers of a NATS message, in lower case as the
// recommendation spells them. It implements propagation.TextMapCarrier.
type TraceCarrier nats.Header

// Get returns the first value of a header.
func (c TraceCarrier) Get(name string) string {
	if values := c[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// Set replaces a header.
func (c TraceCarrier) Set(name, value string) { c[name] = []string{value} }

// Keys lists the headers.
func (c TraceCarrier) Keys() []string {
	names := make([]string, 0, len(c))
	for name := range c {
		names = append(names, name)
	}
	return names
}
