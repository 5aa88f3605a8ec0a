package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/enneo-ai/enneo-bridge/services/e2e/internal/rig"
)

// version is a set of binaries with a name.
type version struct {
	name     string
	binaries rig.Binaries
}

// replica is one place in the fleet; the process in it changes.
type replica struct {
	service string
	number  int
	// blow is held by the blow that is at it.
	blow sync.Mutex

	// Guarded by the fleet.
	version version
	process *rig.Process
	address string
}

func (r *replica) String() string { return fmt.Sprintf("%s/%d", r.service, r.number) }

// fleet is all replicas of all services.
type fleet struct {
	world *rig.World
	env   map[string]string

	mu       sync.Mutex
	replicas []*replica
	started  int
	crashes  []string
	closing  bool
	watchers sync.WaitGroup
}

func newFleet(ctx context.Context, world *rig.World, v version) (*fleet, error) {
	f := &fleet{world: world, env: world.With(environment())}
	for _, m := range members() {
		for i := range m.replicas {
			r := &replica{service: m.service, number: i, version: v}
			f.replicas = append(f.replicas, r)
			if err := f.launch(ctx, r); err != nil {
				return f, err
			}
		}
	}
	for _, r := range f.replicas {
		if err := world.Ready(ctx, f.running(r)); err != nil {
			return f, err
		}
	}
	return f, nil
}

func (f *fleet) replica(service string, number int) *replica {
	for _, r := range f.replicas {
		if r.service == service && r.number == number {
			return r
		}
	}
	return nil
}

func (f *fleet) running(r *replica) *rig.Process {
	f.mu.Lock()
	defer f.mu.Unlock()
	return r.process
}

// launch starts a process in the replica's place. It waits for nothing: NATS may be away just now.
func (f *fleet) launch(ctx context.Context, r *replica) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	p, err := f.world.LaunchFrom(r.version.binaries, r.service, f.env)
	if err != nil {
		return err
	}
	r.process, r.address = p, ""
	f.started++
	f.watchers.Go(func() {
		if r.service == "ingestor" {
			if address, err := p.Listener(ctx, "http"); err == nil {
				f.mu.Lock()
				if r.process == p {
					r.address = address
				}
				f.mu.Unlock()
			}
		}
		<-p.Exited()
		f.ended(ctx, r, p)
	})
	return nil
}

// ended notes a process that ended by itself, and starts another in its place, as Kubernetes does.
func (f *fleet) ended(ctx context.Context, r *replica, p *rig.Process) {
	f.mu.Lock()
	crashed := !p.Ended() && !f.closing
	if crashed {
		f.crashes = append(f.crashes, fmt.Sprintf("%s %s in %s of version %s: %s",
			time.Now().Format(clock), p.Name, r, r.version.name, strings.Join(p.Tail(1), "")))
	}
	mine := r.process == p
	f.mu.Unlock()
	if crashed && mine && wait(ctx, time.Second) == nil {
		// If it cannot be started either, the replica stays away, and the crash is in the report.
		_ = f.launch(ctx, r)
	}
}

// replace starts another process of the version and ends the one that is there in an orderly way.
func (f *fleet) replace(ctx context.Context, r *replica, v version) error {
	f.mu.Lock()
	before := r.process
	r.version = v
	f.mu.Unlock()
	if err := f.launch(ctx, r); err != nil {
		return err
	}
	return before.Stop()
}

// ingestor picks the address of an ingestor at random; the empty text if none is there, to which nothing can be sent.
func (f *fleet) ingestor() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var addresses []string
	for _, r := range f.replicas {
		if r.address != "" {
			addresses = append(addresses, r.address)
		}
	}
	if len(addresses) == 0 {
		return ""
	}
	return addresses[rand.IntN(len(addresses))] //nolint:gosec // not for secrets
}

// close is called before the world is closed: what ends from now on is no crash.
func (f *fleet) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closing = true
}

func (f *fleet) state() (started int, crashes []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.started, append([]string(nil), f.crashes...)
}
