package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	"github.com/enneo-ai/enneo-bridge/services/e2e/internal/rig"
)

// clock is how times are shown; the logs of the services have the same, in UTC.
const clock = "15:04:05.000"

// Times of a run. Everything that waits for the end of somebody else's turn waits only shortly.
const (
	quiet          = 400 * time.Millisecond
	maxWait        = 2 * time.Second
	requestTimeout = time.Second
	leaseMargin    = time.Second
	// settleLimit bounds the wait for the end: pauses of what has failed last a minute at most, with a quarter of jitter.
	settleLimit = 150 * time.Second
)

// environment is what the services of a run have besides what they need in any world.
func environment() map[string]string {
	return map[string]string{
		"DEBOUNCE_QUIET_PERIOD": quiet.String(), "DEBOUNCE_MAX_WAIT": maxWait.String(), "DEBOUNCE_LEASE": "2s",
		"ENNEO_TIMEOUT": requestTimeout.String(), "ENNEO_LEASE_MARGIN": leaseMargin.String(),
		"SOURCE_POWERCLOUD_TIMEOUT": requestTimeout.String(), "ACK_WAIT": "2s", "SWEEP_BOUND": "10s",
	}
}

// DefaultContracts is the number of contracts unless somebody asks for another.
const DefaultContracts = 1500

// Options are the settings of a run.
type Options struct {
	Seed uint64
	// Duration is how long there is load; building before and settling after it come on top.
	Duration  time.Duration
	Contracts int
	// Dir is where everything is kept: logs, stores, copies. It has to exist.
	Dir string
	// Current are the binaries under test. Old runs beside them for a while; nil if there is none, and OldMissing says why.
	Current    rig.Binaries
	Old        *rig.Binaries
	OldMissing string
	// Out is told of every blow as it is dealt.
	Out io.Writer
}

// Run deals the blows of the plan and reports. An error says that the run itself failed; what it found wrong stands in
// the report.
func Run(ctx context.Context, o *Options) (*Report, error) {
	out := slog.New(slog.NewTextHandler(o.Out, &slog.HandlerOptions{ReplaceAttr: plain}))
	world, err := rig.Open(ctx, rig.Options{Dir: o.Dir, Binaries: o.Current, Contracts: o.Contracts, Seed: o.Seed})
	if err != nil {
		return nil, err
	}
	defer world.Close()
	contracts, err := contractsOf(ctx, world)
	if err != nil {
		return nil, err
	}
	current := version{"new", o.Current}
	fleet, err := newFleet(ctx, world, current)
	defer fleet.watchers.Wait()
	defer world.Close()
	defer fleet.close()
	if err != nil {
		return nil, err
	}
	load := &load{world: world, ingestor: fleet.ingestor}
	s := &striker{world: world, fleet: fleet, load: load, contracts: contracts, current: current, copied: copyOf(o.Dir), out: out}
	if o.Old != nil {
		s.old = &version{"old", *o.Old}
	}
	if err := s.ordinary(ctx); err != nil {
		return nil, err
	}
	out.InfoContext(ctx, "load begins", "contracts", len(contracts), "senders", senders)
	loading, stop := context.WithCancel(ctx)
	defer stop()
	sent := make(chan error, 1)
	go func() { sent <- load.run(loading, o.Seed, contracts) }()
	began := time.Now()
	err = s.run(ctx, Plan(o.Seed, o.Duration))
	err = errors.Join(err, wait(ctx, o.Duration-time.Since(began)))
	stop()
	out.InfoContext(ctx, "load ends")
	if err = errors.Join(err, <-sent, world.Sim.ClearFaults(ctx, "")); err != nil {
		return nil, err
	}
	report := &Report{Options: o, Logs: world.Logs, Loaded: time.Since(began)}
	report.Unsettled = settle(ctx, world)
	return report, gather(ctx, world, fleet, s, report)
}

// plain leaves out the level, and the date of the time.
func plain(_ []string, a slog.Attr) slog.Attr {
	switch a.Key {
	case slog.LevelKey:
		return slog.Attr{}
	case slog.TimeKey:
		return slog.String(a.Key, a.Value.Time().Format(clock))
	default:
		return a
	}
}

// settle waits until nothing is open and Enneo holds what the ERP holds. It returns what is still missing when the time
// is over.
func settle(ctx context.Context, world *rig.World) error {
	if _, err := world.SettledWithin(ctx, settleLimit, 0); err != nil {
		return err
	}
	// A delivery may still be owed for what is settled already.
	return rig.Eventually(ctx, settleLimit, "Enneo holds what the ERP holds", world.Same)
}

// gather collects the evidence and examines it.
func gather(ctx context.Context, world *rig.World, fleet *fleet, s *striker, report *Report) error {
	evidence := Evidence{Quiet: quiet, MaxWait: maxWait, Lease: requestTimeout + leaseMargin}
	evidence.Events, report.Refused = s.load.accepted()
	s.result(&evidence, report)
	slices.SortFunc(evidence.Struck, func(a, b Struck) int { return a.Began.Compare(b.Began) })
	report.Started, report.Crashes = fleet.state()
	var err error
	if report.Balance, err = world.Audit(ctx); err != nil {
		return err
	}
	if evidence.Reads, err = world.Sim.Journal(ctx, simclient.JournalQuery{System: simclient.Powercloud, Kind: key.Contract}); err != nil {
		return err
	}
	if evidence.Requests, err = world.Sim.Journal(ctx, simclient.JournalQuery{System: simclient.Enneo}); err != nil {
		return err
	}
	writes, err := world.Sim.Writes(ctx, simclient.Ref{})
	if err != nil {
		return err
	}
	evidence.Writes = slices.DeleteFunc(writes, func(w simclient.Write) bool { return w.Kind != key.Contract })
	summary, err := world.Sim.Summary(ctx)
	if err != nil {
		return err
	}
	if summary.Dropped > 0 || summary.WritesDropped > 0 {
		return fmt.Errorf("the simulator has recorded too little: %d requests and %d writes are missing", summary.Dropped, summary.WritesDropped)
	}
	report.Struck, report.Events = evidence.Struck, evidence.Events
	report.Findings = Examine(&evidence)
	return keep(&evidence, filepath.Join(report.Options.Dir, "evidence.json"))
}

// keep writes the evidence down, without what the writes held.
func keep(e *Evidence, file string) error {
	for i := range e.Writes {
		e.Writes[i].Body = nil
	}
	text, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode the evidence: %w", err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return fmt.Errorf("keep the evidence: %w", err)
	}
	return nil
}

// deadLetters is the outcome of the balance that no run ends with: every fault of it passes.
const deadLetters = "dead_letter"

func balanced(b *ledger.Balance, accepted, dropped uint64) []string {
	var wrong []string
	if b.Accepted != b.Settled+b.Open {
		wrong = append(wrong, fmt.Sprintf("accepted %d is not settled %d + open %d", b.Accepted, b.Settled, b.Open))
	}
	if b.Open > 0 {
		wrong = append(wrong, fmt.Sprintf("%d events are open", b.Open))
	}
	if b.Accepted+dropped < accepted {
		wrong = append(wrong, fmt.Sprintf("the log holds %d events and lost %d by being set back, but %d were accepted", b.Accepted, dropped, accepted))
	}
	if n := b.ByOutcome[deadLetters]; n > 0 {
		wrong = append(wrong, fmt.Sprintf("%d events ended as dead letters", n))
	}
	return wrong
}

// tempDir makes a folder for a run.
func tempDir() (string, error) {
	dir, err := os.MkdirTemp("", "enneo-bridge-chaos-")
	if err != nil {
		return "", fmt.Errorf("make a directory for the run: %w", err)
	}
	return dir, nil
}
