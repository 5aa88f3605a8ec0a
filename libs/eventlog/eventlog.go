// Package eventlog is the event log, the stream EVENTS: what was accepted, in the order that decides everything else.
//
// # Epochs
//
// A sequence means something only within one life of the log. A log can be recreated, restored from a backup or lose its
// newest events in a loss of power; it would then give old sequences to new events, and those would be taken for settled
// ones. So positions are compared as (epoch, sequence), and a new epoch begins whenever the log is seen to be behind what
// was known of it: at the start, after each reconnection, and whenever a key is found to be settled beyond its last event.
// In a new epoch every key of the log counts as open again: that costs reads, and loses nothing. Epochs are numbered by
// the time of their beginning (Unix seconds), so that a lost record of them cannot bring an old number back.
//
// # Concurrency
//
// A Log is safe for concurrent use. Several processes agree on the epoch by compare-and-set in the bucket BRIDGE; one that
// has not heard of a new epoch yet claims too little, never too much.
package eventlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/libs/record"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// epochRecord is the key of the LogEpoch record in the bucket BRIDGE.
const epochRecord = "log.epoch"

// ErrNotLast is the error of a conditional append whose key has another newest event by then; test with errors.Is.
var ErrNotLast = errors.New("the key has another newest event")

// Log is the event log. Make one with Open.
type Log struct {
	bus     *bus.Bus
	logger  *slog.Logger
	stream  jetstream.Stream
	epochs  *record.Bucket[bridgev1.LogEpoch, *bridgev1.LogEpoch]
	settled *record.Bucket[bridgev1.Settlement, *bridgev1.Settlement]
	guard   func(context.Context) error

	epoch      atomic.Uint64
	reconnects atomic.Uint64 // of the connection, when the epoch was last verified
	seen       atomic.Uint64 // highest sequence that this process knows of in the epoch

	verifying sync.Mutex
	mu        sync.Mutex
	changed   chan struct{} // closed when the epoch changes
}

// Open opens the log and verifies its epoch.
func Open(ctx context.Context, b *bus.Bus, logger *slog.Logger) (*Log, error) {
	epochs, err := record.Open[bridgev1.LogEpoch](ctx, b.JetStream(), bus.BucketBridge)
	if err != nil {
		return nil, err
	}
	settled, err := record.Open[bridgev1.Settlement](ctx, b.JetStream(), bus.BucketSettled)
	if err != nil {
		return nil, err
	}
	// The handle holds only the stream's name and rules, so it serves a recreated stream as well.
	stream, err := b.JetStream().Stream(ctx, bus.StreamEvents)
	if err != nil {
		return nil, fmt.Errorf("open the event log: %w", err)
	}
	l := &Log{bus: b, logger: logger, stream: stream, epochs: epochs, settled: settled, changed: make(chan struct{}), guard: unguarded}
	if err := l.verify(ctx, b.Reconnects()); err != nil {
		return nil, err
	}
	return l, nil
}

func unguarded(context.Context) error { return nil }

// Guard makes Append ask allow before it stores anything, and fail with its error. Call it before the log is used.
func (l *Log) Guard(allow func(context.Context) error) { l.guard = allow }

// Epoch returns the current epoch. After a reconnection it verifies first that the log is still the one it knew.
func (l *Log) Epoch(ctx context.Context) (uint64, error) {
	if n := l.bus.Reconnects(); n != l.reconnects.Load() {
		l.verifying.Lock()
		defer l.verifying.Unlock()
		if n = l.bus.Reconnects(); n != l.reconnects.Load() {
			if err := l.verify(ctx, n); err != nil {
				return 0, err
			}
		}
	}
	return l.epoch.Load(), nil
}

// Verify compares the log with what is known of it now, and hears of an epoch that another process has begun.
func (l *Log) Verify(ctx context.Context) error {
	l.verifying.Lock()
	defer l.verifying.Unlock()
	return l.verify(ctx, l.bus.Reconnects())
}

// Changed returns the epoch that this process knows and a channel that is closed as soon as it changes.
func (l *Log) Changed() (uint64, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.epoch.Load(), l.changed
}

// Seen notes that the log holds an event with this sequence.
func (l *Log) Seen(sequence uint64) {
	for {
		old := l.seen.Load()
		if sequence <= old || l.seen.CompareAndSwap(old, sequence) {
			return
		}
	}
}

// Follow keeps the epoch up to date until ctx ends: it hears of epochs that other processes begin.
func (l *Log) Follow(ctx context.Context) error {
	for ctx.Err() == nil {
		err := l.epochs.Watch(ctx, epochRecord, func(e record.Entry[bridgev1.LogEpoch, *bridgev1.LogEpoch]) {
			l.adopt(e.Value.GetEpoch())
		})
		if err != nil && ctx.Err() == nil {
			l.logger.WarnContext(ctx, "cannot follow the log epoch", "error", err.Error())
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
	return nil
}

func (l *Log) adopt(epoch uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if epoch <= l.epoch.Load() {
		return
	}
	l.seen.Store(0)
	l.epoch.Store(epoch)
	close(l.changed)
	l.changed = make(chan struct{})
}

// verify compares the log with what is known of it and begins a new epoch if the log is behind.
func (l *Log) verify(ctx context.Context, reconnects uint64) error {
	// The log is asked last: it grows meanwhile, and must not look as if it were behind what was known of it before.
	mine, seen := l.epoch.Load(), l.seen.Load()
	newest, err := l.newestSettled(ctx)
	if err != nil {
		return err
	}
	entry, err := l.epochs.Get(ctx, epochRecord)
	if err != nil {
		return err
	}
	stream, err := l.bus.JetStream().Stream(ctx, bus.StreamEvents)
	if err != nil {
		return fmt.Errorf("look at the event log: %w", err)
	}
	info := stream.CachedInfo()
	known := entry.Value.GetEpoch()
	// This process's high-water mark counts only within the epoch in which it was seen.
	if known != mine {
		seen = 0
	}
	var reason string
	switch {
	case newest.Epoch > known || mine > known:
		reason = "the record of the epoch was lost or set back"
	case known == 0:
		reason = "first start"
	case !entry.Value.GetStreamCreatedAt().AsTime().Equal(info.Created):
		reason = "the log was recreated"
	case newest.Epoch == known && newest.Sequence > info.State.LastSeq:
		reason = "the log was set back behind what is settled"
	case seen > info.State.LastSeq:
		reason = "the log was set back behind what was read from it"
	}
	if reason != "" {
		return l.begin(ctx, max(known, newest.Epoch, mine), known, info, reason, reconnects)
	}
	l.adopt(known)
	l.Seen(info.State.LastSeq)
	l.reconnects.Store(reconnects)
	return nil
}

// newestSettled is the position that was settled last; a log that is behind it has been set back.
func (l *Log) newestSettled(ctx context.Context) (position.Position, error) {
	stream, err := l.bus.JetStream().Stream(ctx, bus.KVStream(bus.BucketSettled))
	if err != nil {
		return position.Position{}, fmt.Errorf("look at what is settled: %w", err)
	}
	last := stream.CachedInfo().State.LastSeq
	if stream.CachedInfo().State.Msgs == 0 {
		return position.Position{}, nil
	}
	msg, err := stream.GetMsg(ctx, last)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return position.Position{}, nil
	}
	if err != nil {
		return position.Position{}, fmt.Errorf("read what was settled last: %w", err)
	}
	return knownBy(msg.Data)
}

// begin starts a new epoch after old, unless another process has done so since known was read.
func (l *Log) begin(ctx context.Context, old, known uint64, info *jetstream.StreamInfo, reason string, reconnects uint64) error {
	now := time.Now()
	next := max(uint64(now.Unix()), old+1)
	first := known == 0 && old == 0
	var began bool
	entry, err := l.epochs.Change(ctx, epochRecord, func(e *bridgev1.LogEpoch) error {
		if began = e.GetEpoch() == known; !began {
			return record.ErrUnchanged
		}
		e.Epoch, e.Reason = next, reason
		e.StreamCreatedAt, e.BeganAt = timestamppb.New(info.Created), timestamppb.New(now)
		e.LogLastSequence = info.State.LastSeq
		e.ReconciliationDue = e.GetReconciliationDue() || !first
		return nil
	})
	if err != nil {
		return fmt.Errorf("begin a log epoch: %w", err)
	}
	if began && !first {
		l.logger.ErrorContext(ctx, "a new log epoch begins: every key of the log is read again, and a full reconciliation is due",
			"reason", reason, "epoch", next, "log_last_sequence", info.State.LastSeq)
	}
	l.adopt(entry.Value.GetEpoch())
	l.reconnects.Store(reconnects)
	return nil
}

// SetBack begins a new epoch because a key was found settled, or a ticket issued, beyond the log's own last event of it.
func (l *Log) SetBack(ctx context.Context, observed uint64) error {
	l.verifying.Lock()
	defer l.verifying.Unlock()
	if l.epoch.Load() > observed {
		return nil
	}
	stream, err := l.bus.JetStream().Stream(ctx, bus.StreamEvents)
	if err != nil {
		return fmt.Errorf("look at the event log: %w", err)
	}
	err = l.begin(ctx, observed, observed, stream.CachedInfo(), "a key was known beyond its last event in the log", l.bus.Reconnects())
	if err == nil && l.epoch.Load() <= observed {
		// The record of the epoch was lost or set back as well.
		return l.verify(ctx, l.bus.Reconnects())
	}
	return err
}

// Last is the newest event of a key in the log.
type Last struct {
	Position position.Position
	// At is the log's own time of the event.
	At time.Time
}

// Last returns the newest event of the key, read from the leader of the log; found is false if the log holds none (any more).
func (l *Log) Last(ctx context.Context, k key.Key) (last Last, found bool, err error) {
	epoch, err := l.Epoch(ctx)
	if err != nil {
		return Last{}, false, err
	}
	msg, err := l.stream.GetLastMsgForSubject(ctx, bus.EventSubject(k))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return Last{}, false, nil
	}
	if err != nil {
		return Last{}, false, fmt.Errorf("read the last event of a key: %w", err)
	}
	l.Seen(msg.Sequence)
	return Last{Position: position.Position{Epoch: epoch, Sequence: msg.Sequence}, At: msg.Time}, true, nil
}

// End returns the position of the newest event in the log, whatever its key. Everything appended later lies behind it.
func (l *Log) End(ctx context.Context) (position.Position, error) {
	epoch, err := l.Epoch(ctx)
	if err != nil {
		return position.Position{}, err
	}
	info, err := l.stream.Info(ctx)
	if err != nil {
		return position.Position{}, fmt.Errorf("look at the end of the event log: %w", err)
	}
	l.Seen(info.State.LastSeq)
	return position.Position{Epoch: epoch, Sequence: info.State.LastSeq}, nil
}

// Append stores events and waits for the log's acknowledgement of each. An event with a message id that the log still
// remembers is not stored again: its ack says duplicate. If the guard does not allow it, nothing is stored.
func (l *Log) Append(ctx context.Context, events []Event) ([]*jetstream.PubAck, []error) {
	if err := l.guard(ctx); err != nil && len(events) > 0 {
		return make([]*jetstream.PubAck, len(events)), slices.Repeat([]error{err}, len(events))
	}
	msgs, opts := make([]*nats.Msg, len(events)), make([][]jetstream.PublishOpt, len(events))
	for i, e := range events {
		msgs[i] = e.msg
		opts[i] = []jetstream.PublishOpt{jetstream.WithExpectStream(bus.StreamEvents)}
		if e.messageID != "" {
			opts[i] = append(opts[i], jetstream.WithMsgID(e.messageID))
		}
		if e.after != nil {
			opts[i] = append(opts[i], jetstream.WithExpectLastSequencePerSubject(*e.after))
		}
	}
	acks, errs := l.bus.PublishAll(ctx, msgs, opts...)
	for i, err := range errs {
		if notLast(err) {
			errs[i] = fmt.Errorf("%w: %w", ErrNotLast, err)
		}
	}
	for _, ack := range acks {
		if ack != nil {
			l.Seen(ack.Sequence)
		}
	}
	return acks, errs
}

// notLast tells whether the server has refused an append because of what it was conditional on.
func notLast(err error) bool {
	refusal, ok := errors.AsType[*jetstream.APIError](err)
	// A stream with replicas gives the second one.
	return ok && (refusal.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence ||
		refusal.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}
