package redisx

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/metric"
)

// Observe shows in metrics what was read last: redis.evicts (1 if Redis may remove our keys), redis.memory.used and, if
// there is one, redis.memory.limit; of a cluster those of the node that is fullest. Nothing is shown before Redis has answered.
func (e *Eviction) Observe(meter metric.Meter) error {
	evicts, evictsErr := meter.Int64ObservableGauge("redis.evicts", metric.WithUnit("{server}"),
		metric.WithDescription("1 while Redis may evict keys of ours when its memory is full (maxmemory-policy is not noeviction), else 0"))
	used, usedErr := meter.Int64ObservableGauge("redis.memory.used", metric.WithUnit("By"),
		metric.WithDescription("Memory that Redis uses, of its fullest node"))
	limit, limitErr := meter.Int64ObservableGauge("redis.memory.limit", metric.WithUnit("By"),
		metric.WithDescription("Memory that Redis may use (maxmemory), of its fullest node; missing without a limit"))
	if err := errors.Join(evictsErr, usedErr, limitErr); err != nil {
		return fmt.Errorf("make instrument: %w", err)
	}
	_, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		e.mu.Lock()
		defer e.mu.Unlock()
		if !e.looked {
			return nil
		}
		wrong := int64(0)
		if e.err != nil {
			wrong = 1
		}
		o.ObserveInt64(evicts, wrong)
		o.ObserveInt64(used, e.memory.used)
		if e.memory.limit > 0 {
			o.ObserveInt64(limit, e.memory.limit)
		}
		return nil
	}, evicts, used, limit)
	if err != nil {
		return fmt.Errorf("observe redis: %w", err)
	}
	return nil
}

// memory is what a server says of its memory, in bytes.
type memory struct{ used, limit int64 }

// fuller is the one of two that has used more of its limit; of those without a limit, more.
func (m memory) fuller(than memory) bool {
	share := func(m memory) float64 {
		if m.limit == 0 {
			return 0
		}
		return float64(m.used) / float64(m.limit)
	}
	if mine, theirs := share(m), share(than); mine != theirs {
		return mine > theirs
	}
	return m.used > than.used
}
