package reconciler

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
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
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/pipeline"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/libs/record"
	"github.com/enneo-ai/enneo-bridge/libs/redisx/redistest"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
	"github.com/enneo-ai/enneo-bridge/services/simulator"
)

// testSource is the name of the one source of most tests; it speaks the generic profile.
const testSource = "erp"

// world is a NATS server, simulated ERPs, and what the other services would leave there.
type world struct {
	t         *testing.T
	nats      *bustest.Server
	redis     string
	sim       *simclient.Client
	bus       *bus.Bus
	log       *eventlog.Log
	ledger    *ledger.Ledger
	snapshots *pipeline.Snapshots
	contracts []string
	customers []string
}

func newWorld(t *testing.T, contracts int) *world {
	t.Helper()
	options := simulator.DefaultOptions()
	options.Contracts = contracts
	sim := simulator.New(options)
	server := httptest.NewServer(sim.Handler())
	t.Cleanup(server.Close)
	t.Cleanup(sim.Close)
	w := &world{t: t, nats: bustest.Start(t), redis: redistest.Start(t).URL, sim: simclient.New(server.URL, server.Client())}
	w.bus = w.nats.Connect(t, testSource)
	var errs [5]error
	w.log, errs[0] = eventlog.Open(t.Context(), w.bus, slog.New(slog.DiscardHandler))
	w.ledger, errs[1] = ledger.Open(t.Context(), w.bus)
	w.snapshots, errs[2] = record.Open[bridgev1.Snapshot](t.Context(), w.bus.JetStream(), bus.BucketContracts)
	w.contracts, errs[3] = w.sim.IDs(t.Context(), key.Contract, 0, 0)
	w.customers, errs[4] = w.sim.IDs(t.Context(), key.Customer, 0, 0)
	w.must(errors.Join(errs[:]...))
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) environment(changes map[string]string) map[string]string {
	env := map[string]string{
		"NATS_URL": w.nats.URL(), "REDIS_URL": w.redis, "ADMIN_ADDR": "127.0.0.1:0", "LOG_LEVEL": "error",
		"SOURCES": testSource, "SOURCE_ERP_PROFILE": "generic", "SOURCE_ERP_HOST": w.sim.URL(simclient.Generic),
		"SOURCE_ERP_API_KEY": simulator.DefaultOptions().GenericToken.Reveal(),
		"SOURCE_ERP_RATE":    "10000", "SOURCE_ERP_CONCURRENCY": "16",
		"RECONCILE_BACKLOG": "100000", "RECONCILE_PATIENCE": "2s", "RECONCILE_PAGE_SIZE": "25",
	}
	maps.Copy(env, changes)
	return env
}

// outcome is what a run has told.
type outcome struct {
	err         error
	last        Progress
	differences []Difference
}

// code is the exit code of the process.
func (o outcome) code() int {
	coded, ok := errors.AsType[*exit](o.err)
	if !ok {
		return 0
	}
	return coded.ExitCode()
}

// run runs the service once, as a process would.
func (w *world) run(o Options, changes map[string]string) outcome {
	w.t.Helper()
	return w.runWithin(w.t.Context(), o, changes)
}

func (w *world) runWithin(ctx context.Context, o Options, changes map[string]string) outcome {
	w.t.Helper()
	var (
		mu  sync.Mutex
		got outcome
	)
	report := o.Report
	o.Report = func(p Progress) {
		mu.Lock()
		got.last = p
		mu.Unlock()
		if report != nil {
			report(p)
		}
	}
	o.Differ = func(d Difference) {
		mu.Lock()
		got.differences = append(got.differences, d)
		mu.Unlock()
	}
	err := app.Run(ctx, "reconciler", config.Map(w.environment(changes)), io.Discard, nil, With(o))
	mu.Lock()
	defer mu.Unlock()
	got.err = err
	return got
}

// well is run, and fails unless it ended well.
func (w *world) well(o Options, changes map[string]string) Tally {
	w.t.Helper()
	got := w.run(o, changes)
	w.must(got.err)
	return got.last.Tally
}

// settle settles every open key as a publisher would, so that Enneo has what the snapshots hold.
func (w *world) settle() {
	w.t.Helper()
	epoch, err := w.log.Epoch(w.t.Context())
	w.must(err)
	var open []key.Key
	w.must(w.ledger.EachOpen(w.t.Context(), epoch, func(k key.Key, _ position.Position) error {
		open = append(open, k)
		return nil
	}))
	for _, k := range open {
		last, _, err := w.log.Last(w.t.Context(), k)
		w.must(err)
		_, err = w.ledger.Change(w.t.Context(), k.String(), func(s *bridgev1.Settlement) error {
			outcome := bridgev1.Outcome_OUTCOME_DELIVERED
			if w.snapshot(k).Value.GetGone() {
				outcome = bridgev1.Outcome_OUTCOME_DELETED
			}
			ledger.Settle(s, last.Position, last.At, outcome, "")
			return nil
		})
		w.must(err)
	}
	w.purge(bus.StreamReady)
}

func (w *world) purge(stream string) {
	w.t.Helper()
	s, err := w.bus.JetStream().Stream(w.t.Context(), stream)
	w.must(err)
	w.must(s.Purge(w.t.Context()))
}

func (w *world) snapshot(k key.Key) record.Entry[bridgev1.Snapshot, *bridgev1.Snapshot] {
	w.t.Helper()
	entry, err := w.snapshots.Get(w.t.Context(), k.String())
	w.must(err)
	return entry
}

// messages is how many messages a stream holds below a subject.
func (w *world) messages(stream, subject string) int {
	w.t.Helper()
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

func (w *world) events() int { return w.messages(bus.StreamEvents, ">") }
func (w *world) ready() int  { return w.messages(bus.StreamReady, ">") }

func contract(id string) key.Key { return key.Key{Source: testSource, Kind: key.Contract, ID: id} }
func customer(id string) key.Key { return key.Key{Source: testSource, Kind: key.Customer, ID: id} }

// event appends an event of a webhook.
func (w *world) event(k key.Key) position.Position {
	w.t.Helper()
	ctx := context.WithoutCancel(w.t.Context())
	event, err := eventlog.NewEvent(ctx, propagation.TraceContext{}, eventlog.Change{Key: k, Origin: bridgev1.Origin_ORIGIN_WEBHOOK, ReceivedAt: time.Now()})
	w.must(err)
	_, errs := w.log.Append(ctx, []eventlog.Event{event})
	w.must(errors.Join(errs...))
	last, _, err := w.log.Last(ctx, k)
	w.must(err)
	return last.Position
}

// revise changes contracts in the ERP without telling anybody.
func (w *world) revise(status int, ids ...string) {
	w.t.Helper()
	_, err := w.sim.Change(context.WithoutCancel(w.t.Context()), simclient.Change{Contracts: ids, StatusID: status})
	w.must(err)
}

func (w *world) remove(ids ...string) {
	w.t.Helper()
	for _, id := range ids {
		_, err := w.sim.Delete(w.t.Context(), simclient.Ref{Kind: key.Contract, ID: id})
		w.must(err)
	}
}

// single counts the requests to the ERP that were no pages.
func (w *world) requests() (pages, single int) {
	w.t.Helper()
	entries, err := w.sim.Journal(w.t.Context(), simclient.JournalQuery{System: simclient.Generic})
	w.must(err)
	for _, e := range entries {
		if strings.HasPrefix(e.Operation, "list_") {
			pages++
		} else {
			single++
		}
	}
	return pages, single
}

// profile writes a profile file that is the generic one with changes, old and new in turn.
func (w *world) profile(changes ...string) string {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "libs", "profile", "builtin", "generic.yaml"))
	w.must(err)
	return w.profileOf(string(text), changes...)
}

// withLists is a generic profile that has these lists instead of its own.
func (w *world) withLists(lists string) string {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "libs", "profile", "builtin", "generic.yaml"))
	w.must(err)
	before, rest, _ := strings.Cut(string(text), "  list_changed:")
	_, after, _ := strings.Cut(rest, "# success:")
	return w.profileOf(before + lists + "#" + after)
}

func (w *world) profileOf(changed string, changes ...string) string {
	w.t.Helper()
	for i := 0; i < len(changes); i += 2 {
		if !strings.Contains(changed, changes[i]) {
			w.t.Fatalf("the generic profile has no %q", changes[i])
		}
		changed = strings.ReplaceAll(changed, changes[i], changes[i+1])
	}
	file := filepath.Join(w.t.TempDir(), "p.yaml")
	w.must(os.WriteFile(file, []byte(changed), 0o600))
	return file
}
