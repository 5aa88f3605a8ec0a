package publisher

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/enneo-ai/enneo-bridge/libs/deadletter"
	"github.com/enneo-ai/enneo-bridge/libs/failpoint"
	"github.com/enneo-ai/enneo-bridge/libs/fault"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/libs/record"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
	"github.com/enneo-ai/enneo-bridge/services/publisher/internal/mind"
)

// attempt is one request for a key, and the turn in which it is sent.
type attempt struct {
	key      key.Key
	snapshot *bridgev1.Snapshot
	// token names the turn, content what Enneo has after a success.
	token, content string
	// number counts the requests since the last outcome.
	number int
	// letter: the key may have a dead letter, which a success clears.
	letter bool
}

// send takes the key's turn, sends the snapshot and notes the outcome.
//
// What dies if the process dies here: before the intent is stored, nothing has happened. After it, whoever comes next
// waits until the request can no longer be under way and sends without condition, whether or not this one arrived.
func (d *deliverer) send(ctx context.Context, k key.Key, snap snapshot, entry ledger.Entry, content string) error {
	// Whoever waited for a ticket already when the pause began, or when the gate shut, still gets one, and would send all the same.
	if d.paused.Paused() {
		return errEarly{pause: pausedPause}
	}
	if wait := d.gate.Hold(k, d.retries.Attempts(k) > 0); wait > 0 {
		return errEarly{pause: wait}
	}
	release, wait := d.quota.Take(ctx)
	if release == nil {
		return errEarly{pause: wait}
	}
	defer release()
	began, timeout := time.Now(), d.target.Timeout()
	lease := timeout + d.margin
	intended := proto.CloneOf(entry.Value)
	intended.Intent = &bridgev1.Intent{
		Token: uuid.NewString(), Position: snap.Value.GetCovers(),
		Lease: durationpb.New(lease), Timeout: durationpb.New(timeout),
	}
	intended.ContentHash, intended.Redeliver = "", false
	intended.Attempts++
	_, err := d.ledger.Put(ctx, k.String(), intended, entry.Revision)
	if errors.Is(err, record.ErrConflict) {
		return nil
	}
	if err != nil {
		return err
	}
	failpoint.Hit("publisher.intent.stored")
	if left := lease - time.Since(began); left < timeout {
		// The process was paused, or storing took too long: somebody else may take the turn before this request would end.
		return errBusy{held: time.Since(began), left: left}
	}
	answered := fault.Of(d.request(ctx, k, snap.Value))
	f := d.witness.Judge(k, answered, began)
	failpoint.Hit("publisher.request.done")
	if f != nil && f.Scope == fault.Target {
		d.quota.Hold(ctx, f.RetryAfter)
	}
	if d.gate.Report(f) {
		d.logger.WarnContext(ctx, "the gate to enneo has changed", "shut", f != nil && f.Scope == fault.Target)
	}
	took := time.Since(began)
	d.pace.Note(took)
	d.metrics.requested(ctx, k, snap.Value, answered, took)
	return d.conclude(ctx, attempt{
		key: k, snapshot: snap.Value, token: intended.GetIntent().GetToken(), content: content, number: int(intended.GetAttempts()),
		// Whoever lost its turn, or died in it, may have left one behind as well.
		letter: entry.Value.GetOutcome() == bridgev1.Outcome_OUTCOME_DEAD_LETTER || entry.Value.GetIntent() != nil || entry.Value.GetRedeliver(),
	}, f)
}

func (d *deliverer) request(ctx context.Context, k key.Key, s *bridgev1.Snapshot) error {
	customer := ""
	if id := s.GetCustomerId(); id != "" {
		customer = d.enneoID(id)
	}
	body, err := d.bodyOf(k.Kind, s)
	if err != nil {
		return err
	}
	return d.target.Deliver(ctx, mind.Delivery{
		Kind: k.Kind, ID: d.enneoID(k.ID), CustomerID: customer, Body: body, Gone: s.GetGone(),
	})
}

// conclude notes how a request ended, if the turn is still ours; else it owes one more delivery, since this request may
// have reached Enneo after the one of whoever took over.
func (d *deliverer) conclude(ctx context.Context, a attempt, f *fault.Fault) error {
	if f != nil && f.Unknown {
		// Enneo may still be working on it: the intent stays, so that nobody sends meanwhile.
		return f
	}
	p := position.FromProto(a.snapshot.GetCovers())
	// Before the key is settled: dying in between repeats the dead letter or its removal, and never loses it.
	switch {
	case f != nil && f.Permanent:
		if err := d.dead.PutKey(ctx, deadletter.StagePublish, a.key, p, a.number, f, a.snapshot.GetProfile()); err != nil {
			return err
		}
	case f == nil && a.letter:
		if err := d.dead.Clear(ctx, a.key, p); err != nil {
			return err
		}
	}
	outcome := outcomeOf(a.snapshot, f)
	var lost, settled bool
	_, err := d.ledger.Change(ctx, a.key.String(), func(r *bridgev1.Settlement) error {
		lost, settled = r.GetIntent().GetToken() != a.token, false
		if lost {
			r.Redeliver, r.ContentHash = true, ""
			return nil
		}
		r.Intent = nil
		switch {
		case outcome == bridgev1.Outcome_OUTCOME_UNSPECIFIED:
			// What was settled already was sent because a delivery was owed, and that still is.
			r.Redeliver = r.GetRedeliver() || ledger.Covers(r, p)
		case position.FromProto(r.GetCovered()).Compare(p) > 0:
			// A later read has become a dead letter meanwhile, which stands.
		default:
			settled = true
			ledger.Settle(r, p, logTime(a.snapshot), outcome, reasonOf(f))
			if f == nil && !r.GetRedeliver() {
				r.ContentHash = a.content
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	failpoint.Hit("publisher.outcome.stored")
	switch {
	case lost:
		d.metrics.lostTurn(ctx)
		d.logger.WarnContext(ctx, "lost the turn for a key while sending, one more delivery follows", "source", a.key.Source, "kind", string(a.key.Kind))
	case settled:
		if outcome == bridgev1.Outcome_OUTCOME_DEAD_LETTER {
			d.witness.Forget(a.key)
			d.metrics.died(ctx, a.key, f.Reason)
		}
		d.metrics.settled(ctx, a.key, outcome, a.snapshot)
	case outcome == bridgev1.Outcome_OUTCOME_UNSPECIFIED:
		return f
	}
	return nil
}

func outcomeOf(s *bridgev1.Snapshot, f *fault.Fault) bridgev1.Outcome {
	switch {
	case f != nil && f.Permanent:
		return bridgev1.Outcome_OUTCOME_DEAD_LETTER
	case f != nil:
		return bridgev1.Outcome_OUTCOME_UNSPECIFIED
	case s.GetGone():
		return bridgev1.Outcome_OUTCOME_DELETED
	default:
		return bridgev1.Outcome_OUTCOME_DELIVERED
	}
}

func reasonOf(f *fault.Fault) string {
	if f == nil {
		return ""
	}
	return f.Reason
}
