package enricher

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

const (
	// maxLookedThrough is how many events of a customer are looked through for one whose sender named no contract; of a
	// longer burst it is assumed that there was one, which costs reads and loses nothing.
	maxLookedThrough = 64
	// appendedTogether bounds the events that wait for their acknowledgement at the same time.
	appendedTogether = 256
)

// tellContracts appends an event for each contract of a customer whose sender named the customer alone: those that the ERP
// lists now, and those that it listed before. It is the ERP that says which these are.
//
// A repetition causes nothing twice: the events are named by the customer's own event, and a contract that has an event after
// that one is read after it in any case.
func (e *enricher) tellContracts(ctx context.Context, k key.Key, st state, mapped profile.Mapped) error {
	if k.Kind != key.Customer || !e.reader.Supports(key.Contract) {
		return nil
	}
	asked, err := e.askedForContracts(ctx, k, st)
	if err != nil || asked.IsZero() {
		return err
	}
	ids := slices.Concat(mapped.ContractIDs, st.snap.Value.GetContractIds())
	slices.Sort(ids)
	var events []eventlog.Event
	for _, id := range slices.Compact(ids) {
		contract, err := key.New(k.Source, key.Contract, id)
		if err != nil {
			continue // No key, so nothing that could be read.
		}
		last, found, err := e.log.Last(ctx, contract)
		if err != nil {
			return err
		}
		if found && last.Position.Compare(asked) > 0 {
			continue
		}
		event, err := eventlog.NewEvent(ctx, e.propagator, eventlog.Change{
			Key: contract, Origin: bridgev1.Origin_ORIGIN_CUSTOMER, ReceivedAt: time.Now(), CausedBy: &k,
			SenderID: "caused-by " + k.String() + " " + asked.String(),
		})
		if err != nil {
			return err
		}
		events = append(events, event)
	}
	for part := range slices.Chunk(events, appendedTogether) {
		_, errs := e.log.Append(ctx, part)
		if err := errors.Join(errs...); err != nil {
			return err
		}
	}
	return nil
}

// askedForContracts is the newest event of a customer since its snapshot that names the customer alone; zero if there is none.
// The window has made one ticket of all of them, so the log is asked.
func (e *enricher) askedForContracts(ctx context.Context, k key.Key, st state) (position.Position, error) {
	var asked position.Position
	seen := 0
	err := e.log.Changes(ctx, k, position.FromProto(st.snap.Value.GetCovers()), st.need.Position,
		func(at position.Position, c *bridgev1.Change) error {
			if seen++; seen > maxLookedThrough {
				asked = st.need.Position
				return eventlog.ErrEnough
			}
			if c.GetWithContracts() {
				asked = at
			}
			return nil
		})
	return asked, err
}
