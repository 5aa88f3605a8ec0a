package images

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/canary"
	"github.com/enneo-ai/enneo-bridge/libs/health"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	"github.com/enneo-ai/enneo-bridge/services/e2e/internal/rig"
)

// Services that are no servers: the command line only says its version, the reconciler does its work and ends, and the
// simulator is started by the world that the others need.
const (
	commandLine = "bridge"
	oneRun      = "reconciler"
	simulator   = "simulator"
	ingestor    = "ingestor"
)

// contracts is how many the simulated ERP holds.
const contracts = 3

// endTimeout bounds the work that is done by the services once they have started, which takes seconds.
const endTimeout = 2 * time.Minute

// run starts the programs below dir, which come out of the images of services, against real servers. It takes a change from
// the webhook to Enneo if all stages are there, and stops every process. What it returns is how long each took from its
// start until it was ready, or until it ended if it is no server. stamped says whether programs know their commit.
func run(ctx context.Context, dir, logs string, services []string, stamped bool) (times map[string]time.Duration, err error) {
	binaries, err := rig.Prebuilt(ctx, dir)
	if err != nil {
		return nil, err
	}
	times = map[string]time.Duration{}
	world, err := rig.Open(ctx, rig.Options{Dir: logs, Binaries: binaries, Contracts: contracts, Seed: 7})
	if err != nil {
		return nil, err
	}
	defer world.Close()
	env := world.With(map[string]string{"DEBOUNCE_QUIET_PERIOD": "200ms", "DEBOUNCE_MAX_WAIT": "2s"})
	started := map[string]*rig.Process{}
	for _, service := range services {
		began := time.Now()
		switch service {
		case oneRun, commandLine:
			continue
		case simulator:
			started[service], err = world.Start(ctx, service, map[string]string{"LISTEN_ADDR": "127.0.0.1:0"})
		case "lookup":
			started[service], err = world.Start(ctx, service, world.With(map[string]string{"LOOKUP_TOKEN": canary.Secret("lookup")}))
		default:
			started[service], err = world.Start(ctx, service, env)
		}
		if err != nil {
			return nil, fmt.Errorf("start %s: %w", service, err)
		}
		if err := checked(ctx, service, started[service]); err != nil {
			return nil, err
		}
		times[service] = time.Since(began)
	}
	if err := carry(ctx, world, started); err != nil {
		return nil, err
	}
	if slices.Contains(services, oneRun) {
		if times[oneRun], err = runOnce(ctx, world, env); err != nil {
			return nil, err
		}
	}
	if slices.Contains(services, commandLine) {
		if times[commandLine], err = askVersion(ctx, binaries.Path(commandLine), stamped); err != nil {
			return nil, err
		}
	}
	for name, p := range started {
		if err := p.Stop(); err != nil {
			return nil, fmt.Errorf("stop %s: %w", name, err)
		}
	}
	return times, nil
}

// checked waits until a service that needs others says that they are there: in its first moments it knows of no needs yet,
// and so calls itself ready. The ingestor and the simulator have none.
func checked(ctx context.Context, service string, p *rig.Process) error {
	if service == ingestor || service == simulator {
		return nil
	}
	admin, err := p.Listener(ctx, "admin")
	if err != nil {
		return err
	}
	return rig.Eventually(ctx, endTimeout, service+" has looked at what it needs", func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, admin+"/readyz", http.NoBody)
		if err != nil {
			return fmt.Errorf("ask for readiness: %w", err)
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return fmt.Errorf("ask for readiness: %w", err)
		}
		defer func() { _ = answer.Body.Close() }()
		var status health.Status
		if err := json.NewDecoder(io.LimitReader(answer.Body, 64<<10)).Decode(&status); err != nil {
			return fmt.Errorf("read its readiness: %w", err)
		}
		if status.Status != health.StatusOK || len(status.Checks) == 0 {
			return fmt.Errorf("%s: %v", status.Status, status.Checks)
		}
		return nil
	})
}

// carry takes one change from the webhook to Enneo.
func carry(ctx context.Context, world *rig.World, started map[string]*rig.Process) error {
	for _, stage := range []string{ingestor, "debouncer", "enricher", "publisher"} {
		if started[stage] == nil {
			return nil
		}
	}
	address, err := started[ingestor].Listener(ctx, "http")
	if err != nil {
		return err
	}
	if err := world.Accepting(ctx, address); err != nil {
		return err
	}
	listed, err := world.Sim.IDs(ctx, key.Contract, 0, 1)
	if err != nil {
		return fmt.Errorf("ask for the contracts: %w", err)
	}
	if len(listed) == 0 {
		return errors.New("the simulated ERP has no contracts")
	}
	if err := world.Change(ctx, address, listed[0], simclient.StatusActive); err != nil {
		return err
	}
	if _, err := world.SettledWithin(ctx, endTimeout, 1); err != nil {
		return fmt.Errorf("a change does not reach Enneo: %w", err)
	}
	return nil
}

// runOnce runs the reconciler to its end.
func runOnce(ctx context.Context, world *rig.World, env map[string]string) (time.Duration, error) {
	began := time.Now()
	p, err := world.Launch(oneRun, env)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, endTimeout)
	defer cancel()
	select {
	case <-p.Exited():
	case <-ctx.Done():
		return 0, fmt.Errorf("wait for the end of %s: %w", oneRun, context.Cause(ctx))
	}
	took := time.Since(began)
	return took, p.Said(ctx, `"msg":"service has ended"`)
}

// askVersion asks the command line what it was built from.
func askVersion(ctx context.Context, program string, stamped bool) (time.Duration, error) {
	began := time.Now()
	said, err := exec.CommandContext(ctx, program, "version").CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("ask %s for its version: %w\n%s", filepath.Base(program), err, said)
	}
	if stamped && strings.Contains(string(said), "unknown") || !strings.HasPrefix(string(said), "enneo-bridge ") {
		return 0, fmt.Errorf("%s does not say what it was built from: %s", filepath.Base(program), said)
	}
	return time.Since(began), nil
}
