package window

import (
	"context"
	"sync"
	"time"
)

// plan is when a shard has to be claimed next. Any goroutine may make it earlier; one goroutine waits for it.
type plan struct {
	mu      sync.Mutex
	at      time.Time // the zero value: not at all, until hinted
	changed chan struct{}
}

func newPlan() *plan {
	return &plan{changed: make(chan struct{}, 1)}
}

// hint plans a claim at the time given, unless an earlier one is planned.
func (p *plan) hint(at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.at.IsZero() && !at.Before(p.at) {
		return
	}
	p.at = at
	select {
	case p.changed <- struct{}{}:
	default: // a change is announced already, and the waiter looks at the newest plan
	}
}

// take forgets the plan and tells whether its time had come. It is called before a claim, so that what is hinted during
// the claim is not forgotten with it.
func (p *plan) take(now time.Time) (due bool, in time.Duration, planned bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.at.IsZero() {
		return false, 0, false
	}
	if in = p.at.Sub(now); in > 0 {
		return false, in, true
	}
	p.at = time.Time{}
	return true, 0, true
}

// wait returns when the planned time has come, and forgets it; or with the error of ctx when that is over first.
func (p *plan) wait(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		due, in, planned := p.take(time.Now())
		if due {
			return nil
		}
		var timer <-chan time.Time
		if planned {
			timer = time.After(in)
		}
		select {
		case <-ctx.Done():
		case <-p.changed:
		case <-timer:
		}
	}
}
