package sweep

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/libs/ticket"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
	"github.com/enneo-ai/enneo-bridge/services/debouncer/internal/openkeys"
)

// source is the one that is configured.
const source = "acme"

// windows are debounce windows that hold what they are told to.
type windows struct {
	mu   sync.Mutex
	held map[key.Key]bool
}

func (w *windows) hold(k key.Key, held bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held[k] = held
}

func (w *windows) Holds(_ context.Context, keys []key.Key) ([]bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	held := make([]bool, len(keys))
	for i, k := range keys {
		held[i] = w.held[k]
	}
	return held, nil
}

// world is NATS with a log, a tracker that follows it, and windows.
type world struct {
	*testing.T
	bus      *bus.Bus
	log      *eventlog.Log
	ledger   *ledger.Ledger
	tracker  *openkeys.Tracker
	windows  *windows
	limits   *Limits
	consumer jetstream.Consumer
}

// newWorld has limits of fractions of a second. Nobody sweeps yet.
func newWorld(t *testing.T, limits Limits) *world {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	w := &world{T: t, bus: bustest.Start(t).Connect(t, source), windows: &windows{held: map[key.Key]bool{}}, limits: &limits}
	var err error
	if w.log, err = eventlog.Open(t.Context(), w.bus, quiet); err != nil {
		t.Fatal(err)
	}
	if w.ledger, err = ledger.Open(t.Context(), w.bus); err != nil {
		t.Fatal(err)
	}
	epoch, _ := w.log.Changed()
	w.consumer, err = w.bus.EnsureLogConsumer(t.Context(), source, epoch)
	w.must(err)
	w.tracker = openkeys.New(w.bus, w.log, w.ledger, openkeys.Rules{Objective: time.Minute, Wait: limits.Wait}, 0, quiet)
	w.background(w.tracker.Run)
	bustest.Eventually(t, "the tracker knows the log", func() bool { return w.tracker.Book() != nil })
	return w
}

// impatient revives what has stood nowhere for between 0.2 and 0.4 s.
func impatient() Limits {
	return Limits{
		MaxWait: map[string]time.Duration{source: 100 * time.Millisecond}, Bound: 400 * time.Millisecond,
		Exempt: time.Hour, Round: 10 * time.Millisecond,
	}
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// background runs something until the test ends.
func (w *world) background(run func(context.Context) error) {
	w.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(w.Context()))
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	w.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			w.Errorf("ended with: %v", err)
		}
	})
}

func (w *world) sweeper(held func() bool) *Sweeper {
	w.Helper()
	s, err := New(Parts{
		Bus: w.bus, Log: w.log, Ledger: w.ledger, Tracker: w.tracker, Windows: w.windows, Held: held,
		Propagator: propagation.TraceContext{}, Meter: noop.NewMeterProvider().Meter(""), Logger: slog.New(slog.DiscardHandler),
	}, w.limits)
	w.must(err)
	return s
}

// sweep sweeps until the test ends.
func (w *world) sweep() {
	w.Helper()
	w.background(w.sweeper(func() bool { return true }).Run)
}

func contract(id string) key.Key { return key.Key{Source: source, Kind: key.Contract, ID: id} }

// append appends an event and returns its position.
func (w *world) append(k key.Key) position.Position {
	w.Helper()
	event, err := eventlog.NewEvent(w.Context(), propagation.TraceContext{}, eventlog.Change{Key: k, Origin: bridgev1.Origin_ORIGIN_WEBHOOK, ReceivedAt: time.Now()})
	w.must(err)
	acks, errs := w.log.Append(w.Context(), []eventlog.Event{event})
	w.must(errs[0])
	epoch, err := w.log.Epoch(w.Context())
	w.must(err)
	return position.Position{Epoch: epoch, Sequence: acks[0].Sequence}
}

// take takes what stands in the log, as the debouncer does.
func (w *world) take() {
	w.Helper()
	stream, err := w.bus.JetStream().Stream(w.Context(), bus.StreamEvents)
	w.must(err)
	last := stream.CachedInfo().State.LastSeq
	bustest.Eventually(w, "everything is taken", func() bool {
		batch, err := w.consumer.FetchNoWait(2000)
		w.must(err)
		for msg := range batch.Messages() {
			w.must(msg.Ack())
		}
		w.must(batch.Error())
		info, err := w.consumer.Info(w.Context())
		w.must(err)
		return info.AckFloor.Stream >= last
	})
}

// send puts a ticket in front of a stage.
func (w *world) send(stage bus.Stage, k key.Key, p position.Position) {
	w.Helper()
	msg, err := ticket.Encode(w.Context(), propagation.TraceContext{}, stage, ticket.Ticket{Key: k, Position: p}, time.Now())
	w.must(err)
	_, err = w.bus.Publish(w.Context(), msg)
	w.must(err)
}

// lose removes the ticket of a key.
func (w *world) lose(stage bus.Stage, k key.Key) {
	w.Helper()
	stream, err := w.bus.JetStream().Stream(w.Context(), stage.Stream())
	w.must(err)
	w.must(stream.Purge(w.Context(), jetstream.WithPurgeSubject(stage.Subject(k))))
}

// swept is how many events of the key the sweeper has appended.
func (w *world) swept(k key.Key) (n int) {
	w.Helper()
	stream, err := w.bus.JetStream().Stream(w.Context(), bus.StreamEvents)
	w.must(err)
	for next := uint64(1); ; n++ {
		msg, err := stream.GetMsg(w.Context(), next, jetstream.WithGetMsgSubject(bus.EventSubject(k)))
		if err != nil {
			return n
		}
		next = msg.Sequence + 1
		if eventlog.OriginOf(msg.Header) != bridgev1.Origin_ORIGIN_SWEEPER {
			n--
		}
	}
}

// revived waits until the sweeper has appended an event of the key.
func (w *world) revived(k key.Key) {
	w.Helper()
	bustest.Eventually(w, k.ID+" is revived", func() bool { return w.swept(k) > 0 })
}
