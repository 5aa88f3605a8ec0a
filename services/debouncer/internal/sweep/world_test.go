package sweep

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/libs/redisx/redistest"
	"github.com/enneo-ai/enneo-bridge/libs/ticket"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
	"github.com/enneo-ai/enneo-bridge/services/debouncer/internal/openkeys"
	"github.com/enneo-ai/enneo-bridge/services/debouncer/internal/window"
)

// source is the one that is configured.
const source = "acme"

// patience is far beyond what any end takes; it only fails a test that would hang.
const patience = 30 * time.Second

// windows are the debounce windows in Redis. What else happens during a look is set before the sweeper begins.
type windows struct {
	*window.Store
	// before runs when a look at the windows begins; an error takes its place.
	before func() error
	// asked is for how many keys each look was.
	asked []int
	// met is every key of those looks.
	met map[key.Key]bool
}

func (w *windows) Holds(ctx context.Context, keys []key.Key) ([]bool, error) {
	w.asked = append(w.asked, len(keys))
	if w.met == nil {
		w.met = map[key.Key]bool{}
	}
	for _, k := range keys {
		w.met[k] = true
	}
	if w.before != nil {
		if err := w.before(); err != nil {
			return nil, err
		}
	}
	return w.Store.Holds(ctx, keys)
}

// places is a meter that notes where keys were found.
type places struct {
	noop.Meter
	found []string
}

func (p *places) Int64Counter(string, ...metric.Int64CounterOption) (metric.Int64Counter, error) {
	return placeCounter{places: p}, nil
}

type placeCounter struct {
	noop.Int64Counter
	places *places
}

func (c placeCounter) Add(_ context.Context, _ int64, options ...metric.AddOption) {
	attributes := metric.NewAddConfig(options).Attributes()
	if place, ok := attributes.Value("place"); ok {
		c.places.found = append(c.places.found, place.AsString())
	}
}

// world is NATS with a log, a tracker that follows it, and windows in Redis.
type world struct {
	*testing.T
	bus      *bus.Bus
	log      *eventlog.Log
	ledger   *ledger.Ledger
	tracker  *openkeys.Tracker
	redis    redis.UniversalClient
	windows  *windows
	meter    *places
	limits   *Limits
	consumer jetstream.Consumer
}

// newWorld has limits of fractions of a second. Nobody sweeps yet.
func newWorld(t *testing.T, limits Limits) *world {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	w := &world{T: t, bus: bustest.Start(t).Connect(t, source), redis: redistest.Open(t), meter: &places{}, limits: &limits}
	store, err := window.Open(t.Context(), w.redis, window.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w.windows = &windows{Store: store}
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
		select {
		case err := <-ended:
			if err != nil {
				w.Errorf("ended with: %v", err)
			}
		case <-time.After(patience):
			w.Error("does not end")
		}
	})
}

func (w *world) sweeper(held func() bool) *Sweeper {
	w.Helper()
	s, err := New(Parts{
		Bus: w.bus, Log: w.log, Ledger: w.ledger, Tracker: w.tracker, Windows: w.windows, Held: held,
		Propagator: propagation.TraceContext{}, Meter: w.meter, Logger: slog.New(slog.DiscardHandler),
	}, w.limits)
	w.must(err)
	return s
}

// sweep sweeps until the test ends.
func (w *world) sweep() {
	w.Helper()
	w.background(w.sweeper(leads).Run)
}

func leads() bool { return true }

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

// arm puts the event of a key into a window that stays open beyond any test.
func (w *world) arm(k key.Key, p position.Position) {
	w.Helper()
	_, err := w.windows.Arm(w.Context(), []window.Arm{{Key: k, Position: p, Quiet: time.Hour, MaxWait: time.Hour}})
	w.must(err)
}

// loseWindows removes all windows, as a failover does to those of the last second.
func (w *world) loseWindows() {
	w.Helper()
	keys, err := w.redis.Keys(w.Context(), "debounce:{*}:*").Result()
	w.must(err)
	keys = slices.DeleteFunc(keys, func(k string) bool { return k == "debounce:{shards}:count" })
	w.must(w.redis.Del(w.Context(), keys...).Err())
}

// settle settles a key as delivered.
func (w *world) settle(k key.Key, p position.Position) {
	w.Helper()
	_, err := w.ledger.Change(w.Context(), k.String(), func(r *bridgev1.Settlement) error {
		ledger.Settle(r, p, time.Time{}, bridgev1.Outcome_OUTCOME_DELIVERED, "")
		return nil
	})
	w.must(err)
}

// accepted is when the log took an event.
func (w *world) accepted(p position.Position) time.Time {
	w.Helper()
	stream, err := w.bus.JetStream().Stream(w.Context(), bus.StreamEvents)
	w.must(err)
	msg, err := stream.GetMsg(w.Context(), p.Sequence)
	w.must(err)
	return msg.Time
}

// now is the time of the server that keeps the log.
func (w *world) now() time.Time {
	w.Helper()
	now, err := w.ledger.Now(w.Context())
	w.must(err)
	return now
}

// due waits until the book knows n open keys, and returns them.
func (w *world) due(n int) []openkeys.Open {
	w.Helper()
	bustest.Eventually(w, "the book knows the keys", func() bool { return len(w.tracker.Book().Keys()) == n })
	return w.tracker.Book().Due(w.now().Add(time.Hour), n)
}

// sweeps are when the log took what the sweeper has appended for a key.
func (w *world) sweeps(k key.Key) (times []time.Time) {
	w.Helper()
	stream, err := w.bus.JetStream().Stream(w.Context(), bus.StreamEvents)
	w.must(err)
	for next := uint64(1); ; {
		msg, err := stream.GetMsg(w.Context(), next, jetstream.WithGetMsgSubject(bus.EventSubject(k)))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return times
		}
		w.must(err)
		next = msg.Sequence + 1
		if eventlog.OriginOf(msg.Header) == bridgev1.Origin_ORIGIN_SWEEPER {
			times = append(times, msg.Time)
		}
	}
}

// swept is how many events of the key the sweeper has appended.
func (w *world) swept(k key.Key) int {
	w.Helper()
	return len(w.sweeps(k))
}

// revived waits until the sweeper has appended an event of the key, and returns when the log took it.
func (w *world) revived(k key.Key) time.Time {
	w.Helper()
	var times []time.Time
	bustest.Eventually(w, k.ID+" is revived", func() bool {
		times = w.sweeps(k)
		return len(times) > 0
	})
	return times[0]
}
