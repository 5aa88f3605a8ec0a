package monitoring

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	"github.com/enneo-ai/enneo-bridge/services/e2e/internal/otlpsink"
	"github.com/enneo-ai/enneo-bridge/services/e2e/internal/prom"
	"github.com/enneo-ai/enneo-bridge/services/e2e/internal/rig"
)

const patience = 2 * time.Minute

// stage is every service at work, with everything that watches them.
type stage struct {
	*rig.World
	sink       *otlpsink.Sink
	prometheus *prom.Server
	// ingestor is where webhooks go, lookup where Enneo asks; admin has the admin address of each service.
	ingestor, lookup string
	admin            map[string]string
	// refused is the contract that Enneo refuses for good.
	refused string
}

// services are in the order of their start. The debouncer comes after the first dead letter: it counts them when it begins to
// lead, and then once a minute.
var services = []string{"ingestor", "enricher", "publisher", "reconciler", "lookup", "debouncer"}

// open starts everything. It is skipped without Prometheus, and fails in CI.
func open(t *testing.T) *stage {
	t.Helper()
	ctx := t.Context()
	built, err := rig.Build(ctx, filepath.Join(t.TempDir(), "bin"), "")
	must(t, err)
	world, err := rig.Open(ctx, rig.Options{Dir: t.TempDir(), Binaries: built, Contracts: 40, Seed: 11})
	must(t, err)
	s := &stage{World: world, admin: map[string]string{}}
	t.Cleanup(func() {
		world.Close()
		for _, p := range world.Processes() {
			if t.Failed() {
				t.Logf("last lines of %s:\n%s", p.Name, strings.Join(p.Tail(15), "\n"))
			}
		}
	})
	s.sink, err = otlpsink.Open(ctx)
	must(t, err)
	t.Cleanup(s.sink.Close)
	ids, err := world.Sim.IDs(ctx, key.Contract, 0, 1)
	must(t, err)
	s.refused = ids[0]
	// What a healthy installation does not show has to be shown as well.
	for _, fault := range []simclient.Fault{
		{System: simclient.Enneo, Method: http.MethodPut, EntityID: s.refused, Action: simclient.Status, Status: http.StatusUnprocessableEntity},
		{System: simclient.Enneo, Method: http.MethodPut, Action: simclient.Status, Status: http.StatusServiceUnavailable, Probability: 0.05},
		{System: simclient.Powercloud, Operation: "get_contract", Action: simclient.Status, Status: http.StatusTooManyRequests, RetryAfter: "1", Count: 1},
		{System: simclient.Powercloud, Operation: "get_contract", Action: simclient.Status, Status: http.StatusBadGateway, Probability: 0.03},
	} {
		_, err := world.Sim.AddFault(ctx, fault)
		must(t, err)
	}
	s.start(t)
	return s
}

func (s *stage) start(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	env := s.With(map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": s.sink.Endpoint, "OTEL_BSP_SCHEDULE_DELAY": "200", "DEBOUNCE_QUIET_PERIOD": "400ms", "DEBOUNCE_MAX_WAIT": "3s",
		"RECONCILE_SCHEDULE": "@every 1s", "DRIFT_EVERY": "1s", "EVENTS_MAX_BYTES": "1000000000",
		"LOOKUP_TOKEN": lookupToken,
	})
	var targets []prom.Target
	for _, name := range services {
		p, err := s.Start(ctx, name, env)
		must(t, err)
		s.admin[name], err = p.Listener(ctx, "admin")
		must(t, err)
		if name == "lookup" {
			s.lookup, err = p.Listener(ctx, "http")
			must(t, err)
		}
		if name == "ingestor" {
			s.ingestor, err = p.Listener(ctx, "http")
			must(t, err)
			must(t, s.Accepting(ctx, s.ingestor))
			must(t, s.Post(ctx, s.ingestor, `{"event":"contract.status"}`))
		}
		targets = append(targets, prom.Target{Address: strings.TrimPrefix(s.admin[name], "http://"), Labels: map[string]string{
			"namespace": "enneo-bridge", "service": name, "pod": p.Name, "container": name,
		}})
	}
	must(t, s.Redis.Client.ConfigSet(ctx, "maxmemory", "1gb").Err())
	var err error
	if s.prometheus, err = prom.Start(ctx, t.TempDir(), ruleFile(t, t.TempDir()), targets); err != nil {
		needed(t, err)
		t.Fatal(err)
	}
	t.Cleanup(s.prometheus.Stop)
}

// load changes contracts, in bursts of three, until the test ends. It also knocks with a wrong secret, and asks as Enneo does.
func (s *stage) load(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	ids, err := s.Sim.IDs(ctx, key.Contract, 0, 40)
	must(t, err)
	go func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			for n := range 3 {
				if err := s.Change(ctx, s.ingestor, ids[i%len(ids)], 1000+i+n); err != nil {
					ended <- err
					return
				}
			}
			if err := errors.Join(s.knock(ctx), s.ask(ctx, i, ids[i%len(ids)])); err != nil {
				ended <- err
				return
			}
			select {
			case <-ctx.Done():
			case <-tick.C:
			}
		}
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("the load has ended: %v", err)
		}
	})
}

// knock sends a webhook with a wrong secret.
func (s *stage) knock(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.ingestor+"/webhooks/"+rig.SourceName, strings.NewReader("{}"))
	if err != nil {
		return fmt.Errorf("build a webhook: %w", err)
	}
	req.Header.Set("X-Webhook-Secret", "wrong")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("send a webhook: %w", err)
	}
	return resp.Body.Close()
}

// scrape is what a service tells of itself, in the format asked for.
func (s *stage) scrape(t *testing.T, service, accept string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.admin[service]+"/metrics", nil)
	must(t, err)
	req.Header.Set("Accept", accept)
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(t, err)
	return string(text)
}

// needed skips the test if Prometheus is missing, except in CI.
func needed(t *testing.T, err error) {
	t.Helper()
	if errors.Is(err, prom.ErrMissing) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
}

func eventually(t *testing.T, what string, check func(context.Context) error) {
	t.Helper()
	must(t, rig.Eventually(t.Context(), patience, what, check))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// root is the top of the repository.
const root = "../../.."
