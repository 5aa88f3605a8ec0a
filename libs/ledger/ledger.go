// Package ledger is what has been settled, the KV bucket SETTLED, and the balance of the log against it:
// accepted = settled + open, always.
//
// # Concurrency
//
// A Ledger is safe for concurrent use by any number of processes; every change is a compare-and-set.
package ledger

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/libs/record"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// Entry is a key's record with its revision.
type Entry = record.Entry[bridgev1.Settlement, *bridgev1.Settlement]

// Ledger is the bucket SETTLED.
type Ledger struct {
	*record.Bucket[bridgev1.Settlement, *bridgev1.Settlement]
	bus *bus.Bus
}

// Open opens the ledger, which the topology has created.
func Open(ctx context.Context, b *bus.Bus) (*Ledger, error) {
	bucket, err := record.Open[bridgev1.Settlement](ctx, b.JetStream(), bus.BucketSettled)
	if err != nil {
		return nil, err
	}
	return &Ledger{Bucket: bucket, bus: b}, nil
}

// Settles tells whether the record settles everything up to p: it covers p, and no delivery is owed or under way.
func Settles(s *bridgev1.Settlement, p position.Position) bool {
	return s.GetOutcome() != bridgev1.Outcome_OUTCOME_UNSPECIFIED &&
		s.GetIntent() == nil && !s.GetRedeliver() &&
		position.FromProto(s.GetCovered()).Covers(p)
}

// Covers tells whether everything up to p has an outcome, whether or not a further delivery is under way.
func Covers(s *bridgev1.Settlement, p position.Position) bool {
	return s.GetOutcome() != bridgev1.Outcome_OUTCOME_UNSPECIFIED && position.FromProto(s.GetCovered()).Covers(p)
}

// Settle notes in s that everything up to p ended with outcome. at is the log's time of the event at p, zero if unknown.
func Settle(s *bridgev1.Settlement, p position.Position, at time.Time, outcome bridgev1.Outcome, reason string) {
	s.Covered, s.Outcome, s.Reason = p.Proto(), outcome, reason
	s.SettledAt, s.CoveredLogTime, s.Attempts = timestamppb.Now(), nil, 0
	if !at.IsZero() {
		s.CoveredLogTime = timestamppb.New(at)
	}
}

// Dead settles a key's positions up to p as a dead letter. It leaves a request that is under way alone, and a record
// that covers more already. What Enneo has is no longer known to be what the ERP has, so the hash is dropped.
func (l *Ledger) Dead(ctx context.Context, k key.Key, p position.Position, at time.Time, reason string) error {
	_, err := l.Change(ctx, k.String(), func(s *bridgev1.Settlement) error {
		if Covers(s, p) {
			return record.ErrUnchanged
		}
		Settle(s, p, at, bridgev1.Outcome_OUTCOME_DEAD_LETTER, reason)
		s.ContentHash = ""
		return nil
	})
	return err
}

// Forget makes the key's next delivery go to Enneo even if nothing has changed: what Enneo has is no longer taken as known.
// A request that is under way counts as one of before. It returns false if nothing of the key was settled yet.
func (l *Ledger) Forget(ctx context.Context, k key.Key) (bool, error) {
	entry, err := l.Change(ctx, k.String(), func(s *bridgev1.Settlement) error {
		if s.GetIntent() == nil && s.GetContentHash() == "" {
			return record.ErrUnchanged
		}
		// Whoever is sending notes what it has sent unless a further delivery is owed.
		s.ContentHash, s.Redeliver = "", s.GetRedeliver() || s.GetIntent() != nil
		return nil
	})
	return entry.Revision != 0, err
}

// The reasons of what was settled without a request because nothing is sent in a dry run, by what would have been sent.
const (
	DryRunPut    = "dry run: put"
	DryRunDelete = "dry run: delete"
)

// Drop settles a key's positions up to p as dropped by an operator, for the reason given; at is the log's time of the event at
// p, zero if unknown. Of what is covered already only a dead letter is changed: an outcome of a delivery stays what it was. A
// request that is under way is left alone.
func (l *Ledger) Drop(ctx context.Context, k key.Key, p position.Position, at time.Time, reason string) error {
	_, err := l.Change(ctx, k.String(), func(s *bridgev1.Settlement) error {
		switch {
		case !Covers(s, p):
			Settle(s, p, at, bridgev1.Outcome_OUTCOME_DROPPED, reason)
		case s.GetOutcome() == bridgev1.Outcome_OUTCOME_DEAD_LETTER:
			s.Outcome, s.Reason, s.SettledAt = bridgev1.Outcome_OUTCOME_DROPPED, reason, timestamppb.Now()
		default:
			return record.ErrUnchanged
		}
		// What Enneo has is not known to be what the ERP has.
		s.ContentHash = ""
		return nil
	})
	return err
}
