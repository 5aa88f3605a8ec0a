// Package brake stops deletes and writes to Enneo that look wrong, and asks an operator.
//
// # Guarantees
//
// Of one source, within an hour, all replicas together send no more deletes than the larger of a number and a share of the
// keys known; likewise writes, if that is switched on. Each is counted in the bucket BRIDGE before it is sent, by
// compare-and-set, so the limit is exact; what is counted and then not sent (a crash, a repetition) makes the brake earlier,
// never later. What is stopped waits, and nothing is dropped: until an operator releases the brake.
//
// # Concurrency
//
// A Brake is safe for concurrent use. A nil *Brake lets everything through.
package brake

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/record"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// Operation is what is sent to Enneo.
type Operation string

// The operations.
const (
	Delete Operation = "delete"
	Write  Operation = "write"
)

const (
	recordPrefix = "brake."
	// span is the time over which requests are counted.
	span = time.Hour
	// waits is how long what is stopped is put off, and up to half longer at random.
	waits = 30 * time.Second
	// knownFor is how long a count of the known keys is believed.
	knownFor = time.Minute
)

// Config says how much is too much within an hour, per source.
type Config struct {
	DeletesShare float64 `env:"BRAKE_DELETES_SHARE, default=0.1" desc:"Deletes within an hour stop and ask an operator beyond this share of a source's known keys (0.1 is 10 %), if they are more than BRAKE_DELETES_MIN as well; 0 switches the brake off"`
	DeletesMin   int     `env:"BRAKE_DELETES_MIN, default=100" desc:"Deletes of a source within an hour that never stop"`
	WritesShare  float64 `env:"BRAKE_WRITES_SHARE, default=0" desc:"Writes within an hour stop and ask an operator beyond this share of a source's known keys (0.5 is 50 %), if they are more than BRAKE_WRITES_MIN as well; 0 switches the brake off"`
	WritesMin    int     `env:"BRAKE_WRITES_MIN, default=1000" desc:"Writes of a source within an hour that never stop"`
}

// Validate checks the figures.
func (c *Config) Validate() error {
	var errs []error
	for name, share := range map[string]float64{"BRAKE_DELETES_SHARE": c.DeletesShare, "BRAKE_WRITES_SHARE": c.WritesShare} {
		if !(share >= 0) || share > 100 {
			errs = append(errs, fmt.Errorf("%s: %v is no share; write for example 0.1 for 10 %%, or 0 for no brake", name, share))
		}
	}
	for name, least := range map[string]int{"BRAKE_DELETES_MIN": c.DeletesMin, "BRAKE_WRITES_MIN": c.WritesMin} {
		if least < 0 {
			errs = append(errs, fmt.Errorf("%s: %d is negative", name, least))
		}
	}
	return errors.Join(errs...)
}

func (c *Config) of(op Operation) (share float64, least int) {
	if op == Delete {
		return c.DeletesShare, c.DeletesMin
	}
	return c.WritesShare, c.WritesMin
}

// Brakes are the brakes of all sources.
type Brakes struct {
	bus     *bus.Bus
	records *record.Bucket[bridgev1.Brake, *bridgev1.Brake]
}

// Open opens the brakes of a connection.
func Open(ctx context.Context, b *bus.Bus) (*Brakes, error) {
	records, err := record.Open[bridgev1.Brake](ctx, b.JetStream(), bus.BucketBridge)
	if err != nil {
		return nil, err
	}
	return &Brakes{bus: b, records: records}, nil
}

// State is how the brake of a source stands.
type State struct {
	Source string
	// Deletes and Writes are those of the last hour.
	Deletes, Writes int
	// DeletesStopped and WritesStopped are since when they wait; zero if they do not.
	DeletesStopped, WritesStopped time.Time
	// Released is until when an operator lets everything through.
	Released time.Time
	Reason   string
}

// Of returns how the brake of a source stands.
func (b *Brakes) Of(ctx context.Context, source string) (State, error) {
	entry, err := b.records.Get(ctx, recordPrefix+source)
	if err != nil {
		return State{}, err
	}
	r, now := entry.Value, time.Now()
	forget(r, now)
	s := State{
		Source: source, Deletes: sum(r, Delete), Writes: sum(r, Write), Reason: r.GetReason(),
		DeletesStopped: timeOf(r.GetDeletesStoppedAt()), WritesStopped: timeOf(r.GetWritesStoppedAt()),
	}
	if until := timeOf(r.GetReleasedUntil()); until.After(now) {
		s.Released = until
	}
	return s, nil
}

func timeOf(ts *timestamppb.Timestamp) time.Time {
	if ts == nil {
		return time.Time{}
	}
	return ts.AsTime()
}

// Release lets everything of a source through until that time, and counts anew from then on.
func (b *Brakes) Release(ctx context.Context, source, reason string, until time.Time) error {
	_, err := b.records.Change(ctx, recordPrefix+source, func(r *bridgev1.Brake) error {
		proto.Reset(r)
		r.ReleasedUntil, r.Reason = timestamppb.New(until), reason
		return nil
	})
	return err
}

// Brake is the brake of one source.
type Brake struct {
	brakes *Brakes
	source string
	cfg    Config
	logger *slog.Logger

	mu      sync.Mutex
	known   uint64
	knownAt time.Time
	stopped map[Operation]bool
}

// Brake makes the brake of a source.
func (b *Brakes) Brake(source string, cfg Config, logger *slog.Logger) *Brake {
	return &Brake{brakes: b, source: source, cfg: cfg, logger: logger, stopped: map[Operation]bool{}}
}

// Allow counts a request that is about to be sent. If it has to wait for an operator, it returns after how long to ask again.
func (b *Brake) Allow(ctx context.Context, op Operation) (wait time.Duration, err error) {
	if b == nil {
		return 0, nil
	}
	share, least := b.cfg.of(op)
	if share == 0 {
		return 0, nil
	}
	known, err := b.keys(ctx)
	if err != nil {
		return 0, err
	}
	most := max(least, int(share*float64(known)))
	var stopped, began bool
	_, err = b.brakes.records.Change(ctx, recordPrefix+b.source, func(r *bridgev1.Brake) error {
		now := time.Now()
		stopped, began = false, false
		forget(r, now)
		if now.Before(timeOf(r.GetReleasedUntil())) {
			return record.ErrUnchanged // Whatever is sent now does not count.
		}
		at := r.GetWritesStoppedAt()
		if op == Delete {
			at = r.GetDeletesStoppedAt()
		}
		if at != nil {
			stopped = true
			return record.ErrUnchanged
		}
		if sum(r, op) >= most {
			stopped, began = true, true
			r.Reason = fmt.Sprintf("%d %ss within an hour, of %d keys", most, op, known)
			if op == Delete {
				r.DeletesStoppedAt = timestamppb.New(now)
			} else {
				r.WritesStoppedAt = timestamppb.New(now)
			}
			return nil
		}
		count(r, op, now)
		return nil
	})
	if err != nil {
		return 0, err
	}
	b.mu.Lock()
	b.stopped[op] = stopped
	b.mu.Unlock()
	if !stopped {
		return 0, nil
	}
	if began {
		b.logger.ErrorContext(ctx, "brake: too many requests to enneo, they wait for an operator; see bridge brake", "source", b.source,
			"operation", string(op), "within_an_hour", most, "known_keys", known)
	}
	return waits + rand.N(waits/2), nil //nolint:gosec // Spreads load, protects nothing.
}

// Stopped tells whether requests were stopped when this process asked last.
func (b *Brake) Stopped(op Operation) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stopped[op]
}

// keys is about how many keys of the source are known: a consumer that reads nothing is told how much it could.
func (b *Brake) keys(ctx context.Context) (uint64, error) {
	b.mu.Lock()
	known, at := b.known, b.knownAt
	b.mu.Unlock()
	if time.Since(at) < knownFor {
		return known, nil
	}
	js := b.brakes.bus.JetStream()
	stream := bus.KVStream(bus.BucketContracts)
	consumer, err := js.CreateConsumer(ctx, stream, jetstream.ConsumerConfig{
		FilterSubject: "$KV." + bus.BucketContracts + "." + b.source + ".>", AckPolicy: jetstream.AckNonePolicy,
		DeliverPolicy: jetstream.DeliverAllPolicy, HeadersOnly: true, InactiveThreshold: time.Minute, MemoryStorage: true, Replicas: 1,
	})
	if err != nil {
		return 0, fmt.Errorf("count the keys of %s: %w", b.source, err)
	}
	info := consumer.CachedInfo()
	_ = js.DeleteConsumer(ctx, stream, info.Name) // It ends by itself otherwise.
	b.mu.Lock()
	defer b.mu.Unlock()
	b.known, b.knownAt = info.NumPending, time.Now()
	return b.known, nil
}

// forget drops the minutes that lie further back than is counted.
func forget(r *bridgev1.Brake, now time.Time) {
	first := now.Add(-span).Unix() / 60
	for len(r.GetMinutes()) > 0 && r.GetMinutes()[0].GetMinute() <= first {
		r.Minutes = r.GetMinutes()[1:]
	}
}

func sum(r *bridgev1.Brake, op Operation) (n int) {
	for _, m := range r.GetMinutes() {
		if op == Delete {
			n += int(m.GetDeletes())
		} else {
			n += int(m.GetWrites())
		}
	}
	return n
}

// count counts one request. The clocks of replicas may differ: an earlier minute than the last one counts as the last one.
func count(r *bridgev1.Brake, op Operation, now time.Time) {
	minute := now.Unix() / 60
	if n := len(r.GetMinutes()); n == 0 || r.GetMinutes()[n-1].GetMinute() < minute {
		r.Minutes = append(r.GetMinutes(), &bridgev1.BrakeMinute{Minute: minute})
	}
	last := r.GetMinutes()[len(r.GetMinutes())-1]
	if op == Delete {
		last.Deletes++
	} else {
		last.Writes++
	}
}
