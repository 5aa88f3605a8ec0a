package window

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/failpoint"
)

const (
	// DefaultLimit is how many windows a turn of a shard claims and flushes together.
	DefaultLimit = 256
	// DefaultLease is how long a claim keeps its windows from other replicas.
	DefaultLease = 30 * time.Second
	// DefaultShortestPause is the pause after a first failed flush or error of Redis.
	DefaultShortestPause = 100 * time.Millisecond
	// DefaultLongestPause is what the pause grows to.
	DefaultLongestPause = 5 * time.Second

	// settleTimeout bounds Complete and Release, which also run while the service stops.
	settleTimeout = 10 * time.Second
)

// Flush sends what claimed windows stand for and waits until it is acknowledged. It returns one error for each window, in
// their order, or nil if all succeeded. Its context ends with the lease, and outlives the one of Run.
type Flush func(ctx context.Context, windows []Window) []error

// Observer is told what the Scheduler does, for metrics. Its methods are called from many goroutines and must not block.
type Observer interface {
	// Claimed: n windows were claimed.
	Claimed(n int)
	// Flushed: a window was flushed and its claim ended; lateness is the time from its due to the end of its flush.
	Flushed(w Window, lateness time.Duration)
	// Released: n windows were given back after a failed flush.
	Released(n int)
	// Lost: n claims had ended before they were completed or released, so their windows are flushed twice.
	Lost(n int)
	// Orphaned: n windows that could not be read were removed.
	Orphaned(n int)
	// Emptied: a shard has lost its windows, so a Refill is due. It is repeated until that has happened.
	Emptied(shard int)
}

// SchedulerOptions are the settings of a Scheduler. A zero field means its default.
type SchedulerOptions struct {
	// Limit is how many windows are claimed together, at most MaxBatch.
	Limit int
	// Lease has to be longer than the slowest flush.
	Lease time.Duration
	// ShortestPause and LongestPause bound the growing pause after failures.
	ShortestPause, LongestPause time.Duration
}

// Scheduler claims windows when they are due and has them flushed. Any number may run on the same windows.
//
// It sends nothing to Redis while nothing is due: it sleeps until the earliest window it has heard of, from its own
// claims, from Hint, and from the wakes of the other replicas.
type Scheduler struct {
	store    *Store
	o        SchedulerOptions
	observer Observer
	logger   *slog.Logger
	plans    []*plan
}

// NewScheduler makes a Scheduler for all shards of the store.
func NewScheduler(store *Store, o SchedulerOptions, observer Observer, logger *slog.Logger) *Scheduler {
	if o.Limit <= 0 {
		o.Limit = DefaultLimit
	}
	o.Limit = min(o.Limit, MaxBatch)
	if o.Lease <= 0 {
		o.Lease = DefaultLease
	}
	if o.ShortestPause <= 0 {
		o.ShortestPause = DefaultShortestPause
	}
	if o.LongestPause <= 0 {
		o.LongestPause = DefaultLongestPause
	}
	s := &Scheduler{store: store, o: o, observer: observer, logger: logger}
	for range store.shards {
		s.plans = append(s.plans, newPlan())
	}
	return s
}

// Hint says that a window of the shard can be claimed in the time given. Hand in what Arm answers: it saves the detour
// over a wake.
func (s *Scheduler) Hint(h Hint) {
	if h.Shard >= 0 && h.Shard < len(s.plans) {
		s.plans[h.Shard].hint(time.Now().Add(h.In))
	}
}

// Run claims and flushes until ctx is over, then finishes the batches in hand and returns. Each shard has one batch in
// hand at a time. Run must not be called twice.
func (s *Scheduler) Run(ctx context.Context, flush Flush) {
	var running sync.WaitGroup
	running.Go(func() {
		for wake := range s.store.Wakes(ctx) {
			if !wake.All {
				s.Hint(wake.Hint)
				continue
			}
			for shard := range s.plans {
				s.Hint(Hint{Shard: shard})
			}
		}
	})
	for shard := range s.plans {
		s.Hint(Hint{Shard: shard}) // what is due already; the subscription may take a while
		running.Go(func() { s.serve(ctx, shard, flush) })
	}
	running.Wait()
}

// serve takes turns whenever the shard's plan says so.
func (s *Scheduler) serve(ctx context.Context, shard int, flush Flush) {
	t := turn{Scheduler: s, shard: shard, plan: s.plans[shard], flush: flush}
	errorsInARow := 0
	for t.plan.wait(ctx) == nil {
		err := t.take(ctx)
		if err == nil {
			errorsInARow = 0
			continue
		}
		pause := s.pause(errorsInARow)
		errorsInARow++
		s.logger.WarnContext(ctx, "windows cannot be claimed or completed", "shard", shard, "pause", pause, "error", err)
		retry := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			retry.Stop()
		case <-retry.C:
		}
		// What was due meanwhile is not known, so the shard is claimed in any case.
		t.plan.hint(time.Now())
	}
}

// pause grows with the failures before it. It is shortened at random by up to a half, so that replicas do not return
// together.
func (s *Scheduler) pause(failures int) time.Duration {
	longest := s.o.LongestPause
	if failures < 16 {
		longest = min(longest, s.o.ShortestPause<<failures)
	}
	return longest - rand.N(longest/2+1) //nolint:gosec // spreads load, protects nothing
}

// turn is what one shard repeats: claim, flush, complete. It belongs to one goroutine.
type turn struct {
	*Scheduler
	shard    int
	plan     *plan
	flush    Flush
	failures int // batches in a row with a failed flush
}

// take claims and flushes one batch. It does not stop half-way when ctx is over: a claim that nobody completes would keep
// its windows until the lease ends.
func (t *turn) take(ctx context.Context) error {
	started := time.Now()
	// Redis rounds its clock down, so by this one the lease may end a millisecond early.
	lease, cancel := context.WithDeadline(context.WithoutCancel(ctx), started.Add(t.o.Lease-time.Millisecond))
	defer cancel()
	failpoint.Hit("debouncer.claim.begin")
	claimed, err := t.store.Claim(lease, t.shard, t.o.Limit, t.o.Lease)
	if err != nil {
		return err
	}
	if claimed.Emptied {
		t.observer.Emptied(t.shard)
	}
	if claimed.Orphans > 0 {
		t.observer.Orphaned(claimed.Orphans)
	}
	var next []Hint
	if claimed.HasNext {
		next = []Hint{{Shard: t.shard, In: claimed.Next}}
	}
	if len(claimed.Windows) == 0 {
		t.heard(next)
		return nil
	}
	t.observer.Claimed(len(claimed.Windows))
	failpoint.Hit("debouncer.claim.done")
	errs := t.flush(lease, claimed.Windows)
	flushed := claimed.Now.Add(time.Since(started))
	failpoint.Hit("debouncer.flush.done")

	settle, cancelSettle := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancelSettle()
	done, failed := split(claimed.Windows, errs)
	afterComplete, errComplete := t.complete(settle, done, flushed)
	afterRelease, errRelease := t.release(settle, failed)
	// Only the newest answer counts: the ones before it still speak of leases that have ended since.
	switch {
	case len(failed) > 0:
		next = afterRelease
	case len(done) > 0:
		next = afterComplete
	}
	t.heard(next)
	if err := errors.Join(errComplete, errRelease); err != nil {
		return fmt.Errorf("settle %d windows: %w", len(claimed.Windows), err)
	}
	return nil
}

func (t *turn) complete(ctx context.Context, windows []Window, flushed time.Time) ([]Hint, error) {
	if len(windows) == 0 {
		return nil, nil
	}
	settled, err := t.store.Complete(ctx, windows)
	failpoint.Hit("debouncer.complete.done")
	lost := 0
	for i, completion := range settled.Completions {
		switch completion {
		case Done, Rearmed:
			t.observer.Flushed(windows[i], flushed.Sub(windows[i].Due))
		case Lost:
			lost++
		case Unknown: // in err
		}
	}
	t.lost(lost)
	return settled.Hints, err
}

func (t *turn) release(ctx context.Context, windows []Window) ([]Hint, error) {
	if len(windows) == 0 {
		t.failures = 0
		return nil, nil
	}
	settled, err := t.store.Release(ctx, windows, t.pause(t.failures))
	t.failures++
	released, lost := 0, 0
	for _, completion := range settled.Completions {
		switch completion {
		case Done, Rearmed:
			released++
		case Lost:
			lost++
		case Unknown: // in err
		}
	}
	if released > 0 {
		t.observer.Released(released)
	}
	t.lost(lost)
	return settled.Hints, err
}

func (t *turn) lost(n int) {
	if n > 0 {
		t.observer.Lost(n)
	}
}

func (t *turn) heard(hints []Hint) {
	for _, hint := range hints {
		t.Hint(hint)
	}
}

// split sorts the windows by whether their flush succeeded. Errors that are not one for each window give no window the
// benefit of the doubt: flushing twice is harmless.
func split(windows []Window, errs []error) (done, failed []Window) {
	if errs == nil {
		return windows, nil
	}
	for i, w := range windows {
		if len(errs) == len(windows) && errs[i] == nil {
			done = append(done, w)
		} else {
			failed = append(failed, w)
		}
	}
	return done, failed
}
