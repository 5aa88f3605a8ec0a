package stack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"strconv"
	"sync"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/app"
	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	"github.com/enneo-ai/enneo-bridge/services/debouncer"
	"github.com/enneo-ai/enneo-bridge/services/enricher"
	"github.com/enneo-ai/enneo-bridge/services/ingestor"
	"github.com/enneo-ai/enneo-bridge/services/lookup"
	"github.com/enneo-ai/enneo-bridge/services/publisher"
	"github.com/enneo-ai/enneo-bridge/services/reconciler"
	"github.com/enneo-ai/enneo-bridge/services/simulator"
)

// Source is the name of the one source, a simulated Powercloud.
const Source = simclient.Powercloud

// Secret is the source's webhook secret; everything listens on this machine only, and nothing in it is real.
const Secret = "development-only"

// LookupToken is the bearer token of real-time search, for the same reason.
const LookupToken = "development-only-too"

// FreePort is an address with a port that the system chooses.
const FreePort = "127.0.0.1:0"

// startTimeout bounds the wait until all services are ready.
const startTimeout = time.Minute

// Options say how to run. The zero value is a stack on free ports with a temporary event log.
type Options struct {
	// Dir keeps the event log and everything else that NATS stores. Empty means a temporary directory that Stop removes.
	Dir string
	// IngestorAddr, LookupAddr and SimulatorAddr are where those three listen; FreePort if empty. All others take free ports.
	IngestorAddr, LookupAddr, SimulatorAddr string
	// QuietPeriod and MaxWait are those of all windows; 2s and 10s if zero.
	QuietPeriod, MaxWait time.Duration
	// Contracts is how many contracts the simulated ERPs begin with; the simulator's own number if zero.
	Contracts int
	// LogWriter receives the JSON lines that the services log, from LogLevel on; nil drops them. It must be safe for
	// concurrent use.
	LogWriter io.Writer
	LogLevel  slog.Level
}

// The periods of a stack if Options do not say.
const (
	DefaultQuietPeriod = 2 * time.Second
	DefaultMaxWait     = 10 * time.Second
)

// Stack is a running enneo-bridge. Make one with Start.
type Stack struct {
	backing  *backing
	services []*service // in the order of the flow, the simulator last
	ended    chan struct{}
	failed   func() // closes ended
}

// Service is where a service shows its metrics and probes.
type Service struct{ Name, Admin string }

// Start starts everything and returns when every service is ready. ctx bounds the start only.
func Start(ctx context.Context, o Options) (*Stack, error) {
	if o.LogWriter == nil {
		o.LogWriter = io.Discard
	}
	backing, err := startBacking(ctx, o.Dir)
	if err != nil {
		return nil, err
	}
	s := &Stack{backing: backing, ended: make(chan struct{})}
	s.failed = sync.OnceFunc(func() { close(s.ended) })
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := s.start(ctx, &o); err != nil {
		// What follows from the first reason would only hide it.
		_ = s.Stop()
		return nil, err
	}
	return s, nil
}

func (s *Stack) start(ctx context.Context, o *Options) error {
	simulated := launch(part{name: "simulator", run: simulator.Run, listeners: []string{listenerHTTP}}, simulatorEnv(o), o.LogWriter, s.failed)
	s.services = []*service{simulated}
	if err := simulated.await(ctx); err != nil {
		return fmt.Errorf("start the %w", err)
	}
	env := s.env(o, url(simulated.addrs[listenerHTTP]))
	searches := maps.Clone(env)
	searches["LISTEN_ADDR"] = cmp.Or(o.LookupAddr, FreePort)
	s.services = nil
	for _, p := range []part{
		{name: "ingestor", run: ingestor.Run, listeners: []string{listenerHTTP}},
		{name: "debouncer", run: debouncer.Run, checks: []string{"redis", "nats"}},
		{name: "enricher", run: enricher.Run, checks: []string{"nats"}},
		{name: "publisher", run: publisher.Run, checks: []string{"nats"}},
		{name: "reconciler", run: reconciler.Run, checks: []string{"nats"}},
	} {
		s.services = append(s.services, launch(p, env, o.LogWriter, s.failed))
	}
	s.services = append(s.services, launch(
		part{name: "lookup", run: lookup.Run, listeners: []string{listenerHTTP}, checks: []string{"nats", "model"}}, searches, o.LogWriter, s.failed))
	s.services = append(s.services, simulated)
	for _, one := range s.services {
		if err := one.await(ctx); err != nil {
			return fmt.Errorf("start the %w", err)
		}
	}
	return nil
}

func simulatorEnv(o *Options) map[string]string {
	env := map[string]string{
		"LISTEN_ADDR": cmp.Or(o.SimulatorAddr, FreePort),
		"ADMIN_ADDR":  FreePort,
		"LOG_LEVEL":   o.LogLevel.String(),
	}
	if o.Contracts > 0 {
		env["SIM_CONTRACTS"] = strconv.Itoa(o.Contracts)
	}
	return env
}

// env is the environment of the services of the flow, as an installation would have it.
func (s *Stack) env(o *Options, simulatorURL string) map[string]string {
	simulated := simulator.DefaultOptions()
	env := map[string]string{
		"LISTEN_ADDR": cmp.Or(o.IngestorAddr, FreePort),
		"ADMIN_ADDR":  FreePort,
		"LOG_LEVEL":   o.LogLevel.String(),
		"NATS_URL":    s.backing.nats.ClientURL(),
		"REDIS_URL":   s.backing.redisURL(),
		"SOURCES":     Source,

		"DEBOUNCE_QUIET_PERIOD": cmp.Or(o.QuietPeriod, DefaultQuietPeriod).String(),
		"DEBOUNCE_MAX_WAIT":     cmp.Or(o.MaxWait, DefaultMaxWait).String(),
		// A person who tries out a deletion does not want to wait for a minute.
		"GONE_CONFIRM": (2 * time.Second).String(),
		"LOOKUP_TOKEN": LookupToken, "LOOKUP_TEMP_DIR": s.backing.dir,
		// The simulated ERP has no lists, so this reads some of the known contracts again.
		"RECONCILE_SCHEDULE": "@every 15m",

		"ENNEO_BASE_URL": simulatorURL + "/" + simclient.Enneo + "/api/mind",
		"ENNEO_TOKEN":    simulated.EnneoToken.Reveal(),
	}
	maps.Copy(env, sourceEnv("SOURCE_POWERCLOUD_", simulatorURL, &simulated))
	return env
}

func sourceEnv(prefix, simulatorURL string, simulated *simulator.Options) map[string]string {
	return map[string]string{
		prefix + "PROFILE":        "powercloud",
		prefix + "HOST":           simulatorURL + "/" + simclient.Powercloud,
		prefix + "AUTH":           "context_basic",
		prefix + "API_USER":       simulated.PowercloudUser,
		prefix + "API_PASSWORD":   simulated.PowercloudPassword.Reveal(),
		prefix + "HASH":           simulated.PowercloudHash,
		prefix + "WEBHOOK_SECRET": Secret,
		// The simulated ERP is on this machine and takes what comes.
		prefix + "RATE":        "2000",
		prefix + "CONCURRENCY": "8",
	}
}

// find is the service with that name, nil if it was not started.
func (s *Stack) find(name string) *service {
	for _, one := range s.services {
		if one.name == name {
			return one
		}
	}
	return nil
}

func (s *Stack) httpURL(name string) string {
	return url(s.find(name).addrs[listenerHTTP])
}

// WebhookURL is where the source posts its webhooks, with Secret in the header X-Webhook-Secret.
func (s *Stack) WebhookURL() string { return s.httpURL("ingestor") + "/webhooks/" + Source }

// LookupURL is where real-time search is, with LookupToken as bearer token.
func (s *Stack) LookupURL() string { return s.httpURL("lookup") }

// SimulatorURL is the root of the simulated systems and of their control.
func (s *Stack) SimulatorURL() string { return s.httpURL("simulator") }

// NATSURL is where the embedded nats-server listens.
func (s *Stack) NATSURL() string { return s.backing.nats.ClientURL() }

// Services lists all services, in the order of the flow.
func (s *Stack) Services() []Service {
	services := make([]Service, 0, len(s.services))
	for _, one := range s.services {
		services = append(services, Service{Name: one.name, Admin: url(one.addrs[app.AdminListener])})
	}
	return services
}

// Connect opens a connection of the caller's own to the stack's NATS.
func (s *Stack) Connect(ctx context.Context, name string, logger *slog.Logger) (*bus.Bus, error) {
	var cfg bus.Config
	if err := config.Load(ctx, config.Map(map[string]string{"NATS_URL": s.NATSURL()}), &cfg); err != nil {
		return nil, err
	}
	return bus.Connect(ctx, &cfg, name, logger)
}

// Ended returns a channel that is closed as soon as a service has ended although nobody stopped it; Stop says why.
func (s *Stack) Ended() <-chan struct{} { return s.ended }

// RedisURL is where the in-process Redis is.
func (s *Stack) RedisURL() string { return s.backing.redisURL() }

// Stop ends the services in the order of the flow, then the simulator, Redis and NATS, and removes what is temporary.
// Its error joins whatever did not end well.
func (s *Stack) Stop() error {
	var errs []error
	for _, one := range s.services {
		errs = append(errs, one.stop())
	}
	return errors.Join(append(errs, s.backing.stop())...)
}
