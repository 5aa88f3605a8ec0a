// Package record keeps protobuf messages in a NATS KV bucket, as protobuf JSON, changed by compare-and-set only.
//
// # Concurrency
//
// A Bucket is safe for concurrent use, by any number of processes: a writer that does not know the newest revision gets
// ErrConflict and has to look again.
package record

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	"github.com/enneo-ai/enneo-bridge/libs/ce"
	"github.com/enneo-ai/enneo-bridge/libs/failpoint"
)

// ErrConflict says that somebody else has written the record since it was read; test with errors.Is.
var ErrConflict = errors.New("record was changed by somebody else")

// Message is a pointer to a protobuf message of type T.
type Message[T any] interface {
	*T
	proto.Message
}

// Bucket is a KV bucket of records of one type.
type Bucket[T any, M Message[T]] struct {
	name string
	js   jetstream.JetStream
	kv   jetstream.KeyValue
	// erases: see Erasing.
	erases bool
}

// Entry is a record as it was read. The zero revision means that there is none; Value is an empty message then, never nil.
type Entry[T any, M Message[T]] struct {
	Value    M
	Revision uint64
	// StoredAt is the server's time of the write.
	StoredAt time.Time
}

// Open opens a bucket that the topology has created.
func Open[T any, M Message[T]](ctx context.Context, js jetstream.JetStream, name string) (*Bucket[T, M], error) {
	kv, err := js.KeyValue(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", name, err)
	}
	return &Bucket[T, M]{name: name, js: js, kv: kv}, nil
}

// Get reads the newest record, from the leader of the bucket: it never returns an older state than one that was written before.
func (b *Bucket[T, M]) Get(ctx context.Context, k string) (Entry[T, M], error) {
	stored, err := b.kv.Get(ctx, k)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return Entry[T, M]{Value: M(new(T))}, nil
	}
	if err != nil {
		return Entry[T, M]{}, fmt.Errorf("read from %s: %w", b.name, err)
	}
	return b.decode(stored)
}

func (b *Bucket[T, M]) decode(stored jetstream.KeyValueEntry) (Entry[T, M], error) {
	return b.decodeData(stored.Value(), stored.Revision(), stored.Created())
}

func (b *Bucket[T, M]) decodeData(data []byte, revision uint64, storedAt time.Time) (Entry[T, M], error) {
	value := M(new(T))
	if err := ce.UnmarshalData(data, value); err != nil {
		return Entry[T, M]{}, fmt.Errorf("record in %s, revision %d: %w", b.name, revision, err)
	}
	return Entry[T, M]{Value: value, Revision: revision, StoredAt: storedAt}, nil
}

// Put writes the record if its newest revision is still the given one (0: there is none) and returns the new revision.
func (b *Bucket[T, M]) Put(ctx context.Context, k string, value M, revision uint64) (uint64, error) {
	data, err := ce.MarshalData(value)
	if err != nil {
		return 0, err
	}
	replaced := revision
	if revision == 0 {
		revision, err = b.kv.Create(ctx, k, data)
	} else {
		revision, err = b.kv.Update(ctx, k, data, revision)
	}
	if errors.Is(err, jetstream.ErrKeyExists) || errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
		return 0, fmt.Errorf("write to %s: %w", b.name, ErrConflict)
	}
	if err != nil {
		return 0, fmt.Errorf("write to %s: %w", b.name, err)
	}
	if b.erases && replaced != 0 {
		failpoint.Hit("record.replaced")
		// The record is stored. What is left behind now, EraseOlder finds.
		_ = b.erase(ctx, replaced)
	}
	return revision, nil
}

// ErrUnchanged is returned by the function given to Change to leave the record as it is.
var ErrUnchanged = errors.New("leave the record as it is")

// Change reads, changes and writes a record until nobody was in between. change may run several times.
func (b *Bucket[T, M]) Change(ctx context.Context, k string, change func(M) error) (Entry[T, M], error) {
	for {
		entry, err := b.Get(ctx, k)
		if err != nil {
			return entry, err
		}
		if err := change(entry.Value); errors.Is(err, ErrUnchanged) {
			return entry, nil
		} else if err != nil {
			return entry, err
		}
		revision, err := b.Put(ctx, k, entry.Value, entry.Revision)
		if errors.Is(err, ErrConflict) {
			continue
		}
		entry.Revision = revision
		return entry, err
	}
}

// Each calls visit with every record, in the order of writing, until visit returns an error or all have been seen.
func (b *Bucket[T, M]) Each(ctx context.Context, visit func(k string, entry Entry[T, M]) error) error {
	watcher, err := b.kv.WatchAll(ctx, jetstream.IgnoreDeletes())
	if err != nil {
		return fmt.Errorf("list %s: %w", b.name, err)
	}
	defer func() { _ = watcher.Stop() }() // Its only error says that it has stopped already.
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("list %s: %w", b.name, ctx.Err())
		case stored, open := <-watcher.Updates():
			if !open {
				return fmt.Errorf("list %s: the watcher has ended before the end of the list", b.name)
			}
			if stored == nil {
				return nil
			}
			entry, err := b.decode(stored)
			if err != nil {
				return err
			}
			if err := visit(stored.Key(), entry); err != nil {
				return err
			}
		}
	}
}

// Watch calls visit with the newest record of one key and then with each change, until ctx ends.
func (b *Bucket[T, M]) Watch(ctx context.Context, k string, visit func(Entry[T, M])) error {
	watcher, err := b.kv.Watch(ctx, k, jetstream.IgnoreDeletes())
	if err != nil {
		return fmt.Errorf("watch %s: %w", b.name, err)
	}
	defer func() { _ = watcher.Stop() }() // Its only error says that it has stopped already.
	for {
		select {
		case <-ctx.Done():
			return nil
		case stored, open := <-watcher.Updates():
			if !open {
				return fmt.Errorf("watch %s: the watcher has ended", b.name)
			}
			if stored == nil {
				continue
			}
			entry, err := b.decode(stored)
			if err != nil {
				return err
			}
			visit(entry)
		}
	}
}

// Now is the server's time, on the same clock as StoredAt.
func (b *Bucket[T, M]) Now(ctx context.Context) (time.Time, error) {
	stream, err := b.js.Stream(ctx, "KV_"+b.name)
	if err != nil {
		return time.Time{}, fmt.Errorf("ask for the time of %s: %w", b.name, err)
	}
	return stream.CachedInfo().TimeStamp, nil
}
