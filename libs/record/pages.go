package record

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// pulled is how many records EachLike holds at a time.
	pulled = 256
	// idle is how long nothing arrives before the server is asked whether anything is left.
	idle = time.Second
)

// EachLike calls visit with every record whose key fits a pattern of NATS subjects, for example "erp.contract.*", in the order
// of writing, until visit returns an error or all have been seen. Unlike Each it asks for a few records at a time, so that memory
// does not grow with their number however long visit takes.
func (b *Bucket[T, M]) EachLike(ctx context.Context, pattern string, visit func(k string, entry Entry[T, M]) error) error {
	stream, err := b.stream(ctx)
	if err != nil {
		return err
	}
	prefix := "$KV." + b.name + "."
	consumer, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{prefix + pattern}, DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy,
	})
	if err != nil {
		return fmt.Errorf("list %s: %w", b.name, err)
	}
	info, err := consumer.Info(ctx)
	if err != nil {
		return fmt.Errorf("list %s: %w", b.name, err)
	}
	if info.NumPending == 0 {
		return nil
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(pulled))
	if err != nil {
		return fmt.Errorf("list %s: %w", b.name, err)
	}
	defer messages.Stop()
	var received uint64
	for {
		wait, cancel := context.WithTimeout(ctx, idle)
		msg, err := messages.Next(jetstream.NextContext(wait))
		cancel()
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			// What was still to come may have been deleted meanwhile.
			info, err := consumer.Info(ctx)
			if err == nil && info.NumPending == 0 && info.Delivered.Consumer <= received {
				return nil
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("list %s: %w", b.name, errors.Join(err, ctx.Err()))
		}
		meta, err := msg.Metadata()
		if err != nil {
			return fmt.Errorf("list %s: %w", b.name, err)
		}
		received = meta.Sequence.Consumer
		if !deleted(msg) {
			entry, err := b.decodeData(msg.Data(), meta.Sequence.Stream, meta.Timestamp)
			if err != nil {
				return err
			}
			if err := visit(strings.TrimPrefix(msg.Subject(), prefix), entry); err != nil {
				return err
			}
		}
		if meta.NumPending == 0 {
			return nil
		}
	}
}

// deleted tells whether a message is the mark of a record that was deleted.
func deleted(msg jetstream.Msg) bool {
	return msg.Headers().Get("KV-Operation") != "" || msg.Headers().Get(jetstream.MarkerReasonHeader) != ""
}
