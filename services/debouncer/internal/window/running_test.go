package window

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/key"
)

// patience bounds every wait in these tests. It is far above what they need, so that only a fault reaches it.
const patience = 30 * time.Second

// observed records what a Scheduler reports.
type observed struct {
	mu       sync.Mutex
	counts   map[string]int
	lateness []time.Duration
	changed  chan struct{} // closed and replaced at each report
}

func newObserved() *observed {
	return &observed{counts: map[string]int{}, changed: make(chan struct{})}
}

func (o *observed) add(name string, n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.counts[name] += n
	close(o.changed)
	o.changed = make(chan struct{})
}

func (o *observed) Claimed(n int) { o.add("claimed", n) }

func (o *observed) Released(n int) { o.add("released", n) }

func (o *observed) Lost(n int) { o.add("lost", n) }

func (o *observed) Orphaned(n int) { o.add("orphaned", n) }

func (o *observed) Emptied(int) { o.add("emptied", 1) }

func (o *observed) Flushed(_ Window, lateness time.Duration) {
	o.mu.Lock()
	o.lateness = append(o.lateness, lateness)
	o.mu.Unlock()
	o.add("flushed", 1)
}

// await returns once the count has reached n.
func (o *observed) await(t *testing.T, name string, n int) {
	t.Helper()
	giveUp := time.After(patience)
	for {
		o.mu.Lock()
		got, changed := o.counts[name], o.changed
		o.mu.Unlock()
		if got >= n {
			return
		}
		select {
		case <-changed:
		case <-giveUp:
			t.Fatalf("%d %s, want %d", got, name, n)
		}
	}
}

func (o *observed) count(name string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.counts[name]
}

// running is a Scheduler of a test.
type running struct {
	*Scheduler
	*observed
	stop func()        // ends the context of Run
	done chan struct{} // closed when Run has returned
}

// run starts a Scheduler; it ends with the test.
func run(t *testing.T, s *Store, o SchedulerOptions, flush Flush) *running {
	t.Helper()
	return runObserved(t, s, o, newObserved(), flush)
}

func runObserved(t *testing.T, s *Store, o SchedulerOptions, observer *observed, flush Flush) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{observed: observer, stop: cancel, done: make(chan struct{})}
	r.Scheduler = NewScheduler(s, o, r.observed, slog.New(slog.DiscardHandler))
	go func() {
		defer close(r.done)
		r.Run(ctx, flush)
	}()
	t.Cleanup(func() {
		cancel()
		r.finished(t)
	})
	return r
}

func (r *running) finished(t *testing.T) {
	t.Helper()
	select {
	case <-r.done:
	case <-time.After(patience):
		t.Error("Run does not return")
	}
}

func succeed(context.Context, []Window) []error { return nil }

func mustArm(t *testing.T, s *Store, items ...Arm) ArmResult {
	t.Helper()
	result, err := s.Arm(t.Context(), items)
	if err != nil {
		t.Fatalf("Arm: %v", err)
	}
	return result
}

func mustBeEmpty(t *testing.T, s *Store) {
	t.Helper()
	if n, err := s.Len(t.Context()); n != 0 || err != nil {
		t.Errorf("%d windows left, %v", n, err)
	}
}

// soon is an event whose window is due in the time given.
func soon(k key.Key, sequence uint64, in time.Duration) Arm {
	return Arm{Key: k, Position: at(1, sequence), Quiet: in, MaxWait: time.Hour}
}

// unheard is a copy of the store that publishes its wakes to nobody.
func unheard(t *testing.T, s *Store) *Store {
	t.Helper()
	quiet := *s
	quiet.scripts.arm = newScript("arm", strings.Replace(s.scripts.arm.source, "'"+wakeChannel+"'", "'nobody'", 1))
	if quiet.scripts.arm == s.scripts.arm {
		t.Fatal("the name of the channel is not in the script")
	}
	return &quiet
}

// peek is the time until the planned claim; far below zero without one.
func (p *plan) peek() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Until(p.at)
}

// lines is a slog.Handler that passes messages on while there is room.
type lines struct{ to chan string }

func (lines) Enabled(context.Context, slog.Level) bool { return true }

func (l lines) WithAttrs([]slog.Attr) slog.Handler { return l }

func (l lines) WithGroup(string) slog.Handler { return l }

func (l lines) Handle(_ context.Context, r slog.Record) error {
	select {
	case l.to <- r.Message:
	default:
	}
	return nil
}
