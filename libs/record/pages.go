package record

import (
	"context"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
)

// pulled is how many records EachLike holds at a time.
const pulled = 256

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
	err = bus.Replay(ctx, consumer, pulled, func(msg jetstream.Msg, meta *jetstream.MsgMetadata) error {
		if deleted(msg) {
			return nil
		}
		entry, err := b.decodeData(msg.Data(), meta.Sequence.Stream, meta.Timestamp)
		if err != nil {
			return err
		}
		return visit(strings.TrimPrefix(msg.Subject(), prefix), entry)
	})
	if err != nil {
		return fmt.Errorf("list %s: %w", b.name, err)
	}
	return nil
}

// deleted tells whether a message is the mark of a record that was deleted.
func deleted(msg jetstream.Msg) bool {
	return msg.Headers().Get("KV-Operation") != "" || msg.Headers().Get(jetstream.MarkerReasonHeader) != ""
}
