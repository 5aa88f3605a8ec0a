package record

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// ErrRecreated says that a bucket is another one than before, or was set back: what was heard of it before may not be
// true any more. Test with errors.Is.
var ErrRecreated = errors.New("the bucket was recreated or set back")

const (
	// followWait is how long a batch waits for more of what the server has announced.
	followWait = 250 * time.Millisecond
	// followCheck is how long nothing arrives before the bucket is looked at: whether it is still the same.
	followCheck = 2 * time.Second
)

// Revision is what Follow tells of a record.
type Revision[T any, M Message[T]] struct {
	Key string
	Entry[T, M]
	// Deleted: the record itself was removed. Err: it cannot be read. Value is an empty message in both cases.
	Deleted bool
	Err     error
}

// Cursor is how far a bucket was followed; the zero value is the beginning.
type Cursor struct {
	created time.Time
	last    uint64
}

// Follow calls visit with the newest record of every key that fits one of the patterns, and then with each change, in the
// order of writing, until ctx ends, visit returns an error or the server cannot be reached. Called again with the same cursor it goes
// on where it was. It holds pulled records at a time, so memory does not grow with their number. Each visit gets some of them and hears
// how many more there are at that moment; the first one with 0, whose batch may be empty, says that nothing is left of what
// was there before. A record that was removed without a mark is not told. ErrRecreated says to begin anew.
func (b *Bucket[T, M]) Follow(
	ctx context.Context, cursor *Cursor, patterns []string, visit func(batch []Revision[T, M], left uint64) error,
) error {
	f := follower[T, M]{bucket: b, prefix: "$KV." + b.name + ".", cursor: cursor, visit: visit}
	stream, err := f.open(ctx)
	if err != nil {
		return err
	}
	cfg := jetstream.OrderedConsumerConfig{
		// The client itself would try for ever, and not hear of the end of ctx.
		DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy, MaxResetAttempts: 1,
	}
	if cursor.last > 0 {
		cfg.DeliverPolicy, cfg.OptStartSeq = jetstream.DeliverByStartSequencePolicy, cursor.last+1
	}
	for _, pattern := range patterns {
		cfg.FilterSubjects = append(cfg.FilterSubjects, f.prefix+pattern)
	}
	consumer, err := stream.OrderedConsumer(ctx, cfg)
	if err != nil {
		return fmt.Errorf("follow %s: %w", b.name, err)
	}
	info, err := consumer.Info(ctx)
	if err != nil {
		return fmt.Errorf("follow %s: %w", b.name, err)
	}
	if info.NumPending == 0 {
		if err := visit(nil, 0); err != nil {
			return err
		}
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(pulled))
	if err != nil {
		return fmt.Errorf("follow %s: %w", b.name, err)
	}
	defer messages.Stop()
	for {
		if err := f.step(ctx, messages); err != nil {
			return err
		}
	}
}

// follower is a Follow under way.
type follower[T any, M Message[T]] struct {
	bucket *Bucket[T, M]
	prefix string
	cursor *Cursor
	batch  []Revision[T, M]
	left   uint64
	visit  func([]Revision[T, M], uint64) error
}

// open opens the stream behind the bucket, if it is still the one that was followed.
func (f *follower[T, M]) open(ctx context.Context) (jetstream.Stream, error) {
	stream, err := f.bucket.stream(ctx)
	if err != nil {
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			err = errors.Join(ErrRecreated, err)
		}
		return nil, fmt.Errorf("follow %s: %w", f.bucket.name, err)
	}
	info := stream.CachedInfo()
	if f.cursor.created.IsZero() {
		f.cursor.created = info.Created
	}
	if !info.Created.Equal(f.cursor.created) || info.State.LastSeq < f.cursor.last {
		return nil, fmt.Errorf("follow %s: %w", f.bucket.name, ErrRecreated)
	}
	return stream, nil
}

// step waits for one message and tells the batch when it is full, or nothing more comes.
func (f *follower[T, M]) step(ctx context.Context, messages jetstream.MessagesContext) error {
	wait := followCheck
	if len(f.batch) > 0 {
		wait = followWait
	}
	next, cancel := context.WithTimeout(ctx, wait)
	msg, err := messages.Next(jetstream.NextContext(next))
	cancel()
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("follow %s: %w", f.bucket.name, ctx.Err())
	case errors.Is(err, context.DeadlineExceeded) && len(f.batch) > 0:
		return f.tell()
	case errors.Is(err, context.DeadlineExceeded):
		return f.check(ctx)
	case err != nil:
		return fmt.Errorf("follow %s: %w", f.bucket.name, err)
	}
	meta, err := msg.Metadata()
	if err != nil {
		return fmt.Errorf("follow %s: %w", f.bucket.name, err)
	}
	if meta.Sequence.Stream <= f.told() {
		return fmt.Errorf("follow %s: %w", f.bucket.name, ErrRecreated)
	}
	f.left = meta.NumPending
	f.batch = append(f.batch, f.read(msg, meta))
	if f.left == 0 || len(f.batch) == pulled {
		return f.tell()
	}
	return nil
}

func (f *follower[T, M]) read(msg jetstream.Msg, meta *jetstream.MsgMetadata) Revision[T, M] {
	r := Revision[T, M]{Key: strings.TrimPrefix(msg.Subject(), f.prefix), Deleted: deleted(msg)}
	if !r.Deleted {
		r.Entry, r.Err = f.bucket.decodeData(msg.Data(), meta.Sequence.Stream, meta.Timestamp)
	}
	if r.Deleted || r.Err != nil {
		r.Entry = Entry[T, M]{Value: M(new(T)), Revision: meta.Sequence.Stream, StoredAt: meta.Timestamp}
	}
	return r
}

// told is the newest revision in hand.
func (f *follower[T, M]) told() uint64 {
	if len(f.batch) > 0 {
		return f.batch[len(f.batch)-1].Revision
	}
	return f.cursor.last
}

// tell passes the batch on; what was told is not told again.
func (f *follower[T, M]) tell() error {
	if err := f.visit(f.batch, f.left); err != nil {
		return err
	}
	f.cursor.last = f.told()
	f.batch = nil
	return nil
}

// check finds out whether the bucket is still the one that was followed. While NATS is away that is not known.
func (f *follower[T, M]) check(ctx context.Context) error {
	within, cancel := context.WithTimeout(ctx, followCheck)
	defer cancel()
	if _, err := f.open(within); errors.Is(err, ErrRecreated) {
		return err
	}
	return nil
}

// Newest is the revision that was written last, of whatever key.
func (b *Bucket[T, M]) Newest(ctx context.Context) (uint64, error) {
	stream, err := b.stream(ctx)
	if err != nil {
		return 0, err
	}
	return stream.CachedInfo().State.LastSeq, nil
}

// Holds tells whether the bucket holds a revision, of whatever key.
func (b *Bucket[T, M]) Holds(ctx context.Context, revision uint64) (bool, error) {
	stream, err := b.stream(ctx)
	if err != nil {
		return false, err
	}
	_, err = stream.GetMsg(ctx, revision)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at revision %d of %s: %w", revision, b.name, err)
	}
	return true, nil
}
