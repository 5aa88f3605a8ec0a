package gate

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// account is what a gate counts of itself.
type account struct {
	shuts  int64 // how often it has shut
	passed int64 // probes after which it opened
	failed int64 // probes after which it stayed shut
	shutAt time.Time
	shut   time.Duration // how long it was shut, without the present time
}

// Observe shows the gate in metrics under the name of its target: gate.state (0 open, 1 shut, 2 half-open: the pause is over and
// one probe at a time may go), gate.shuts, gate.probes by result, and gate.shut.time.
func (g *Gate) Observe(meter metric.Meter, target string) error {
	state, stateErr := meter.Int64ObservableGauge("gate.state",
		metric.WithDescription("Circuit breaker: 0 open for requests, 1 shut, 2 half-open (one probe at a time), by target"))
	shuts, shutsErr := meter.Int64ObservableCounter("gate.shuts", metric.WithUnit("{time}"),
		metric.WithDescription("How often the circuit breaker has stopped all requests, by target"))
	probes, probesErr := meter.Int64ObservableCounter("gate.probes", metric.WithUnit("{request}"),
		metric.WithDescription("Requests that tried a target whose circuit breaker was half-open, by target and result: passed, failed"))
	length, lengthErr := meter.Float64ObservableCounter("gate.shut.time", metric.WithUnit("s"),
		metric.WithDescription("How long the circuit breaker was shut or half-open, by target"))
	for _, err := range []error{stateErr, shutsErr, probesErr, lengthErr} {
		if err != nil {
			return fmt.Errorf("make instrument: %w", err)
		}
	}
	of := attribute.String("target", target)
	_, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		word, a, shut := g.account()
		o.ObserveInt64(state, word, metric.WithAttributes(of))
		o.ObserveInt64(shuts, a.shuts, metric.WithAttributes(of))
		o.ObserveInt64(probes, a.passed, metric.WithAttributes(of, attribute.String("result", "passed")))
		o.ObserveInt64(probes, a.failed, metric.WithAttributes(of, attribute.String("result", "failed")))
		o.ObserveFloat64(length, shut.Seconds(), metric.WithAttributes(of))
		return nil
	}, state, shuts, probes, length)
	if err != nil {
		return fmt.Errorf("observe the gate to %s: %w", target, err)
	}
	return nil
}

// account returns the state as gate.state has it, what was counted, and how long the gate was shut up to now.
func (g *Gate) account() (state int64, a account, shut time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	a, shut = g.counted, g.counted.shut
	if g.shut {
		shut += time.Since(a.shutAt)
		if state = 1; !time.Now().Before(g.until) {
			state = 2
		}
	}
	return state, a, shut
}
