package enricher

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/ce"
	"github.com/enneo-ai/enneo-bridge/libs/deadletter"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/failpoint"
	"github.com/enneo-ai/enneo-bridge/libs/fault"
	"github.com/enneo-ai/enneo-bridge/libs/gate"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/pause"
	"github.com/enneo-ai/enneo-bridge/libs/pipeline"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/libs/pressure"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
	"github.com/enneo-ai/enneo-bridge/libs/quota"
	"github.com/enneo-ai/enneo-bridge/libs/record"
	"github.com/enneo-ai/enneo-bridge/libs/retry"
	"github.com/enneo-ai/enneo-bridge/libs/snapshot"
	"github.com/enneo-ai/enneo-bridge/libs/ticket"
	"github.com/enneo-ai/enneo-bridge/libs/witness"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
	"github.com/enneo-ai/enneo-bridge/services/enricher/internal/turn"
)

// Reader reads one contract or customer in the ERP.
type Reader interface {
	Get(ctx context.Context, kind key.Kind, id string) (profile.Mapped, error)
	// Supports tells whether the ERP has a read for this kind.
	Supports(kind key.Kind) bool
	// ProfileRef names the profile and its version.
	ProfileRef() string
}

// pausedPause is how long a ticket stays away that was pulled before an operator's pause. Nobody pulls until that ends.
const pausedPause = time.Second

type stored = record.Entry[bridgev1.Snapshot, *bridgev1.Snapshot]

// maxKeyAttempts is after how many failures in a row that concern only this key it becomes a dead letter. With the
// pauses between them (1 s, doubling, at most 1 min) that takes about four minutes.
const maxKeyAttempts = 9

// enricher reads the keys of one source.
type enricher struct {
	bus       *bus.Bus
	log       *eventlog.Log
	snapshots *pipeline.Snapshots
	ledger    *ledger.Ledger
	dead      *deadletter.Box
	reader    Reader
	gate      *gate.Gate
	paused    *pause.Gate
	quota     *quota.Quota // of the ERP, among all replicas
	pace      *pressure.Pace
	retries   *retry.Schedule
	// refusals counts the faults of each key alone: an ERP that was down makes no dead letters.
	refusals    *retry.Schedule
	witness     *witness.Witness
	turns       *turn.Turns
	propagator  propagation.TextMapPropagator
	tracer      trace.Tracer
	goneConfirm time.Duration
	minAge      time.Duration
	logger      *slog.Logger
	metrics     *metrics
}

// errLater asks for the ticket once more after a while; nothing has failed.
type errLater struct{ after time.Duration }

func (errLater) Error() string { return "look again later" }

// handle works on one ticket of DUE.
func (e *enricher) handle(ctx context.Context, msg jetstream.Msg) bus.Verdict {
	k, err := bus.StageEnrich.KeyOf(msg.Subject())
	if err != nil {
		e.logger.ErrorContext(ctx, "ticket without a key dropped: its subject is none of ours", "error", err.Error())
		return bus.Done()
	}
	// The subject alone says what to look at; a ticket that cannot be read still does its work.
	t, err := ticket.Decode(bus.StageEnrich, msg.Subject(), msg.Headers(), msg.Data())
	if err != nil {
		e.logger.WarnContext(ctx, "ticket cannot be read, its key is looked at all the same", "error", err.Error())
		t = ticket.Ticket{Key: k}
	}
	mine, busy := e.turns.Take(k)
	if busy != nil {
		return e.wait(ctx, k, busy)
	}
	// After a failure is noted: whoever comes next has to wait for its retry then.
	defer mine.End()
	if wait := e.retries.Wait(k); wait > 0 {
		return bus.Again(wait)
	}
	ctx, span := e.tracer.Start(e.propagator.Extract(ctx, ce.TraceCarrier(msg.Headers())), "enrich",
		trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(attribute.String("source", k.Source), attribute.String("kind", string(k.Kind))))
	defer span.End()
	err = e.enrich(ctx, k, t, mine)
	if err == nil {
		e.retries.Succeeded(k)
		e.refusals.Succeeded(k)
		return bus.Done()
	}
	if later, ok := errors.AsType[errLater](err); ok {
		return bus.Again(later.after)
	}
	if busy, ok := errors.AsType[*turn.Busy](err); ok {
		return e.wait(ctx, k, busy)
	}
	f := fault.Of(err)
	span.SetStatus(codes.Error, f.Reason)
	wait, attempts := e.retries.Failed(k, f.RetryAfter)
	e.metrics.retried(ctx, k, f.Reason)
	e.logger.WarnContext(ctx, "read will be tried again", "source", k.Source, "kind", string(k.Kind),
		"reason", f.Reason, "status", f.Status, "attempt", attempts, "wait", wait.String(), "error", f.Error())
	return bus.Again(wait)
}

// state is what is known of a key before it is read.
type state struct {
	// need is what a read that begins now covers.
	need eventlog.Last
	snap stored
}

// enrich reads the key in the ERP unless that is done already, stores the answer and passes the key on. It is the key's turn.
func (e *enricher) enrich(ctx context.Context, k key.Key, t ticket.Ticket, mine *turn.Turn) error {
	st, settled, err := e.look(ctx, k, t)
	if err != nil || settled {
		return err
	}
	stored := position.FromProto(st.snap.Value.GetCovers())
	if st.snap.Revision != 0 && stored.Covers(st.need.Position) {
		// Read already; the ticket for the publisher may have been lost since.
		return e.pass(ctx, k, t, stored)
	}
	if age := time.Since(st.need.At); !st.need.At.IsZero() && age < e.minAge {
		// The ERP's webhook may be faster than its database.
		return errLater{after: e.minAge - age}
	}
	// Whoever waited for a ticket already when the pause began, or when the gate shut, still gets one.
	if e.paused.Paused() {
		return errLater{after: pausedPause}
	}
	if wait := e.gate.Hold(k, e.retries.Attempts(k) > 0); wait > 0 {
		return errLater{after: wait}
	}
	release, wait := e.quota.Take(ctx)
	if release == nil {
		return errLater{after: wait}
	}
	if busy := mine.Announce(); busy != nil {
		release()
		return busy
	}
	began := time.Now()
	mapped, err := e.reader.Get(ctx, k.Kind, k.ID)
	release()
	answered := fault.Of(err)
	f := e.witness.Judge(k, answered, began)
	if f != nil && f.Scope == fault.Target {
		e.quota.Hold(ctx, f.RetryAfter)
	}
	if e.gate.Report(f) {
		e.logger.WarnContext(ctx, "the gate to the erp has changed", "source", k.Source, "shut", f != nil && f.Scope == fault.Target)
	}
	took := time.Since(began)
	e.pace.Note(took)
	e.metrics.read(ctx, k, answered, took)
	if f != nil {
		return e.failed(ctx, k, st, f)
	}
	if mapped.Gone {
		if confirmed, err := e.confirmGone(ctx, k, st, began); err != nil || !confirmed {
			return err
		}
	}
	next, err := snapshot.Of(st.need, mapped, began, e.reader.ProfileRef())
	if err != nil {
		return err
	}
	// Before the snapshot is stored: once it is, a repetition of this ticket finds the read done and would not come here.
	if err := errors.Join(e.tellCustomers(ctx, k, st, mapped), e.tellContracts(ctx, k, st, mapped)); err != nil {
		return err
	}
	failpoint.Hit("enricher.customers.told")
	covers, err := e.shelf().Store(ctx, k, next)
	if err != nil {
		return err
	}
	failpoint.Hit("enricher.snapshot.stored")
	return e.pass(ctx, k, t, covers)
}

// look finds out what has to be covered, and whether it is settled already.
func (e *enricher) look(ctx context.Context, k key.Key, t ticket.Ticket) (st state, settled bool, err error) {
	for {
		epoch, err := e.log.Epoch(ctx)
		if err != nil {
			return state{}, false, err
		}
		if t.Position.Epoch > epoch {
			// Another process has begun a new epoch; hear of it before deciding anything.
			if err := e.log.Verify(ctx); err != nil {
				return state{}, false, err
			}
			if now, _ := e.log.Changed(); now == epoch {
				return state{}, false, errLater{after: time.Second}
			}
			continue
		}
		entry, err := e.ledger.Get(ctx, k.String())
		if err != nil {
			return state{}, false, err
		}
		st.snap, err = e.snapshots.Get(ctx, k.String())
		if err != nil {
			return state{}, false, err
		}
		// The log is asked last: an event that arrives in between is covered by the read as well.
		last, found, err := e.log.Last(ctx, k)
		if err != nil {
			return state{}, false, err
		}
		switch {
		case !found:
			// The events have left the log while the ticket waited, or the log has lost them: the ticket is all there is.
			last = eventlog.Last{Position: t.Position}
			if t.Position.Epoch != epoch {
				last.Position = position.Position{Epoch: epoch}
			}
		case last.Position.Epoch != epoch:
			continue
		case behind(last, t.Position, entry.Value, st.snap.Value):
			if err := e.log.SetBack(ctx, epoch); err != nil {
				return state{}, false, err
			}
			continue
		}
		st.need = last
		return st, ledger.Settles(entry.Value, last.Position), nil
	}
}

// behind tells whether more is known of a key than its last event in the log, which means that the log was set back.
// Equal sequences are told apart by the log's own time of the event.
func behind(last eventlog.Last, ticketed position.Position, s *bridgev1.Settlement, snap *bridgev1.Snapshot) bool {
	beyond := func(p position.Position, at *timestamppb.Timestamp) bool {
		if p.Epoch != last.Position.Epoch {
			return p.Epoch > last.Position.Epoch
		}
		return p.Sequence > last.Position.Sequence ||
			p.Sequence == last.Position.Sequence && at != nil && !at.AsTime().Equal(last.At)
	}
	return beyond(ticketed, nil) ||
		beyond(position.FromProto(s.GetCovered()), s.GetCoveredLogTime()) ||
		beyond(position.FromProto(snap.GetCovers()), snap.GetCoversLogTime())
}

// failed decides what becomes of a read that failed.
func (e *enricher) failed(ctx context.Context, k key.Key, st state, f *fault.Fault) error {
	if f.Scope != fault.Key {
		return f
	}
	_, attempts := e.refusals.Failed(k, 0)
	if !f.Permanent && (attempts < maxKeyAttempts || !e.witness.Believed(k)) {
		return f
	}
	// Before the key is settled: dying in between repeats the dead letter, and never loses it.
	if err := e.dead.PutKey(ctx, deadletter.StageEnrich, k, st.need.Position, attempts, f, e.reader.ProfileRef()); err != nil {
		return err
	}
	if err := e.ledger.Dead(ctx, k, st.need.Position, st.need.At, f.Reason); err != nil {
		return err
	}
	e.witness.Forget(k)
	e.metrics.died(ctx, k, f.Reason)
	e.logger.ErrorContext(ctx, "dead letter: the key cannot be read or mapped", "source", k.Source, "kind", string(k.Kind),
		"reason", f.Reason, "field", f.Field, "status", f.Status, "attempts", attempts)
	return nil
}

// confirmGone tells whether a key that the ERP does not have may be taken for gone: the first such look is noted in the
// snapshot, and only one that begins GONE_CONFIRM later counts, since a webhook may come before the ERP's own commit. That
// holds for a key that was gone before as well: the event may tell that it is back.
func (e *enricher) confirmGone(ctx context.Context, k key.Key, st state, began time.Time) (bool, error) {
	if since := st.snap.Value.GetGoneSince(); since != nil {
		if left := e.goneConfirm - began.Sub(since.AsTime()); left > 0 {
			return false, errLater{after: left}
		}
		return true, nil
	}
	st.snap.Value.GoneSince = timestamppb.New(began)
	if _, err := e.snapshots.Put(ctx, k.String(), st.snap.Value, st.snap.Revision); err != nil {
		return false, err
	}
	e.logger.InfoContext(ctx, "the erp does not have a key, looking again before it counts as gone",
		"source", k.Source, "kind", string(k.Kind), "wait", e.goneConfirm.String())
	return false, errLater{after: e.goneConfirm}
}

// shelf is where snapshots are kept.
func (e *enricher) shelf() *snapshot.Shelf {
	return &snapshot.Shelf{Bus: e.bus, Log: e.log, Snapshots: e.snapshots, Propagator: e.propagator}
}

// pass sends the key on to the publisher.
func (e *enricher) pass(ctx context.Context, k key.Key, t ticket.Ticket, covers position.Position) error {
	err := e.shelf().Pass(ctx, ticket.Ticket{Key: k, Position: covers, Collapsed: t.Collapsed, FirstEventAt: t.FirstEventAt})
	if err != nil {
		return err
	}
	failpoint.Hit("enricher.ready.sent")
	return nil
}
