// Package gate is the circuit breaker in front of an outside system: while it is closed to us, nothing for it is pulled.
//
// A library's breaker wraps a call; ours has to keep work from being pulled at all, let exactly one worker pull a probe
// when the pause is over, prefer a key for it that has not failed before, and make the pauses grow. The growing, jittered
// pauses themselves are cenkalti/backoff's.
//
// # Concurrency
//
// A Gate is safe for concurrent use.
package gate

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/enneo-ai/enneo-bridge/libs/fault"
	"github.com/enneo-ai/enneo-bridge/libs/key"
)

// Options of a Gate; zero values mean the defaults.
type Options struct {
	// Threshold is how many faults of the whole target in a row shut the gate; default 3. A fault that names a time to
	// wait (Retry-After) shuts it at once.
	Threshold int
	// First is the first pause, default 500 ms; each further one is about twice as long. Every pause is up to a half
	// shorter or longer at random, so that replicas do not come back together.
	First time.Duration
	// Max is the longest pause before that jitter, default 30 s. A Retry-After may be longer, up to 15 minutes.
	Max time.Duration
}

// Gate is open while the target answers.
type Gate struct {
	threshold int
	// probe is held by the one worker that may pull while the gate is shut and its pause is over.
	probe chan struct{}

	mu     sync.Mutex
	pauses *backoff.ExponentialBackOff
	faults int
	shut   bool
	until  time.Time
	// reason of the last fault of the whole target, and when it was reported.
	reason   string
	faultyAt time.Time
	opened   chan struct{}        // closed when the gate opens; set while it is shut
	aside    map[key.Key]struct{} // who has stood aside since the last probe
	counted  account
}

// New makes an open gate.
func New(o Options) *Gate {
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.MaxInterval, pauses.Multiplier = 500*time.Millisecond, 30*time.Second, 2
	if o.First > 0 {
		pauses.InitialInterval = o.First
	}
	if o.Max > 0 {
		pauses.MaxInterval = o.Max
	}
	g := &Gate{threshold: 3, probe: make(chan struct{}, 1), pauses: pauses}
	if o.Threshold > 0 {
		g.threshold = o.Threshold
	}
	return g
}

// Enter waits until a message may be pulled: at once while the gate is open; while it is shut, for one worker at a time
// and when the pause is over. leave must be called when the message is finished, or none came.
func (g *Gate) Enter(ctx context.Context) (leave func(), err error) {
	for {
		opened := g.state()
		if opened == nil {
			return func() {}, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait at the gate: %w", ctx.Err())
		case <-opened:
		case g.probe <- struct{}{}:
			ready, err := g.waitOut(ctx)
			if err != nil || !ready {
				<-g.probe
				if err != nil {
					return nil, err
				}
				continue
			}
			return func() { <-g.probe }, nil
		}
	}
}

// waitOut waits for the end of the pause, which may be prolonged meanwhile. It returns false if the gate has opened.
func (g *Gate) waitOut(ctx context.Context) (bool, error) {
	for {
		g.mu.Lock()
		shut, left, opened := g.shut, time.Until(g.until), g.opened
		g.mu.Unlock()
		switch {
		case !shut:
			return false, nil
		case left <= 0:
			return true, nil
		}
		timer := time.NewTimer(left)
		select {
		case <-ctx.Done():
			timer.Stop()
			return false, fmt.Errorf("wait at the gate: %w", ctx.Err())
		case <-opened:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// Probing tells whether the gate lets in one at a time only; it implements bus.Prober.
func (g *Gate) Probing() bool { return g.state() != nil }

// state returns nil while the gate is open, else a channel that is closed when it opens.
func (g *Gate) state() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.shut {
		return nil
	}
	return g.opened
}

// Report tells the gate how a call ended; nil is a success. A fault that concerns only the key shows that the target
// answers, so it opens the gate as a success does; one of a call that was not made (fault.Unsent) shows nothing. It returns true if
// the gate has just changed its state.
func (g *Gate) Report(f *fault.Fault) (changed bool) {
	if f.Unsent() {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if f == nil || f.Scope == fault.Key {
		g.faults = 0
		if g.shut {
			g.shut = false
			g.counted.passed++
			g.counted.shut += time.Since(g.counted.shutAt)
			g.pauses.Reset()
			close(g.opened)
			g.aside = nil
			return true
		}
		return false
	}
	g.faults++
	g.reason, g.faultyAt = f.Reason, time.Now()
	if !g.shut && g.faults < g.threshold && f.RetryAfter == 0 {
		return false
	}
	asked := min(f.RetryAfter, fault.MaxRetryAfter)
	// Calls that were already under way when the gate shut report as well; they must not lengthen the pause, unless the
	// target itself asks for more.
	if g.shut && time.Now().Before(g.until) {
		g.until = latest(g.until, time.Now().Add(asked))
		return false
	}
	g.until = time.Now().Add(max(g.pauses.NextBackOff(), asked))
	g.aside = nil
	if g.shut {
		g.counted.failed++
		return false
	}
	g.shut, g.opened = true, make(chan struct{})
	g.counted.shuts++
	g.counted.shutAt = time.Now()
	return true
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Shut tells whether the gate is shut, and until when nothing is tried.
func (g *Gate) Shut() (bool, time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.shut, g.until
}

const (
	// maxHold is how long a key is held back at most that was pulled before the gate shut. Nobody pulls while it is shut.
	maxHold = 2 * time.Second
	// Who stands aside comes back when all who wait behind it have had time to do so too.
	asideFirst, asideEach = 100 * time.Millisecond, 20 * time.Millisecond
	// maxAside bounds how many are remembered.
	maxAside = 100_000
)

// Hold returns how long a request for the key must wait; 0 lets it go. While the gate is shut that is until the pause is over.
// Then a key that has failed before stands aside once for each probe: a consumer hands out again what has waited out its time before it
// hands out anything new, so a few keys that fail for themselves would take every probe, and nobody behind them would ever
// show that the target answers.
func (g *Gate) Hold(k key.Key, failedBefore bool) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.shut {
		return 0
	}
	if left := time.Until(g.until); left > 0 {
		return min(left, maxHold)
	}
	if _, stood := g.aside[k]; stood || !failedBefore || len(g.aside) >= maxAside {
		return 0
	}
	if g.aside == nil {
		g.aside = map[key.Key]struct{}{}
	}
	g.aside[k] = struct{}{}
	return asideFirst + time.Duration(len(g.aside))*asideEach
}

const (
	// limitLasts is how long a target counts as under pressure after it has asked for fewer requests.
	limitLasts = 10 * time.Second
	// trialLasts is how long it does after a pause of the gate has ended: by then a trial has failed again, or nobody tries.
	trialLasts = time.Minute
)

// Pressed tells whether the target is under pressure, and why: the gate is shut, or the target has just asked for fewer
// requests (fault.RateLimited). A gate that stays shut because there is nothing to try again, since another replica got the
// ticket, says nothing about the target.
func (g *Gate) Pressed() (reason string, pressed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	shut := g.shut && time.Since(g.until) < trialLasts
	return g.reason, shut || g.reason == fault.RateLimited && time.Since(g.faultyAt) < limitLasts
}
