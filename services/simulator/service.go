package simulator

import (
	"context"
	"fmt"

	"github.com/enneo-ai/enneo-bridge/libs/app"
	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/httpx"
)

// Run serves the simulator until ctx ends.
func Run(ctx context.Context, env *app.Env) error {
	var cfg Config
	if err := config.Load(ctx, env.Lookuper, &cfg); err != nil {
		return err
	}
	sim := New(cfg.Simulator)
	defer sim.Close()
	server, err := httpx.New(ctx, httpx.Options{
		Addr: cfg.ListenAddr, Handler: httpx.Instrument(env.Telemetry, "simulator", httpx.Recover(env.Logger, sim.Handler())), Logger: env.Logger,
	})
	if err != nil {
		return fmt.Errorf("LISTEN_ADDR: %w", err)
	}
	env.OnListen("http", server.Addr())
	env.Health.SetStarted()
	// The server waits for the requests in flight, which may be held for good.
	stop := context.AfterFunc(ctx, sim.Close)
	defer stop()
	return server.Run(ctx)
}
