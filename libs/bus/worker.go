package bus

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"
)

// Verdict is a handler's answer to a message.
type Verdict struct {
	again bool
	after time.Duration
}

// Done says that the message's work is finished, or is provably not needed.
func Done() Verdict { return Verdict{} }

// Again asks for the message once more after a pause. Nothing sleeps meanwhile; a newer ticket of the key that replaces
// this one forgets the pause, so the time before which nothing may be tried must be known elsewhere (package retry).
func Again(after time.Duration) Verdict { return Verdict{again: true, after: after} }

// Handler works on one message. Its context is not cancelled by a shutdown: work that has begun is finished.
type Handler func(ctx context.Context, msg jetstream.Msg) Verdict

// Gate decides whether anything may be pulled at all.
type Gate interface {
	// Enter returns when the next message may be pulled; leave must be called when that message is finished.
	Enter(ctx context.Context) (leave func(), err error)
}

// Prober is a Gate that may let in one at a time. Whoever is in then finds out soon whether there is a message, and makes room: it
// may be that only another consumer has one.
type Prober interface {
	Gate
	// Probing tells whether whoever is in is the only one.
	Probing() bool
}

func probing(g Gate) bool {
	p, may := g.(Prober)
	return may && p.Probing()
}

// Workers pull messages of one consumer and work on them, each on one message at a time: what is pulled is being worked
// on, nothing waits in a buffer while its time for an acknowledgement runs out.
type Workers struct {
	// Open opens the consumer; called at the start and again whenever the consumer has vanished.
	Open func(ctx context.Context) (jetstream.Consumer, error)
	// Count is how many messages are worked on at once.
	Count int
	// Gate may be nil.
	Gate   Gate
	Handle Handler
	Logger *slog.Logger
}

const (
	// pullExpiry bounds one pull request; a lost one (the server restarted) is noticed after two missing heartbeats.
	pullExpiry    = 15 * time.Second
	pullHeartbeat = 2500 * time.Millisecond
	// probeExpiry bounds one of whoever is alone inside the gate.
	probeExpiry = time.Second
	// errorPause is the pause after a pull that failed at once.
	errorPause = 500 * time.Millisecond
)

// Run pulls and works until ctx ends, then finishes what has begun and returns nil.
func (w *Workers) Run(ctx context.Context) error {
	var group errgroup.Group
	for range w.Count {
		group.Go(func() error {
			w.run(ctx)
			return nil
		})
	}
	return group.Wait()
}

func (w *Workers) run(ctx context.Context) {
	var consumer jetstream.Consumer
	for ctx.Err() == nil {
		if consumer == nil {
			opened, err := w.Open(ctx)
			if err != nil {
				w.pause(ctx, err)
				continue
			}
			consumer = opened
		}
		leave := func() {}
		if w.Gate != nil {
			var err error
			if leave, err = w.Gate.Enter(ctx); err != nil {
				return
			}
		}
		msg, err := next(ctx, consumer, probing(w.Gate))
		switch {
		case err == nil && msg != nil:
			w.work(ctx, msg, consumer.CachedInfo().Config.AckWait)
		case errors.Is(err, jetstream.ErrConsumerNotFound), errors.Is(err, jetstream.ErrConsumerDeleted), errors.Is(err, nats.ErrNoResponders):
			consumer = nil
			w.pause(ctx, err)
		case err != nil:
			w.pause(ctx, err)
		}
		leave()
	}
}

// next waits for one message; nil without an error says that there was none.
func next(ctx context.Context, consumer jetstream.Consumer, probes bool) (jetstream.Msg, error) {
	expiry := pullExpiry
	if probes {
		expiry = probeExpiry
	}
	pull, cancel := context.WithTimeout(ctx, expiry)
	defer cancel()
	options := []jetstream.FetchOpt{jetstream.FetchContext(pull)}
	if !probes {
		options = append(options, jetstream.FetchHeartbeat(pullHeartbeat))
	}
	msg, err := consumer.Next(options...)
	switch {
	case err == nil:
		return msg, nil
	case errors.Is(err, nats.ErrTimeout), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.Is(err, jetstream.ErrNoHeartbeat):
		return nil, nil //nolint:nilnil // No message is the ordinary outcome of a pull, not an error.
	default:
		return nil, err //nolint:wrapcheck // Logged by the only caller.
	}
}

func (w *Workers) pause(ctx context.Context, err error) {
	w.Logger.WarnContext(ctx, "pull failed", "error", err.Error())
	select {
	case <-ctx.Done():
	case <-time.After(errorPause):
	}
}

// work runs the handler, tells the server three times per ack wait that it is at it, and answers the message.
func (w *Workers) work(ctx context.Context, msg jetstream.Msg, ackWait time.Duration) {
	ctx = context.WithoutCancel(ctx)
	beat := time.NewTicker(ackWait / 3)
	finished := make(chan struct{})
	go func() {
		defer beat.Stop()
		for {
			select {
			case <-finished:
				return
			case <-beat.C:
				// A lost sign of life only means that the message is delivered twice.
				_ = msg.InProgress()
			}
		}
	}()
	verdict := w.Handle(ctx, msg)
	close(finished)
	if err := Answer(msg, verdict); err != nil {
		w.Logger.WarnContext(ctx, "answer to a message got lost, it will be delivered again", "error", err.Error())
	}
}

// Answer tells the server what became of a message.
func Answer(msg jetstream.Msg, verdict Verdict) error {
	if verdict.again {
		return msg.NakWithDelay(max(verdict.after, time.Millisecond)) //nolint:wrapcheck // The callers say what it means.
	}
	return msg.Ack() //nolint:wrapcheck // The callers say what it means.
}
