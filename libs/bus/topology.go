package bus

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Topology sizes the streams and KV buckets. The names, subjects and rules are not configurable: others rely on them.
type Topology struct {
	Replicas        int           `env:"STREAM_REPLICAS, default=1" desc:"Replicas of every stream and KV bucket (1, 3 or 5)"`
	EventsMaxAge    time.Duration `env:"EVENTS_MAX_AGE, default=168h" desc:"How long the event log keeps events"`
	EventsMaxBytes  int64         `env:"EVENTS_MAX_BYTES, default=-1" desc:"Size limit of the event log in bytes, -1 for none; when it is full the ingestor answers 503"`
	DuplicateWindow time.Duration `env:"EVENTS_DUPLICATE_WINDOW, default=10m" desc:"How long the log recognises a repeated event id of a sender"`
	AckWait         time.Duration `env:"ACK_WAIT, default=30s" desc:"How long the server waits for a sign of life of a service before it delivers a message again; after a crash the messages in hand wait that long"`
	DeadMaxAge      time.Duration `env:"DEAD_MAX_AGE, default=720h" desc:"How long dead letters are kept"`
}

// Validate checks the figures.
func (t *Topology) Validate() error {
	switch {
	case t.Replicas != 1 && t.Replicas != 3 && t.Replicas != 5:
		return fmt.Errorf("STREAM_REPLICAS: %d is not 1, 3 or 5", t.Replicas)
	case t.EventsMaxAge < time.Hour:
		return fmt.Errorf("EVENTS_MAX_AGE: %s is too short to outlive an outage; set at least 1h", t.EventsMaxAge)
	case t.DuplicateWindow < 0 || t.DuplicateWindow > t.EventsMaxAge:
		return fmt.Errorf("EVENTS_DUPLICATE_WINDOW: %s is not between 0 and EVENTS_MAX_AGE (%s)", t.DuplicateWindow, t.EventsMaxAge)
	case t.EventsMaxBytes == 0 || t.EventsMaxBytes < -1:
		return fmt.Errorf("EVENTS_MAX_BYTES: %d is neither -1 nor a size in bytes", t.EventsMaxBytes)
	case t.AckWait < time.Second || t.AckWait > time.Hour:
		return fmt.Errorf("ACK_WAIT: %s is not between 1s and 1h", t.AckWait)
	case t.DeadMaxAge < time.Hour:
		return fmt.Errorf("DEAD_MAX_AGE: %s is too short for a person to look; set at least 1h", t.DeadMaxAge)
	}
	return nil
}

// MetadataEpoch is the key in a consumer's metadata that holds the log epoch for which it was created.
const MetadataEpoch = "enneo-bridge-epoch"

// streams describes every stream. Discard is "new" throughout: what waits is never dropped to make room. In DUE and READY a
// newer ticket replaces the waiting one of its key all the same, since the limit per subject comes first.
//
// No stream allows direct gets: a follower may answer those with an older state, and whoever decides that something is
// covered already must not decide on an older state.
func (t *Topology) streams() []jetstream.StreamConfig {
	tickets := func(name, subjects, description string) jetstream.StreamConfig {
		return jetstream.StreamConfig{
			Name: name, Subjects: []string{subjects}, Description: description,
			Retention: jetstream.WorkQueuePolicy, MaxMsgsPerSubject: 1,
		}
	}
	bucket := func(name, description string) jetstream.StreamConfig {
		return jetstream.StreamConfig{
			Name: KVStream(name), Subjects: []string{"$KV." + name + ".>"}, Description: description,
			MaxMsgsPerSubject: 1, AllowRollup: true, DenyDelete: false,
		}
	}
	contracts := bucket(BucketContracts, "The newest snapshot, per key.")
	// Replaced revisions are overwritten by whoever replaces them (record.Erasing), so they have to be there for a moment.
	contracts.MaxMsgsPerSubject = 8
	all := []jetstream.StreamConfig{
		{
			Name: StreamEvents, Subjects: []string{"erp.event.>"},
			Description: "The event log: every accepted change. One of the two truths.",
			MaxAge:      t.EventsMaxAge, MaxBytes: t.EventsMaxBytes, Duplicates: t.DuplicateWindow,
		},
		tickets(StreamDue, "contract.due.>", "Keys whose ERP read is due, at most one ticket per key."),
		tickets(StreamReady, "contract.ready.>", "Keys with a snapshot that Enneo may not have yet, at most one ticket per key."),
		{
			Name: StreamDead, Subjects: []string{"dead.>"}, Description: "Dead letters: the newest per stage and key.",
			MaxMsgsPerSubject: 1, MaxAge: t.DeadMaxAge, MaxMsgSize: 4 << 20,
		},
		bucket(BucketSettled, "What is settled, per key. One of the two truths."),
		contracts,
		bucket(BucketBridge, "Log epoch, cursors, watermarks, leases."),
	}
	for i := range all {
		all[i].Storage = jetstream.FileStorage
		all[i].Discard = jetstream.DiscardNew
		all[i].Replicas = t.Replicas
		if all[i].MaxBytes == 0 {
			all[i].MaxBytes = -1
		}
	}
	return all
}

// consumer describes the durable pull consumer of a stage for one source. Neither unacknowledged nor repeated deliveries
// are limited: work is bounded by what workers pull, so a thousand failing contracts do not stop the healthy ones, and
// nothing is ever given up by the server.
func (t *Topology) consumer(stage Stage, source string) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable:       stage.ConsumerName(source),
		Description:   string(stage) + " of source " + source,
		FilterSubject: stage.Filter(source),
		DeliverPolicy: jetstream.DeliverAllPolicy,
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       t.AckWait,
		MaxDeliver:    -1,
		MaxAckPending: -1,
		MaxWaiting:    4096,
	}
}

// Ensure creates or updates every stream and bucket, and the consumers of the ticket stages for the sources. It repeats
// until it succeeds or ctx ends. The consumers of the event log are created by EnsureLogConsumer, since they belong to a log epoch.
func (b *Bus) Ensure(ctx context.Context, sources []string) error {
	for _, cfg := range b.topo.streams() {
		err := b.apply(ctx, "stream "+cfg.Name, func(ctx context.Context) error {
			_, err := b.js.CreateOrUpdateStream(ctx, cfg)
			return err //nolint:wrapcheck // apply does.
		})
		if err != nil {
			return err
		}
	}
	for _, source := range sources {
		for _, stage := range []Stage{StageEnrich, StagePublish} {
			cfg := b.topo.consumer(stage, source)
			err := b.apply(ctx, "consumer "+cfg.Durable, func(ctx context.Context) error {
				_, err := b.js.CreateOrUpdateConsumer(ctx, stage.Stream(), cfg)
				return err //nolint:wrapcheck // apply does.
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *Bus) apply(ctx context.Context, what string, call func(context.Context) error) error {
	return retry(ctx, b.logger, "creating "+what, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, requestTimeout)
		defer cancel()
		if err := call(ctx); err != nil {
			return fmt.Errorf("create %s: %w", what, err)
		}
		return nil
	})
}

// Consumer opens the consumer of a ticket stage, which Ensure has created.
func (b *Bus) Consumer(ctx context.Context, stage Stage, source string) (jetstream.Consumer, error) {
	c, err := b.js.Consumer(ctx, stage.Stream(), stage.ConsumerName(source))
	if err != nil {
		return nil, fmt.Errorf("open consumer %s: %w", stage.ConsumerName(source), err)
	}
	return c, nil
}
