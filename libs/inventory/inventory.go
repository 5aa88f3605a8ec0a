// Package inventory counts what each source has in the streams and buckets, and clears away what a retired one has left.
//
// Sources are found by their durable consumers, which every service makes for the sources that it is configured with, and
// which nobody removes but Clear. So nothing has to be read to find them, however much there is.
//
// # Concurrency
//
// The functions may be called at any time by any number of processes; the counts are those of a moment.
package inventory

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/key"
)

// Counts are what a source has.
type Counts struct {
	// Events are those in the log.
	Events uint64 `json:"events"`
	// Due and Ready are the tickets that wait for a read and for a request to Enneo.
	Due   uint64 `json:"due"`
	Ready uint64 `json:"ready"`
	// Snapshots and Settled are the records of keys, those of deleted ones among them.
	Snapshots uint64 `json:"snapshots"`
	Settled   uint64 `json:"settled"`
	Dead      uint64 `json:"dead_letters"`
}

// Total is the sum of all.
func (c Counts) Total() uint64 {
	return c.Events + c.Due + c.Ready + c.Snapshots + c.Settled + c.Dead
}

// place is where a source has something.
type place struct {
	stream, subject string
	count           func(*Counts) *uint64
	// personal data have to be overwritten, not only forgotten.
	personal bool
}

// places are all of them for a source. The log comes before what is settled: events without settlements would be taken for
// open, and read again.
func places(source string) []place {
	kv := func(bucket string) (stream, subject string) {
		return bus.KVStream(bucket), "$KV." + bucket + "." + source + ".>"
	}
	contracts, contractKeys := kv(bus.BucketContracts)
	settled, settledKeys := kv(bus.BucketSettled)
	return []place{
		{bus.StreamDue, bus.StageEnrich.Filter(source), func(c *Counts) *uint64 { return &c.Due }, false},
		{bus.StreamReady, bus.StagePublish.Filter(source), func(c *Counts) *uint64 { return &c.Ready }, false},
		{bus.StreamDead, "dead.*." + source + ".>", func(c *Counts) *uint64 { return &c.Dead }, true},
		{contracts, contractKeys, func(c *Counts) *uint64 { return &c.Snapshots }, true},
		{bus.StreamEvents, bus.StageDebounce.Filter(source), func(c *Counts) *uint64 { return &c.Events }, false},
		{settled, settledKeys, func(c *Counts) *uint64 { return &c.Settled }, false},
	}
}

// Sources are the names of all sources that any service was ever configured with, and which were not cleared away since.
func Sources(ctx context.Context, b *bus.Bus) ([]string, error) {
	names := map[string]bool{}
	for _, stage := range bus.Stages() {
		stream, err := b.JetStream().Stream(ctx, stage.Stream())
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", stage.Stream(), err)
		}
		consumers := stream.ConsumerNames(ctx)
		for name := range consumers.Name() {
			// Those of the log have the epoch behind the name of the source.
			if of, ok := strings.CutPrefix(name, string(stage)+"-"); ok && stage != bus.StageDebounce && key.ValidSource(of) {
				names[of] = true
			}
		}
		if err := consumers.Err(); err != nil {
			return nil, fmt.Errorf("list the consumers of %s: %w", stage.Stream(), err)
		}
	}
	return slices.Sorted(maps.Keys(names)), nil
}

// Count counts what a source has.
func Count(ctx context.Context, b *bus.Bus, source string) (Counts, error) {
	var c Counts
	for _, p := range places(source) {
		stream, err := b.JetStream().Stream(ctx, p.stream)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			continue
		}
		if err != nil {
			return c, fmt.Errorf("open %s: %w", p.stream, err)
		}
		if *p.count(&c), err = count(ctx, stream, p.subject); err != nil {
			return c, err
		}
	}
	return c, nil
}

// countTimeout is how long the server remembers a count that nobody has fetched.
const countTimeout = 10 * time.Second

// count asks the server how many messages a subject has, without a list of them. A consumer that is about to read them knows;
// a work queue has room for one consumer per source only, and there the few tickets are listed.
func count(ctx context.Context, stream jetstream.Stream, subject string) (uint64, error) {
	if stream.CachedInfo().Config.Retention == jetstream.WorkQueuePolicy {
		info, err := stream.Info(ctx, jetstream.WithSubjectFilter(subject))
		if err != nil {
			return 0, fmt.Errorf("count the messages of %s: %w", stream.CachedInfo().Config.Name, err)
		}
		total := uint64(0)
		for _, n := range info.State.Subjects {
			total += n
		}
		return total, nil
	}
	policy := jetstream.DeliverLastPerSubjectPolicy // A bucket keeps older revisions.
	if stream.CachedInfo().Config.Name == bus.StreamEvents {
		policy = jetstream.DeliverAllPolicy
	}
	reader, err := stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		FilterSubject: subject, DeliverPolicy: policy, AckPolicy: jetstream.AckNonePolicy,
		MemoryStorage: true, InactiveThreshold: countTimeout,
	})
	if err != nil {
		return 0, fmt.Errorf("count the messages of %s: %w", stream.CachedInfo().Config.Name, err)
	}
	pending := reader.CachedInfo().NumPending
	// It would go by itself.
	_ = stream.DeleteConsumer(ctx, reader.CachedInfo().Name)
	return pending, nil
}

// Clear removes everything of a source from the streams and buckets, and at last its consumers, by which it would be found
// again: interrupted, it may simply be repeated. The bytes of personal data are overwritten. Nobody may work for the source
// meanwhile. What Enneo has of it is left as it is.
func Clear(ctx context.Context, b *bus.Bus, source string) error {
	for _, p := range places(source) {
		stream, err := b.JetStream().Stream(ctx, p.stream)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			continue
		}
		if err != nil {
			return fmt.Errorf("open %s: %w", p.stream, err)
		}
		if p.personal {
			if err := overwrite(ctx, stream, p.subject); err != nil {
				return err
			}
		}
		if err := stream.Purge(ctx, jetstream.WithPurgeSubject(p.subject)); err != nil {
			return fmt.Errorf("clear %s of %s: %w", p.stream, source, err)
		}
	}
	for _, stage := range bus.Stages() {
		if err := removeConsumers(ctx, b, stage, source); err != nil {
			return err
		}
	}
	return nil
}

// overwrite overwrites every message of a subject.
func overwrite(ctx context.Context, stream jetstream.Stream, subject string) error {
	for next := uint64(1); ; {
		msg, err := stream.GetMsg(ctx, next, jetstream.WithGetMsgSubject(subject))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil
		}
		if err == nil {
			next = msg.Sequence + 1
			err = stream.SecureDeleteMsg(ctx, msg.Sequence)
		}
		if err != nil {
			return fmt.Errorf("overwrite the messages of %s: %w", stream.CachedInfo().Config.Name, err)
		}
	}
}

func removeConsumers(ctx context.Context, b *bus.Bus, stage bus.Stage, source string) error {
	stream, err := b.JetStream().Stream(ctx, stage.Stream())
	if err != nil {
		return fmt.Errorf("open %s: %w", stage.Stream(), err)
	}
	consumers := stream.ListConsumers(ctx)
	for info := range consumers.Info() {
		if info.Config.Durable == "" || info.Config.FilterSubject != stage.Filter(source) {
			continue
		}
		if err := stream.DeleteConsumer(ctx, info.Name); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
			return fmt.Errorf("remove the consumer %s: %w", info.Name, err)
		}
	}
	if err := consumers.Err(); err != nil {
		return fmt.Errorf("list the consumers of %s: %w", stage.Stream(), err)
	}
	return nil
}

// Keys are the keys of a source that have an event in the log or were ever settled, in no order.
func Keys(ctx context.Context, b *bus.Bus, source string) ([]key.Key, error) {
	seen := map[key.Key]bool{}
	for _, p := range places(source) {
		if p.stream != bus.StreamEvents && p.stream != bus.KVStream(bus.BucketSettled) {
			continue
		}
		stream, err := b.JetStream().Stream(ctx, p.stream)
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", p.stream, err)
		}
		info, err := stream.Info(ctx, jetstream.WithSubjectFilter(p.subject))
		if err != nil {
			return nil, fmt.Errorf("list the keys of %s: %w", source, err)
		}
		prefix := strings.TrimSuffix(p.subject, source+".>")
		for subject := range info.State.Subjects {
			if k, err := key.Parse(strings.TrimPrefix(subject, prefix)); err == nil {
				seen[k] = true
			}
		}
	}
	return slices.Collect(maps.Keys(seen)), nil
}
