package bus

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go/jetstream"
)

// EnsureLogConsumer opens the consumer of the event log for one source, creates it if it is missing, and sets it back to
// the beginning of the log if it belongs to another epoch: in a new epoch every key of the log counts as open, and a
// consumer that remembers sequences of the old epoch would skip events of the new one.
//
// Several replicas may do this at once: at worst the log is delivered once more. The consumer is set back and not deleted
// and created again, since nats-server 2.15.2 mixes up the files of two consumers of one name when several clients do that
// at once, and then refuses to create the consumer until it is restarted. Setting back needs nats-server 2.14.
func (b *Bus) EnsureLogConsumer(ctx context.Context, source string, epoch uint64) (jetstream.Consumer, error) {
	cfg := b.topo.consumer(StageDebounce, source)
	cfg.Metadata = map[string]string{MetadataEpoch: strconv.FormatUint(epoch, 10)}
	var opened jetstream.Consumer
	err := b.apply(ctx, "consumer "+cfg.Durable, func(ctx context.Context) error {
		current, err := b.js.Consumer(ctx, StreamEvents, cfg.Durable)
		switch {
		case errors.Is(err, jetstream.ErrConsumerNotFound):
		case err != nil:
			return fmt.Errorf("look up: %w", err)
		case current.CachedInfo().Config.Metadata[MetadataEpoch] != cfg.Metadata[MetadataEpoch]:
			// Before the epoch is noted: dying in between sets it back once more, and skips nothing.
			if _, err := b.js.ResetConsumerToSequence(ctx, StreamEvents, cfg.Durable, 1); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
				return fmt.Errorf("set back the one of another epoch: %w", err)
			}
		}
		opened, err = b.js.CreateOrUpdateConsumer(ctx, StreamEvents, cfg)
		return err //nolint:wrapcheck // apply does.
	})
	return opened, err
}
