// Package faultplan decides which requests to the simulated systems are disturbed, and how.
//
// # Concurrency
//
// A Plan is safe for concurrent use. Which rules apply to a request is decided once, under one lock, so that "the next
// three requests" are exactly three.
package faultplan

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

// ErrUnknown says that there is no rule of that id.
var ErrUnknown = errors.New("no such fault")

// Plan is the list of rules. Use New.
type Plan struct {
	mu      sync.Mutex
	rules   []*rule
	random  *rand.Rand
	named   int
	changed chan struct{} // closed and forgotten when a request is held or let go; nil while nobody waits
}

// New returns an empty plan; the seed decides on probabilities.
func New(seed uint64) *Plan {
	return &Plan{random: rand.New(rand.NewPCG(seed, 1))} //nolint:gosec // not for secrets: the same seed shall give the same faults
}

// Disturbance is what happens to one request.
type Disturbance struct {
	// Before and After are passed through in order: the waits of each phase.
	Before, After []Wait
	// Instead ends the request before it is processed, if set.
	Instead *simclient.Fault
	// Mangle replaces or loses the answer after the processing, if set.
	Mangle *simclient.Fault
	// Lag is how old the state is that an ERP shows.
	Lag time.Duration
	// WrongID asks for an answer about something else.
	WrongID bool
	// Actions lists all that applies.
	Actions []simclient.Action
}

// Wait is a delay or a hold.
type Wait struct {
	delay time.Duration
	rule  *rule // nil for a delay
}

// For selects the rules that apply to a request, and counts them as applied.
func (p *Plan) For(q *Request) Disturbance {
	p.mu.Lock()
	defer p.mu.Unlock()
	var d Disturbance
	// What lies before the processing comes first: a request that ends there must not use up a rule of later.
	for _, before := range []bool{true, false} {
		for _, r := range p.rules {
			if before != (r.Phase == simclient.Before) || !r.fits(q) || !d.open(&r.Fault) {
				continue
			}
			if r.Probability > 0 && p.random.Float64() >= r.Probability {
				continue
			}
			r.applied++
			d.add(r)
		}
	}
	return d
}

// open tells whether the fault can still make a difference to the request.
func (d *Disturbance) open(f *simclient.Fault) bool {
	switch {
	case d.Instead != nil:
		return false
	case f.Action == simclient.ReadLag:
		return d.Lag == 0
	case f.Action == simclient.WrongID:
		return !d.WrongID
	default:
		return d.Mangle == nil
	}
}

func (d *Disturbance) add(r *rule) {
	d.Actions = append(d.Actions, r.Action)
	fault := r.Fault
	switch {
	case r.Action == simclient.ReadLag:
		d.Lag = time.Duration(r.Delay)
	case r.Action == simclient.WrongID:
		d.WrongID = true
	case r.Action == simclient.Truncate:
		d.Mangle = &fault
	case endsRequest(r.Action) && r.Phase == simclient.Before:
		d.Instead = &fault
	case endsRequest(r.Action):
		d.Mangle = &fault
	default:
		wait := Wait{delay: time.Duration(r.Delay)}
		if r.Action == simclient.Hold {
			wait = Wait{rule: r}
		}
		if r.Phase == simclient.Before {
			d.Before = append(d.Before, wait)
		} else {
			d.After = append(d.After, wait)
		}
	}
}

// Pass waits as w says, or until closing is closed.
func (p *Plan) Pass(w Wait, closing <-chan struct{}) {
	if w.rule == nil {
		timer := time.NewTimer(w.delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-closing:
		}
		return
	}
	gate := p.hold(w.rule)
	if gate == nil {
		return
	}
	select {
	case <-gate:
	case <-closing:
	}
}

func (p *Plan) hold(r *rule) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.ended {
		return nil
	}
	gate := make(chan struct{})
	r.held = append(r.held, gate)
	p.notify()
	return gate
}

func (p *Plan) notify() {
	if p.changed != nil {
		close(p.changed)
		p.changed = nil
	}
}

// Add adds a rule, gives it an id if it has none, and returns it as it is in force.
func (p *Plan) Add(f simclient.Fault) (simclient.Fault, error) {
	if err := check(&f); err != nil {
		return f, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if f.ID != "" && p.find(f.ID) != nil {
		return f, fmt.Errorf("there is a fault with the id %q already", f.ID)
	}
	for f.ID == "" || p.find(f.ID) != nil {
		p.named++
		f.ID = "f-" + strconv.Itoa(p.named)
	}
	p.rules = append(p.rules, &rule{Fault: f})
	return f, nil
}

func (p *Plan) find(id string) *rule {
	if i := slices.IndexFunc(p.rules, func(r *rule) bool { return r.ID == id }); i >= 0 {
		return p.rules[i]
	}
	return nil
}

// List returns the rules and what they have done.
func (p *Plan) List() []simclient.FaultState {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]simclient.FaultState, 0, len(p.rules))
	for _, r := range p.rules {
		list = append(list, simclient.FaultState{Fault: r.Fault, Applied: r.applied, Held: len(r.held)})
	}
	return list
}

// Clear removes the rule of that id, and lets go what it holds.
func (p *Plan) Clear(id string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.find(id)
	if r == nil {
		return ErrUnknown
	}
	p.end(func(other *rule) bool { return other == r })
	return nil
}

// ClearSystem removes all rules of a system, or all rules if it is empty, and lets go what they hold.
func (p *Plan) ClearSystem(system string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.end(func(r *rule) bool { return system == "" || r.System == system })
}

func (p *Plan) end(which func(*rule) bool) {
	p.rules = slices.DeleteFunc(p.rules, func(r *rule) bool {
		if !which(r) {
			return false
		}
		r.ended = true
		r.letGo(len(r.held))
		return true
	})
	p.notify()
}

func (r *rule) letGo(n int) {
	n = min(n, len(r.held))
	for _, gate := range r.held[:n] {
		close(gate)
	}
	r.held = slices.Delete(r.held, 0, n)
}

// Release lets held requests go; see simclient.Release.
func (p *Plan) Release(release simclient.Release) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	which := func(r *rule) bool {
		return r.Action == simclient.Hold && (release.Fault == "" || r.ID == release.Fault)
	}
	if release.Fault != "" && !slices.ContainsFunc(p.rules, which) {
		return ErrUnknown
	}
	if release.Requests <= 0 {
		p.end(which)
		return nil
	}
	for left, i := release.Requests, 0; i < len(p.rules) && left > 0; i++ {
		if r := p.rules[i]; which(r) {
			before := len(r.held)
			r.letGo(left)
			left -= before - len(r.held)
		}
	}
	p.notify()
	return nil
}

// AwaitHeld blocks until the rule holds at least n requests, and returns how many.
func (p *Plan) AwaitHeld(ctx context.Context, id string, n int) (int, error) {
	for {
		p.mu.Lock()
		r := p.find(id)
		if r == nil {
			p.mu.Unlock()
			return 0, ErrUnknown
		}
		held := len(r.held)
		if p.changed == nil {
			p.changed = make(chan struct{})
		}
		changed := p.changed
		p.mu.Unlock()
		if held >= n {
			return held, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return held, fmt.Errorf("await %d held requests: %w", n, context.Cause(ctx))
		}
	}
}
