package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	"github.com/enneo-ai/enneo-bridge/services/bench/internal/child"
	"github.com/enneo-ai/enneo-bridge/services/bench/internal/procfs"
	"github.com/enneo-ai/enneo-bridge/services/bench/internal/report"
	"github.com/enneo-ai/enneo-bridge/services/bench/internal/servers"
)

const (
	flowRate      = 200
	flowTime      = 30 * time.Second
	flowContracts = 2000
	// flowPerContract is how many changes a contract gets in a row: one burst.
	flowPerContract = 10
	// flowSenders play the ERP.
	flowSenders = 16
	// flowSettle is longer than the quiet period and what follows it.
	flowSettle = 8 * time.Second
)

// system is all services with everything around them.
type system struct {
	*run
	sim       *simclient.Client
	processes []*child.Process // the simulator, then the services in the order of the flow
	webhooks  string
	client    *http.Client
}

// flow measures what every process uses while changes come in at a steady rate.
func flow(ctx context.Context, r *run) (_ []*report.Table, err error) {
	server, err := r.startNATS(ctx, false)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	redis, err := servers.StartRedis(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, redis.Stop()) }()
	s := &system{run: r, client: flowClient()}
	defer func() { err = errors.Join(err, s.stop()) }()
	if err := s.launch(ctx, server.URL, redis.URL); err != nil {
		return nil, err
	}
	all := slices.Concat(s.processes, []*child.Process{server.Process, redis.Process})
	contracts, err := s.sim.IDs(ctx, key.Contract, 0, flowContracts)
	if err != nil {
		return nil, err
	}
	// The first contracts warm everything up and are not counted.
	const warm = 50
	if err := s.send(ctx, contracts[:warm], flowPerContract*warm); err != nil {
		return nil, err
	}
	if err := wait(ctx, flowSettle); err != nil {
		return nil, err
	}
	if err := s.sim.ResetJournal(ctx); err != nil {
		return nil, err
	}
	before := map[*child.Process]procfs.Usage{}
	for _, p := range all {
		procfs.ResetPeak(p.PID())
		before[p] = p.Usage()
	}
	sent, began := flowRate*int(flowTime/time.Second), time.Now()
	if err := s.send(ctx, contracts[warm:], sent); err != nil {
		return nil, err
	}
	took := time.Since(began)
	if err := wait(ctx, flowSettle); err != nil {
		return nil, err
	}
	summary, err := s.sim.Summary(ctx)
	if err != nil {
		return nil, err
	}
	t := &report.Table{
		Title: fmt.Sprintf("flow: all services, %.0f webhooks/s for %s, bursts of %d per contract",
			float64(sent)/took.Seconds(), took.Round(time.Second), flowPerContract),
		Header: []string{"process", "CPU, % of a core", "CPU ms per webhook", "RSS before", "RSS after", "peak"},
		Notes:  []string{requests(sent, &summary), "CPU until " + flowSettle.String() + " after the last webhook; its share is of the time in which webhooks came. The simulator plays ERP and Enneo."},
	}
	for _, p := range all {
		used := p.Usage().Since(before[p])
		t.Row(p.Name, report.Percent(used.CPU.Seconds()/took.Seconds()), fmt.Sprintf("%.2f", used.CPU.Seconds()*1000/float64(sent)),
			report.MiB(before[p].RSS), report.MiB(used.RSS), report.MiB(used.Peak))
	}
	return []*report.Table{t}, nil
}

// requests says what the webhooks cost.
func requests(sent int, summary *simclient.Summary) string {
	erp, enneo := summary.Systems[simclient.Powercloud], summary.Systems[simclient.Enneo]
	return fmt.Sprintf("%s webhooks caused %s requests to the ERP (%s for contracts) and %s to Enneo.", report.Count(float64(sent)),
		report.Count(float64(erp.Requests)), report.Count(float64(erp.Operations["get_contract"].Requests)), report.Count(float64(enneo.Requests)))
}

// launch starts the simulator and the services.
func (s *system) launch(ctx context.Context, natsURL, redisURL string) error {
	const hash = "0123456789abcdef0123456789abcdef"
	simulator, err := s.start(ctx, "simulator", map[string]string{
		"SIM_CONTRACTS": fmt.Sprint(flowContracts), "SIM_POWERCLOUD_HASH": hash, "SIM_POWERCLOUD_USER": "api",
		"SIM_POWERCLOUD_PASSWORD": "pw", "SIM_ENNEO_TOKEN": "jwt",
	})
	if err != nil {
		return err
	}
	s.processes = append(s.processes, simulator)
	addr, err := simulator.Address(ctx, "http")
	if err != nil {
		return err
	}
	s.sim = simclient.New("http://"+addr, s.client)
	env := map[string]string{
		"NATS_URL": natsURL, "REDIS_URL": redisURL, "SOURCES": "powercloud", "DEBOUNCE_QUIET_PERIOD": "2s", "DEBOUNCE_MAX_WAIT": "10s",
		"SOURCE_POWERCLOUD_PROFILE": "powercloud", "SOURCE_POWERCLOUD_HOST": s.sim.URL(simclient.Powercloud),
		"SOURCE_POWERCLOUD_API_USER": "api", "SOURCE_POWERCLOUD_API_PASSWORD": "pw", "SOURCE_POWERCLOUD_HASH": hash,
		"SOURCE_POWERCLOUD_WEBHOOK_SECRET": ingestSecret, "SOURCE_POWERCLOUD_RATE": "1000", "SOURCE_POWERCLOUD_CONCURRENCY": "8",
		"ENNEO_BASE_URL": s.sim.URL(simclient.Enneo) + "/api/mind", "ENNEO_TOKEN": "jwt",
	}
	for _, name := range []string{"ingestor", "debouncer", "enricher", "publisher"} {
		p, err := s.start(ctx, name, env)
		if err != nil {
			return err
		}
		s.processes = append(s.processes, p)
		if name != "ingestor" {
			continue
		}
		if addr, err = p.Address(ctx, "http"); err != nil {
			return err
		}
		s.webhooks = "http://" + addr + "/webhooks/powercloud"
	}
	// The ingestor listens before it has found the log; an empty list has no effect.
	return s.processes[1].Await(ctx, "first webhook", func(ctx context.Context) error { return s.post(ctx, "[]") })
}

// stop ends the services, in the order of the flow and the simulator last.
func (s *system) stop() error {
	s.client.CloseIdleConnections()
	var errs []error
	for i := range s.processes {
		errs = append(errs, s.processes[(i+1)%len(s.processes)].Stop())
	}
	return errors.Join(errs...)
}

// send makes changes at the steady rate: bursts of a few contracts at a time, one contract after the other.
func (s *system) send(ctx context.Context, contracts []string, changes int) error {
	jobs := make(chan string)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(jobs)
		tick := time.NewTicker(time.Second / flowRate)
		defer tick.Stop()
		for i := range changes {
			select {
			case jobs <- contracts[i/flowPerContract%len(contracts)]:
			case <-ctx.Done():
				return ctx.Err()
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for range flowSenders {
		group.Go(func() error {
			for contract := range jobs {
				if err := s.change(ctx, contract); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// change changes a contract in the ERP and tells of it.
func (s *system) change(ctx context.Context, contract string) error {
	status := 1000 + int(time.Now().UnixNano()%9000)
	if _, err := s.sim.Change(ctx, simclient.Change{Contracts: []string{contract}, StatusID: status}); err != nil {
		return err
	}
	return s.post(ctx, fmt.Sprintf(`{"event":"contract.status.changed","contractId":%q}`, contract))
}

func (s *system) post(ctx context.Context, body string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.webhooks, strings.NewReader(body))
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-Webhook-Secret", ingestSecret)
	response, err := s.client.Do(request)
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	if response.StatusCode != http.StatusAccepted {
		err = fmt.Errorf("webhook: HTTP %d", response.StatusCode)
	}
	// Read to the end, so that the connection can be used again.
	_, errRead := io.Copy(io.Discard, response.Body)
	return errors.Join(err, errRead, response.Body.Close())
}

func flowClient() *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: flowSenders}}
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
