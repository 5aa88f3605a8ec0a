package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	"github.com/enneo-ai/enneo-bridge/services/e2e/internal/rig"
)

// Attempt is one request with an event.
type Attempt struct {
	Sent, Answered time.Time
}

// Event is a change that an ingestor has accepted with 202.
type Event struct {
	Contract string
	// Revision is the state of the contract that the event told of; a read of the event's own shows it, or a newer one.
	Revision int64
	// Attempts are all requests with it; the last one was answered 202. Each of the others may be in the log as well.
	Attempts []Attempt
}

// Accepted is the request that was answered 202.
func (e *Event) Accepted() Attempt { return e.Attempts[len(e.Attempts)-1] }

// straggle are the longest times after a window's end at which one more change may come: it meets the read or the request
// of the window under way.
var straggle = []time.Duration{200 * time.Millisecond, 1200 * time.Millisecond}

const (
	senders = 10
	// burst is the most changes of a contract in a row.
	burst = 6
	// within is the longest pause between two of them, between the one after a burst; both are drawn.
	within  = 60 * time.Millisecond
	between = 300 * time.Millisecond
	// hot is the share of a sender's contracts that get half of all bursts. For the others it is mostly the only one: no
	// later change hides what became of it.
	hot = 0.05
	// again is the pause before an event is sent once more.
	again = 200 * time.Millisecond
	// patience is how long a sender waits for an answer; a paused ingestor gives none.
	patience = 3 * time.Second
)

// load is what sends changes.
type load struct {
	world *rig.World
	// ingestor picks an address to send to.
	ingestor func() string

	mu      sync.Mutex
	events  []Event
	refused []string
	// hold is held for reading by a burst, and for writing by whoever wants silence.
	hold sync.RWMutex
}

// run sends bursts for the contracts until ctx ends. A burst that has begun is finished, until all of it is accepted.
func (l *load) run(ctx context.Context, seed uint64, contracts []string) error {
	var group sync.WaitGroup
	failed := make(chan error, senders)
	for sender := range senders {
		var mine []string
		for i := sender; i < len(contracts); i += senders {
			mine = append(mine, contracts[i])
		}
		random := rand.New(rand.NewPCG(seed, uint64(100+sender))) //nolint:gosec // not for secrets
		group.Go(func() {
			for ctx.Err() == nil {
				if err := l.burst(context.WithoutCancel(ctx), random, pick(random, mine)); err != nil {
					failed <- err
					return
				}
				_ = wait(ctx, rand.N(between)) //nolint:gosec // not for secrets
			}
		})
	}
	group.Wait()
	close(failed)
	return <-failed
}

func pick(random *rand.Rand, contracts []string) string {
	if random.IntN(2) == 0 {
		contracts = contracts[:1+int(hot*float64(len(contracts)-1))]
	}
	return contracts[random.IntN(len(contracts))]
}

// everything changes every contract once and tells of it.
func (l *load) everything(ctx context.Context, contracts []string) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(senders)
	for _, contract := range contracts {
		group.Go(func() error { return l.change(ctx, contract, false) })
	}
	return group.Wait()
}

func (l *load) burst(ctx context.Context, random *rand.Rand, contract string) error {
	l.hold.RLock()
	defer l.hold.RUnlock()
	named := random.IntN(2) == 0
	for range 1 + random.IntN(burst) {
		if err := l.change(ctx, contract, named); err != nil {
			return err
		}
		_ = wait(ctx, time.Duration(random.Int64N(int64(within))))
	}
	if random.IntN(2) == 0 {
		return nil
	}
	_ = wait(ctx, quiet+time.Duration(random.Int64N(int64(straggle[random.IntN(len(straggle))]))))
	return l.change(ctx, contract, named)
}

// change changes a contract in the ERP and tells of it until an ingestor has accepted that. A named event has an id of the
// sender's, by which the log recognises repetitions.
func (l *load) change(ctx context.Context, contract string, named bool) error {
	revisions, err := l.world.Sim.Change(ctx, simclient.Change{Contracts: []string{contract}, StatusID: simclient.StatusActive})
	if err != nil {
		return err
	}
	event := Event{Contract: contract, Revision: revisions[0].Revision}
	hint, err := rig.Hint(contract)
	if err != nil {
		return err
	}
	send := func(ctx context.Context) error { return l.world.Post(ctx, l.ingestor(), hint) }
	if named {
		id := fmt.Sprintf("%s@%d", contract, event.Revision)
		send = func(ctx context.Context) error { return l.world.PostEvent(ctx, l.ingestor(), id, contract) }
	}
	for {
		attempt := Attempt{Sent: time.Now()}
		limited, cancel := context.WithTimeout(ctx, patience)
		err := send(limited)
		cancel()
		attempt.Answered = time.Now()
		event.Attempts = append(event.Attempts, attempt)
		if err == nil {
			break
		}
		if errors.Is(err, rig.ErrRefused) {
			l.mu.Lock()
			l.refused = append(l.refused, err.Error())
			l.mu.Unlock()
		}
		if err := wait(ctx, again); err != nil {
			return err
		}
	}
	l.mu.Lock()
	l.events = append(l.events, event)
	l.mu.Unlock()
	return nil
}

// silence waits until no burst is under way, and lets none begin until the function that it returns is called.
func (l *load) silence() (end func()) {
	l.hold.Lock()
	return l.hold.Unlock
}

func (l *load) accepted() (events []Event, refused []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Event(nil), l.events...), append([]string(nil), l.refused...)
}

// wait returns when the time is over, or with the error of ctx.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
