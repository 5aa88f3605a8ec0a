package debouncer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/propagation"

	"github.com/enneo-ai/enneo-bridge/libs/app"
	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/redisx/redistest"
	"github.com/enneo-ai/enneo-bridge/libs/ticket"
)

// patience is far beyond what any step takes; it only ends a test that would hang.
const patience = 30 * time.Second

// world is everything outside the service: NATS, Redis, and who appends to the log.
type world struct {
	nats  *bustest.Server
	redis *redistest.Server
	bus   *bus.Bus
	log   *eventlog.Log
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{nats: bustest.Start(t), redis: redistest.Start(t)}
	w.bus = w.nats.Connect(t)
	var err error
	if w.log, err = eventlog.Open(t.Context(), w.bus, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	return w
}

// environment has two sources, acme and other, with windows that stay open beyond any test.
func (w *world) environment(changes map[string]string) map[string]string {
	env := map[string]string{
		"NATS_URL": w.nats.URL(), "REDIS_URL": w.redis.URL, "ADMIN_ADDR": "127.0.0.1:0", "SOURCES": "acme,other",
		"SOURCE_ACME_PROFILE": "generic", "SOURCE_OTHER_PROFILE": "generic",
		"DEBOUNCE_QUIET_PERIOD": "10m", "DEBOUNCE_MAX_WAIT": "20m",
	}
	maps.Copy(env, changes)
	return env
}

// quiet is a configuration with a quiet period.
func quiet(period string) map[string]string {
	return map[string]string{"DEBOUNCE_QUIET_PERIOD": period}
}

// buffer is a bytes.Buffer for several goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// service is a replica that runs as it does in production, apart from its ports.
type service struct {
	admin string
	end   func() error
	log   *buffer
}

// begin starts a replica. It must end without an error.
func (w *world) begin(t *testing.T, changes map[string]string, run app.RunFunc) *service {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	s := &service{log: &buffer{}}
	ended, opened := make(chan error, 1), make(chan string, 1)
	go func() {
		ended <- app.Run(ctx, "debouncer", config.Map(w.environment(changes)), s.log, func(_, _ string, addr net.Addr) { opened <- addr.String() }, run)
	}()
	s.end = sync.OnceValue(func() error {
		stop()
		return <-ended
	})
	t.Cleanup(func() {
		if err := s.end(); err != nil {
			t.Errorf("the service ended with: %v", err)
		}
	})
	select {
	case addr := <-opened:
		s.admin = "http://" + addr
	case <-time.After(patience):
		t.Fatal("the service did not listen in time")
	}
	return s
}

// filled waits until an empty Redis has been filled from the log, so that the windows are the work of what follows.
func (w *world) filled(t *testing.T) {
	t.Helper()
	bustest.Eventually(t, "every shard is filled from the log", func() bool {
		for shard := range 16 {
			marker, err := w.redis.Client.Get(t.Context(), "debounce:{"+strconv.Itoa(shard)+"}:epoch").Result()
			if err != nil || !strings.HasPrefix(marker, "+") {
				return false
			}
		}
		return true
	})
}

// stop ends a replica before the test does.
func (s *service) stop(t *testing.T) {
	t.Helper()
	if err := s.end(); err != nil {
		t.Errorf("the service ended with: %v", err)
	}
}

func (s *service) get(t *testing.T, path string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.admin+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("get %s: %v", path, err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("read %s: %v", path, err)
	}
	return res.StatusCode, string(body)
}

// readyTurns waits until the service is ready, or until it is not because of the check called red.
func (s *service) readyTurns(t *testing.T, red string) {
	t.Helper()
	bustest.Eventually(t, "readiness (red: "+red+")", func() bool {
		status, body := s.get(t, "/readyz")
		if red == "" {
			return status == http.StatusOK
		}
		return status == http.StatusServiceUnavailable && strings.Contains(body, `"`+red+`":`) && !strings.Contains(body, `"`+red+`":"ok"`)
	})
}

// calm is a context for calls of the JetStream API, which gives up after two seconds unless a deadline says otherwise.
func calm(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// append appends an event for each id and returns the sequence of the last one.
func (w *world) append(ctx context.Context, t *testing.T, source, changeType string, ids ...string) uint64 {
	t.Helper()
	changes := make([]eventlog.Change, len(ids))
	for i, id := range ids {
		changes[i] = eventlog.Change{Key: key.Key{Source: source, Kind: key.Contract, ID: id}, ChangeType: changeType, ReceivedAt: time.Now()}
	}
	return w.appendAll(ctx, t, changes...)
}

// appendAll appends changes and returns the last sequence.
func (w *world) appendAll(ctx context.Context, t *testing.T, changes ...eventlog.Change) uint64 {
	t.Helper()
	events := make([]eventlog.Event, len(changes))
	for i, c := range changes {
		var err error
		if events[i], err = eventlog.NewEvent(ctx, propagation.TraceContext{}, c); err != nil {
			t.Fatal(err)
		}
	}
	var last uint64
	acks, errs := w.log.Append(ctx, events)
	if err := errors.Join(errs...); err != nil {
		t.Fatalf("append: %v", err)
	}
	for _, ack := range acks {
		last = max(last, ack.Sequence)
	}
	return last
}

// tickets reads what waits in DUE, and how many tickets were ever sent.
func (w *world) tickets(t *testing.T) (waiting map[string]ticket.Ticket, sent uint64) {
	t.Helper()
	waiting = map[string]ticket.Ticket{}
	stream, state := w.state(t, bus.StreamDue)
	for seq := max(1, state.FirstSeq); seq <= state.LastSeq; seq++ {
		msg, err := stream.GetMsg(calm(t), seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue // replaced by a newer one
		}
		if err != nil {
			t.Fatal(err)
		}
		tk, err := ticket.Decode(bus.StageEnrich, msg.Subject, msg.Header, msg.Data)
		if err != nil {
			t.Fatal(err)
		}
		waiting[tk.Key.Source+" "+tk.Key.ID] = tk
	}
	return waiting, state.LastSeq
}

func (w *world) state(t *testing.T, name string) (jetstream.Stream, jetstream.StreamState) {
	t.Helper()
	stream, err := w.bus.JetStream().Stream(calm(t), name)
	if err != nil {
		t.Fatal(err)
	}
	return stream, stream.CachedInfo().State
}

// ticket waits for the ticket of a key.
func (w *world) ticket(t *testing.T, name string) ticket.Ticket {
	t.Helper()
	var found ticket.Ticket
	bustest.Eventually(t, "a ticket for "+name, func() bool {
		waiting, _ := w.tickets(t)
		var ok bool
		found, ok = waiting[name]
		return ok
	})
	return found
}

// windows is the state of all windows in Redis.
func (w *world) windows(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for shard := range 16 {
		windows, err := w.redis.Client.HGetAll(t.Context(), "debounce:{"+strconv.Itoa(shard)+"}:windows").Result()
		if err != nil {
			t.Fatal(err)
		}
		maps.Copy(all, windows)
	}
	return all
}

func (w *world) flushAll(t *testing.T) {
	t.Helper()
	if err := w.redis.Client.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
}

// consumer is the state of the consumer of a source; zero if there is none.
func (w *world) consumer(t *testing.T, source string) jetstream.ConsumerInfo {
	t.Helper()
	c, err := w.bus.JetStream().Consumer(calm(t), bus.StreamEvents, bus.StageDebounce.ConsumerName(source))
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return jetstream.ConsumerInfo{}
	}
	if err != nil {
		t.Fatal(err)
	}
	return *c.CachedInfo()
}

// acknowledged waits until all events of a source up to a sequence have been acknowledged.
func (w *world) acknowledged(t *testing.T, source string, sequence uint64) {
	t.Helper()
	bustest.Eventually(t, "all events are acknowledged", func() bool {
		info := w.consumer(t, source)
		return info.Name != "" && info.AckFloor.Stream >= sequence && info.NumAckPending == 0 && info.NumPending == 0
	})
}

// settled waits until nothing is left to do: everything acknowledged, no window open.
func (w *world) settled(t *testing.T, source string, sequence uint64) {
	t.Helper()
	w.acknowledged(t, source, sequence)
	bustest.Eventually(t, "no window is open", func() bool { return len(w.windows(t)) == 0 })
}
