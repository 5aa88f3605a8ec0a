package publisher

import (
	"context"
	"errors"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/libs/record"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// rehearse settles a snapshot as if an operator had dropped it, and tells what would have been sent. What Enneo has is not
// known to be this, so that the next delivery that is no rehearsal is sent.
func (d *deliverer) rehearse(ctx context.Context, k key.Key, snap snapshot, entry ledger.Entry) error {
	reason := ledger.DryRunPut
	if snap.Value.GetGone() {
		reason = ledger.DryRunDelete
	}
	ledger.Settle(entry.Value, position.FromProto(snap.Value.GetCovers()), logTime(snap.Value), bridgev1.Outcome_OUTCOME_DROPPED, reason)
	entry.Value.Intent, entry.Value.ContentHash, entry.Value.Redeliver = nil, "", false
	_, err := d.ledger.Put(ctx, k.String(), entry.Value, entry.Revision)
	if errors.Is(err, record.ErrConflict) {
		return nil // It is looked at again.
	}
	if err == nil {
		d.metrics.settled(ctx, k, bridgev1.Outcome_OUTCOME_DROPPED, snap.Value)
		d.logger.InfoContext(ctx, "not sent to enneo", "source", k.Source, "kind", string(k.Kind), "reason", reason, "bytes", len(snap.Value.GetBody()))
	}
	return err
}
