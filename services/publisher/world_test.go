package publisher

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/deadletter"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/gate"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/pipeline"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/libs/pressure"
	"github.com/enneo-ai/enneo-bridge/libs/record"
	"github.com/enneo-ai/enneo-bridge/libs/redisx/redistest"
	"github.com/enneo-ai/enneo-bridge/libs/retry"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	"github.com/enneo-ai/enneo-bridge/libs/ticket"
	"github.com/enneo-ai/enneo-bridge/libs/witness"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
	"github.com/enneo-ai/enneo-bridge/services/publisher/internal/mind"
	"github.com/enneo-ai/enneo-bridge/services/simulator"
)

// testSource is the name of the one source of most tests.
const testSource = "erp"

// Times of the deliverers in tests: a request takes a few milliseconds, but may take a second on a busy machine.
const (
	testTimeout = 2 * time.Second
	testMargin  = time.Second
)

// world is a NATS server, a simulated Enneo and what the services before the publisher leave for it.
type world struct {
	t         *testing.T
	nats      *bustest.Server
	sim       *simclient.Client
	bus       *bus.Bus
	log       *eventlog.Log
	ledger    *ledger.Ledger
	snapshots *pipeline.Snapshots
	dead      *deadletter.Box
}

func newWorld(t *testing.T) *world {
	t.Helper()
	options := simulator.DefaultOptions()
	options.Contracts = 0
	sim := simulator.New(options)
	server := httptest.NewServer(sim.Handler())
	t.Cleanup(server.Close)
	t.Cleanup(sim.Close)
	w := &world{t: t, nats: bustest.Start(t), sim: simclient.New(server.URL, server.Client())}
	w.bus = w.nats.Connect(t, testSource)
	w.dead = deadletter.Open(w.bus)
	var errs [3]error
	w.log, errs[0] = eventlog.Open(t.Context(), w.bus, slog.New(slog.DiscardHandler))
	w.ledger, errs[1] = ledger.Open(t.Context(), w.bus)
	w.snapshots, errs[2] = record.Open[bridgev1.Snapshot](t.Context(), w.bus.JetStream(), bus.BucketContracts)
	w.must(errors.Join(errs[:]...))
	return w
}

// must ends the test with an error.
func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// target is a client of the simulated Enneo.
func (w *world) target(timeout time.Duration) Target {
	return w.targetIn(mind.Import, timeout)
}

// targetIn is the simulated Enneo in a mode.
func (w *world) targetIn(mode mind.Mode, timeout time.Duration) Target {
	w.t.Helper()
	t, err := mind.New(&mind.Config{
		BaseURL: w.sim.URL(simclient.Enneo) + "/api/mind", Token: simulator.DefaultOptions().EnneoToken,
		ContractPath: "/contract/{id}", CustomerPath: "/customer/{id}", PutMethod: "PUT", DeleteMethod: "DELETE", Timeout: timeout,
		RefreshPath: "/customer/invalidateCache",
	}, tracenoop.NewTracerProvider().Tracer("")).Target(mode, "powercloud")
	w.must(err)
	return t
}

// replica starts a deliverer with a connection and workers of its own, as another process would; change may be nil.
func (w *world) replica(change func(*deliverer)) *deliverer {
	w.t.Helper()
	return w.replicaWith(3, change)
}

func (w *world) replicaWith(count int, change func(*deliverer)) *deliverer {
	w.t.Helper()
	b := w.nats.Connect(w.t, testSource)
	settled, ledgerErr := ledger.Open(w.t.Context(), b)
	snapshots, snapshotsErr := record.Open[bridgev1.Snapshot](w.t.Context(), b.JetStream(), bus.BucketContracts)
	instruments, metricsErr := newMetrics(metricnoop.NewMeterProvider().Meter(""))
	w.must(errors.Join(ledgerErr, snapshotsErr, metricsErr))
	d := &deliverer{
		bus: b, log: w.log, order: order{sequence: anyOrder}, snapshots: snapshots, ledger: settled, dead: deadletter.Open(b), target: w.target(testTimeout), witness: witness.New(time.Now),
		gate:    gate.New(gate.Options{First: 20 * time.Millisecond, Max: 100 * time.Millisecond}),
		pace:    pressure.NewPace(testTimeout),
		retries: retry.New(10*time.Millisecond, 50*time.Millisecond), propagator: propagation.TraceContext{},
		tracer: tracenoop.NewTracerProvider().Tracer(""), enneoID: func(id string) string { return id },
		logger: slog.New(slog.NewTextHandler(w.t.Output(), nil)), metrics: instruments, margin: testMargin,
	}
	if change != nil {
		change(d)
	}
	workers := &bus.Workers{
		Open: func(ctx context.Context) (jetstream.Consumer, error) {
			return b.Consumer(ctx, bus.StagePublish, testSource)
		},
		Count: count, Gate: d.gate, Handle: d.handle, Logger: d.logger,
	}
	ctx, stop := context.WithCancel(w.t.Context())
	var group sync.WaitGroup
	group.Go(func() { _ = workers.Run(ctx) }) // It returns nil, always.
	w.t.Cleanup(group.Wait)
	w.t.Cleanup(stop)
	return d
}

// assure delivers another key after k was refused, so that the refusal is believed.
func (w *world) assure(d *deliverer, k key.Key, revision int) {
	w.t.Helper()
	bustest.Eventually(w.t, "the key was refused", func() bool { return d.retries.Attempts(k) > 0 })
	healthy := contract("VN-2")
	w.settled(healthy, w.change(healthy, revision))
	w.enneoHas(healthy, revision)
}

func contract(id string) key.Key { return key.Key{Source: testSource, Kind: key.Contract, ID: id} }

// body is a structure that Enneo takes.
func body(k key.Key, revision int) string {
	fields := map[string]any{"id": k.ID, "business": false, "lastname": "Musterfrau", "company": nil, "revision": revision}
	if k.Kind == key.Contract {
		fields["customerId"] = "C-1"
	} else {
		fields["contractIds"] = []string{"VN-1"}
	}
	text, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// read stores what the enricher would after an event and a read that found revision; 0 stands for gone. It returns what
// the read covers.
func (w *world) read(k key.Key, revision int) position.Position {
	w.t.Helper()
	ctx := context.WithoutCancel(w.t.Context())
	event, err := eventlog.NewEvent(ctx, propagation.TraceContext{}, eventlog.Change{
		Key: k, Origin: bridgev1.Origin_ORIGIN_WEBHOOK, ReceivedAt: time.Now(),
	})
	w.must(err)
	_, errs := w.log.Append(ctx, []eventlog.Event{event})
	w.must(errors.Join(errs...))
	last, _, err := w.log.Last(ctx, k)
	w.must(err)
	next := &bridgev1.Snapshot{
		Covers: last.Position.Proto(), CoversLogTime: timestamppb.New(last.At), Gone: revision == 0, Profile: "test/1",
	}
	if revision != 0 {
		next.Body = body(k, revision)
	}
	entry, err := w.snapshots.Get(ctx, k.String())
	w.must(err)
	_, err = w.snapshots.Put(ctx, k.String(), next, entry.Revision)
	w.must(err)
	return last.Position
}

// tell sends a ticket to the publisher.
func (w *world) tell(k key.Key, p position.Position) {
	w.t.Helper()
	msg, err := ticket.Encode(w.t.Context(), propagation.TraceContext{}, bus.StagePublish, ticket.Ticket{Key: k, Position: p}, time.Now())
	w.must(err)
	_, err = w.bus.Publish(w.t.Context(), msg)
	w.must(err)
}

// change is read and tell.
func (w *world) change(k key.Key, revision int) position.Position {
	w.t.Helper()
	p := w.read(k, revision)
	w.tell(k, p)
	return p
}

func (w *world) settlement(k key.Key) *bridgev1.Settlement {
	w.t.Helper()
	entry, err := w.ledger.Get(w.t.Context(), k.String())
	w.must(err)
	return entry.Value
}

// settled waits until everything up to p is settled and nothing is under way, and returns the record.
func (w *world) settled(k key.Key, p position.Position) *bridgev1.Settlement {
	w.t.Helper()
	var s *bridgev1.Settlement
	bustest.Eventually(w.t, "the key is settled", func() bool {
		s = w.settlement(k)
		return ledger.Settles(s, p)
	})
	return s
}

// idle waits until no ticket is left for the publisher.
func (w *world) idle() {
	w.t.Helper()
	bustest.Eventually(w.t, "no ticket is left", func() bool { return w.messages(bus.StreamReady) == 0 })
}

// messages is how many messages a stream holds.
func (w *world) messages(stream string) uint64 {
	w.t.Helper()
	s, err := w.bus.JetStream().Stream(w.t.Context(), stream)
	w.must(err)
	return s.CachedInfo().State.Msgs
}

// deliveries is how often a ticket was handed to a worker.
func (w *world) deliveries() uint64 {
	w.t.Helper()
	consumer, err := w.bus.Consumer(w.t.Context(), bus.StagePublish, testSource)
	w.must(err)
	return consumer.CachedInfo().Delivered.Consumer
}

func ref(k key.Key) simclient.Ref { return simclient.Ref{Kind: k.Kind, ID: k.ID} }

// requests are those that Enneo got for a key, in the order in which they ended.
func (w *world) requests(k key.Key) []simclient.Entry {
	w.t.Helper()
	entries, err := w.sim.Journal(w.t.Context(), simclient.JournalQuery{System: simclient.Enneo, Kind: k.Kind, ID: k.ID})
	w.must(err)
	return entries
}

// enneoHas fails unless the newest write for the key brought the revision; 0 stands for a delete.
func (w *world) enneoHas(k key.Key, revision int) {
	w.t.Helper()
	writes, err := w.sim.Writes(w.t.Context(), ref(k))
	w.must(err)
	if len(writes) == 0 {
		w.t.Fatalf("Enneo was told nothing of %s", k)
	}
	last := writes[len(writes)-1]
	if last.Revision != int64(revision) || (revision == 0) != (last.Operation == "delete") {
		w.t.Errorf("the newest write is a %s of revision %d, want revision %d", last.Operation, last.Revision, revision)
	}
}

// fault adds a rule for Enneo.
func (w *world) fault(f simclient.Fault) string {
	w.t.Helper()
	f.System = simclient.Enneo
	added, err := w.sim.AddFault(w.t.Context(), f)
	w.must(err)
	return added.ID
}

// awaitTimeout is the longest wait for the simulator to report something.
const awaitTimeout = 30 * time.Second

func (w *world) awaitHeld(fault string, n int) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), awaitTimeout)
	defer cancel()
	_, err := w.sim.AwaitHeld(ctx, fault, n)
	w.must(err)
}

func (w *world) awaitRequests(n int) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), awaitTimeout)
	defer cancel()
	_, err := w.sim.AwaitRequests(ctx, simclient.JournalQuery{System: simclient.Enneo}, n)
	w.must(err)
}

// orderly fails if Enneo ever had two writes for a key at once, or got an older revision after a newer one.
func (w *world) orderly() {
	w.t.Helper()
	summary, err := w.sim.Summary(w.t.Context())
	w.must(err)
	if summary.Overlaps != 0 || summary.Regressions != 0 {
		w.t.Errorf("%d overlaps and %d regressions at Enneo, want none", summary.Overlaps, summary.Regressions)
	}
}

// balanced fails unless accepted = settled, and each outcome has the given number of events.
func (w *world) balanced(outcomes map[string]uint64) {
	w.t.Helper()
	epoch, err := w.log.Epoch(w.t.Context())
	w.must(err)
	balance, err := w.ledger.Audit(w.t.Context(), epoch)
	w.must(err)
	if balance.Open != 0 || balance.Accepted != balance.Settled {
		w.t.Errorf("accepted %d, settled %d, open %d; want none open", balance.Accepted, balance.Settled, balance.Open)
	}
	if outcomes != nil && fmt.Sprint(balance.ByOutcome) != fmt.Sprint(outcomes) {
		w.t.Errorf("outcomes %v, want %v", balance.ByOutcome, outcomes)
	}
}

// environment configures a whole service for this world.
func (w *world) environment() map[string]string {
	return map[string]string{
		"NATS_URL": w.nats.URL(), "REDIS_URL": redistest.Start(w.t).URL, "ADMIN_ADDR": "127.0.0.1:0", "LOG_LEVEL": "warn",
		"SOURCES": testSource, "SOURCE_ERP_PROFILE": "generic",
		"ENNEO_BASE_URL": w.sim.URL(simclient.Enneo) + "/api/mind", "ENNEO_TOKEN": simulator.DefaultOptions().EnneoToken.Reveal(),
		"ENNEO_TIMEOUT": testTimeout.String(), "ENNEO_LEASE_MARGIN": testMargin.String(),
	}
}
