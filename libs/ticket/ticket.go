// Package ticket makes and reads tickets, the small CloudEvents that say "this key has events up to there".
//
// A ticket may be repeated, replaced, reordered or lost without harm, since whoever gets one looks at the truth before it
// acts. So it carries no Nats-Msg-Id: nothing that must happen can be swallowed as a duplicate.
//
// Everything here is safe for concurrent use.
package ticket

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"go.opentelemetry.io/otel/propagation"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/ce"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// Ticket says that a key has events up to a position.
type Ticket struct {
	Key      key.Key
	Position position.Position
	// Collapsed is how many events the window had; for people and metrics.
	Collapsed uint64
	// FirstEventAt is when the window's first event arrived; zero if unknown.
	FirstEventAt time.Time
}

// Encode writes a ticket for a stage, with the trace of ctx.
func Encode(ctx context.Context, propagator propagation.TextMapPropagator, stage bus.Stage, t Ticket, now time.Time) (*nats.Msg, error) {
	eventType := ce.TypeReady
	if stage == bus.StageEnrich {
		eventType = ce.TypeDue
	}
	data := &bridgev1.Ticket{
		Key:       &bridgev1.Key{Source: t.Key.Source, Kind: string(t.Key.Kind), Id: t.Key.ID},
		Position:  t.Position.Proto(),
		Collapsed: t.Collapsed,
		IssuedAt:  timestamppb.New(now),
	}
	if !t.FirstEventAt.IsZero() {
		data.FirstEventAt = timestamppb.New(t.FirstEventAt)
	}
	ev, err := ce.New(uuid.NewString(), "/sources/"+t.Key.Source, eventType, t.Key.String(), now, data)
	if err != nil {
		return nil, err
	}
	msg, err := ce.Encode(stage.Subject(t.Key), ev)
	if err != nil {
		return nil, err
	}
	propagator.Inject(ctx, ce.TraceCarrier(msg.Header))
	return msg, nil
}

// Decode reads a ticket. The subject is what names the key; a ticket that names another one in its data is refused.
func Decode(stage bus.Stage, subject string, header nats.Header, data []byte) (Ticket, error) {
	k, err := stage.KeyOf(subject)
	if err != nil {
		return Ticket{}, fmt.Errorf("subject of a ticket: %w", err)
	}
	ev, err := ce.Decode(header, data)
	if err != nil {
		return Ticket{}, fmt.Errorf("ticket: %w", err)
	}
	var t bridgev1.Ticket
	if err := ce.UnmarshalData(ev.Data(), &t); err != nil {
		return Ticket{}, fmt.Errorf("ticket: %w", err)
	}
	if ev.Subject() != k.String() {
		return Ticket{}, fmt.Errorf("ticket names another key than its subject: %w", ce.ErrNotCloudEvent)
	}
	return Ticket{
		Key: k, Position: position.FromProto(t.GetPosition()), Collapsed: t.GetCollapsed(),
		FirstEventAt: timeOf(t.GetFirstEventAt()),
	}, nil
}

func timeOf(ts *timestamppb.Timestamp) time.Time {
	if ts == nil {
		return time.Time{}
	}
	return ts.AsTime()
}
