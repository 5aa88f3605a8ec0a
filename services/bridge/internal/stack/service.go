package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/app"
	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/health"
)

// listenerHTTP is the name under which services announce the address of their API.
const listenerHTTP = "http"

// readyPoll is the pause between two questions whether a service is ready.
const readyPoll = 25 * time.Millisecond

// maxProbe bounds the answer of a probe.
const maxProbe = 64 << 10

// AddressTakenError says that a service cannot listen because another process does.
type AddressTakenError struct{ Service, Address string }

// Error implements error.
func (e *AddressTakenError) Error() string {
	return fmt.Sprintf("%s: the address %s is taken by another process", e.Service, e.Address)
}

// part says what a service is and how it is known to have started.
type part struct {
	name string
	run  app.RunFunc
	// listeners are the ones that it announces, besides that for probes; checks are in its answer to /readyz as soon as it
	// has connected: before, it has nothing to be unready about.
	listeners, checks []string
}

// service is one running service.
type service struct {
	part
	cancel    context.CancelFunc
	announced chan announcement
	done      chan struct{} // closed when it has ended
	err       error         // valid after done
	addrs     map[string]net.Addr
}

type announcement struct {
	listener string
	addr     net.Addr
}

// launch starts a service; failed is called if it ends other than by stop.
func launch(p part, env map[string]string, log io.Writer, failed func()) *service {
	// Not the caller's context: Stop ends the services one after the other, not all at once.
	ctx, cancel := context.WithCancel(context.Background())
	s := &service{
		part: p, cancel: cancel, announced: make(chan announcement, 8), done: make(chan struct{}), addrs: map[string]net.Addr{},
	}
	announce := func(_, listener string, addr net.Addr) { s.announced <- announcement{listener, addr} }
	go func() {
		defer close(s.done)
		err := app.Run(ctx, p.name, config.Map(env), log, announce, p.run)
		switch {
		case errors.Is(err, syscall.EADDRINUSE):
			s.err = &AddressTakenError{Service: p.name, Address: env["LISTEN_ADDR"]}
		case err != nil:
			s.err = fmt.Errorf("%s: %w", p.name, err)
		case ctx.Err() == nil:
			s.err = fmt.Errorf("%s: ended by itself", p.name)
		}
		if s.err != nil {
			failed()
		}
	}()
	return s
}

// await returns when the service listens everywhere and says that it is ready.
func (s *service) await(ctx context.Context) error {
	for _, listener := range append([]string{app.AdminListener}, s.listeners...) {
		for s.addrs[listener] == nil {
			select {
			case a := <-s.announced:
				s.addrs[a.listener] = a.addr
			case <-s.done:
				return s.err
			case <-ctx.Done():
				return fmt.Errorf("%s: does not listen yet: %w", s.name, ctx.Err())
			}
		}
	}
	poll := time.NewTicker(readyPoll)
	defer poll.Stop()
	for {
		err := probe(ctx, url(s.addrs[app.AdminListener])+"/readyz", s.checks)
		if err == nil {
			return nil
		}
		select {
		case <-poll.C:
		case <-s.done:
			return s.err
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
}

// stop ends the service and waits until it has.
func (s *service) stop() error {
	s.cancel()
	<-s.done
	return s.err
}

// probe asks for readiness and makes sure that the checks are among those that passed; its error names what is missing.
func probe(ctx context.Context, url string, checks []string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("ask for readiness: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("ask for readiness: %w", err)
	}
	defer response.Body.Close()
	var status health.Status
	if err := json.NewDecoder(io.LimitReader(response.Body, maxProbe)).Decode(&status); err != nil {
		return fmt.Errorf("ask for readiness: HTTP %d: %w", response.StatusCode, err)
	}
	for _, check := range checks {
		if _, there := status.Checks[check]; !there {
			return fmt.Errorf("not ready: not connected to %s yet", check)
		}
	}
	if status.Status != health.StatusOK {
		return fmt.Errorf("not ready: %v", status.Checks)
	}
	return nil
}
