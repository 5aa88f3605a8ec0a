package publisher

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/enneo-ai/enneo-bridge/libs/brake"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// braked returns errEarly while an operator has to look first. Asking for it counts the request as sent.
func (d *deliverer) braked(ctx context.Context, s *bridgev1.Snapshot) error {
	operation := brake.Write
	if s.GetGone() {
		operation = brake.Delete
	}
	wait, err := d.brake.Allow(ctx, operation)
	if err == nil && wait > 0 {
		err = errEarly{pause: wait}
	}
	return err
}

// exportBrakes tells which requests wait for an operator.
func exportBrakes(meter metric.Meter, brakes map[string]*brake.Brake) error {
	gauge, err := meter.Int64ObservableGauge("brake.engaged",
		metric.WithDescription("1 while deletes or writes of a source wait for an operator (bridge brake), by source and operation"))
	if err != nil {
		return fmt.Errorf("make instrument: %w", err)
	}
	_, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		for source, b := range brakes {
			for _, op := range []brake.Operation{brake.Delete, brake.Write} {
				engaged := int64(0)
				if b.Stopped(op) {
					engaged = 1
				}
				o.ObserveInt64(gauge, engaged, metric.WithAttributes(attribute.String("source", source), attribute.String("operation", string(op))))
			}
		}
		return nil
	}, gauge)
	if err != nil {
		return fmt.Errorf("observe the brakes: %w", err)
	}
	return nil
}
