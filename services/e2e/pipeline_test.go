package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/redisx/redistest"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

const (
	sourceName = "powercloud"
	secret     = "e2e-webhook-secret"
	hash       = "0123456789abcdef0123456789abcdef"
)

// world is everything outside the services: NATS, Redis, the simulated ERP and Enneo.
type world struct {
	nats  *bustest.Server
	redis *redistest.Server
	bus   *bus.Bus
	sim   *simclient.Client
	env   map[string]string
}

func newWorld(t *testing.T, contracts int) *world {
	t.Helper()
	w := &world{nats: bustest.Start(t), redis: redistest.Start(t)}
	simulator := start(t, "simulator", map[string]string{
		"LISTEN_ADDR": "127.0.0.1:0", "SIM_SEED": "7", "SIM_CONTRACTS": strconv.Itoa(contracts),
		"SIM_POWERCLOUD_HASH": hash, "SIM_POWERCLOUD_USER": "api", "SIM_POWERCLOUD_PASSWORD": "pw", "SIM_ENNEO_TOKEN": "jwt",
	})
	w.sim = simclient.New(simulator.http, nil)
	w.bus = w.nats.Connect(t, sourceName)
	w.env = map[string]string{
		"NATS_URL": w.nats.URL(), "REDIS_URL": w.redis.URL, "SOURCES": sourceName, "LISTEN_ADDR": "127.0.0.1:0",
		"SOURCE_POWERCLOUD_PROFILE": "powercloud", "SOURCE_POWERCLOUD_HOST": w.sim.URL(simclient.Powercloud),
		"SOURCE_POWERCLOUD_API_USER": "api", "SOURCE_POWERCLOUD_API_PASSWORD": "pw", "SOURCE_POWERCLOUD_HASH": hash,
		"SOURCE_POWERCLOUD_WEBHOOK_SECRET": secret,
		"SOURCE_POWERCLOUD_RATE":           "1000", "SOURCE_POWERCLOUD_CONCURRENCY": "8",
		"ENNEO_BASE_URL": w.sim.URL(simclient.Enneo) + "/api/mind", "ENNEO_TOKEN": "jwt",
		"DEBOUNCE_QUIET_PERIOD": "4s", "DEBOUNCE_MAX_WAIT": "60s",
	}
	return w
}

// with is the environment with changes.
func (w *world) with(changes map[string]string) map[string]string {
	env := make(map[string]string, len(w.env)+len(changes))
	for _, m := range []map[string]string{w.env, changes} {
		for k, v := range m {
			env[k] = v
		}
	}
	return env
}

// errLater is the ingestor's word that the log does not take events now, and that the same request may come again.
var errLater = errors.New("503 with Retry-After")

// post sends a webhook as the ERP does, and fails unless it was accepted.
func post(ctx context.Context, ingestor, body string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, ingestor+"/webhooks/"+sourceName, bytes.NewBufferString(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Webhook-Secret", secret)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	if resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") != "" {
		return errLater
	}
	if resp.StatusCode != http.StatusAccepted {
		return fmt.Errorf("%s: %s", resp.Status, text)
	}
	return nil
}

// accepting waits until the ingestor has found the log. It is ready before that, to answer 503 itself; an empty array
// tells nothing, so it has no other effect.
func (w *world) accepting(t *testing.T, ingestor string) {
	t.Helper()
	eventually(t, "the ingestor takes events", func() error { return post(t.Context(), ingestor, "[]") })
}

// change changes a contract in the ERP and tells of it.
func (w *world) change(ctx context.Context, ingestor, id string, status int) error {
	if _, err := w.sim.Change(ctx, simclient.Change{Contracts: []string{id}, StatusID: status}); err != nil {
		return err
	}
	body, err := json.Marshal(map[string]any{"event": "contract.status", "contractId": id})
	if err != nil {
		return err
	}
	return post(ctx, ingestor, string(body))
}

func (w *world) audit(t *testing.T) ledger.Balance {
	t.Helper()
	log, err := eventlog.Open(t.Context(), w.bus, discard())
	if err != nil {
		t.Fatal(err)
	}
	settled, err := ledger.Open(t.Context(), w.bus)
	if err != nil {
		t.Fatal(err)
	}
	epoch, err := log.Epoch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	balance, err := settled.Audit(t.Context(), epoch)
	if err != nil {
		t.Fatal(err)
	}
	if balance.Accepted != balance.Settled+balance.Open {
		t.Fatalf("accepted %d is not settled %d + open %d", balance.Accepted, balance.Settled, balance.Open)
	}
	return balance
}

// settled waits until the log holds at least accepted events and none of them is open.
func (w *world) settled(t *testing.T, accepted uint64) ledger.Balance {
	t.Helper()
	var balance ledger.Balance
	eventually(t, "everything accepted is settled", func() error {
		if balance = w.audit(t); balance.Accepted < accepted || balance.Open > 0 {
			return fmt.Errorf("accepted %d of %d, open %d", balance.Accepted, accepted, balance.Open)
		}
		return nil
	})
	return balance
}

// counts are how often each id was the subject of an operation.
func (w *world) counts(t *testing.T, system string, kind key.Kind) map[string]int {
	t.Helper()
	entries, err := w.sim.Journal(t.Context(), simclient.JournalQuery{System: system, Kind: kind})
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, e := range entries {
		counts[e.ID]++
	}
	return counts
}

// sound checks what must hold after every run: no two requests for one key at once, never an older state over a newer
// one, and Enneo ends with what the ERP ends with.
func (w *world) sound(t *testing.T) {
	t.Helper()
	for what, query := range map[string]simclient.JournalQuery{
		"overlapping requests": {System: simclient.Enneo, Overlapped: true},
		"older over newer":     {System: simclient.Enneo, Regression: true},
	} {
		entries, err := w.sim.Journal(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		if len(entries) > 0 {
			t.Errorf("%s: %d, first %+v", what, len(entries), entries[0])
		}
	}
	comparison, err := w.sim.Compare(t.Context(), simclient.CompareQuery{System: simclient.Powercloud})
	if err != nil {
		t.Fatal(err)
	}
	if comparison.Compared == 0 || comparison.Mismatched > 0 {
		t.Errorf("compared %d keys, %d differ: %v", comparison.Compared, comparison.Mismatched, comparison.Mismatches)
	}
}

// TestFiveChangesCostOneReadAndOneRequest is the main job with one of each service.
func TestFiveChangesCostOneReadAndOneRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 10)
	env := w.with(map[string]string{"DEBOUNCE_QUIET_PERIOD": "2s"})
	ingestor := start(t, "ingestor", env)
	w.accepting(t, ingestor.http)
	services := []*process{ingestor, start(t, "debouncer", env), start(t, "enricher", env), start(t, "publisher", env)}
	ids, err := w.sim.IDs(t.Context(), key.Contract, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, status := range []int{1000, 2000, 3000, 4000, simclient.StatusActive} {
		if err := w.change(t.Context(), ingestor.http, ids[0], status); err != nil {
			t.Fatal(err)
		}
	}
	// The contract's customer is new to Enneo, so the sixth event is the customer's own.
	balance := w.settled(t, 6)
	if balance.ByOutcome["delivered"] != 6 {
		t.Errorf("outcomes: %v, want 6 delivered", balance.ByOutcome)
	}
	contract, err := w.sim.Contract(t.Context(), ids[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, system := range []string{simclient.Powercloud, simclient.Enneo} {
		for kind, id := range map[key.Kind]string{key.Contract: ids[0], key.Customer: contract.CustomerID} {
			if got := w.counts(t, system, kind); len(got) != 1 || got[id] != 1 {
				t.Errorf("%s: requests per %s: %v, want one for %s", system, kind, got, id)
			}
		}
	}
	w.sound(t)
	for _, p := range slices.Backward(services) {
		p.stop(t)
	}
}

// TestInterleavedBurstsWithReplicas posts ten interleaved changes of each of 500 contracts at three debouncers, two
// enrichers and two publishers: exactly one read and one request per contract, nothing lost, nothing at once.
func TestInterleavedBurstsWithReplicas(t *testing.T) {
	t.Parallel()
	const contracts, changes, senders = 500, 10, 8
	w := newWorld(t, contracts)
	ingestor := start(t, "ingestor", w.env)
	w.accepting(t, ingestor.http)
	for name, replicas := range map[string]int{"debouncer": 3, "enricher": 2, "publisher": 2} {
		for range replicas {
			start(t, name, w.env)
		}
	}
	ids, err := w.sim.IDs(t.Context(), key.Contract, 0, contracts)
	if err != nil {
		t.Fatal(err)
	}
	var group errgroup.Group
	for sender := range senders {
		group.Go(func() error {
			for i := range changes {
				for j := sender; j < len(ids); j += senders {
					if err := w.change(t.Context(), ingestor.http, ids[j], 1000+i); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	balance := w.settled(t, contracts*changes)
	w.exactlyOnce(t, contracts)
	w.sound(t)
	t.Logf("accepted %d = settled %d + open %d; outcomes %v", balance.Accepted, balance.Settled, balance.Open, balance.ByOutcome)
}

// exactlyOnce checks that each contract and each customer was read once and written once.
func (w *world) exactlyOnce(t *testing.T, contracts int) {
	t.Helper()
	for _, system := range []string{simclient.Powercloud, simclient.Enneo} {
		for _, kind := range []key.Kind{key.Contract, key.Customer} {
			counts := w.counts(t, system, kind)
			total, most := 0, 0
			for _, n := range counts {
				total, most = total+n, max(most, n)
			}
			if kind == key.Contract && len(counts) != contracts || most != 1 {
				t.Errorf("%s: %d requests for %d %ss, at most %d for one; want exactly one each", system, total, len(counts), kind, most)
			}
			t.Logf("%s: %d requests for %d %ss", system, total, len(counts), kind)
		}
	}
}

// TestKilledAtEveryStep kills one service after the other at each of its named steps, in the middle of the main job, and
// lets a second process finish it.
func TestKilledAtEveryStep(t *testing.T) {
	t.Parallel()
	for service, points := range map[string][]string{
		"debouncer": {"debouncer.arm.done", "debouncer.claim.done", "debouncer.flush.done", "debouncer.complete.done"},
		"enricher":  {"enricher.customers.told", "enricher.snapshot.stored", "enricher.ready.sent"},
		"publisher": {"publisher.intent.stored", "publisher.request.done", "publisher.outcome.stored"},
	} {
		for _, point := range points {
			t.Run(point, func(t *testing.T) {
				t.Parallel()
				oneAtATime <- struct{}{}
				defer func() { <-oneAtATime }()
				killedAt(t, service, point)
			})
		}
	}
}

// impatient makes everything that waits for the end of somebody else's turn wait only shortly.
var impatient = map[string]string{
	"DEBOUNCE_QUIET_PERIOD": "300ms", "DEBOUNCE_MAX_WAIT": "2s", "DEBOUNCE_LEASE": "2s",
	"ENNEO_TIMEOUT": "1s", "ENNEO_LEASE_MARGIN": "1s", "ACK_WAIT": "2s",
}

// oneAtATime bounds how many worlds of processes run at once: two cores start no more in reasonable time.
var oneAtATime = make(chan struct{}, 2)

func killedAt(t *testing.T, service, point string) {
	t.Helper()
	w := newWorld(t, 4)
	env := w.with(impatient)
	ingestor := start(t, "ingestor", env)
	w.accepting(t, ingestor.http)
	for _, name := range []string{"debouncer", "enricher", "publisher"} {
		if name != service {
			start(t, name, env)
		}
	}
	env["FAILPOINTS"] = point + "=kill"
	victim := launch(t, service, env)
	delete(env, "FAILPOINTS")
	ids, err := w.sim.IDs(t.Context(), key.Contract, 0, 4)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		if err := w.change(t.Context(), ingestor.http, id, 1000); err != nil {
			t.Fatal(err)
		}
	}
	victim.said(t, "failpoint "+point)
	<-victim.exited
	start(t, service, env)
	w.settled(t, uint64(len(ids)))
	w.sound(t)
}

// TestNothingIsLostWhileEverythingRestarts sends changes while NATS, Redis and each service are stopped or killed in turn.
func TestNothingIsLostWhileEverythingRestarts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 60)
	env := w.with(impatient)
	running := map[string]*process{}
	for _, name := range []string{"ingestor", "debouncer", "enricher", "publisher"} {
		running[name] = start(t, name, env)
	}
	ids, err := w.sim.IDs(t.Context(), key.Contract, 0, 60)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var sent sync.WaitGroup
	var mu sync.Mutex
	accepted := uint64(0)
	sent.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			mu.Lock()
			to := running["ingestor"].http
			mu.Unlock()
			// What the ingestor does not take with 202 is the sender's to repeat; here the next round does.
			if w.change(ctx, to, ids[i%len(ids)], 1000+i%50) == nil {
				mu.Lock()
				accepted++
				mu.Unlock()
			}
		}
	})
	replace := func(name string) {
		t.Helper()
		p := start(t, name, env)
		mu.Lock()
		defer mu.Unlock()
		running[name] = p
	}
	progress := func(n uint64) {
		t.Helper()
		mu.Lock()
		from := accepted
		mu.Unlock()
		eventually(t, "webhooks are accepted again", func() error {
			mu.Lock()
			defer mu.Unlock()
			if accepted < from+n {
				return fmt.Errorf("%d of %d", accepted-from, n)
			}
			return nil
		})
	}
	progress(100)
	for _, name := range []string{"debouncer", "enricher", "publisher"} {
		running[name].kill()
		progress(50)
		replace(name)
	}
	w.nats.Stop(t)
	w.nats.Run(t)
	progress(100)
	w.redis.Kill(t)
	progress(50)
	w.redis.Restart(t)
	progress(50)
	for _, name := range []string{"debouncer", "enricher", "publisher", "ingestor"} {
		running[name].stop(t)
		replace(name)
	}
	progress(50)
	cancel()
	sent.Wait()
	// The last change of each contract must be told of: a change whose webhook was refused is not enneo-bridge's to know.
	w.accepting(t, running["ingestor"].http)
	for _, id := range ids {
		if err := w.change(t.Context(), running["ingestor"].http, id, simclient.StatusActive); err != nil {
			t.Fatal(err)
		}
	}
	mu.Lock()
	total := accepted + uint64(len(ids))
	mu.Unlock()
	balance := w.settled(t, total)
	w.sound(t)
	t.Logf("accepted %d = settled %d + open %d; outcomes %v", balance.Accepted, balance.Settled, balance.Open, balance.ByOutcome)
}
