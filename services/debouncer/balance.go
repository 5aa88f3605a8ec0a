package debouncer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
	"github.com/enneo-ai/enneo-bridge/services/debouncer/internal/openkeys"
)

// balance exports accepted = settled + open, per source. Only the replica that leads exports anything, and its figures go on
// where those of its predecessor stopped: so sums over all replicas are right, up to the moments of a change.
type balance struct {
	accepted, settled, expired  metric.Int64ObservableCounter
	freshnessGood, freshnessAll metric.Int64ObservableCounter
	openKeys, openEvents        metric.Int64ObservableGauge
	oldest                      metric.Float64ObservableGauge
	leading                     metric.Int64ObservableGauge
}

// exportBalance exports what the book says, while there is one.
func exportBalance(meter metric.Meter, book func() *openkeys.Book) error {
	var b balance
	var errs [9]error
	b.accepted, errs[0] = meter.Int64ObservableCounter("events.accepted", metric.WithUnit("{event}"),
		metric.WithDescription("Events in the log, by source and origin"))
	b.settled, errs[1] = meter.Int64ObservableCounter("events.settled", metric.WithUnit("{event}"),
		metric.WithDescription("Events settled, by source and outcome; superseded: covered by a newer event of the key"))
	b.expired, errs[2] = meter.Int64ObservableCounter("events.expired", metric.WithUnit("{event}"),
		metric.WithDescription("Events of sources that are not configured, which left the log before anything settled them"))
	b.freshnessGood, errs[3] = meter.Int64ObservableCounter("freshness.good", metric.WithUnit("{event}"),
		metric.WithDescription("Events settled within the freshness objective, by source"))
	b.freshnessAll, errs[4] = meter.Int64ObservableCounter("freshness.all", metric.WithUnit("{event}"),
		metric.WithDescription("Events settled, dead letters included and those dropped by an operator not, by source"))
	b.openKeys, errs[5] = meter.Int64ObservableGauge("keys.open", metric.WithUnit("{key}"),
		metric.WithDescription("Keys with open events, or that are owed a delivery, by source"))
	b.openEvents, errs[6] = meter.Int64ObservableGauge("events.open", metric.WithUnit("{event}"),
		metric.WithDescription("Events that are not settled, by source"))
	b.oldest, errs[7] = meter.Float64ObservableGauge("events.open.oldest.age", metric.WithUnit("s"),
		metric.WithDescription("Age of the oldest open event, by source; 0 if none is open"))
	b.leading, errs[8] = meter.Int64ObservableGauge("sweeper.leading", metric.WithUnit("{replica}"),
		metric.WithDescription("1 while this replica leads and knows every open key, else 0"))
	if err := errors.Join(errs[:]...); err != nil {
		return fmt.Errorf("make instrument: %w", err)
	}
	_, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		b.observe(o, book())
		return nil
	}, b.accepted, b.settled, b.expired, b.freshnessGood, b.freshnessAll, b.openKeys, b.openEvents, b.oldest, b.leading)
	if err != nil {
		return fmt.Errorf("export the balance: %w", err)
	}
	return nil
}

func (b *balance) observe(o metric.Observer, book *openkeys.Book) {
	if book == nil {
		o.ObserveInt64(b.leading, 0)
		return
	}
	o.ObserveInt64(b.leading, 1)
	for name, s := range book.Summaries() {
		source := attribute.String("source", name)
		for i, n := range s.Accepted {
			if n > 0 {
				origin := attribute.String("origin", eventlog.OriginWord(bridgev1.Origin(i)))
				o.ObserveInt64(b.accepted, count(n), metric.WithAttributes(source, origin))
			}
		}
		for i, n := range s.Settled {
			if n > 0 {
				outcome := attribute.String("outcome", openkeys.OutcomeWord(bridgev1.Outcome(i)))
				o.ObserveInt64(b.settled, count(n), metric.WithAttributes(source, outcome))
			}
		}
		of := metric.WithAttributes(source)
		o.ObserveInt64(b.expired, count(s.Expired), of)
		o.ObserveInt64(b.freshnessGood, count(s.Fresh), of)
		o.ObserveInt64(b.freshnessAll, count(s.Fresh+s.Stale), of)
		o.ObserveInt64(b.openKeys, count(s.OpenKeys), of)
		o.ObserveInt64(b.openEvents, count(s.OpenEvents), of)
		var age float64
		if s.OpenEvents > 0 {
			age = max(0, time.Since(s.Oldest).Seconds())
		}
		o.ObserveFloat64(b.oldest, age, of)
	}
}

// count is a number as instruments want it.
func count(n uint64) int64 { return int64(n) }
