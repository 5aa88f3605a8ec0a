// Package live reads one ERP for callers that wait.
//
// # Guarantees
//
// Callers that ask for the same key in the same state of what is known of it share one read, however many they are; one that
// knows of a newer event or snapshot never gets an answer whose read began before it. An answer is used again for a while,
// under the same rule. Nobody waits longer than the budget: for leave to ask, which all replicas and the enricher share, and for
// the answer. A read that outlasts its callers ends all the same and serves the next one.
//
// Nothing is written but the limits that are shared in Redis: what is read here is an answer, and no snapshot.
//
// # Concurrency
//
// A Reader is safe for concurrent use.
package live

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/enneo-ai/enneo-bridge/libs/enneo"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/fault"
	"github.com/enneo-ai/enneo-bridge/libs/gate"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
	"github.com/enneo-ai/enneo-bridge/libs/quota"
)

// Reasons of the faults that are our own.
const (
	ReasonPaused = "paused"
	ReasonShut   = "gate_shut"
	ReasonLimit  = "limit"
	ReasonBudget = "budget"
)

// ERP is what is asked of a client.
type ERP interface {
	Get(ctx context.Context, kind key.Kind, id string) (profile.Mapped, error)
	List(ctx context.Context, op profile.Operation, args profile.Args) (profile.Page, error)
	Supports(kind key.Kind) bool
}

// Pause tells whether an operator has stopped the requests.
type Pause interface{ Paused() bool }

// Options are what a Reader is made of. All but Paused and Quota have to be set.
type Options struct {
	ERP    ERP
	Gate   *gate.Gate
	Paused Pause
	Quota  *quota.Quota
	// Budget bounds the wait of a caller, Timeout that of a read.
	Budget, Timeout time.Duration
	// MinAge: an ERP may not show a change yet that was told so recently.
	MinAge time.Duration
	// Cache keeps answers; nil keeps none.
	Cache *Cache
	// Observe hears how long each request to the ERP took and how it ended; f is nil after a success.
	Observe func(ctx context.Context, operation string, f *fault.Fault, took time.Duration)
}

// State is what was known of a key just before it is read.
type State struct {
	// Last is the newest event, the zero value if the log holds none.
	Last eventlog.Last
	// Revision is that of the snapshot, 0 if there is none.
	Revision uint64
}

func (s State) text() string {
	return s.Last.Position.String() + " " + strconv.FormatInt(s.Last.At.UnixNano(), 36) + " " + strconv.FormatUint(s.Revision, 36)
}

// Answer is what the ERP said.
type Answer struct {
	// Body is Enneo's structure with the ERP's ids; empty if Gone.
	Body string
	// Gone: the ERP does not have the key.
	Gone bool
	// Began is when the read began, by this process's clock.
	Began time.Time
	// Cached: it was read for somebody else, some time ago.
	Cached bool
	// State is what was known just before the read.
	State State
}

// Reader reads one ERP.
type Reader struct {
	Options
	flights singleflight.Group
	running sync.WaitGroup
	closing chan struct{}
	close   func()
}

// New makes a Reader. Close it.
func New(o Options) *Reader {
	closing := make(chan struct{})
	return &Reader{Options: o, closing: closing, close: sync.OnceFunc(func() { close(closing) })}
}

// Close breaks off the reads that nobody waits for any more, and waits for their end.
func (r *Reader) Close() {
	r.close()
	r.running.Wait()
}

// Get reads a key, or returns what a read in the same state has answered. Its error is a *fault.Fault.
func (r *Reader) Get(ctx context.Context, k key.Key, s State) (Answer, error) {
	if a, ok := r.Cache.get(k, s); ok {
		return a, nil
	}
	// In the text of the key and the state nothing is ambiguous: neither holds a blank of its own.
	read := r.flights.DoChan(k.String()+" "+s.text(), func() (any, error) { return r.read(ctx, k, s) })
	timer := time.NewTimer(r.Budget)
	defer timer.Stop()
	select {
	case result := <-read:
		answer, ok := result.Val.(Answer)
		if result.Err == nil && !ok {
			return Answer{}, &fault.Fault{Reason: "internal", Err: errors.New("a read without an answer")}
		}
		return answer, result.Err
	case <-timer.C:
		return Answer{}, &fault.Fault{Scope: fault.Target, Reason: ReasonBudget, Err: errors.New("the ERP has not answered in time for this call")}
	case <-ctx.Done():
		return Answer{}, &fault.Fault{Reason: ReasonBudget, Err: ctx.Err()}
	}
}

// read is the one read of a flight. Whoever began it may leave before its end.
func (r *Reader) read(ctx context.Context, k key.Key, s State) (answer Answer, err error) {
	r.running.Add(1)
	defer r.running.Done()
	// The goroutine is singleflight's, where a panic would end the process.
	defer func() {
		if p := recover(); p != nil {
			err = &fault.Fault{Scope: fault.Key, Permanent: true, Reason: "internal", Err: fmt.Errorf("panic while reading: %T", p)}
		}
	}()
	answer = Answer{State: s}
	var mapped profile.Mapped
	err = r.ask(context.WithoutCancel(ctx), readOf(k.Kind), func(ctx context.Context) error {
		answer.Began = time.Now()
		var err error
		mapped, err = r.ERP.Get(ctx, k.Kind, k.ID)
		return err
	})
	if err != nil {
		return Answer{}, err
	}
	if answer.Gone = mapped.Gone; answer.Gone {
		// Not kept: a contract may be asked for before the ERP's own commit.
		return answer, nil
	}
	if answer.Body, err = enneo.Canonical(mapped.Body); err != nil {
		return Answer{}, &fault.Fault{Permanent: true, Reason: enneo.ReasonUnmappable, Err: err}
	}
	if s.Last.At.IsZero() || answer.Began.Sub(s.Last.At) >= r.MinAge {
		r.Cache.put(k, answer)
	}
	return answer, nil
}

// Search asks the ERP for the ids of what fits. Its error is a *fault.Fault.
func (r *Reader) Search(ctx context.Context, args profile.Args) (page profile.Page, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.Budget)
	defer cancel()
	err = r.ask(ctx, string(profile.Search), func(ctx context.Context) error {
		var err error
		page, err = r.ERP.List(ctx, profile.Search, args)
		return err
	})
	if f := fault.Of(err); f != nil && ctx.Err() != nil {
		f.Scope, f.Reason = fault.Target, ReasonBudget
		return profile.Page{}, f
	}
	return page, err
}

func readOf(kind key.Kind) string {
	if kind == key.Customer {
		return string(profile.GetCustomer)
	}
	return string(profile.GetContract)
}

// ask waits for leave, makes one request and tells everybody how it ended.
func (r *Reader) ask(ctx context.Context, operation string, request func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, r.Budget+r.Timeout)
	defer cancel()
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case <-r.closing:
			cancel()
		case <-ended:
		}
	}()
	release, err := r.enter(ctx)
	if err != nil {
		return err
	}
	defer release()
	began := time.Now()
	err = request(ctx)
	f := fault.Of(err)
	if f != nil && ctx.Err() == nil && f.Scope == fault.Target {
		r.Quota.Hold(ctx, f.RetryAfter)
	}
	if ctx.Err() == nil || f == nil {
		// Having given up says nothing about the ERP.
		r.Gate.Report(f)
	}
	r.Observe(ctx, operation, f, time.Since(began))
	if f != nil {
		return f
	}
	return nil
}

// enter waits for leave to make one request, for the budget at most.
func (r *Reader) enter(ctx context.Context) (release func(), err error) {
	if r.Paused != nil && r.Paused.Paused() {
		return nil, &fault.Fault{Scope: fault.Target, Reason: ReasonPaused, Err: errors.New("an operator has paused the source")}
	}
	if shut, until := r.Gate.Shut(); shut && time.Until(until) > 0 {
		return nil, &fault.Fault{Scope: fault.Target, Reason: ReasonShut, RetryAfter: time.Until(until), Err: errors.New("the ERP did not answer lately")}
	}
	ctx, cancel := context.WithTimeout(ctx, r.Budget)
	defer cancel()
	leave, err := r.Gate.Enter(ctx)
	if err != nil {
		return nil, &fault.Fault{Scope: fault.Target, Reason: ReasonShut, Err: err}
	}
	give, err := r.take(ctx)
	if err != nil {
		leave()
		return nil, err
	}
	return func() { give(); leave() }, nil
}

// take waits for a slot and a token of the source.
func (r *Reader) take(ctx context.Context) (release func(), err error) {
	deadline, _ := ctx.Deadline()
	for {
		release, wait := r.Quota.Take(ctx)
		if release != nil {
			return release, nil
		}
		limited := &fault.Fault{Scope: fault.Target, Reason: ReasonLimit, RetryAfter: wait, Err: errors.New("the source's limits leave no room for this call")}
		if time.Until(deadline) < wait {
			return nil, limited
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, limited
		case <-timer.C:
		}
	}
}
