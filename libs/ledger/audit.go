package ledger

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// Balance is the result of an audit of the whole log.
type Balance struct {
	// Accepted is the number of events in the log.
	Accepted uint64 `json:"accepted"`
	// Settled is how many of them have an outcome; Open is the rest.
	Settled uint64 `json:"settled"`
	Open    uint64 `json:"open"`
	// ByOutcome splits Settled by how the key's newest settled position ended, in lower case: "delivered", "dead_letter" ….
	ByOutcome map[string]uint64 `json:"by_outcome"`
	// Superseded is how many of Settled are older than the newest settled event of their key: what was done for that one
	// covers them.
	Superseded uint64 `json:"superseded"`
	// Keys is the number of keys in the log or in the ledger.
	Keys uint64 `json:"keys"`
	// OpenKeys lists every key with open events, the oldest first.
	OpenKeys []OpenKey `json:"open_keys"`
}

// OpenKey is a key with events that are not settled.
type OpenKey struct {
	Key    string    `json:"key"`
	Events uint64    `json:"events"`
	Oldest time.Time `json:"oldest"`
}

type account struct {
	settled *bridgev1.Settlement
	open    OpenKey
}

// Audit reads the whole log and everything settled, and balances them. epoch is the log's current one. What is settled
// is read first, so an event that is being settled meanwhile counts as open, never the other way round. Memory grows
// with the number of keys, not of events.
func (l *Ledger) Audit(ctx context.Context, epoch uint64) (Balance, error) {
	stream, err := l.bus.JetStream().Stream(ctx, bus.StreamEvents)
	if err != nil {
		return Balance{}, fmt.Errorf("open the event log: %w", err)
	}
	end := stream.CachedInfo().State
	accounts := map[string]*account{}
	err = l.Each(ctx, func(k string, e Entry) error {
		accounts[k] = &account{settled: e.Value}
		return nil
	})
	if err != nil {
		return Balance{}, err
	}
	balance := Balance{ByOutcome: map[string]uint64{}, OpenKeys: []OpenKey{}, Keys: uint64(len(accounts))}
	if end.Msgs == 0 {
		return balance, nil
	}
	err = eachEvent(ctx, stream, end.LastSeq, func(k string, sequence uint64, at time.Time) {
		a := accounts[k]
		if a == nil {
			a = &account{settled: &bridgev1.Settlement{}}
			accounts[k] = a
		}
		balance.Accepted++
		if Covers(a.settled, position.Position{Epoch: epoch, Sequence: sequence}) {
			balance.Settled++
			balance.ByOutcome[OutcomeWord(a.settled.GetOutcome())]++
			if sequence < a.settled.GetCovered().GetSequence() || epoch < a.settled.GetCovered().GetEpoch() {
				balance.Superseded++
			}
			return
		}
		balance.Open++
		if a.open.Events == 0 {
			a.open.Key, a.open.Oldest = k, at
		}
		a.open.Events++
	})
	if err != nil {
		return Balance{}, err
	}
	balance.Keys = uint64(len(accounts))
	for _, a := range accounts {
		if a.open.Events > 0 {
			balance.OpenKeys = append(balance.OpenKeys, a.open)
		}
	}
	slices.SortFunc(balance.OpenKeys, func(a, b OpenKey) int {
		if c := a.Oldest.Compare(b.Oldest); c != 0 {
			return c
		}
		return strings.Compare(a.Key, b.Key)
	})
	return balance, nil
}

// Overdue lists the open keys whose oldest open event is older than the bound of its source, the oldest first.
func (b *Balance) Overdue(now time.Time, bound func(source string) time.Duration) []OpenKey {
	var overdue []OpenKey
	for _, k := range b.OpenKeys {
		source, _, _ := strings.Cut(k.Key, ".")
		if now.Sub(k.Oldest) > bound(source) {
			overdue = append(overdue, k)
		}
	}
	return overdue
}

// OutcomeWord is the name of an outcome in metrics and in a Balance, for example "delivered".
func OutcomeWord(o bridgev1.Outcome) string {
	return strings.ToLower(strings.TrimPrefix(o.String(), "OUTCOME_"))
}

// eachEvent visits the log up to and with the sequence last, headers only. Events that leave the log meanwhile, by age or
// by a person's hand, are not waited for.
func eachEvent(ctx context.Context, stream jetstream.Stream, last uint64, visit func(k string, sequence uint64, at time.Time)) error {
	consumer, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{HeadersOnly: true, DeliverPolicy: jetstream.DeliverAllPolicy})
	if err != nil {
		return fmt.Errorf("read the event log: %w", err)
	}
	err = bus.Replay(ctx, consumer, 4096, func(msg jetstream.Msg, meta *jetstream.MsgMetadata) error {
		if meta.Sequence.Stream <= last {
			visit(strings.TrimPrefix(msg.Subject(), "erp.event."), meta.Sequence.Stream, meta.Timestamp)
		}
		if meta.Sequence.Stream >= last {
			return bus.ErrEnough
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the event log: %w", err)
	}
	return nil
}

// Owes tells whether the record owes Enneo a delivery, or has one under way, although everything it covers has an outcome:
// the ticket for it may be lost. A dead letter is owed nothing, a person decides.
func Owes(s *bridgev1.Settlement) bool {
	return s.GetOutcome() != bridgev1.Outcome_OUTCOME_UNSPECIFIED && s.GetOutcome() != bridgev1.Outcome_OUTCOME_DEAD_LETTER &&
		!Settles(s, position.FromProto(s.GetCovered()))
}

// EachOpen visits every key of the log whose newest event is not settled, with that event's position, and every key that
// is owed a delivery although its newest event is covered: the ticket for it may be lost. A dead letter is owed nothing, a
// person decides. What is settled is read first, so a key that is being settled meanwhile is visited rather than left out.
func (l *Ledger) EachOpen(ctx context.Context, epoch uint64, visit func(k key.Key, p position.Position) error) error {
	stream, err := l.bus.JetStream().Stream(ctx, bus.StreamEvents)
	if err != nil {
		return fmt.Errorf("open the event log: %w", err)
	}
	end := stream.CachedInfo().State
	if end.Msgs == 0 {
		return nil
	}
	covered, newest := map[string]position.Position{}, map[string]uint64{}
	err = l.Each(ctx, func(k string, e Entry) error {
		p := position.FromProto(e.Value.GetCovered())
		if Covers(e.Value, p) && !Owes(e.Value) {
			covered[k] = p
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = eachEvent(ctx, stream, end.LastSeq, func(k string, sequence uint64, _ time.Time) { newest[k] = sequence })
	if err != nil {
		return err
	}
	for text, sequence := range newest {
		p := position.Position{Epoch: epoch, Sequence: sequence}
		if covered[text].Covers(p) {
			continue
		}
		k, err := key.Parse(text)
		if err != nil {
			continue // Nothing of ours; the debouncer has refused and reported it.
		}
		if err := visit(k, p); err != nil {
			return err
		}
	}
	return nil
}
