// Package snapshot stores what was read in an ERP and passes it on to the publisher: what every reader of an ERP does once it
// knows what its read covers.
//
// # Guarantees
//
// A stored snapshot is never replaced by one that covers less; of two that cover the same, the later read wins. A ticket is
// sent after the snapshot is stored. Events for customers are named by the read, so a repetition causes nothing twice.
//
// # Concurrency
//
// A Shelf is safe for concurrent use, by any number of processes.
package snapshot

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"go.opentelemetry.io/otel/propagation"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/enneo"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/pipeline"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
	"github.com/enneo-ai/enneo-bridge/libs/record"
	"github.com/enneo-ai/enneo-bridge/libs/ticket"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// Shelf is where snapshots are kept, with the way on to the publisher.
type Shelf struct {
	Bus        *bus.Bus
	Log        *eventlog.Log
	Snapshots  *pipeline.Snapshots
	Propagator propagation.TextMapPropagator
}

// Of makes the snapshot of a read that began then and covers the event; profileRef names the profile that mapped it.
func Of(covers eventlog.Last, mapped profile.Mapped, began time.Time, profileRef string) (*bridgev1.Snapshot, error) {
	next := &bridgev1.Snapshot{
		Covers:         covers.Position.Proto(),
		ReadStartedAt:  timestamppb.New(began),
		ReadFinishedAt: timestamppb.Now(),
		Gone:           mapped.Gone,
		Profile:        profileRef,
	}
	if !covers.At.IsZero() {
		next.CoversLogTime = timestamppb.New(covers.At)
	}
	if mapped.Gone {
		return next, nil
	}
	body, err := enneo.Canonical(mapped.Body)
	if err != nil {
		return nil, err
	}
	next.Body, next.CustomerId, next.ContractIds = body, mapped.CustomerID, mapped.ContractIDs
	return next, nil
}

// Store keeps the snapshot unless a stored one covers more, or as much by a later read. It returns what the stored snapshot covers.
func (s *Shelf) Store(ctx context.Context, k key.Key, next *bridgev1.Snapshot) (position.Position, error) {
	mine := position.FromProto(next.GetCovers())
	entry, err := s.Snapshots.Change(ctx, k.String(), func(stored *bridgev1.Snapshot) error {
		theirs := position.FromProto(stored.GetCovers())
		switch c := theirs.Compare(mine); {
		case c > 0, c == 0 && stored.GetReadStartedAt() != nil && stored.GetReadStartedAt().AsTime().After(next.GetReadStartedAt().AsTime()):
			return record.ErrUnchanged
		}
		proto.Reset(stored)
		proto.Merge(stored, next)
		return nil
	})
	if err != nil {
		return position.Position{}, err
	}
	if entry.Value.GetGone() {
		// Each write erases what it replaces; this finds what was left by a process that died in between.
		if err := s.Snapshots.EraseOlder(ctx, k.String()); err != nil {
			return position.Position{}, err
		}
	}
	return position.FromProto(entry.Value.GetCovers()), nil
}

// Ticket is the message that passes a key on to the publisher.
func (s *Shelf) Ticket(ctx context.Context, t ticket.Ticket) (*nats.Msg, error) {
	return ticket.Encode(ctx, s.Propagator, bus.StagePublish, t, time.Now())
}

// Pass sends the key on to the publisher.
func (s *Shelf) Pass(ctx context.Context, t ticket.Ticket) error {
	msg, err := s.Ticket(ctx, t)
	if err != nil {
		return err
	}
	_, err = s.Bus.Publish(ctx, msg)
	return err
}

// TellCustomers appends an event for each customer whose list of contracts no longer fits what was read of a contract: its
// customer is not known or does not list it, or the one that it had before still does. formerCustomer is the one of the stored
// snapshot, empty for none; read is the position that the read covers.
func (s *Shelf) TellCustomers(ctx context.Context, contract key.Key, read position.Position, formerCustomer string, mapped profile.Mapped) error {
	var events []eventlog.Event
	for _, c := range []struct {
		id    string
		lists bool // whether the customer should list the contract
	}{
		{id: mapped.CustomerID, lists: true},
		{id: formerCustomer, lists: false},
	} {
		if c.id == "" || !c.lists && c.id == mapped.CustomerID {
			continue
		}
		customer, err := key.New(contract.Source, key.Customer, c.id)
		if err != nil {
			continue // No key, so nothing that could be read; the contract itself is delivered.
		}
		known, err := s.Snapshots.Get(ctx, customer.String())
		if err != nil {
			return err
		}
		if slices.Contains(known.Value.GetContractIds(), contract.ID) == c.lists {
			continue
		}
		event, err := eventlog.NewEvent(ctx, s.Propagator, eventlog.Change{
			Key: customer, Origin: bridgev1.Origin_ORIGIN_CUSTOMER, ReceivedAt: time.Now(), CausedBy: &contract,
			// The same read, repeated, causes the same event.
			SenderID: "caused-by " + contract.String() + " " + read.String(),
		})
		if err != nil {
			return err
		}
		events = append(events, event)
	}
	_, errs := s.Log.Append(ctx, events)
	return errors.Join(errs...)
}
