package lookup

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/propagation"

	"github.com/enneo-ai/enneo-bridge/libs/app"
	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/canary"
	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/enneo"
	"github.com/enneo-ai/enneo-bridge/libs/erp"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/pause"
	"github.com/enneo-ai/enneo-bridge/libs/pipeline"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
	"github.com/enneo-ai/enneo-bridge/libs/record"
	"github.com/enneo-ai/enneo-bridge/libs/redisx/redistest"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	"github.com/enneo-ai/enneo-bridge/libs/snapshot"
	"github.com/enneo-ai/enneo-bridge/libs/source"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
	"github.com/enneo-ai/enneo-bridge/services/simulator"
)

// testSource is the name of the one source of most tests; it speaks the generic profile.
const testSource = "erp"

// testToken is LOOKUP_TOKEN in tests.
var testToken = canary.Secret("lookup")

// patience is far beyond what any step takes; it only ends a test that would hang.
const patience = time.Minute

// world is a NATS server, Redis, simulated ERPs and what the services before lookup leave for it.
type world struct {
	t         *testing.T
	nats      *bustest.Server
	redis     *redistest.Server
	sim       *simclient.Client
	log       *eventlog.Log
	snapshots *pipeline.Snapshots
	reader    *erp.Client
	// contracts and customers are the ids in the ERPs.
	contracts, customers []string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	options := simulator.DefaultOptions()
	options.Contracts = 40
	sim := simulator.New(options)
	server := httptest.NewServer(sim.Handler())
	t.Cleanup(server.Close)
	t.Cleanup(sim.Close)
	w := &world{t: t, nats: bustest.Start(t), redis: redistest.Start(t), sim: simclient.New(server.URL, server.Client())}
	b := w.nats.Connect(t, testSource)
	var errs [5]error
	w.log, errs[0] = eventlog.Open(t.Context(), b, slog.New(slog.DiscardHandler))
	w.snapshots, errs[1] = record.Open[bridgev1.Snapshot](t.Context(), b.JetStream(), bus.BucketContracts)
	w.contracts, errs[2] = w.sim.IDs(t.Context(), key.Contract, 0, 0)
	w.customers, errs[3] = w.sim.IDs(t.Context(), key.Customer, 0, 0)
	sources, err := source.Load(t.Context(), config.Map(w.environment(nil)), source.Defaults{QuietPeriod: time.Second, MaxWait: time.Minute}, source.Need{ERP: true})
	errs[4] = err
	w.must(errors.Join(errs[:]...))
	w.reader = erp.New(sources[0])
	return w
}

// must ends the test with an error.
func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// environment configures lookup for this world.
func (w *world) environment(changes map[string]string) map[string]string {
	env := map[string]string{
		"NATS_URL": w.nats.URL(), "REDIS_URL": w.redis.URL, "LISTEN_ADDR": "127.0.0.1:0", "ADMIN_ADDR": "127.0.0.1:0", "LOG_LEVEL": "debug",
		"LOOKUP_TOKEN": testToken, "LOOKUP_BUDGET": "20s",
		"SOURCES": testSource, "SOURCE_ERP_PROFILE": "generic", "SOURCE_ERP_HOST": w.sim.URL(simclient.Generic),
		"SOURCE_ERP_API_KEY": simulator.DefaultOptions().GenericToken.Reveal(),
		"SOURCE_ERP_RATE":    "10000", "SOURCE_ERP_CONCURRENCY": "16", "SOURCE_ERP_TIMEOUT": "20s",
	}
	maps.Copy(env, changes)
	return env
}

// replica is a lookup that runs as it does in production, apart from its ports.
type replica struct {
	w          *world
	url, admin string
	stop       func()
	log        *buffer
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

// start starts a replica and waits until it is ready. It must end without an error.
func (w *world) start(changes map[string]string) *replica {
	w.t.Helper()
	r := w.begin(changes)
	bustest.Eventually(w.t, "lookup is ready", func() bool { return r.ready() })
	return r
}

// begin starts a replica and does not wait.
func (w *world) begin(changes map[string]string) *replica {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	r := &replica{w: w, log: &buffer{}}
	ended := make(chan error, 1)
	listeners := make(chan [2]string, 2)
	go func() {
		ended <- app.Run(ctx, "lookup", config.Map(w.environment(changes)), r.log, func(_, name string, addr net.Addr) {
			listeners <- [2]string{name, "http://" + addr.String()}
		}, Run)
	}()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("lookup ended with: %v", err)
		}
	})
	w.t.Cleanup(r.stop)
	for r.url == "" || r.admin == "" {
		select {
		case l := <-listeners:
			if l[0] == app.AdminListener {
				r.admin = l[1]
			} else {
				r.url = l[1]
			}
		case err := <-ended:
			ended <- nil // for the clean-up
			w.t.Fatalf("lookup did not start: %v", err)
		case <-time.After(patience):
			w.t.Fatal("lookup did not listen in time")
		}
	}
	return r
}

// ready tells whether the replica says so, of its model as well.
func (r *replica) ready() bool {
	status, text := r.get(r.admin + "/readyz")
	return status == http.StatusOK && strings.Contains(text, `"model"`)
}

func (r *replica) get(url string) (int, string) {
	r.w.t.Helper()
	request, err := http.NewRequestWithContext(r.w.t.Context(), http.MethodGet, url, nil)
	r.w.must(err)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, ""
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	r.w.must(err)
	return response.StatusCode, string(text)
}

// metric is the sum of what /metrics says of an instrument, of the series that have all labels.
func (r *replica) metric(name string, labels ...string) float64 {
	r.w.t.Helper()
	_, text := r.get(r.admin + "/metrics")
	sum := 0.0
	for line := range strings.Lines(text) {
		series, value, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || series != name && !strings.HasPrefix(series, name+"{") {
			continue
		}
		fits := true
		for _, label := range labels {
			fits = fits && strings.Contains(series, label)
		}
		if fits {
			var n float64
			r.w.must(json.Unmarshal([]byte(value), &n))
			sum += n
		}
	}
	return sum
}

func contract(id string) key.Key { return key.Key{Source: testSource, Kind: key.Contract, ID: id} }

func customer(id string) key.Key { return key.Key{Source: testSource, Kind: key.Customer, ID: id} }

// event appends an event and returns its position.
func (w *world) event(k key.Key) position.Position {
	w.t.Helper()
	ctx := context.WithoutCancel(w.t.Context())
	event, err := eventlog.NewEvent(ctx, propagation.TraceContext{}, eventlog.Change{Key: k, Origin: bridgev1.Origin_ORIGIN_WEBHOOK, ReceivedAt: time.Now()})
	w.must(err)
	_, errs := w.log.Append(ctx, []eventlog.Event{event})
	w.must(errors.Join(errs...))
	return w.last(k).Position
}

func (w *world) last(k key.Key) eventlog.Last {
	w.t.Helper()
	last, _, err := w.log.Last(context.WithoutCancel(w.t.Context()), k)
	w.must(err)
	return last
}

// enrich does what the enricher does: it reads the key in the ERP and stores a snapshot that covers its newest event.
func (w *world) enrich(k key.Key) {
	w.t.Helper()
	last := w.last(k)
	began := time.Now()
	mapped, err := w.reader.Get(w.t.Context(), k.Kind, k.ID)
	w.must(err)
	w.store(k, last, mapped, began)
}

// store keeps a snapshot, with what package snapshot would keep.
func (w *world) store(k key.Key, covers eventlog.Last, mapped profile.Mapped, began time.Time) {
	w.t.Helper()
	s, err := snapshot.Of(covers, mapped, began, w.reader.ProfileRef())
	w.must(err)
	entry, err := w.snapshots.Get(w.t.Context(), k.String())
	w.must(err)
	_, err = w.snapshots.Put(w.t.Context(), k.String(), s, entry.Revision)
	w.must(err)
}

// carried tells of a change of each key and reads it: what the pipeline has done once it is quiet.
func (w *world) carried(keys ...key.Key) {
	w.t.Helper()
	for _, k := range keys {
		w.event(k)
		w.enrich(k)
	}
}

// change changes a contract in the ERP.
func (w *world) change(id string, status int) {
	w.t.Helper()
	_, err := w.sim.Change(w.t.Context(), simclient.Change{Contracts: []string{id}, StatusID: status})
	w.must(err)
}

// structureOf is Enneo's structure of a key as the ERP has it now.
func (w *world) structureOf(k key.Key) string {
	w.t.Helper()
	mapped, err := w.reader.Get(w.t.Context(), k.Kind, k.ID)
	w.must(err)
	body, err := enneo.Canonical(mapped.Body)
	w.must(err)
	return body
}

// reads is how many requests of an operation the ERP has answered for an id; an empty id stands for all.
func (w *world) reads(operation, id string) int {
	w.t.Helper()
	entries, err := w.sim.Journal(w.t.Context(), simclient.JournalQuery{System: simclient.Generic, Operation: operation, ID: id})
	w.must(err)
	return len(entries)
}

// forget empties the ERP's journal.
func (w *world) forget() {
	w.t.Helper()
	w.must(w.sim.ResetJournal(w.t.Context()))
}

// pause stops the requests to the source, as an operator does.
func (w *world) pause(t *testing.T) {
	t.Helper()
	pauses, err := pause.Open(t.Context(), w.nats.Connect(t, testSource))
	w.must(err)
	w.must(pauses.Begin(t.Context(), pause.Source(testSource), "test", time.Time{}))
}

func lynqKey() string { return simulator.DefaultOptions().LynqTechKey.Reveal() }

// idsIn are the ids of a contract and its customer in an answer.
func idsIn(t *testing.T, body string) [2]string {
	t.Helper()
	var ids struct{ ID, CustomerID string }
	if err := json.Unmarshal([]byte(body), &ids); err != nil {
		t.Fatal(err)
	}
	return [2]string{ids.ID, ids.CustomerID}
}
