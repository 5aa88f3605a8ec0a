package debouncer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/ce"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/failpoint"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/libs/source"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
	"github.com/enneo-ai/enneo-bridge/services/debouncer/internal/window"
)

const (
	// fetchAhead is how many events a replica holds of one source; arming them takes milliseconds.
	fetchAhead = 1000
	// armBatch is how many of them are armed in one round trip.
	armBatch = 512
	// firstPause and longestPause bound the pauses while Redis does not take the events.
	firstPause   = 50 * time.Millisecond
	longestPause = 2 * time.Second

	pullExpiry    = 15 * time.Second
	pullHeartbeat = 2500 * time.Millisecond
)

// armer arms windows with the events of one source.
type armer struct {
	bus     *bus.Bus
	log     *eventlog.Log
	store   *window.Store
	hint    func(window.Hint)
	emptied func()
	source  *source.Source
	width   *width
	logger  *slog.Logger
	metrics *metrics
	spans   *spans
}

// run consumes the source's events until ctx ends. In each log epoch it starts anew at the beginning of the log.
func (a *armer) run(ctx context.Context) error {
	for ctx.Err() == nil {
		epoch, changed := a.log.Changed()
		if err := a.consume(ctx, epoch, changed); err != nil && ctx.Err() == nil {
			a.logger.WarnContext(ctx, "consuming the event log was interrupted", "source", a.source.Name, "error", err.Error())
			select {
			case <-ctx.Done():
			case <-time.After(firstPause):
			}
		}
	}
	return nil
}

func (a *armer) consume(ctx context.Context, epoch uint64, changed <-chan struct{}) error {
	consumer, err := a.bus.EnsureLogConsumer(ctx, a.source.Name, epoch)
	if err != nil {
		return err
	}
	// Events of a log that took the other one's place while the connection stood would be armed in the old epoch. The
	// consumer belongs to the log that is looked at after it was opened.
	if err := a.log.Verify(ctx); err != nil {
		return err
	}
	select {
	case <-changed:
		return nil
	default:
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(fetchAhead), jetstream.PullExpiry(pullExpiry),
		jetstream.PullHeartbeat(pullHeartbeat), jetstream.WithMessagesErrOnMissingHeartbeat(true))
	if err != nil {
		return fmt.Errorf("pull from the event log: %w", err)
	}
	fetched, failed := make(chan jetstream.Msg, armBatch), make(chan error, 1)
	go func() {
		defer close(fetched)
		for {
			msg, err := messages.Next()
			if err != nil {
				failed <- err
				return
			}
			fetched <- msg
		}
	}()
	var held []jetstream.Msg
	defer func() {
		messages.Drain()
		for msg := range fetched {
			held = append(held, msg)
		}
		// Only now: while this subscription was there, they would have come back to it.
		giveBack(held)
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
			return nil
		case msg, open := <-fetched:
			if !open {
				return fmt.Errorf("pull from the event log: %w", <-failed)
			}
			if held, err = a.arm(ctx, epoch, batch(msg, fetched)); err != nil || len(held) > 0 {
				return err
			}
		}
	}
}

// batch takes what has been fetched already, without waiting for more.
func batch(first jetstream.Msg, fetched <-chan jetstream.Msg) []jetstream.Msg {
	msgs := []jetstream.Msg{first}
	for len(msgs) < armBatch {
		select {
		case msg, open := <-fetched:
			if !open {
				return msgs
			}
			msgs = append(msgs, msg)
		default:
			return msgs
		}
	}
	return msgs
}

// giveBack lets another replica have events at once; without it, they come again only after ACK_WAIT.
func giveBack(msgs []jetstream.Msg) {
	for _, msg := range msgs {
		// The connection may be gone, and then so is the delivery.
		_ = msg.Nak()
	}
}

// arm arms the windows of a batch and acknowledges what is armed. It repeats until everything is, or ctx ends, or the log
// epoch is another one; it returns what is not armed then. A batch in hand when ctx ends is finished, if Redis takes it.
//
// What dies if the process dies here: before the windows are armed the events are not acknowledged, and come again. After
// it, before the acknowledgement, they come again too, and change nothing.
func (a *armer) arm(ctx context.Context, epoch uint64, msgs []jetstream.Msg) (left []jetstream.Msg, err error) {
	// After a reconnection the log may be another one; sequences of this batch mean something only in the epoch known now.
	if now, err := a.log.Epoch(ctx); err != nil || now != epoch {
		return msgs, err
	}
	pause := firstPause
	for {
		msgs = a.armOnce(context.WithoutCancel(ctx), epoch, msgs)
		if len(msgs) == 0 {
			return nil, nil
		}
		select {
		case <-ctx.Done():
			return msgs, nil
		case <-time.After(pause):
		}
		pause = min(2*pause, longestPause)
		for _, msg := range msgs {
			// A lost sign of life only means that the event is delivered twice.
			_ = msg.InProgress()
		}
	}
}

// armOnce returns the messages that have to be armed again.
func (a *armer) armOnce(ctx context.Context, epoch uint64, msgs []jetstream.Msg) (again []jetstream.Msg) {
	items, armed := make([]window.Arm, 0, len(msgs)), make([]jetstream.Msg, 0, len(msgs))
	carried := 0
	begun := make([]arming, 0, len(msgs))
	for _, msg := range msgs {
		item, err := a.item(epoch, msg)
		if err != nil {
			a.refuse(ctx, msg, err)
			continue
		}
		a.log.Seen(item.Position.Sequence)
		if eventlog.CarriedIn(msg.Headers(), epoch) {
			// A window would only bring it to a read that is done. Whatever its appender leaves undone is swept.
			a.ack(ctx, msg)
			carried++
			continue
		}
		begun = append(begun, a.spans.arm(&item, msg))
		items, armed = append(items, item), append(armed, msg)
	}
	a.metrics.carried(ctx, a.source.Name, carried)
	if len(items) == 0 {
		return nil
	}
	failpoint.Hit("debouncer.arm.begin")
	result, err := a.store.Arm(ctx, items)
	if err != nil {
		a.logger.WarnContext(ctx, "events cannot be armed, trying again", "source", a.source.Name, "error", err.Error())
	}
	failpoint.Hit("debouncer.arm.done")
	for _, hint := range result.Hints {
		a.hint(hint)
	}
	if result.Emptied {
		a.emptied()
	}
	for i, msg := range armed {
		a.spans.armed(begun[i], result.Outcomes[i], result.Traces[i], result.Errs[i])
		switch err := result.Errs[i]; {
		case err == nil:
			a.ack(ctx, msg)
		case errors.Is(err, window.ErrPosition), errors.Is(err, window.ErrPeriod):
			a.refuse(ctx, msg, err)
		default:
			again = append(again, msg)
		}
	}
	a.metrics.armed(ctx, a.source.Name, result.Outcomes)
	return again
}

// item says how an event is armed. Only its subject and its place in the log count, once it is one to be armed.
func (a *armer) item(epoch uint64, msg jetstream.Msg) (window.Arm, error) {
	k, err := bus.StageDebounce.KeyOf(msg.Subject())
	if err != nil {
		return window.Arm{}, err
	}
	meta, err := msg.Metadata()
	if err != nil {
		return window.Arm{}, fmt.Errorf("metadata of an event: %w", err)
	}
	item := window.Arm{
		Key: k, Position: position.Position{Epoch: epoch, Sequence: meta.Sequence.Stream},
		Quiet: a.width.quiet(), MaxWait: a.source.MaxWait,
		Urgent: a.urgent(msg),
	}
	return item, nil
}

// urgent tells whether the event's change type is one that does not wait. An event that cannot be read is not.
func (a *armer) urgent(msg jetstream.Msg) bool {
	if len(a.source.UrgentTypes) == 0 {
		return false
	}
	var change bridgev1.Change
	if err := ce.UnmarshalData(msg.Data(), &change); err != nil {
		return false
	}
	return slices.Contains(a.source.UrgentTypes, change.GetChangeType())
}

func (a *armer) ack(ctx context.Context, msg jetstream.Msg) {
	if err := msg.Ack(); err != nil {
		a.logger.WarnContext(ctx, "acknowledgement got lost, the event will be armed again, which changes nothing", "error", err.Error())
	}
}

// refuse ends the delivery of something that no version of this service could arm: somebody else has written into the
// log's subjects. It stays in the log.
func (a *armer) refuse(ctx context.Context, msg jetstream.Msg, err error) {
	a.logger.ErrorContext(ctx, "message in the event log is no event of ours", "source", a.source.Name, "error", err.Error())
	a.metrics.refused(ctx, a.source.Name)
	if err := msg.TermWithReason("no event of enneo-bridge"); err != nil {
		a.logger.WarnContext(ctx, "acknowledgement got lost", "error", err.Error())
	}
}
