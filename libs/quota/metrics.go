package quota

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Observe shows the quota in metrics under the name of its target: quota.shared (1 while Redis shares it among the replicas, 0
// while each keeps its part), quota.in.use and quota.refusals.
func (q *Quota) Observe(meter metric.Meter, target string) error {
	shared, sharedErr := meter.Int64ObservableGauge("quota.shared", metric.WithUnit("{replica}"),
		metric.WithDescription("1 while all replicas share the limits of a target, 0 while Redis is away and each keeps its part, by target"))
	used, usedErr := meter.Int64ObservableGauge("quota.in.use", metric.WithUnit("{request}"),
		metric.WithDescription("Requests to a target that this replica has under way, by target"))
	refusals, refusalsErr := meter.Int64ObservableCounter("quota.refusals", metric.WithUnit("{time}"),
		metric.WithDescription("How often a request had to wait for the limits of a target: rate, concurrency or a Retry-After, by target"))
	if err := errors.Join(sharedErr, usedErr, refusalsErr); err != nil {
		return fmt.Errorf("make instrument: %w", err)
	}
	of := metric.WithAttributes(attribute.String("target", target))
	_, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		q.mu.Lock()
		defer q.mu.Unlock()
		together := int64(1)
		if q.gone {
			together = 0
		}
		o.ObserveInt64(shared, together, of)
		o.ObserveInt64(used, int64(q.inUse), of)
		o.ObserveInt64(refusals, q.refusals, of)
		return nil
	}, shared, used, refusals)
	if err != nil {
		return fmt.Errorf("observe the quota of %s: %w", target, err)
	}
	return nil
}
