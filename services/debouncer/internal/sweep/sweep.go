// Package sweep revives what stays open beyond its bound: it appends a new event for the key, which then goes the whole
// way again.
//
// # What is swept
//
// A key that has been open for longer than the max wait of its source and most of the bound is looked up in the order of
// the flow: not yet taken from the log by the debouncers, in a window, in DUE, in READY, and in SETTLED last. Whatever moves
// on during the look is met further on. What stands anywhere is exempt, and so is what waits for an open breaker, since its
// ticket stands in DUE or READY. What stands nowhere and is not settled is swept.
//
// The exemption ends: after the exempt limit, whatever holds a key is no longer believed; and when the newest open event
// reaches three quarters of the log's age limit, the key is appended again so that the log does not forget it. Both ask only
// whether it is settled.
//
// Each sweep doubles the waits of its key, up to 16 times, until something is settled. So what can never be settled costs a
// bounded number of events.
//
// # Guarantees
//
// A sweep is conditional on the newest event of the key that was known when the look began. So of all replicas that decide
// on the same state, however long one of them was paused, one appends; and nothing is appended when something newer came
// meanwhile. Appending once too often would cost one read of the ERP, and nothing else. A swept event has no sender's id:
// it can never be taken for a duplicate.
//
// Times are those of the server that keeps the log; clocks of the replicas do not matter. The work of a round is bounded:
// beyond some 2,000 old keys a second, looks come later.
//
// # Concurrency
//
// A Sweeper belongs to the replica that holds the lease; Run runs once at a time.
package sweep

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
	"github.com/enneo-ai/enneo-bridge/services/debouncer/internal/openkeys"
)

const (
	// DefaultRound is the time between two rounds.
	DefaultRound = 500 * time.Millisecond
	// roundLimit is how many keys are looked up in a round.
	roundLimit = 1000
	// maxDoublings bounds how much longer a key waits that was swept before.
	maxDoublings = 4
)

// Windows are the debounce windows.
type Windows interface {
	// Holds tells for each key whether a window will bring it to a flush.
	Holds(ctx context.Context, keys []key.Key) ([]bool, error)
}

// Limits are the times that decide.
type Limits struct {
	// MaxWait is the max wait of each source. Keys of other sources are left alone: nobody could read them.
	MaxWait map[string]time.Duration
	// Bound is how long after the max wait something may be missing before it is revived.
	Bound time.Duration
	// Exempt is how long something may stand anywhere.
	Exempt time.Duration
	// Round is the time between two rounds; 0 means DefaultRound.
	Round time.Duration
}

// Wait is the rule by which open keys are looked at. The looks are spread over the third quarter of the bound; the last
// one is left for the round and the append.
func (l *Limits) Wait(text string, sweeps uint64) (time.Duration, bool) {
	k, err := key.Parse(text)
	if err != nil {
		return 0, false // Nothing of ours; the debouncer has refused and reported it.
	}
	maxWait, configured := l.MaxWait[k.Source]
	if !configured {
		return 0, false
	}
	return (maxWait + l.Bound/2 + rand.N(l.Bound/4+1)) << min(sweeps, maxDoublings), true //nolint:gosec // Spreads load, protects nothing.
}

// Sweeper revives what went missing.
type Sweeper struct {
	bus        *bus.Bus
	log        *eventlog.Log
	ledger     *ledger.Ledger
	tracker    *openkeys.Tracker
	windows    Windows
	held       func() bool
	limits     *Limits
	propagator propagation.TextMapPropagator
	logger     *slog.Logger
	metrics    *metrics
}

// Parts are what a Sweeper works with.
type Parts struct {
	Bus     *bus.Bus
	Log     *eventlog.Log
	Ledger  *ledger.Ledger
	Tracker *openkeys.Tracker
	Windows Windows
	// Held tells whether this replica still leads, without asking anybody.
	Held       func() bool
	Propagator propagation.TextMapPropagator
	Meter      metric.Meter
	Logger     *slog.Logger
}

// New makes a sweeper.
func New(p Parts, limits *Limits) (*Sweeper, error) {
	m, err := newMetrics(p.Meter)
	if err != nil {
		return nil, err
	}
	return &Sweeper{
		bus: p.Bus, log: p.Log, ledger: p.Ledger, tracker: p.Tracker, windows: p.Windows, held: p.Held,
		limits: limits, propagator: p.Propagator, logger: p.Logger, metrics: m,
	}, nil
}

// Run sweeps until ctx ends.
func (s *Sweeper) Run(ctx context.Context) error {
	round := s.limits.Round
	if round <= 0 {
		round = DefaultRound
	}
	for ctx.Err() == nil {
		if err := s.round(ctx); err != nil && ctx.Err() == nil {
			s.logger.WarnContext(ctx, "open keys cannot be swept, trying again", "error", err.Error())
		}
		timer := time.NewTimer(round + rand.N(round/4+1)) //nolint:gosec // Spreads load, protects nothing.
		select {
		case <-ctx.Done():
			timer.Stop()
		case <-timer.C:
		}
	}
	return nil
}

// round looks at the keys whose time has come and revives those that are lost.
func (s *Sweeper) round(ctx context.Context) error {
	book := s.tracker.Book()
	if book == nil {
		return nil
	}
	// After a reconnection the log may be another one.
	if epoch, err := s.log.Epoch(ctx); err != nil || epoch != book.Epoch() {
		return err
	}
	now, err := s.ledger.Now(ctx)
	if err != nil {
		return err
	}
	due := book.Due(now, roundLimit)
	if len(due) == 0 {
		return nil
	}
	lost, err := s.lost(ctx, due, now)
	if err == nil {
		err = s.revive(ctx, lost, now)
	}
	if err != nil {
		for _, open := range due {
			book.Look(open.Key, now)
		}
	}
	return err
}

// candidate is an open key that is to be revived, and why.
type candidate struct {
	openkeys.Open
	key    key.Key
	reason string
}

// revive appends an event for each candidate.
func (s *Sweeper) revive(ctx context.Context, lost []candidate, now time.Time) error {
	if len(lost) == 0 {
		return nil
	}
	events := make([]eventlog.Event, len(lost))
	for i, c := range lost {
		event, err := s.event(ctx, c, now)
		if err != nil {
			return err
		}
		events[i] = event.After(c.Newest)
	}
	if !s.held() {
		return nil
	}
	_, errs := s.log.Append(ctx, events)
	var failed []error
	swept := map[string]int{}
	for i, c := range lost {
		err := errs[i]
		if errors.Is(err, eventlog.ErrNotLast) {
			err = s.reviveForgotten(ctx, c, events[i])
		}
		switch {
		case err == nil:
			s.metrics.swept(ctx, c.Source, c.reason)
			swept[c.reason]++
		case !errors.Is(err, eventlog.ErrNotLast):
			failed = append(failed, err)
		}
	}
	if len(swept) > 0 {
		s.logger.WarnContext(ctx, "open keys were revived", "lost", swept[reasonLost],
			"exempt_limit", swept[reasonLimit], "retention", swept[reasonRetention])
	}
	return errors.Join(failed...)
}

// reviveForgotten appends the event of a key whose newest event is not the one that is known: it has left the log, or
// something newer came, and then nothing is to be done.
func (s *Sweeper) reviveForgotten(ctx context.Context, c candidate, event eventlog.Event) error {
	last, found, err := s.log.Last(ctx, c.key)
	if err != nil {
		return err
	}
	if found && last.Position.Sequence > c.Newest {
		return eventlog.ErrNotLast
	}
	if !s.held() {
		return eventlog.ErrNotLast
	}
	_, errs := s.log.Append(ctx, []eventlog.Event{event.After(last.Position.Sequence)})
	return errs[0]
}

func (s *Sweeper) event(ctx context.Context, c candidate, now time.Time) (eventlog.Event, error) {
	return eventlog.NewEvent(ctx, s.propagator, eventlog.Change{Key: c.key, Origin: bridgev1.Origin_ORIGIN_SWEEPER, ReceivedAt: now})
}

// openStream opens the stream that a stage consumes.
func (s *Sweeper) openStream(ctx context.Context, stage bus.Stage) (jetstream.Stream, error) {
	stream, err := s.bus.JetStream().Stream(ctx, stage.Stream())
	if err != nil {
		return nil, fmt.Errorf("open stream %s: %w", stage.Stream(), err)
	}
	return stream, nil
}
