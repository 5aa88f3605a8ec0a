package enricher

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// tellCustomers appends an event for each customer whose list of contracts no longer fits what was read of a contract: its
// customer is not known or does not list it, or the one that it had before still does.
func (e *enricher) tellCustomers(ctx context.Context, k key.Key, st state, mapped profile.Mapped) error {
	if k.Kind != key.Contract || !e.reader.Supports(key.Customer) {
		return nil
	}
	var events []eventlog.Event
	for _, c := range []struct {
		id    string
		lists bool // whether the customer should list the contract
	}{
		{id: mapped.CustomerID, lists: true},
		{id: st.snap.Value.GetCustomerId(), lists: false},
	} {
		if c.id == "" || !c.lists && c.id == mapped.CustomerID {
			continue
		}
		customer, err := key.New(k.Source, key.Customer, c.id)
		if err != nil {
			continue // No key, so nothing that could be read; the contract itself is delivered.
		}
		known, err := e.snapshots.Get(ctx, customer.String())
		if err != nil {
			return err
		}
		if slices.Contains(known.Value.GetContractIds(), k.ID) == c.lists {
			continue
		}
		event, err := eventlog.NewEvent(ctx, e.propagator, eventlog.Change{
			Key: customer, Origin: bridgev1.Origin_ORIGIN_CUSTOMER, ReceivedAt: time.Now(), CausedBy: &k,
			// The same read, repeated, causes the same event.
			SenderID: "caused-by " + k.String() + " " + st.need.Position.String(),
		})
		if err != nil {
			return err
		}
		events = append(events, event)
	}
	_, errs := e.log.Append(ctx, events)
	return errors.Join(errs...)
}
