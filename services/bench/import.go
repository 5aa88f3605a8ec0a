package bench

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	"github.com/enneo-ai/enneo-bridge/services/bench/internal/child"
	"github.com/enneo-ai/enneo-bridge/services/bench/internal/procfs"
	"github.com/enneo-ai/enneo-bridge/services/bench/internal/report"
	"github.com/enneo-ai/enneo-bridge/services/bench/internal/servers"
)

const (
	importContracts = 100_000
	// importPart is how many contracts the runs have that are disturbed.
	importPart = 10_000
	// importPoll is the pause between two looks at the simulated Enneo, which count all that it has.
	importPoll = 500 * time.Millisecond
	// importTimeout bounds one run.
	importTimeout = 20 * time.Minute
	importToken   = "token"
)

// importing is one run of the benchmark.
type importing struct {
	*system
	name      string
	contracts int
	env       map[string]string
	server    *servers.NATS
	redis     *servers.Redis
	// listed is how long the reconciler took, all until Enneo had everything.
	listed, all time.Duration
	reconciled  procfs.Usage
	summary     simclient.Summary
	usage       map[string]procfs.Usage
	balance     ledger.Balance
	// atKill is what Enneo had when the reconciler was killed.
	atKill int
}

// imports measures the first import of a whole ERP, undisturbed and disturbed.
func imports(ctx context.Context, r *run) ([]*report.Table, error) {
	all := []*importing{
		{name: "undisturbed", contracts: r.times(importContracts)},
		{name: "undisturbed", contracts: r.times(importPart)},
		{name: "Enneo answers 2 of 1,000 with 429, Retry-After: 1", contracts: r.times(importPart)},
		{name: "reconciler killed (-9) in the middle, started again", contracts: r.times(importPart)},
	}
	for i, one := range all {
		one.system = &system{run: r, client: flowClient()}
		r.progress("import of %d contracts: %s", one.contracts, one.name)
		if err := one.measure(ctx, i == 2, i == 3); err != nil {
			return nil, fmt.Errorf("%s: %w", one.name, err)
		}
	}
	return []*report.Table{importTable(all), importMemory(all[0])}, nil
}

// measure starts everything, imports and stops everything.
func (m *importing) measure(ctx context.Context, refusing, killing bool) (err error) {
	ctx, cancel := context.WithTimeout(ctx, importTimeout)
	defer cancel()
	if m.server, err = m.startNATS(ctx, false); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.server.Stop()) }()
	if m.redis, err = servers.StartRedis(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.redis.Stop()) }()
	defer func() { err = errors.Join(err, m.stop()) }()
	if err := m.launch(ctx); err != nil {
		return err
	}
	if refusing {
		_, err := m.sim.AddFault(ctx, simclient.Fault{
			System: simclient.Enneo, Method: "PUT", Action: simclient.Status, Status: 429, RetryAfter: "1", Probability: 0.002,
		})
		if err != nil {
			return err
		}
	}
	began := time.Now()
	first, err := m.reconciler(ctx)
	if err != nil {
		return err
	}
	if killing {
		if first, err = m.killed(ctx, first); err != nil {
			return err
		}
	}
	if m.reconciled, err = first.Succeeded(ctx); err != nil {
		return err
	}
	m.listed = time.Since(began)
	if err := m.arrived(ctx); err != nil {
		return err
	}
	m.all = time.Since(began)
	return m.account(ctx)
}

// launch starts the simulator and the services behind the log.
func (m *importing) launch(ctx context.Context) error {
	simulator, err := m.start(ctx, "simulator", map[string]string{
		"SIM_CONTRACTS": fmt.Sprint(m.contracts), "SIM_GENERIC_TOKEN": importToken, "SIM_ENNEO_TOKEN": importToken,
	})
	if err != nil {
		return err
	}
	m.processes = append(m.processes, simulator)
	addr, err := simulator.Address(ctx, "http")
	if err != nil {
		return err
	}
	m.sim = simclient.New("http://"+addr, m.client)
	m.env = map[string]string{
		"NATS_URL": m.server.URL, "REDIS_URL": m.redis.URL, "SOURCES": "erp", "SOURCE_ERP_PROFILE": "generic",
		"SOURCE_ERP_HOST": m.sim.URL(simclient.Generic), "SOURCE_ERP_API_KEY": importToken,
		"ENNEO_BASE_URL": m.sim.URL(simclient.Enneo) + "/api/mind", "ENNEO_TOKEN": importToken,
	}
	for _, name := range []string{"debouncer", "enricher", "publisher"} {
		p, err := m.start(ctx, name, m.env)
		if err != nil {
			return err
		}
		m.processes = append(m.processes, p)
	}
	return nil
}

// reconciler starts the reconciler, which ends by itself.
func (m *importing) reconciler(ctx context.Context) (*child.Process, error) {
	env := map[string]string{"ADMIN_ADDR": "127.0.0.1:0"}
	for name, value := range m.env {
		env[name] = value
	}
	return child.Start(ctx, filepath.Join(m.bin, "reconciler"), nil, env)
}

// killed kills the reconciler once Enneo has some of the contracts, and starts another one.
func (m *importing) killed(ctx context.Context, first *child.Process) (*child.Process, error) {
	for {
		n, err := m.inEnneo(ctx)
		if err != nil {
			return nil, err
		}
		if n >= m.contracts/3 {
			break
		}
		if err := wait(ctx, importPoll/10); err != nil {
			return nil, err
		}
	}
	if err := first.Kill(); err != nil {
		return nil, err
	}
	var err error
	if m.atKill, err = m.inEnneo(ctx); err != nil {
		return nil, err
	}
	return m.reconciler(ctx)
}

// inEnneo is how many contracts and customers were written to Enneo.
func (m *importing) inEnneo(ctx context.Context) (int, error) {
	var err error
	m.summary, err = m.sim.Summary(ctx)
	operations := m.summary.Systems[simclient.Enneo].Operations
	return int(operations["put_contract"].ByStatus[200] + operations["put_contract"].ByStatus[201] +
		operations["put_customer"].ByStatus[200] + operations["put_customer"].ByStatus[201]), err
}

// arrived waits until Enneo has what the ERP has.
func (m *importing) arrived(ctx context.Context) error {
	for {
		n, err := m.inEnneo(ctx)
		if err != nil {
			return err
		}
		if n >= m.summary.Contracts+m.summary.Customers {
			return nil
		}
		if err := wait(ctx, importPoll); err != nil {
			return fmt.Errorf("%d of %d keys are in Enneo: %w", n, m.summary.Contracts+m.summary.Customers, err)
		}
	}
}

// account looks at what was used once nothing is open any more, and makes sure that Enneo has what the ERP has.
func (m *importing) account(ctx context.Context) error {
	m.usage = map[string]procfs.Usage{}
	for _, p := range slices.Concat(m.processes, []*child.Process{m.server.Process, m.redis.Process}) {
		m.usage[p.Name] = p.Usage()
	}
	if err := m.settled(ctx); err != nil {
		return err
	}
	var err error
	if m.summary, err = m.sim.Summary(ctx); err != nil {
		return err
	}
	comparison, err := m.sim.Compare(ctx, simclient.CompareQuery{System: simclient.Generic, Limit: 1})
	if err != nil {
		return err
	}
	if len(comparison.Mismatches) > 0 || comparison.Compared < m.summary.Contracts+m.summary.Customers {
		return fmt.Errorf("enneo differs from the erp: %d keys compared, for example %+v", comparison.Compared, comparison.Mismatches)
	}
	return nil
}

// settled waits until the audit of the log finds nothing open.
func (m *importing) settled(ctx context.Context) error {
	for {
		balance, err := audited(ctx, config.Map(map[string]string{"NATS_URL": m.server.URL}))
		if err != nil {
			return err
		}
		if m.balance = balance; balance.Open == 0 {
			return nil
		}
		if err := wait(ctx, 2*time.Second); err != nil {
			return fmt.Errorf("%d events are open: %w", balance.Open, err)
		}
	}
}

func importTable(all []*importing) *report.Table {
	t := &report.Table{
		Title:  "import: a whole ERP by its listings into Enneo, generic profile, pages of 500",
		Header: []string{"run", "contracts", "and customers", "listed in", "all in Enneo in", "contracts/s", "keys/s", "ERP pages", "ERP single reads", "Enneo requests", "of them 429", "events", "peak of the reconciler"},
		Notes: []string{
			"The reconciler waits while more than 1,000 tickets wait, so it ends when the publisher nearly does. Each run ends with the audit of the log (nothing open) and the comparison of Enneo with the ERP (no difference).",
		},
	}
	for _, m := range all {
		erp, enneo := m.summary.Systems[simclient.Generic], m.summary.Systems[simclient.Enneo]
		pages := erp.Operations["list_contracts"].Requests + erp.Operations["list_customers"].Requests
		refused := int64(0)
		for _, operation := range enneo.Operations {
			refused += operation.ByStatus[429]
		}
		t.Row(m.name, report.Count(float64(m.summary.Contracts)), report.Count(float64(m.summary.Customers)), report.Seconds(m.listed), report.Seconds(m.all),
			report.Count(float64(m.summary.Contracts)/m.all.Seconds()), report.Count(float64(m.summary.Contracts+m.summary.Customers)/m.all.Seconds()),
			report.Count(float64(pages)), report.Count(float64(erp.Requests-pages)), report.Count(float64(enneo.Requests)),
			report.Count(float64(refused)), report.Count(float64(m.balance.Accepted)), report.MiB(m.reconciled.Peak))
		if m.atKill > 0 {
			t.Notes = append(t.Notes, fmt.Sprintf(
				"Killed when Enneo had %s keys. The second run covers out of its listing what the first has appended and not stored. Settled of %s events: %s, open: %d.",
				report.Count(float64(m.atKill)), report.Count(float64(m.balance.Accepted)), report.Count(float64(m.balance.Settled)), m.balance.Open))
		}
	}
	return t
}

func importMemory(m *importing) *report.Table {
	t := &report.Table{
		Title:  fmt.Sprintf("import: what each process used for %s contracts", report.Count(float64(m.summary.Contracts))),
		Header: []string{"process", "CPU", "peak"},
		Notes:  []string{"The simulator holds the ERP, Enneo and a journal of all requests."},
	}
	for _, p := range slices.Concat(m.processes, []*child.Process{m.server.Process, m.redis.Process}) {
		t.Row(p.Name, report.Seconds(m.usage[p.Name].CPU), report.MiB(m.usage[p.Name].Peak))
	}
	t.Row("reconciler", report.Seconds(m.reconciled.CPU), report.MiB(m.reconciled.Peak))
	return t
}
