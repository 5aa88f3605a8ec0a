package enricher

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/ce"
	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/deadletter"
	"github.com/enneo-ai/enneo-bridge/libs/erp"
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
	"github.com/enneo-ai/enneo-bridge/libs/source"
	"github.com/enneo-ai/enneo-bridge/libs/ticket"
	"github.com/enneo-ai/enneo-bridge/libs/witness"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
	"github.com/enneo-ai/enneo-bridge/services/enricher/internal/turn"
	"github.com/enneo-ai/enneo-bridge/services/simulator"
)

// testSource is the name of the one source of most tests; it speaks the generic profile.
const testSource = "erp"

// testWorkers is how many tickets a replica works on at the same time.
const testWorkers = 3

// testConfirm is GONE_CONFIRM in tests.
const testConfirm = 500 * time.Millisecond

// world is a NATS server, simulated ERPs and what the services before the enricher leave for it.
type world struct {
	t         *testing.T
	nats      *bustest.Server
	sim       *simclient.Client
	bus       *bus.Bus
	log       *eventlog.Log
	ledger    *ledger.Ledger
	snapshots *pipeline.Snapshots
	dead      *deadletter.Box
	// contracts are the ids of contracts in the ERPs.
	contracts []string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	options := simulator.DefaultOptions()
	options.Contracts = 40
	sim := simulator.New(options)
	server := httptest.NewServer(sim.Handler())
	t.Cleanup(server.Close)
	t.Cleanup(sim.Close)
	w := &world{t: t, nats: bustest.Start(t), sim: simclient.New(server.URL, server.Client())}
	w.bus = w.nats.Connect(t, testSource)
	w.dead = deadletter.Open(w.bus)
	var errs [4]error
	w.log, errs[0] = eventlog.Open(t.Context(), w.bus, slog.New(slog.DiscardHandler))
	w.ledger, errs[1] = ledger.Open(t.Context(), w.bus)
	w.snapshots, errs[2] = record.Open[bridgev1.Snapshot](t.Context(), w.bus.JetStream(), bus.BucketContracts)
	w.contracts, errs[3] = w.sim.IDs(t.Context(), key.Contract, 0, 0)
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

// environment configures a whole service for this world.
func (w *world) environment() map[string]string {
	return map[string]string{
		"NATS_URL": w.nats.URL(), "REDIS_URL": redistest.Start(w.t).URL, "ADMIN_ADDR": "127.0.0.1:0", "LOG_LEVEL": "warn",
		"SOURCES": testSource, "SOURCE_ERP_PROFILE": "generic", "SOURCE_ERP_HOST": w.sim.URL(simclient.Generic),
		"SOURCE_ERP_API_KEY": simulator.DefaultOptions().GenericToken.Reveal(),
		"SOURCE_ERP_RATE":    "10000", "SOURCE_ERP_CONCURRENCY": "16", "SOURCE_ERP_TIMEOUT": "20s",
		"GONE_CONFIRM": testConfirm.String(),
	}
}

// enricher makes an enricher with a connection of its own, as another process would have; change may be nil.
func (w *world) enricher(change func(*enricher)) *enricher {
	w.t.Helper()
	sources, sourceErr := source.Load(w.t.Context(), config.Map(w.environment()), source.Defaults{QuietPeriod: time.Second, MaxWait: time.Minute}, source.Need{ERP: true})
	b := w.nats.Connect(w.t, testSource)
	logger := slog.New(slog.NewTextHandler(w.t.Output(), nil))
	log, logErr := eventlog.Open(w.t.Context(), b, logger)
	settled, ledgerErr := ledger.Open(w.t.Context(), b)
	snapshots, snapshotsErr := record.Open[bridgev1.Snapshot](w.t.Context(), b.JetStream(), bus.BucketContracts)
	instruments, metricsErr := newMetrics(metricnoop.NewMeterProvider().Meter(""))
	turns, turnsErr := turn.New(b, testSource, turn.MaxLease)
	w.must(errors.Join(sourceErr, logErr, ledgerErr, snapshotsErr, metricsErr, turnsErr))
	e := &enricher{
		bus: b, log: log, snapshots: snapshots, ledger: settled, dead: deadletter.Open(b), reader: erp.New(sources[0]),
		gate:    gate.New(gate.Options{First: 20 * time.Millisecond, Max: 100 * time.Millisecond}),
		retries: retry.New(10*time.Millisecond, 50*time.Millisecond), refusals: retry.New(time.Millisecond, time.Millisecond),
		witness: witness.New(time.Now), turns: turns, pace: pressure.NewPace(sources[0].Timeout),
		propagator: propagation.TraceContext{}, tracer: tracenoop.NewTracerProvider().Tracer(""),
		goneConfirm: testConfirm, logger: logger, metrics: instruments,
	}
	if change != nil {
		change(e)
	}
	return e
}

// replica starts an enricher with workers.
func (w *world) replica(change func(*enricher)) *enricher {
	w.t.Helper()
	e := w.enricher(change)
	workers := &bus.Workers{
		Open: func(ctx context.Context) (jetstream.Consumer, error) {
			return e.bus.Consumer(ctx, bus.StageEnrich, testSource)
		},
		Count: testWorkers, Gate: e.gate, Handle: e.handle, Logger: e.logger,
	}
	ctx, stop := context.WithCancel(w.t.Context())
	var group sync.WaitGroup
	group.Go(func() { _ = workers.Run(ctx) }) // It returns nil, always.
	w.t.Cleanup(group.Wait)
	w.t.Cleanup(stop)
	return e
}

// assure reads another key after k was refused, so that the refusal is believed.
func (w *world) assure(e *enricher, k key.Key) {
	w.t.Helper()
	bustest.Eventually(w.t, "the key was refused", func() bool { return e.retries.Attempts(k) > 0 })
	healthy := contract(w.contracts[len(w.contracts)-1])
	w.readyFor(healthy, w.change(healthy))
}

func contract(id string) key.Key { return key.Key{Source: testSource, Kind: key.Contract, ID: id} }

func customer(id string) key.Key { return key.Key{Source: testSource, Kind: key.Customer, ID: id} }

// event appends an event and returns its position.
func (w *world) event(k key.Key) position.Position {
	w.t.Helper()
	ctx := context.WithoutCancel(w.t.Context())
	event, err := eventlog.NewEvent(ctx, propagation.TraceContext{}, eventlog.Change{
		Key: k, Origin: bridgev1.Origin_ORIGIN_WEBHOOK, ReceivedAt: time.Now(),
	})
	w.must(err)
	_, errs := w.log.Append(ctx, []eventlog.Event{event})
	w.must(errors.Join(errs...))
	return w.last(k).Position
}

func (w *world) last(k key.Key) eventlog.Last {
	w.t.Helper()
	last, _, err := w.log.Last(w.t.Context(), k)
	w.must(err)
	return last
}

// flush sends the debouncer's ticket.
func (w *world) flush(k key.Key, p position.Position) {
	w.t.Helper()
	msg, err := ticket.Encode(w.t.Context(), propagation.TraceContext{}, bus.StageEnrich, ticket.Ticket{Key: k, Position: p, Collapsed: 3}, time.Now())
	w.must(err)
	_, err = w.bus.Publish(w.t.Context(), msg)
	w.must(err)
}

// change is event and flush.
func (w *world) change(k key.Key) position.Position {
	w.t.Helper()
	p := w.event(k)
	w.flush(k, p)
	return p
}

// idle waits until no ticket is left for the enricher.
func (w *world) idle() {
	w.t.Helper()
	bustest.Eventually(w.t, "no ticket is left", func() bool { return w.messages(bus.StreamDue, "") == 0 })
}

// messages is how many messages a stream holds on a subject; an empty subject stands for all.
func (w *world) messages(stream, subject string) int {
	w.t.Helper()
	if subject == "" {
		subject = ">"
	}
	s, err := w.bus.JetStream().Stream(w.t.Context(), stream)
	w.must(err)
	info, err := s.Info(w.t.Context(), jetstream.WithSubjectFilter(subject))
	w.must(err)
	n := uint64(0)
	for _, count := range info.State.Subjects {
		n += count
	}
	return int(n)
}

// ready is the ticket that waits for the publisher, nil if there is none.
func (w *world) ready(k key.Key) *ticket.Ticket {
	w.t.Helper()
	s, err := w.bus.JetStream().Stream(w.t.Context(), bus.StreamReady)
	w.must(err)
	msg, err := s.GetLastMsgForSubject(w.t.Context(), bus.StagePublish.Subject(k))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil
	}
	w.must(err)
	t, err := ticket.Decode(bus.StagePublish, msg.Subject, msg.Header, msg.Data)
	w.must(err)
	return &t
}

// readyFor waits for a ticket for the publisher that names p.
func (w *world) readyFor(k key.Key, p position.Position) {
	w.t.Helper()
	bustest.Eventually(w.t, "the publisher has a ticket", func() bool {
		t := w.ready(k)
		return t != nil && t.Position == p
	})
}

// purge empties a stream.
func (w *world) purge(stream string) {
	w.t.Helper()
	s, err := w.bus.JetStream().Stream(w.t.Context(), stream)
	w.must(err)
	w.must(s.Purge(w.t.Context()))
}

func (w *world) snapshot(k key.Key) *bridgev1.Snapshot {
	w.t.Helper()
	entry, err := w.snapshots.Get(w.t.Context(), k.String())
	w.must(err)
	return entry.Value
}

// holds fails unless the snapshot covers p and holds the revision of the key; 0 stands for gone.
func (w *world) holds(k key.Key, p position.Position, revision int64) {
	w.t.Helper()
	s := w.snapshot(k)
	if got := position.FromProto(s.GetCovers()); got != p {
		w.t.Errorf("the snapshot covers %v, want %v", got, p)
	}
	if got := revisionOf(w.t, s); got != revision || s.GetGone() != (revision == 0) {
		w.t.Errorf("the snapshot holds revision %d, gone %t; want revision %d", got, s.GetGone(), revision)
	}
	if s.GetReadStartedAt() == nil || s.GetReadFinishedAt() == nil || s.GetProfile() == "" || s.GetGoneSince() != nil {
		w.t.Errorf("the snapshot does not say how it was read: %v", s)
	}
}

// revisionOf is the revision in a snapshot's body, 0 without a body.
func revisionOf(t *testing.T, s *bridgev1.Snapshot) int64 {
	t.Helper()
	if s.GetBody() == "" {
		return 0
	}
	var body struct {
		Revision int64 `json:"revision"`
	}
	if err := json.Unmarshal([]byte(s.GetBody()), &body); err != nil {
		t.Fatalf("body of a snapshot: %v", err)
	}
	return body.Revision
}

// reads are the requests that the ERP got for a key, in the order in which they ended.
func (w *world) reads(k key.Key) []simclient.Entry {
	w.t.Helper()
	entries, err := w.sim.Journal(w.t.Context(), simclient.JournalQuery{System: simclient.Generic, Kind: k.Kind, ID: k.ID})
	w.must(err)
	return entries
}

// count fails unless the ERP got exactly n reads of the key.
func (w *world) count(k key.Key, n int) {
	w.t.Helper()
	if got := len(w.reads(k)); got != n {
		w.t.Errorf("%d reads of %s, want %d", got, k, n)
	}
}

// fault adds a rule for the generic ERP.
func (w *world) fault(f simclient.Fault) string {
	w.t.Helper()
	f.System = simclient.Generic
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

func (w *world) release(fault string, n int) {
	w.t.Helper()
	w.must(w.sim.Release(w.t.Context(), simclient.Release{Fault: fault, Requests: n}))
}

// awaitReads waits until the ERP has answered n reads of the key.
func (w *world) awaitReads(k key.Key, n int) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), awaitTimeout)
	defer cancel()
	_, err := w.sim.AwaitRequests(ctx, simclient.JournalQuery{System: simclient.Generic, Kind: k.Kind, ID: k.ID}, n)
	w.must(err)
}

// revise changes a contract in the ERP and returns its revision.
func (w *world) revise(k key.Key) int64 {
	w.t.Helper()
	revisions, err := w.sim.Change(w.t.Context(), simclient.Change{Contracts: []string{k.ID}, StatusID: 6000})
	w.must(err)
	return w.revision(k, revisions)
}

func (w *world) revision(k key.Key, revisions []simclient.Revision) int64 {
	w.t.Helper()
	for _, r := range revisions {
		if r.Ref == (simclient.Ref{Kind: k.Kind, ID: k.ID}) {
			return r.Revision
		}
	}
	w.t.Fatalf("no revision of %s among %v", k, revisions)
	return 0
}

// customerEvents are the events that the enricher has appended for a customer.
func (w *world) customerEvents(k key.Key) []*bridgev1.Change {
	w.t.Helper()
	s, err := w.bus.JetStream().Stream(w.t.Context(), bus.StreamEvents)
	w.must(err)
	info, err := s.Info(w.t.Context())
	w.must(err)
	var events []*bridgev1.Change
	for sequence := info.State.FirstSeq; sequence <= info.State.LastSeq && sequence > 0; sequence++ {
		msg, err := s.GetMsg(w.t.Context(), sequence)
		w.must(err)
		change := &bridgev1.Change{}
		event, err := ce.Decode(msg.Header, msg.Data)
		w.must(err)
		w.must(ce.UnmarshalData(event.Data(), change))
		if msg.Subject == bus.EventSubject(k) && change.GetOrigin() == bridgev1.Origin_ORIGIN_CUSTOMER {
			events = append(events, change)
		}
	}
	return events
}
