package bus_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
)

// opener opens the enricher's consumer of pc.
func opener(b *bus.Bus) func(context.Context) (jetstream.Consumer, error) {
	return func(ctx context.Context) (jetstream.Consumer, error) { return b.Consumer(ctx, bus.StageEnrich, "pc") }
}

// start runs workers and returns how to stop them and wait for their end.
func start(t *testing.T, w *bus.Workers) (stop func()) {
	t.Helper()
	w.Logger = discard()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// tally counts the messages that a handler got, by their text.
type tally struct {
	mu   sync.Mutex
	seen map[string]int
}

func (c *tally) handle(_ context.Context, msg jetstream.Msg) bus.Verdict {
	c.add(msg)
	return bus.Done()
}

func (c *tally) add(msg jetstream.Msg) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil {
		c.seen = map[string]int{}
	}
	c.seen[string(msg.Data())]++
	return c.seen[string(msg.Data())]
}

func (c *tally) distinct() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.seen)
}

func (c *tally) once(t *testing.T, want int) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.seen) != want {
		t.Errorf("%d messages were handled, want %d", len(c.seen), want)
	}
	for text, n := range c.seen {
		if n != 1 {
			t.Errorf("message %s was handled %d times, want once", text, n)
		}
	}
}

func publishMany(t *testing.T, b *bus.Bus, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		publish(t, b, bus.StageEnrich, contract("pc", strconv.Itoa(i)), strconv.Itoa(i))
	}
}

func TestWorkersHandleEachMessageOnce(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t, "pc")
	const messages, workers = 200, 5
	var got tally
	var busy, most atomic.Int32
	stop := start(t, &bus.Workers{Open: opener(b), Count: workers, Handle: func(ctx context.Context, msg jetstream.Msg) bus.Verdict {
		if n := busy.Add(1); n > most.Load() {
			most.Store(n)
		}
		defer busy.Add(-1)
		return got.handle(ctx, msg)
	}})
	publishMany(t, b, 0, messages)
	bustest.Eventually(t, "all messages are handled", func() bool { return got.distinct() == messages })
	stop()
	got.once(t, messages)
	if most.Load() > workers {
		t.Errorf("%d messages were worked on at once, want at most %d", most.Load(), workers)
	}
	c := open(t, b, bus.StageEnrich, "pc")
	bustest.Eventually(t, "all acknowledgements have arrived", func() bool { pending, unacked := left(t, c); return pending == 0 && unacked == 0 })
}

func TestAgainComesAfterItsPause(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t, "pc")
	const pause = 300 * time.Millisecond
	times := make(chan time.Time, 3)
	stop := start(t, &bus.Workers{Open: opener(b), Count: 2, Handle: func(_ context.Context, msg jetstream.Msg) bus.Verdict {
		times <- time.Now()
		meta, err := msg.Metadata()
		if err != nil || meta.NumDelivered == 1 {
			return bus.Again(pause)
		}
		return bus.Done()
	}})
	publishMany(t, b, 0, 1)
	// The server counts from the answer, which is sent after the first time was taken.
	if first, second := <-times, <-times; second.Sub(first) < pause {
		t.Errorf("the message came again after %s, want at least %s", second.Sub(first), pause)
	}
	stop()
	c := open(t, b, bus.StageEnrich, "pc")
	bustest.Eventually(t, "nothing is left", func() bool { pending, unacked := left(t, c); return pending == 0 && unacked == 0 })
}

func TestShutdownFinishesWhatHasBegun(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t, "pc")
	const messages, workers = 10, 3
	publishMany(t, b, 0, messages)
	var got tally
	begun, release := make(chan struct{}, workers), make(chan struct{})
	var cancelled atomic.Bool
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w := &bus.Workers{Open: opener(b), Count: workers, Logger: discard(), Handle: func(ctx context.Context, msg jetstream.Msg) bus.Verdict {
		begun <- struct{}{}
		<-release
		if ctx.Err() != nil {
			cancelled.Store(true)
		}
		return got.handle(ctx, msg)
	}}
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	for range workers {
		<-begun
	}
	cancel()
	select {
	case err := <-ended:
		t.Fatalf("Run = %v before the handlers have finished", err)
	default:
	}
	close(release)
	if err := <-ended; err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
	if cancelled.Load() {
		t.Error("the shutdown cancelled the context of a handler")
	}
	if n := got.distinct(); n != workers {
		t.Errorf("%d messages were handled, want the %d that had begun", n, workers)
	}
	// What is left is all there for whoever comes next, at once.
	stop := start(t, &bus.Workers{Open: opener(b), Count: workers, Handle: got.handle})
	bustest.Eventually(t, "the rest is handled", func() bool { return got.distinct() == messages })
	stop()
	got.once(t, messages)
}

func TestVanishedConsumerIsOpenedAgain(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t, "pc")
	var got tally
	stop := start(t, &bus.Workers{Count: 2, Handle: got.handle, Open: func(ctx context.Context) (jetstream.Consumer, error) {
		if err := b.Ensure(ctx, []string{"pc"}); err != nil {
			return nil, err
		}
		return b.Consumer(ctx, bus.StageEnrich, "pc")
	}})
	publishMany(t, b, 0, 3)
	bustest.Eventually(t, "the first messages are handled", func() bool { return got.distinct() == 3 })
	if err := b.JetStream().DeleteConsumer(t.Context(), bus.StreamDue, bus.StageEnrich.ConsumerName("pc")); err != nil {
		t.Fatal(err)
	}
	publishMany(t, b, 3, 6)
	bustest.Eventually(t, "the messages after that are handled", func() bool { return got.distinct() == 6 })
	stop()
}

func TestConsumerThatCannotBeOpenedIsTriedAgain(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t, "pc")
	publishMany(t, b, 0, 1)
	var got tally
	var attempts atomic.Int32
	stop := start(t, &bus.Workers{Count: 1, Handle: got.handle, Open: func(ctx context.Context) (jetstream.Consumer, error) {
		if attempts.Add(1) == 1 {
			return nil, errors.New("not now")
		}
		return opener(b)(ctx)
	}})
	bustest.Eventually(t, "the message is handled", func() bool { return got.distinct() == 1 })
	stop()
}

func TestWorkersSurviveARestartOfNATS(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t)
	b := srv.Connect(t, "pc")
	var got tally
	stop := start(t, &bus.Workers{Open: opener(b), Count: 2, Handle: got.handle})
	publishMany(t, b, 0, 3)
	c := open(t, b, bus.StageEnrich, "pc")
	bustest.Eventually(t, "the messages before the restart are handled", func() bool {
		pending, unacked := left(t, c)
		return got.distinct() == 3 && pending == 0 && unacked == 0
	})
	srv.Stop(t)
	bustest.Eventually(t, "the connection is noticed to be gone", func() bool { return b.Check(t.Context()) != nil })
	srv.Run(t)
	bustest.Eventually(t, "the connection is back", func() bool { return b.Check(t.Context()) == nil })
	publishMany(t, b, 3, 6)
	bustest.Eventually(t, "the messages after the restart are handled", func() bool { return got.distinct() == 6 })
	stop()
	got.once(t, 6)
}

// turnstile is a gate that counts.
type turnstile struct {
	inside, entered, left atomic.Int32
	open                  chan struct{}
}

func (g *turnstile) Enter(ctx context.Context) (func(), error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-g.open:
	}
	g.entered.Add(1)
	g.inside.Add(1)
	return func() { g.inside.Add(-1); g.left.Add(1) }, nil
}

func TestNothingIsPulledWhileTheGateIsShut(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t, "pc")
	publishMany(t, b, 0, 3)
	var got tally
	gate := &turnstile{open: make(chan struct{})}
	stop := start(t, &bus.Workers{Open: opener(b), Count: 1, Gate: gate, Handle: func(ctx context.Context, msg jetstream.Msg) bus.Verdict {
		if gate.inside.Load() != 1 {
			t.Error("a message is worked on outside the gate")
		}
		return got.handle(ctx, msg)
	}})
	c := open(t, b, bus.StageEnrich, "pc")
	bustest.Eventually(t, "the worker stands at the gate", func() bool { info, err := c.Info(t.Context()); return err == nil && info.NumWaiting == 0 })
	if n := got.distinct(); n != 0 {
		t.Errorf("%d messages were handled while the gate was shut", n)
	}
	close(gate.open)
	bustest.Eventually(t, "all messages are handled", func() bool { return got.distinct() == 3 })
	stop()
	if in, out := gate.entered.Load(), gate.left.Load(); in != out {
		t.Errorf("the gate was entered %d times and left %d times", in, out)
	}
}

func TestWorkersAtAShutGateEndWithTheirContext(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t, "pc")
	stop := start(t, &bus.Workers{Open: opener(b), Count: 3, Gate: &turnstile{open: make(chan struct{})}, Handle: (&tally{}).handle})
	stop()
}

// narrow is a gate that is half-open: it lets in one at a time.
type narrow struct{ place chan struct{} }

func (g narrow) Enter(ctx context.Context) (func(), error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case g.place <- struct{}{}:
		return func() { <-g.place }, nil
	}
}

func (narrow) Probing() bool { return true }

// TestWhoProbesForNothingMakesRoom: one consumer has no message, the other has; both share the gate.
func TestWhoProbesForNothingMakesRoom(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t, "pc", "lq")
	gate := narrow{make(chan struct{}, 1)}
	idle := start(t, &bus.Workers{Open: opener(b), Count: 4, Gate: bus.Gates(gate), Handle: (&tally{}).handle})
	bustest.Eventually(t, "the idle one is in", func() bool { return len(gate.place) == 1 })
	publish(t, b, bus.StageEnrich, contract("lq", "1"), "x")
	began := time.Now()
	var got tally
	busy := start(t, &bus.Workers{Count: 1, Gate: bus.Gates(gate), Handle: got.handle, Open: func(ctx context.Context) (jetstream.Consumer, error) {
		return b.Consumer(ctx, bus.StageEnrich, "lq")
	}})
	bustest.Eventually(t, "the other's message is handled", func() bool { return got.distinct() == 1 })
	// Four ordinary pulls take a minute.
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %s until whoever had a message was let in", took)
	}
	busy()
	idle()
}
