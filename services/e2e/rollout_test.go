package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	"github.com/enneo-ai/enneo-bridge/services/e2e/internal/rig"
)

// What a cluster's clocks are here, shortened: how long endpoints and proxies need to learn that a pod goes, and how long
// preStop (deploy/k8s: 10 s) lets it go on serving. lag is shorter, or there would be no point in the pause.
const (
	lag   = 500 * time.Millisecond
	pause = time.Second
)

// sender posts changes one after the other and counts what came of them.
type sender struct {
	world    *world
	to       string
	accepted atomic.Int64

	mu     sync.Mutex
	failed []error
}

// run sends until ctx ends; the last request is waited for.
func (s *sender) run(ctx context.Context, ids []string) {
	for i := 0; ctx.Err() == nil; i++ {
		err := s.world.Change(context.WithoutCancel(ctx), s.to, ids[i%len(ids)], 1000+i%50)
		if err == nil {
			s.accepted.Add(1)
			continue
		}
		s.mu.Lock()
		s.failed = append(s.failed, err)
		s.mu.Unlock()
	}
}

func (s *sender) failures() []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]error(nil), s.failed...)
}

// progress waits until n more requests were answered, one way or the other.
func (s *sender) progress(t *testing.T, n int) {
	t.Helper()
	count := func() int { return int(s.accepted.Load()) + len(s.failures()) }
	from := count()
	eventually(t, "the load goes on", func() error {
		if got := count() - from; got < n {
			return fmt.Errorf("%d of %d", got, n)
		}
		return nil
	})
}

// cluster does with processes what Kubernetes does with pods.
type cluster struct {
	*world
	env      map[string]string
	balancer *balancer

	mu   sync.Mutex
	pods map[string][]*pod
}

// surge starts a pod; an ingestor gets requests once it is ready.
func (c *cluster) surge(service string) error {
	ctx := c.t.Context()
	process, err := c.Start(ctx, service, c.env)
	if err != nil {
		return err
	}
	p := &pod{Process: process}
	if service == "ingestor" {
		address, err := process.Listener(ctx, "http")
		if err != nil {
			return err
		}
		if p.address, err = url.Parse(address); err != nil {
			return err
		}
		c.balancer.add(p)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pods[service] = append(c.pods[service], p)
	return nil
}

// terminate ends the oldest pod: as its end is decided, proxies begin to learn of it and preStop begins to run; then
// SIGTERM, and the grace period. The pod has to end in an orderly way within it.
func (c *cluster) terminate(service string, preStop time.Duration) error {
	c.mu.Lock()
	p := c.pods[service][0]
	c.pods[service] = c.pods[service][1:]
	c.mu.Unlock()
	var learned sync.WaitGroup
	if service == "ingestor" {
		learned.Go(func() {
			pass(c.t, lag)
			c.balancer.remove(p)
		})
		pass(c.t, preStop)
	}
	err := p.Stop()
	learned.Wait()
	return err
}

// roll replaces the pods of a service one by one, a new one before an old one (maxSurge 1, maxUnavailable 0).
func (c *cluster) roll(service string) error {
	for range len(c.pods[service]) {
		if err := errors.Join(c.surge(service), c.terminate(service, pause)); err != nil {
			return err
		}
	}
	return nil
}

// all does something for every service at once, so many times in a row.
func (c *cluster) all(times int, do func(service string) error) {
	c.t.Helper()
	var group errgroup.Group
	for _, service := range pipeline {
		group.Go(func() error {
			for range times {
				if err := do(service); err != nil {
					return err
				}
			}
			return nil
		})
	}
	must(c.t, group.Wait())
}

// pipeline are the services that stand between an ERP's webhook and Enneo.
var pipeline = []string{"ingestor", "debouncer", "enricher", "publisher"}

// pass lets time pass as the cluster would.
func pass(t *testing.T, d time.Duration) {
	t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
	}
}

func newCluster(t *testing.T) (*cluster, *sender) {
	t.Helper()
	w := newWorld(t, 60)
	c := &cluster{world: w, env: w.With(impatient), balancer: newBalancer(t), pods: map[string][]*pod{}}
	return c, &sender{world: w, to: c.balancer.URL}
}

// TestRollingUpdateAndScaleDownLoseNothing replaces every pod under load and then scales each service from three to one:
// the balancer has every request answered, with 202, and everything accepted is settled.
func TestRollingUpdateAndScaleDownLoseNothing(t *testing.T) {
	t.Parallel()
	turn(t)
	c, load := newCluster(t)
	c.all(1, c.surge)
	must(t, c.surge("ingestor"))
	ids := c.contracts(60)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var sending sync.WaitGroup
	for i := range 2 {
		sending.Go(func() { load.run(ctx, ids[i*30:(i+1)*30]) })
	}
	load.progress(t, 50)
	c.all(1, c.roll)
	load.progress(t, 50)
	c.all(2, c.surge)
	load.progress(t, 50)
	c.all(2, func(service string) error { return c.terminate(service, pause) })
	load.progress(t, 50)
	stop()
	sending.Wait()
	for _, err := range append(load.failures(), c.balancer.unanswered()...) {
		t.Errorf("a request was not accepted: %v", err)
	}
	accepted := int(load.accepted.Load())
	c.change(c.balancer.URL, simclient.StatusActive, ids...)
	balance := c.settled(accepted + len(ids))
	c.sound()
	t.Logf("accepted %d = settled %d + open %d; outcomes %v", balance.Accepted, balance.Settled, balance.Open, balance.ByOutcome)
}

// TestWithoutThePauseRequestsAreRefused shows that preStop is what the test above proves: SIGTERM at once, and the
// balancer still sends requests to who has left.
func TestWithoutThePauseRequestsAreRefused(t *testing.T) {
	t.Parallel()
	turn(t)
	c, load := newCluster(t)
	must(t, errors.Join(c.surge("ingestor"), c.surge("ingestor")))
	ids := c.contracts(10)
	ctx, stop := context.WithCancel(t.Context())
	var sending sync.WaitGroup
	sending.Go(func() { load.run(ctx, ids) })
	load.progress(t, 20)
	must(t, c.terminate("ingestor", 0))
	load.progress(t, 20)
	stop()
	sending.Wait()
	refused := c.balancer.unanswered()
	if len(refused) == 0 {
		t.Fatal("every request was answered: the test above proves nothing")
	}
	if failures := load.failures(); len(failures) < len(refused) || !errors.Is(failures[0], rig.ErrRefused) {
		t.Errorf("%d requests had no answer, and %d were told so: %v", len(refused), len(failures), failures)
	}
}
