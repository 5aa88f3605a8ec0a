package publisher

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/enneo-ai/enneo-bridge/libs/brake"
	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/ce"
	"github.com/enneo-ai/enneo-bridge/libs/deadletter"
	"github.com/enneo-ai/enneo-bridge/libs/enneo"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/fault"
	"github.com/enneo-ai/enneo-bridge/libs/gate"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/pause"
	"github.com/enneo-ai/enneo-bridge/libs/pipeline"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/libs/pressure"
	"github.com/enneo-ai/enneo-bridge/libs/quota"
	"github.com/enneo-ai/enneo-bridge/libs/record"
	"github.com/enneo-ai/enneo-bridge/libs/retry"
	"github.com/enneo-ai/enneo-bridge/libs/ticket"
	"github.com/enneo-ai/enneo-bridge/libs/witness"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
	"github.com/enneo-ai/enneo-bridge/services/publisher/internal/mind"
)

// Target is what the publisher sends to.
type Target interface {
	Deliver(ctx context.Context, d mind.Delivery) error
	// Timeout is how long one request may take.
	Timeout() time.Duration
	// Version is part of the content hash: a change of what is sent for the same snapshot counts as a change of the content.
	Version() string
}

type snapshot = record.Entry[bridgev1.Snapshot, *bridgev1.Snapshot]

// A key for which somebody else is sending is looked at again soon, since requests are short; the longer it takes, the
// less often.
const (
	minBusyPause = 50 * time.Millisecond
	maxBusyPause = 2 * time.Second
)

// pausedPause is how long a ticket stays away that was pulled before an operator's pause. Nobody pulls until that ends.
const pausedPause = time.Second

// deliverer brings the snapshots of one source to Enneo.
type deliverer struct {
	bus        *bus.Bus
	snapshots  *pipeline.Snapshots
	ledger     *ledger.Ledger
	log        *eventlog.Log
	dead       *deadletter.Box
	witness    *witness.Witness // shared by the sources, as Enneo is
	target     Target
	gate       *gate.Gate
	paused     *pause.Gate
	quota      *quota.Quota // of Enneo, among all replicas and sources
	pace       *pressure.Pace
	retries    *retry.Schedule
	propagator propagation.TextMapPropagator
	tracer     trace.Tracer
	enneoID    func(id string) string
	logger     *slog.Logger
	metrics    *metrics
	brake      *brake.Brake
	// order is which of a contract and its customer Enneo gets first.
	order order
	// rehearsal: nothing is sent.
	rehearsal bool
	// margin is how much longer a lease is than a request may take: room for storing intent and outcome.
	margin time.Duration
}

// errBusy says that somebody else has held the key's turn for a while and may do so for that long at most.
type errBusy struct{ held, left time.Duration }

// pause is how long to leave the key alone.
func (e errBusy) pause() time.Duration {
	return min(e.left, max(minBusyPause, min(e.held/2, maxBusyPause)))
}

func (e errBusy) Error() string {
	return fmt.Sprintf("another request for the key is under way, for %s at most", e.left)
}

// handle works on one ticket of READY.
func (d *deliverer) handle(ctx context.Context, msg jetstream.Msg) bus.Verdict {
	k, err := bus.StagePublish.KeyOf(msg.Subject())
	if err != nil {
		d.logger.ErrorContext(ctx, "ticket without a key dropped: its subject is none of ours", "error", err.Error())
		return bus.Done()
	}
	// The subject alone says what to look at; a ticket that cannot be read still does its work.
	t, err := ticket.Decode(bus.StagePublish, msg.Subject(), msg.Headers(), msg.Data())
	if err != nil {
		d.logger.WarnContext(ctx, "ticket cannot be read, its key is looked at all the same", "error", err.Error())
		t = ticket.Ticket{Key: k}
	}
	if wait := d.retries.Wait(k); wait > 0 {
		return bus.Again(wait)
	}
	ctx, span := d.tracer.Start(d.propagator.Extract(ctx, ce.TraceCarrier(msg.Headers())), "deliver",
		trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(attribute.String("source", k.Source), attribute.String("kind", string(k.Kind))))
	defer span.End()
	err = d.deliver(ctx, k, t)
	if err == nil {
		d.retries.Succeeded(k)
		return bus.Done()
	}
	if busy, ok := errors.AsType[errBusy](err); ok {
		return bus.Again(busy.pause())
	}
	if early, ok := errors.AsType[errEarly](err); ok {
		return bus.Again(early.pause)
	}
	f := fault.Of(err)
	span.SetStatus(codes.Error, f.Reason)
	wait, attempts := d.retries.Failed(k, f.RetryAfter)
	d.metrics.retried(ctx, f.Reason)
	d.logger.WarnContext(ctx, "delivery to enneo will be tried again", "source", k.Source, "kind", string(k.Kind),
		"reason", f.Reason, "status", f.Status, "attempt", attempts, "wait", wait.String(), "error", f.Error())
	return bus.Again(wait)
}

// deliver sends what Enneo does not have yet, and returns nil when nothing is left to do for the key.
func (d *deliverer) deliver(ctx context.Context, k key.Key, t ticket.Ticket) error {
	for {
		snap, err := d.snapshots.Get(ctx, k.String())
		if err != nil {
			return err
		}
		entry, err := d.ledger.Get(ctx, k.String())
		if err != nil {
			return err
		}
		covers := position.FromProto(snap.Value.GetCovers())
		// A record that covers nothing holds no read: only a first look that did not find the key.
		if covers.IsZero() || !covers.Covers(t.Position) {
			if covers.IsZero() && ledger.Settles(entry.Value, t.Position) {
				return nil
			}
			// The snapshot that the ticket speaks of is gone: the bucket was set back or lost. Reading again brings it back.
			return d.issue(ctx, bus.StageEnrich, t)
		}
		if ledger.Settles(entry.Value, covers) {
			return nil
		}
		if err := d.turn(ctx, k, snap, entry); err != nil {
			return err
		}
	}
}

// turn does one step for a key with something to deliver; the key has to be looked at again afterwards.
func (d *deliverer) turn(ctx context.Context, k key.Key, snap snapshot, entry ledger.Entry) error {
	content := d.contentOf(snap.Value)
	if entry.Value.GetIntent() != nil {
		busy, err := d.leaseLeft(ctx, entry)
		if err != nil {
			return err
		}
		if busy.left > 0 {
			return busy
		}
		// Its holder died or was cut off: whether its request arrived is not known, so this one goes without condition.
		d.metrics.takenOver(ctx)
	} else if !entry.Value.GetRedeliver() && entry.Value.GetContentHash() == content {
		return d.settleUnchanged(ctx, k, snap, entry)
	}
	if d.rehearsal {
		return d.rehearse(ctx, k, snap, entry)
	}
	if err := d.inOrder(ctx, k, snap, entry); err != nil {
		return err
	}
	if err := d.braked(ctx, snap.Value); err != nil {
		return err
	}
	return d.send(ctx, k, snap, entry, content)
}

// leaseLeft is how long the holder of an intent has been sending and still may, by the server's own clock: its lease, and
// once more the time that Enneo may work on a request that the holder has given up.
func (d *deliverer) leaseLeft(ctx context.Context, entry ledger.Entry) (errBusy, error) {
	now, err := d.ledger.Now(ctx)
	if err != nil {
		return errBusy{}, err
	}
	intent, held := entry.Value.GetIntent(), now.Sub(entry.StoredAt)
	return errBusy{held: held, left: intent.GetLease().AsDuration() + intent.GetTimeout().AsDuration() - held}, nil
}

// contentOf names what Enneo has once the snapshot has been delivered.
func (d *deliverer) contentOf(s *bridgev1.Snapshot) string {
	if s.GetGone() {
		return enneo.ContentHash(d.target.Version(), "gone")
	}
	if !d.renames() {
		return enneo.ContentHash(d.target.Version(), s.GetProfile(), s.GetBody())
	}
	return enneo.ContentHash(d.target.Version(), s.GetProfile(), s.GetBody(), d.enneoID(""))
}

// renames tells whether ids in Enneo are others than in the ERP.
func (d *deliverer) renames() bool { return d.enneoID("") != "" }

// bodyOf is the structure that Enneo gets, with Enneo's ids in it. The error is a permanent fault of the key: an ERP's id may be as long as
// Enneo's own may be, and with what the source's template adds it may be too long.
func (d *deliverer) bodyOf(kind key.Kind, s *bridgev1.Snapshot) (string, error) {
	if !d.renames() || s.GetBody() == "" {
		return s.GetBody(), nil
	}
	body, err := enneo.WithIDs(s.GetBody(), d.enneoID)
	if err != nil {
		return "", &fault.Fault{Scope: fault.Key, Permanent: true, Reason: "unsendable", Err: err}
	}
	return body, enneo.ValidateText(kind, body)
}

// settleUnchanged settles a snapshot that Enneo is known to have already, without a request.
func (d *deliverer) settleUnchanged(ctx context.Context, k key.Key, snap snapshot, entry ledger.Entry) error {
	outcome := bridgev1.Outcome_OUTCOME_UNCHANGED
	if snap.Value.GetGone() {
		outcome = bridgev1.Outcome_OUTCOME_DELETED
	}
	p := position.FromProto(snap.Value.GetCovers())
	ledger.Settle(entry.Value, p, logTime(snap.Value), outcome, "")
	_, err := d.ledger.Put(ctx, k.String(), entry.Value, entry.Revision)
	if errors.Is(err, record.ErrConflict) {
		return nil
	}
	if err == nil {
		d.metrics.settled(ctx, k, outcome, snap.Value)
	}
	return err
}

// issue sends a ticket for the key back to an earlier stage.
func (d *deliverer) issue(ctx context.Context, stage bus.Stage, t ticket.Ticket) error {
	msg, err := ticket.Encode(ctx, d.propagator, stage, t, time.Now())
	if err != nil {
		return err
	}
	_, err = d.bus.Publish(ctx, msg)
	return err
}

func logTime(s *bridgev1.Snapshot) time.Time {
	if at := s.GetCoversLogTime(); at != nil {
		return at.AsTime()
	}
	return time.Time{}
}
