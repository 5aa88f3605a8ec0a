// Package lease lets one process at a time do something: a leader lease in the KV bucket BRIDGE.
//
// # Guarantees
//
// A lease is a record that its holder writes again at a third of its length. Whoever wants it takes it over once the
// record is older than its length, by the server's own clock (when it was stored, against what the server says is now).
// The holder measures by its own monotonic clock from before it sent the record, and gives up a tenth before the end. So
// neither needs to know what time the other one believes it is; in a NATS cluster, the servers' clocks must agree within
// a tenth of the length, since a new leader of the bucket may be the one that is asked.
//
// No lease can stop a process that was paused (SIGSTOP, a stalled disk, a suspended machine) between its last look at the
// clock and its write. So the context that Run gives is not enough: ask Held right before each effect, and make each
// effect conditional on what it is based on, or harmless when it comes late.
//
// # Concurrency
//
// A Lease is safe for concurrent use, but Run must run once at a time.
package lease

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/record"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// DefaultLength is how long work stands still after its holder has died without giving the lease back.
const DefaultLength = 15 * time.Second

// releaseTimeout bounds giving the lease back; if that fails, the others wait for its end.
const releaseTimeout = time.Second

// Errors of a lease; test with errors.Is. ErrLost is the cause of the context that Run gives, once the lease is about to
// end or somebody else has it. ErrTaken says that somebody else holds the lease.
var (
	ErrLost  = errors.New("the lease is lost")
	ErrTaken = errors.New("somebody else holds the lease")
)

type entry = record.Entry[bridgev1.Lease, *bridgev1.Lease]

// Lease is the right to do something that one process at a time may do.
type Lease struct {
	bucket *record.Bucket[bridgev1.Lease, *bridgev1.Lease]
	name   string
	holder string
	length time.Duration
	logger *slog.Logger
	start  time.Time
	// until is when this process gives up the lease, in nanoseconds of its monotonic clock since start; 0 without it.
	until atomic.Int64
}

// Open opens the lease called name. length 0 means DefaultLength; holders with different lengths respect each other's.
func Open(ctx context.Context, js jetstream.JetStream, name string, length time.Duration, logger *slog.Logger) (*Lease, error) {
	bucket, err := record.Open[bridgev1.Lease](ctx, js, bus.BucketBridge)
	if err != nil {
		return nil, err
	}
	if length <= 0 {
		length = DefaultLength
	}
	return &Lease{
		bucket: bucket, name: "lease." + name, holder: rand.Text(), length: length,
		logger: logger.With("lease", name), start: time.Now(),
	}, nil
}

// Held tells whether this process holds the lease now, by its own monotonic clock. It asks nobody.
func (l *Lease) Held() bool { return l.left() > 0 }

func (l *Lease) left() time.Duration {
	return time.Duration(l.until.Load()) - time.Since(l.start)
}

// Run calls lead whenever this process holds the lease, and returns nil after ctx has ended and lead has returned, or
// what lead returns while it holds the lease. The context of lead ends before the lease does; lead must return then.
func (l *Lease) Run(ctx context.Context, lead func(ctx context.Context) error) error {
	for {
		if !l.acquire(ctx) {
			return nil
		}
		l.logger.InfoContext(ctx, "this replica leads")
		lost, err := l.hold(ctx, lead)
		l.until.Store(0)
		switch {
		case lost:
			l.logger.WarnContext(ctx, "this replica does not lead any more", "error", ErrLost.Error())
		case ctx.Err() != nil:
			return nil //nolint:nilerr // What a stopped lead returns is only that it was stopped.
		default:
			return err
		}
	}
}

// acquire returns true once this process holds the lease, or false when ctx has ended.
func (l *Lease) acquire(ctx context.Context) bool {
	for {
		wait, err := l.try(ctx)
		switch {
		case err == nil:
			return true
		case ctx.Err() != nil:
			return false
		case !errors.Is(err, ErrTaken) && !errors.Is(err, record.ErrConflict):
			l.logger.WarnContext(ctx, "lease cannot be asked for", "error", err.Error())
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return false
		case <-timer.C:
		}
	}
}

// try takes the lease if nobody holds it. Otherwise wait is how long to leave it alone: it may be given back early.
func (l *Lease) try(ctx context.Context) (wait time.Duration, err error) {
	wait = l.length / 3
	ctx, cancel := context.WithTimeout(ctx, l.length)
	defer cancel()
	held, err := l.bucket.Get(ctx, l.name)
	if err != nil {
		return wait, err
	}
	// A record with our own name is one that we have written without hearing the answer, or that we have lost since; it
	// was not used for anything, and is written anew.
	if other := held.Value.GetHolder(); other != "" && other != l.holder {
		now, err := l.bucket.Now(ctx)
		if err != nil {
			return wait, err
		}
		if left := held.Value.GetLength().AsDuration() - now.Sub(held.StoredAt); left > 0 {
			return min(wait, max(left, time.Millisecond)), ErrTaken
		}
	}
	return wait, l.write(ctx, held)
}

// write stores the record in place of the one that was read, and notes until when it counts.
func (l *Lease) write(ctx context.Context, read entry) error {
	began := time.Since(l.start)
	_, err := l.bucket.Put(ctx, l.name, &bridgev1.Lease{Holder: l.holder, Length: durationpb.New(l.length)}, read.Revision)
	if err == nil {
		l.until.Store(int64(began + l.length - l.length/10))
	}
	return err
}

// hold runs lead and renews the lease until lead returns. lost tells that lead was stopped because the lease was ending.
func (l *Lease) hold(ctx context.Context, lead func(ctx context.Context) error) (lost bool, err error) {
	held, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	end := time.AfterFunc(l.left(), func() { cancel(ErrLost) })
	defer end.Stop()
	returned := make(chan error, 1)
	go func() { returned <- lead(held) }()
	renewal := time.NewTicker(l.length / 3)
	defer renewal.Stop()
	for {
		select {
		case err := <-returned:
			lost := errors.Is(context.Cause(held), ErrLost)
			l.release(ctx)
			return lost, err
		case <-renewal.C:
			if held.Err() != nil && ctx.Err() == nil {
				continue // Lost: lead is about to return.
			}
			switch err := l.renew(ctx); {
			case err == nil:
				end.Reset(l.left())
			case errors.Is(err, ErrTaken), errors.Is(err, record.ErrConflict):
				l.until.Store(0)
				cancel(ErrLost)
			default:
				l.logger.WarnContext(ctx, "lease was not renewed, trying again", "error", err.Error())
			}
		}
	}
}

// renew writes the record again. It goes on while a stopped lead puts down what it has in hand.
func (l *Lease) renew(ctx context.Context) error {
	left := l.left()
	if left <= 0 {
		return ErrTaken
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), left)
	defer cancel()
	held, err := l.bucket.Get(ctx, l.name)
	if err != nil {
		return err
	}
	if held.Value.GetHolder() != l.holder {
		return ErrTaken
	}
	return l.write(ctx, held)
}

// release gives the lease back, so that the next one need not wait for its end.
func (l *Lease) release(ctx context.Context) {
	l.until.Store(0)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	held, err := l.bucket.Get(ctx, l.name)
	if err == nil && held.Value.GetHolder() == l.holder {
		_, err = l.bucket.Put(ctx, l.name, &bridgev1.Lease{}, held.Revision)
	}
	if err != nil && !errors.Is(err, record.ErrConflict) {
		l.logger.WarnContext(ctx, "lease was not given back, others wait for its end", "error", fmt.Errorf("release: %w", err).Error())
	}
}
