// Package health answers the probes of Kubernetes.
//
// /livez tells that the process serves. /readyz tells whether everything that this service needs is there; it turns red
// and green again by itself, and stays red once the process is draining. It is red from the start if the process says that
// it is starting.
//
// A Registry is safe for concurrent use.
package health

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	// timeout limits a check. Kubernetes waits for a probe 1 s by default; the probes of enneo-bridge allow 3 s.
	timeout = time.Second
	// reuse is how long results are good, so that probes cannot hammer what is checked.
	reuse = 500 * time.Millisecond
)

// Statuses and results as they stand in the answer of /readyz.
const (
	StatusOK          = "ok"
	StatusUnavailable = "unavailable"

	resultOK       = "ok"
	processCheck   = "process"
	startingResult = "starting"
	drainingResult = "draining"
)

// Check returns nil if what it checks is there. Its error is shown to whoever asks /readyz: it is the duty of whoever
// adds the check that the text holds neither secrets (passwords in addresses!) nor personal data. A check should end
// with its context; one that does not is called again only after it has returned.
type Check func(ctx context.Context) error

// Status is the answer of /readyz.
type Status struct {
	// Status is StatusOK or StatusUnavailable.
	Status string `json:"status"`
	// Checks has "ok" or the text of the error for each check. While starting or draining it holds nothing but that.
	Checks map[string]string `json:"checks"`
}

// Registry holds the checks of a service. Make one with New.
type Registry struct {
	starting, draining atomic.Bool

	// turn holds one token; who has it may use the fields below. It is held while checks run: whoever asks meanwhile
	// shares their results.
	turn    chan struct{}
	probes  []*probe
	last    map[string]string
	expires time.Time
}

// New returns a registry without checks, which is ready.
func New() *Registry {
	r := &Registry{turn: make(chan struct{}, 1)}
	r.turn <- struct{}{}
	return r
}

// Add adds a check. Of several with one name the failing one is shown.
func (r *Registry) Add(name string, check Check) {
	<-r.turn
	defer func() { r.turn <- struct{}{} }()
	r.probes = append(r.probes, &probe{name: name, check: check})
	r.expires = time.Time{}
	r.starting.Store(false)
}

// SetStarting says that it is not known yet what readiness depends on: the process is not ready before the first Add, or
// SetStarted if there is nothing to check. Without that a probe that comes early would find nothing wrong.
func (r *Registry) SetStarting() { r.starting.Store(true) }

// SetStarted ends what SetStarting began.
func (r *Registry) SetStarted() { r.starting.Store(false) }

// SetDraining says that the process is about to end: it is not ready any more, whatever the checks say.
func (r *Registry) SetDraining() { r.draining.Store(true) }

// Status runs all checks at once, or returns their results if they are younger than half a second. It takes a second
// at most, plus the time until somebody who asked before has been answered. The checks go on when ctx ends, since
// others may share their results.
func (r *Registry) Status(ctx context.Context) Status {
	switch {
	case r.draining.Load():
		return Status{Status: StatusUnavailable, Checks: map[string]string{processCheck: drainingResult}}
	case r.starting.Load():
		return Status{Status: StatusUnavailable, Checks: map[string]string{processCheck: startingResult}}
	}
	s := Status{Status: StatusOK, Checks: r.results(context.WithoutCancel(ctx))}
	for _, result := range s.Checks {
		if result != resultOK {
			s.Status = StatusUnavailable
		}
	}
	return s
}

func (r *Registry) results(ctx context.Context) map[string]string {
	<-r.turn
	defer func() { r.turn <- struct{}{} }()
	if time.Now().Before(r.expires) {
		return maps.Clone(r.last)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for _, p := range r.probes {
		p.start(ctx)
	}
	r.last = map[string]string{}
	for _, p := range r.probes {
		result := resultOK
		if err := p.wait(ctx); err != nil {
			result = err.Error()
		}
		if shown, named := r.last[p.name]; !named || shown == resultOK {
			r.last[p.name] = result
		}
	}
	r.expires = time.Now().Add(reuse)
	return maps.Clone(r.last)
}

// Register adds GET /livez and GET /readyz to mux.
func (r *Registry) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, struct {
			Status string `json:"status"`
		}{StatusOK})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, req *http.Request) {
		s, code := r.Status(req.Context()), http.StatusOK
		if s.Status != StatusOK {
			code = http.StatusServiceUnavailable
		}
		answer(w, code, s)
	})
}

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	// A probe that has gone away needs no answer.
	_ = json.NewEncoder(w).Encode(body)
}

// probe is a check and what is known about its running. It is used by who has the registry's turn.
type probe struct {
	name  string
	check Check
	// running yields the result of the call under way; nil if there is none.
	running chan error
}

// start calls the check, unless an earlier call has not returned yet.
func (p *probe) start(ctx context.Context) {
	if p.running != nil {
		select {
		case <-p.running: //nolint:errcheck // Late, and too old to be of use.
		default:
			return
		}
	}
	done := make(chan error, 1)
	p.running = done
	go func() { done <- call(ctx, p.check) }()
}

// wait returns the result of the call, or an error if there is none when ctx ends.
func (p *probe) wait(ctx context.Context) error {
	select {
	case err := <-p.running:
		p.running = nil
		return err
	case <-ctx.Done():
		return fmt.Errorf("no answer within %s", timeout)
	}
}

// call turns a panic of the check, which would end the process, into an error. The panic's text is kept out of the
// answer: nobody has vouched for it.
func call(ctx context.Context, check Check) (err error) {
	defer func() {
		if recover() != nil {
			err = fmt.Errorf("the check panicked")
		}
	}()
	return check(ctx)
}
