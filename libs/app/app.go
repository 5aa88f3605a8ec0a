// Package app is the one way in which a service of enneo-bridge starts, logs, is observed, answers probes and stops.
//
// A service is a RunFunc. It is called once everything around it stands, does its work until its context ends, and
// returns nil when it has put down what it had in hand. Main runs it as a process; Run runs it among others in one
// process, and in tests. Nothing here is global.
//
// # The beginning
//
// /readyz is red from the moment at which somebody can ask: a process that has not said yet what it depends on gets no work.
//
// # The end
//
// The context ends by a signal, or when the admin server fails. Then, in this order:
//
//  1. /readyz turns red, so that no new work arrives.
//  2. The RunFunc stops pulling, waits for its handlers, flushes what it publishes, closes its connections (by defer,
//     in the reverse order of opening) and returns. It has SHUTDOWN_TIMEOUT for that.
//  3. Spans that are still buffered are exported, for 5 s at most.
//  4. The admin server stops last, so that the end can be watched. It waits 5 s at most for its requests.
//
// A pod's terminationGracePeriodSeconds is longer than the sum.
//
// # Concurrency
//
// Run may be called several times at once, with a lookuper for each that gives each its own ADMIN_ADDR.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"time"

	"github.com/sethvargo/go-envconfig"

	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/health"
	"github.com/enneo-ai/enneo-bridge/libs/telemetry"
)

// AdminListener is the name under which the admin server's address is told to OnListen.
const AdminListener = "admin"

// telemetryTimeout limits the export of the last spans.
const telemetryTimeout = 5 * time.Second

// Env is what a service gets from its surroundings.
type Env struct {
	// Lookuper is where the service reads its configuration. It is a config.Lister as well when it comes from Main.
	Lookuper  envconfig.Lookuper
	Telemetry *telemetry.Telemetry
	// Health takes the checks on which the service's readiness depends. The service is not ready before the first of them, or
	// SetStarted if it depends on nothing.
	Health *health.Registry
	// Logger is the one of Telemetry.
	Logger *slog.Logger
	// OnListen is to be called with the address of each listener that the service opens; it is never nil.
	OnListen func(name string, addr net.Addr)
	// Version is the version of the program.
	Version string
}

// RunFunc is a service: it blocks until ctx has ended and its work in hand is done, or until its work is done.
type RunFunc func(ctx context.Context, env *Env) error

// Run runs the service called name until it returns. See the package for the order of the end. It returns
//
//   - nil when run has returned nil, or the error of ctx after ctx has ended,
//   - the error of run otherwise,
//   - an error when run panics (the log has the stack), when it has not returned SHUTDOWN_TIMEOUT after ctx ended (run
//     is then still going, and the process should end), when the admin server fails, and when the frame's own
//     configuration is wrong.
//
// The log goes to logWriter, os.Stderr if nil. onListen, if not nil, learns the address of each listener.
func Run(
	ctx context.Context, name string, lookuper envconfig.Lookuper, logWriter io.Writer,
	onListen func(service, listener string, addr net.Addr), run RunFunc,
) error {
	var c Config
	if err := config.Load(ctx, lookuper, &c); err != nil {
		return fmt.Errorf("configuration of %s: %w", name, err)
	}
	version := buildVersion()
	tel, err := telemetry.New(ctx, telemetry.Options{
		Service: name, Version: version, Level: c.LogLevel, LogWriter: logWriter, Env: lookuper,
	})
	if err != nil {
		return err
	}
	env := &Env{
		Lookuper: lookuper, Telemetry: tel, Health: health.New(), Logger: tel.Logger, Version: version,
		OnListen: func(listener string, addr net.Addr) {
			tel.Logger.InfoContext(ctx, "listening", slog.String("listener", listener), slog.String("addr", addr.String()))
			if onListen != nil {
				onListen(name, listener, addr)
			}
		},
	}
	env.Health.SetStarting()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	// The admin server and the last export outlive ctx.
	after := context.WithoutCancel(ctx)
	admin, err := startAdmin(after, c, env, fail)
	if err != nil {
		return errors.Join(err, endTelemetry(after, tel))
	}
	defer context.AfterFunc(ctx, env.Health.SetDraining)()
	env.Logger.InfoContext(ctx, "service starts", slog.String("version", version), slog.String("admin_addr", admin.addr().String()))
	err = supervise(ctx, c.ShutdownTimeout, env, run)
	env.Health.SetDraining()
	env.Logger.InfoContext(after, "service has ended", slog.Bool("orderly", err == nil))
	return errors.Join(err, endTelemetry(after, tel), admin.stop())
}

// supervise calls run and waits for it: without limit until ctx ends, and for timeout from then on.
func supervise(ctx context.Context, timeout time.Duration, env *Env, run RunFunc) error {
	returned := make(chan error, 1)
	go func() { returned <- guard(ctx, env, run) }()
	select {
	case err := <-returned:
		return verdict(ctx, err)
	case <-ctx.Done():
		env.Logger.InfoContext(ctx, "service stops", slog.String("cause", context.Cause(ctx).Error()))
	}
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	select {
	case err := <-returned:
		return verdict(ctx, err)
	case <-deadline.C:
		return fmt.Errorf("the service has not stopped within %s (SHUTDOWN_TIMEOUT): %w", timeout, context.DeadlineExceeded)
	}
}

// verdict is what the end of run means. That run stopped because it was told to is no error.
func verdict(ctx context.Context, err error) error {
	if ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx))) {
		return nil
	}
	return err
}

// guard calls run and turns a panic into an error.
func guard(ctx context.Context, env *Env, run RunFunc) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v", cause)
			env.Logger.ErrorContext(ctx, "service panicked", slog.Any("error", err), slog.String("stack", string(debug.Stack())))
		}
	}()
	return run(ctx, env)
}

func endTelemetry(ctx context.Context, tel *telemetry.Telemetry) error {
	ctx, cancel := context.WithTimeout(ctx, telemetryTimeout)
	defer cancel()
	return tel.Shutdown(ctx)
}
