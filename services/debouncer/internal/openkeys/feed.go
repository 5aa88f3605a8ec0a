package openkeys

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// feedBatch is how many messages are asked for at a time.
	feedBatch = 4096
	// feedHeartbeat is how often the server shows that it is still there; two missing ones begin the reading anew.
	feedHeartbeat = 2 * time.Second
	feedExpiry    = 15 * time.Second
	// feedPause follows a failure.
	feedPause = 250 * time.Millisecond
	// consumerLifetime is how long the server keeps the consumer of a reader that is gone.
	consumerLifetime = time.Minute
	requestTimeout   = 5 * time.Second
)

// errGap says that messages of a stream got lost on the way, so they are asked for again.
var errGap = errors.New("messages got lost on the way")

// feed reads the messages of a stream in order and without gaps, for ever.
type feed struct {
	js          jetstream.JetStream
	stream      string
	filter      string
	headersOnly bool
	logger      *slog.Logger
}

// item is one message. Without one it says, once, that everything has been read that the stream held when reading began.
type item struct {
	msg      jetstream.Msg
	sequence uint64
	at       time.Time
}

// run sends what the stream holds from a sequence on, and then what comes, until ctx ends. It goes on after any failure.
func (f *feed) run(ctx context.Context, from uint64, out chan<- item) {
	r := reader{feed: f, next: from, out: out}
	for ctx.Err() == nil {
		err := r.read(ctx)
		if ctx.Err() != nil {
			return
		}
		f.logger.WarnContext(ctx, "reading a stream was interrupted", "stream", f.stream, "error", err.Error())
		select {
		case <-ctx.Done():
		case <-time.After(feedPause):
		}
	}
}

// reader is the state of a feed that outlives its consumers.
type reader struct {
	*feed
	next uint64
	out  chan<- item
	// caughtUp: the item without a message has been sent.
	caughtUp bool
}

// read reads until something fails.
func (r *reader) read(ctx context.Context) error {
	request, cancel := context.WithTimeout(ctx, requestTimeout)
	consumer, err := r.js.CreateConsumer(request, r.stream, jetstream.ConsumerConfig{
		FilterSubject: r.filter, HeadersOnly: r.headersOnly,
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: r.next,
		AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, Replicas: 1, InactiveThreshold: consumerLifetime,
	})
	cancel()
	if err != nil {
		return fmt.Errorf("make a consumer: %w", err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
		defer cancel()
		// The server removes it by itself otherwise.
		_ = r.js.DeleteConsumer(ctx, r.stream, consumer.CachedInfo().Name)
	}()
	messages, err := consumer.Messages(jetstream.PullMaxMessages(feedBatch), jetstream.PullExpiry(feedExpiry),
		jetstream.PullHeartbeat(feedHeartbeat), jetstream.WithMessagesErrOnMissingHeartbeat(true))
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	defer messages.Stop()
	if consumer.CachedInfo().NumPending == 0 {
		r.reachedEnd(ctx)
	}
	for delivered := uint64(1); ; {
		wait, cancel := context.WithTimeout(ctx, feedHeartbeat)
		msg, err := messages.Next(jetstream.NextContext(wait))
		cancel()
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			if err := r.idle(ctx, consumer, delivered); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		meta, err := msg.Metadata()
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		if meta.Sequence.Consumer != delivered {
			return errGap
		}
		delivered++
		r.next = meta.Sequence.Stream + 1
		if !r.send(ctx, item{msg: msg, sequence: meta.Sequence.Stream, at: meta.Timestamp}) {
			return ctx.Err()
		}
		if meta.NumPending == 0 {
			r.reachedEnd(ctx)
		}
	}
}

// idle notices that what was to be read has left the stream meanwhile.
func (r *reader) idle(ctx context.Context, consumer jetstream.Consumer, delivered uint64) error {
	if r.caughtUp {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	info, err := consumer.Info(ctx)
	if err != nil {
		return fmt.Errorf("ask for what is left: %w", err)
	}
	if info.NumPending == 0 && info.Delivered.Consumer < delivered {
		r.reachedEnd(ctx)
	}
	return nil
}

func (r *reader) reachedEnd(ctx context.Context) {
	if !r.caughtUp {
		r.caughtUp = r.send(ctx, item{})
	}
}

func (r *reader) send(ctx context.Context, i item) bool {
	select {
	case r.out <- i:
		return true
	case <-ctx.Done():
		return false
	}
}
