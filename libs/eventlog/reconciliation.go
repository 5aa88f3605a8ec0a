package eventlog

import (
	"context"

	"github.com/enneo-ai/enneo-bridge/libs/record"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// ReconciliationDue tells whether the log may have lost events, so that everything has to be compared with the ERPs, and the
// epoch for which that holds.
func (l *Log) ReconciliationDue(ctx context.Context) (due bool, epoch uint64, err error) {
	entry, err := l.epochs.Get(ctx, epochRecord)
	return entry.Value.GetReconciliationDue(), entry.Value.GetEpoch(), err
}

// Reconciled notes that everything was compared with every ERP in that epoch. In a later one it is due still.
func (l *Log) Reconciled(ctx context.Context, epoch uint64) error {
	_, err := l.epochs.Change(ctx, epochRecord, func(e *bridgev1.LogEpoch) error {
		if e.GetEpoch() != epoch || !e.GetReconciliationDue() {
			return record.ErrUnchanged
		}
		e.ReconciliationDue = false
		return nil
	})
	return err
}
