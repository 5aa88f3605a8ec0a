package rig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/canary"
	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

// SourceName is the one source of a world: a simulated Powercloud.
const SourceName = "powercloud"

// What the services and the simulator expect of each other. All but the user would be recognised wherever it does not belong.
const apiUser = "api"

var (
	webhookSecret = canary.Secret("webhook")
	apiPassword   = canary.Secret("powercloud")
	enneoToken    = canary.Secret("enneo")
)

// Options are the settings of a World.
type Options struct {
	// Dir is where stores and logs are kept. It has to exist; nobody removes it.
	Dir      string
	Binaries Binaries
	// Contracts is how many contracts the simulated ERP holds at first; Seed decides on their data and on faults with a
	// probability.
	Contracts int
	Seed      uint64
}

// World is everything outside the services, and the services that run in it. Make one with Open, and Close it.
type World struct {
	NATS  *NATS
	Redis *Redis
	// Sim controls the simulated ERP and Enneo.
	Sim *simclient.Client
	// Env is what every service needs to find the rest; it must not be changed.
	Env map[string]string
	// Logs is the folder with what every process has printed.
	Logs     string
	binaries Binaries
	scratch  string

	mu        sync.Mutex
	processes []*Process
	launched  map[string]int
	connected *bus.Bus
}

// Open starts NATS, Redis and the simulator, with all stores empty.
func Open(ctx context.Context, o Options) (w *World, err error) {
	w = &World{Logs: filepath.Join(o.Dir, "logs"), binaries: o.Binaries, launched: map[string]int{}}
	store := filepath.Join(o.Dir, "nats")
	for _, dir := range []string{w.Logs, store} {
		if err := os.MkdirAll(dir, 0o750); err != nil {
			return nil, fmt.Errorf("make a directory: %w", err)
		}
	}
	// The path of a socket is limited to about 100 bytes, and Dir may be longer.
	if w.scratch, err = os.MkdirTemp("", "rig"); err != nil {
		return nil, fmt.Errorf("make a directory for the socket: %w", err)
	}
	defer func() {
		if err != nil {
			w.Close()
		}
	}()
	w.NATS = &NATS{binary: o.Binaries.Path("nats-server"), dir: store, log: w.log("nats-server")}
	w.Redis = newRedis(w.scratch, w.log("redis-server"))
	if err := errors.Join(w.NATS.Start(ctx), w.Redis.Start(ctx)); err != nil {
		return nil, err
	}
	simulator, err := w.Start(ctx, "simulator", map[string]string{
		"LISTEN_ADDR": "127.0.0.1:0", "SIM_SEED": strconv.FormatUint(o.Seed, 10), "SIM_CONTRACTS": strconv.Itoa(o.Contracts),
		"SIM_POWERCLOUD_HASH": canary.InstanceHash, "SIM_POWERCLOUD_USER": apiUser, "SIM_POWERCLOUD_PASSWORD": apiPassword,
		"SIM_ENNEO_TOKEN": enneoToken,
	})
	if err != nil {
		return nil, err
	}
	address, err := simulator.Listener(ctx, "http")
	if err != nil {
		return nil, err
	}
	w.Sim = simclient.New(address, nil)
	w.Env = map[string]string{
		"NATS_URL": w.NATS.URL, "REDIS_URL": w.Redis.URL, "SOURCES": SourceName, "LISTEN_ADDR": "127.0.0.1:0",
		"SOURCE_POWERCLOUD_PROFILE": "powercloud", "SOURCE_POWERCLOUD_HOST": w.Sim.URL(simclient.Powercloud),
		"SOURCE_POWERCLOUD_API_USER": apiUser, "SOURCE_POWERCLOUD_API_PASSWORD": apiPassword, "SOURCE_POWERCLOUD_HASH": canary.InstanceHash,
		"SOURCE_POWERCLOUD_WEBHOOK_SECRET": webhookSecret,
		"SOURCE_POWERCLOUD_RATE":           "1000", "SOURCE_POWERCLOUD_CONCURRENCY": "8",
		"ENNEO_BASE_URL": w.Sim.URL(simclient.Enneo) + "/api/mind", "ENNEO_TOKEN": enneoToken,
		"DEBOUNCE_QUIET_PERIOD": "4s", "DEBOUNCE_MAX_WAIT": "60s",
		// The server syncs before it acknowledges, and says so.
		"DURABILITY": "fsync", "NATS_MONITOR_URL": w.NATS.MonitorURL,
	}
	return w, nil
}

// With is the environment of the services with changes.
func (w *World) With(changes map[string]string) map[string]string {
	env := maps.Clone(w.Env)
	maps.Copy(env, changes)
	return env
}

func (w *World) log(name string) string { return filepath.Join(w.Logs, name+".log") }

// Launch starts a service with only the given environment, without waiting for anything.
func (w *World) Launch(service string, env map[string]string) (*Process, error) {
	return w.LaunchFrom(w.binaries, service, env)
}

// LaunchFrom is Launch with other binaries.
func (w *World) LaunchFrom(binaries Binaries, service string, env map[string]string) (*Process, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.launched[service]++
	name := fmt.Sprintf("%s-%d", service, w.launched[service])
	p, err := launch(name, w.log(name), binaries.Path(service), nil, withAdmin(env))
	if err == nil {
		w.processes = append(w.processes, p)
	}
	return p, err
}

func withAdmin(env map[string]string) map[string]string {
	all := map[string]string{"ADMIN_ADDR": "127.0.0.1:0"}
	maps.Copy(all, env)
	return all
}

// Start starts a service with only the given environment and waits until it is ready.
func (w *World) Start(ctx context.Context, service string, env map[string]string) (*Process, error) {
	p, err := w.Launch(service, env)
	if err != nil {
		return nil, err
	}
	return p, w.Ready(ctx, p)
}

// Ready waits until a service is ready.
func (w *World) Ready(ctx context.Context, p *Process) error {
	ctx, cancel := context.WithTimeout(ctx, serverTimeout)
	defer cancel()
	admin, err := p.Listener(ctx, "admin")
	if err != nil {
		return err
	}
	return Eventually(ctx, serverTimeout, p.Name+" is ready", func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, admin+"/readyz", nil)
		if err != nil {
			return fmt.Errorf("ask for readiness: %w", err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return fmt.Errorf("ask for readiness: %w", err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
		if err != nil || resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s", resp.Status, text)
		}
		return nil
	})
}

// Bus is a connection of the rig's own to NATS. It heals by itself when the server was restarted; Bus waits for that.
func (w *World) Bus(ctx context.Context) (*bus.Bus, error) {
	b, err := w.connect(ctx)
	if err != nil {
		return nil, err
	}
	return b, Eventually(ctx, serverTimeout, "NATS answers", b.Check)
}

func (w *World) connect(ctx context.Context) (*bus.Bus, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.connected != nil {
		return w.connected, nil
	}
	var cfg bus.Config
	if err := config.Load(ctx, config.Map(map[string]string{"NATS_URL": w.NATS.URL}), &cfg); err != nil {
		return nil, err
	}
	b, err := bus.Connect(ctx, &cfg, "rig", slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	w.connected = b
	return b, nil
}

// Processes are all services that were ever launched, in order.
func (w *World) Processes() []*Process {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]*Process(nil), w.processes...)
}

// Close kills everything that runs. Stores and logs stay.
func (w *World) Close() {
	w.mu.Lock()
	if w.connected != nil {
		w.connected.Close()
	}
	w.mu.Unlock()
	// SIGKILL ends a paused process as well.
	for _, p := range w.Processes() {
		p.Kill()
	}
	if w.Redis != nil {
		w.Redis.Kill()
		_ = w.Redis.Client.Close()
	}
	if w.NATS != nil {
		w.NATS.Kill()
	}
	_ = os.RemoveAll(w.scratch)
}
