package chaos

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	"github.com/enneo-ai/enneo-bridge/services/e2e/internal/rig"
)

// Struck is a blow as it was dealt.
type Struck struct {
	Blow
	Began, Ended time.Time
}

// On is what the blow was dealt to, and how.
func (s *Struck) On() string {
	switch s.Kind {
	case Kill, Pause, Replace:
		return fmt.Sprintf("%s/%d", s.Service, s.Replica)
	case DisturbERP, DisturbEnneo:
		text := fmt.Sprintf("%s %s", s.Fault.Action, s.Fault.Phase)
		if s.Fault.Status > 0 {
			text += fmt.Sprintf(" %d", s.Fault.Status)
		}
		return text
	default:
		return ""
	}
}

// striker deals the blows.
type striker struct {
	world     *rig.World
	fleet     *fleet
	load      *load
	contracts []string
	old       *version
	current   version
	copied    string // where the newest copy of the event log is
	out       *slog.Logger

	nats, redis sync.Mutex

	mu      sync.Mutex
	struck  []Struck
	errs    []error
	hasCopy bool
	// settled is when the log was set back, and everything accepted until then had to be settled.
	settled []time.Time
	dropped uint64 // events that the log has lost by being set back
}

// run deals all blows at their times, and returns when they are over.
func (s *striker) run(ctx context.Context, plan []Blow) error {
	began := time.Now()
	var group sync.WaitGroup
	defer group.Wait()
	for _, b := range plan {
		if err := wait(ctx, b.At-time.Since(began)); err != nil {
			return err
		}
		if b.Kind == SetBack {
			// It needs silence: what was accepted between the copy and the loss would rightly be lost.
			group.Wait()
			s.strike(ctx, b)
			began = began.Add(s.last())
			continue
		}
		group.Go(func() { s.strike(ctx, b) })
	}
	return nil
}

// last is how long the last blow took.
func (s *striker) last() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := s.struck[len(s.struck)-1]
	return last.Ended.Sub(last.Began)
}

func (s *striker) strike(ctx context.Context, b Blow) {
	s.mu.Lock()
	i := len(s.struck)
	s.struck = append(s.struck, Struck{Blow: b, Began: time.Now()})
	s.mu.Unlock()
	err := s.deal(ctx, b, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.struck[i].Began = time.Now()
		s.out.InfoContext(ctx, "blow", "kind", string(b.Kind), "on", s.struck[i].On(), "for", b.For.Round(time.Millisecond).String())
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.struck[i].Ended = time.Now()
	if err != nil && ctx.Err() == nil {
		s.errs = append(s.errs, fmt.Errorf("%s on %s: %w", b.Kind, s.struck[i].On(), err))
	}
}

// deal deals a blow and returns when it is over; begin is called when it is the victim's turn.
func (s *striker) deal(ctx context.Context, b Blow, begin func()) error {
	switch b.Kind {
	case Kill, Pause, Replace:
		r := s.fleet.replica(b.Service, b.Replica)
		r.blow.Lock()
		defer r.blow.Unlock()
		begin()
		return s.hit(ctx, b, r)
	case KillNATS:
		s.nats.Lock()
		defer s.nats.Unlock()
		begin()
		s.world.NATS.Kill()
		if err := s.world.NATS.CopyEvents(s.copied); err != nil {
			return err
		}
		s.mu.Lock()
		s.hasCopy = true
		s.mu.Unlock()
		return errors.Join(wait(ctx, b.For), s.world.NATS.Start(ctx))
	case FlushRedis:
		s.redis.Lock()
		defer s.redis.Unlock()
		begin()
		return s.world.Redis.Client.FlushAll(ctx).Err()
	case KillRedis:
		s.redis.Lock()
		defer s.redis.Unlock()
		begin()
		s.world.Redis.Kill()
		return errors.Join(wait(ctx, b.For), s.world.Redis.Start(ctx))
	case DisturbERP, DisturbEnneo:
		begin()
		f, err := s.world.Sim.AddFault(ctx, b.Fault)
		if err != nil {
			return err
		}
		return errors.Join(wait(ctx, b.For), s.world.Sim.ClearFault(ctx, f.ID))
	case OldVersion:
		if s.old == nil {
			return nil
		}
		begin()
		return s.mixVersions(ctx, b.For)
	case SetBack:
		begin()
		return s.setBack(ctx)
	default:
		return fmt.Errorf("no such blow: %s", b.Kind)
	}
}

// hit deals a blow to a replica.
func (s *striker) hit(ctx context.Context, b Blow, r *replica) error {
	p := s.fleet.running(r)
	switch b.Kind {
	case Kill:
		p.Kill()
		return errors.Join(wait(ctx, b.For), s.fleet.launch(ctx, r))
	case Pause:
		if err := p.Pause(); err != nil {
			return err
		}
		return errors.Join(wait(ctx, b.For), p.Resume())
	default:
		return s.fleet.replace(ctx, r, r.version)
	}
}

// mixVersions lets the first replica of each service run the old version for a while.
func (s *striker) mixVersions(ctx context.Context, length time.Duration) error {
	roll := func(v version) error {
		for _, m := range members() {
			r := s.fleet.replica(m.service, 0)
			r.blow.Lock()
			err := s.fleet.replace(ctx, r, v)
			r.blow.Unlock()
			if err != nil {
				return err
			}
		}
		return nil
	}
	if err := roll(*s.old); err != nil {
		return err
	}
	if err := wait(ctx, length); err != nil {
		return err
	}
	s.out.InfoContext(ctx, "the old version is replaced by the new one")
	return roll(s.current)
}

// latency is how long every second answer of the ERP and of Enneo takes at any time: nothing outside answers at once, and
// the changes that come meanwhile are the ones that get lost easily.
const latency = 150 * time.Millisecond

// ordinary makes the ERP and Enneo as slow as they ordinarily are.
func (s *striker) ordinary(ctx context.Context) error {
	for _, system := range []string{simclient.Powercloud, simclient.Enneo} {
		_, err := s.world.Sim.AddFault(ctx, simclient.Fault{
			System: system, Action: simclient.Delay, Delay: simclient.Duration(latency), Phase: simclient.After, Probability: 0.5,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// setBack puts the newest copy of the event log in its place, while nothing is open, and has everything told once more:
// what was in the log behind the copy is gone with it, and a full reconciliation is due.
func (s *striker) setBack(ctx context.Context) error {
	s.mu.Lock()
	copied := s.hasCopy
	s.mu.Unlock()
	if !copied {
		return errors.New("no copy of the event log was taken before")
	}
	defer s.load.silence()()
	if err := s.world.Sim.ClearFaults(ctx, ""); err != nil {
		return err
	}
	before, err := s.world.SettledWithin(ctx, settleLimit, 0)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.settled = append(s.settled, time.Now())
	s.mu.Unlock()
	epoch, err := s.world.Epoch(ctx)
	if err != nil {
		return err
	}
	s.nats.Lock()
	defer s.nats.Unlock()
	s.world.NATS.Kill()
	if err := s.world.NATS.SetBackEvents(s.copied); err != nil {
		return err
	}
	if err := s.world.NATS.Start(ctx); err != nil {
		return err
	}
	after, err := s.world.Audit(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.dropped += before.Accepted - min(after.Accepted, before.Accepted)
	s.mu.Unlock()
	s.out.InfoContext(ctx, "the log was set back", "events_before", before.Accepted, "events_after", after.Accepted)
	if err := errors.Join(s.ordinary(ctx), s.load.everything(ctx, s.contracts)); err != nil {
		return err
	}
	return rig.Eventually(ctx, settleLimit, "a new log epoch begins", func(ctx context.Context) error {
		now, err := s.world.Epoch(ctx)
		if err == nil && now <= epoch {
			err = fmt.Errorf("epoch %d", now)
		}
		return err
	})
}

// result adds what was dealt to the evidence and the report.
func (s *striker) result(e *Evidence, r *Report) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.Struck, e.Settled = append(e.Struck, s.struck...), append(e.Settled, s.settled...)
	r.Dropped, r.SetBacks, r.Errors = s.dropped, len(s.settled), s.errs
}

// contractsOf lists the contracts of the ERP.
func contractsOf(ctx context.Context, world *rig.World) ([]string, error) {
	return world.Sim.IDs(ctx, key.Contract, 0, 0)
}

// copyOf is where a run keeps its copy of the event log.
func copyOf(dir string) string { return filepath.Join(dir, "copy", "EVENTS") }
