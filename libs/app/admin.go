package app

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/enneo-ai/enneo-bridge/libs/httpx"
)

// adminTimeout limits the wait for requests to the admin server at the very end.
const adminTimeout = 5 * time.Second

// admin is the server for probes, metrics and profiles while it runs.
type admin struct {
	server *httpx.Server
	cancel context.CancelFunc
	ended  chan error
}

// startAdmin opens and serves the admin address; fail is called if it ends before it is stopped.
func startAdmin(ctx context.Context, c Config, env *Env, fail func(error)) (*admin, error) {
	server, err := httpx.New(ctx, httpx.Options{
		Addr: c.AdminAddr, Handler: httpx.Recover(env.Logger, adminHandler(c, env)), Logger: env.Logger,
		ShutdownTimeout: adminTimeout,
	})
	if err != nil {
		return nil, fmt.Errorf("admin server (ADMIN_ADDR): %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	a := &admin{server: server, cancel: cancel, ended: make(chan error, 1)}
	go func() {
		err := server.Run(ctx)
		if ctx.Err() == nil {
			fail(err)
		}
		a.ended <- err
	}()
	env.OnListen(AdminListener, server.Addr())
	return a, nil
}

func (a *admin) addr() net.Addr { return a.server.Addr() }

// stop ends the server and returns its error, which may have happened long before.
func (a *admin) stop() error {
	a.cancel()
	return <-a.ended
}

func adminHandler(c Config, env *Env) http.Handler {
	mux := http.NewServeMux()
	env.Health.Register(mux)
	// One broken metric must not hide the others.
	mux.Handle("GET /metrics", promhttp.HandlerFor(env.Telemetry.Registry, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError,
		ErrorLog:      slog.NewLogLogger(env.Logger.Handler(), slog.LevelError),
		Registry:      env.Telemetry.Registry,
		// Only this format has exemplars, which lead from a figure to a trace.
		EnableOpenMetrics: true,
	}))
	if c.PprofEnabled {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return mux
}
