package publisher

import (
	"context"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// sequence is which of a contract and its customer Enneo gets first.
type sequence string

const (
	contractFirst sequence = "contract-first"
	customerFirst sequence = "customer-first"
	anyOrder      sequence = "any"
)

func sequences() []sequence { return []sequence{contractFirst, customerFirst, anyOrder} }

// order makes one of them wait for the other when Enneo gets it for the first time, but no longer than wait after its read.
type order struct {
	sequence sequence
	wait     time.Duration
}

const (
	orderPause = time.Second
	// maxRelatives is how many of a customer's contracts are looked at.
	maxRelatives = 20
)

// errEarly says that it is not the key's turn yet; nothing has failed.
type errEarly struct{ pause time.Duration }

func (errEarly) Error() string { return "something else comes first" }

// inOrder returns errEarly while a key that Enneo does not know yet has to wait for another one that is on its way there.
// Nothing waits for a dead letter, for what is gone, or for what nobody has heard of.
func (d *deliverer) inOrder(ctx context.Context, k key.Key, snap snapshot, entry ledger.Entry) error {
	waits := d.order.sequence == contractFirst && k.Kind == key.Customer || d.order.sequence == customerFirst && k.Kind == key.Contract
	if !waits || snap.Value.GetGone() || entry.Value.GetOutcome() != bridgev1.Outcome_OUTCOME_UNSPECIFIED {
		return nil
	}
	left := d.order.wait - time.Since(snap.Value.GetReadFinishedAt().AsTime())
	if left <= 0 {
		return nil
	}
	under := false
	for _, relative := range relatives(k, snap.Value) {
		known, onItsWay, err := d.whereabouts(ctx, relative)
		if err != nil || known {
			return err
		}
		under = under || onItsWay
	}
	if !under {
		return nil
	}
	return errEarly{pause: min(left, orderPause)}
}

// relatives are a customer's contracts, or a contract's customer.
func relatives(k key.Key, s *bridgev1.Snapshot) (all []key.Key) {
	kind, ids := key.Contract, s.GetContractIds()
	if k.Kind == key.Contract {
		kind, ids = key.Customer, []string{s.GetCustomerId()}
	}
	for _, id := range ids[:min(len(ids), maxRelatives)] {
		if relative, err := key.New(k.Source, kind, id); err == nil {
			all = append(all, relative)
		}
	}
	return all
}

// whereabouts tells whether Enneo knows a key, and if not, whether it is on its way there.
func (d *deliverer) whereabouts(ctx context.Context, k key.Key) (known, onItsWay bool, err error) {
	entry, err := d.ledger.Get(ctx, k.String())
	if err != nil {
		return false, false, err
	}
	switch entry.Value.GetOutcome() {
	case bridgev1.Outcome_OUTCOME_DELIVERED, bridgev1.Outcome_OUTCOME_UNCHANGED:
		return true, false, nil
	case bridgev1.Outcome_OUTCOME_UNSPECIFIED:
	default: // It has ended otherwise; what comes next for it comes in its own time.
		return false, false, nil
	}
	snap, err := d.snapshots.Get(ctx, k.String())
	if err != nil {
		return false, false, err
	}
	if !position.FromProto(snap.Value.GetCovers()).IsZero() {
		return false, !snap.Value.GetGone(), nil
	}
	_, found, err := d.log.Last(ctx, k)
	return false, found, err
}
