package record

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// Erasing returns the bucket as one that overwrites the bytes of each revision that is replaced. A stream only forgets where
// a message stood, and its file keeps the bytes until it is compacted. The bucket has to keep several revisions, or the server
// forgets a replaced one before it can be overwritten.
//
// The new revision is stored first, so a crash in between loses nothing and leaves the old one behind; EraseOlder finds it.
func (b *Bucket[T, M]) Erasing() *Bucket[T, M] {
	erasing := *b
	erasing.erases = true
	return &erasing
}

// EraseOlder overwrites every revision of a record but the newest. Use it when nothing of the past may be left.
func (b *Bucket[T, M]) EraseOlder(ctx context.Context, k string) error {
	stream, err := b.stream(ctx)
	if err != nil {
		return err
	}
	newest, err := b.kv.Get(ctx, k)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read from %s: %w", b.name, err)
	}
	for next := uint64(1); ; {
		msg, err := stream.GetMsg(ctx, next, jetstream.WithGetMsgSubject("$KV."+b.name+"."+k))
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound), err == nil && msg.Sequence >= newest.Revision():
			return nil
		case err != nil:
			return fmt.Errorf("look for older revisions in %s: %w", b.name, err)
		}
		if err := b.erase(ctx, msg.Sequence); err != nil {
			return err
		}
		next = msg.Sequence + 1
	}
}

// erase overwrites one revision. One that is gone already is no error.
func (b *Bucket[T, M]) erase(ctx context.Context, revision uint64) error {
	stream, err := b.stream(ctx)
	if err != nil {
		return err
	}
	if err := stream.SecureDeleteMsg(ctx, revision); err != nil {
		// The client gives that refusal no name of its own.
		if _, left := stream.GetMsg(ctx, revision); !errors.Is(left, jetstream.ErrMsgNotFound) {
			return fmt.Errorf("erase revision %d of %s: %w", revision, b.name, err)
		}
	}
	return nil
}

// stream is the one behind the bucket.
func (b *Bucket[T, M]) stream(ctx context.Context) (jetstream.Stream, error) {
	stream, err := b.js.Stream(ctx, "KV_"+b.name)
	if err != nil {
		return nil, fmt.Errorf("open the stream of %s: %w", b.name, err)
	}
	return stream, nil
}
