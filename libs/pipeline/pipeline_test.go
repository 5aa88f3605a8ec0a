package pipeline_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/app"
	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/durability"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/health"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/pipeline"
	"github.com/enneo-ai/enneo-bridge/libs/telemetry"
)

func environment(t *testing.T) *app.Env {
	t.Helper()
	tel, err := telemetry.New(t.Context(), telemetry.Options{Service: "test", LogWriter: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	return &app.Env{Telemetry: tel, Health: health.New(), Logger: tel.Logger}
}

func TestNoWriterAppendsBelowTheDemandedDurability(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		demand  durability.Demand
		options []bustest.Option
		refused bool
	}{
		"nothing is demanded of a lazy server":  {durability.Warn, nil, false},
		"fsync is demanded of a lazy server":    {durability.Demand(durability.Fsync), nil, true},
		"replicas are demanded of one server":   {durability.Demand(durability.Replicated), nil, true},
		"fsync is demanded of a syncing server": {durability.Demand(durability.Fsync), []bustest.Option{bustest.SyncAlways()}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := bustest.Start(t, tc.options...)
			cfg := server.Config()
			cfg.Durability = durability.Config{Demand: tc.demand, MonitorURL: config.Secret(server.MonitorURL())}
			env := environment(t)
			p, err := pipeline.Open(t.Context(), env, "test", cfg, nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(p.Close)
			event, err := eventlog.NewEvent(t.Context(), env.Telemetry.Propagator, eventlog.Change{
				Key: key.Key{Source: "pc", Kind: key.Contract, ID: "1"}, ReceivedAt: time.Now(),
			})
			if err != nil {
				t.Fatal(err)
			}
			_, errs := p.Log.Append(t.Context(), []eventlog.Event{event})
			err = errors.Join(errs...)
			if got := errors.Is(err, durability.ErrBelow); got != tc.refused || !tc.refused && err != nil {
				t.Errorf("appending ends with %v, refused for its durability: %t, want %t", err, got, tc.refused)
			}
		})
	}
}

func TestFollowEndsWithItsContext(t *testing.T) {
	t.Parallel()
	server := bustest.Start(t)
	p, err := pipeline.Open(t.Context(), environment(t), "test", server.Config(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Follow(ctx) }()
	stop()
	if err := <-ended; err != nil {
		t.Errorf("following ended with: %v", err)
	}
}

func TestReadinessIsRedWhileAStreamIsMissingAndFollowMakesItAgain(t *testing.T) {
	t.Parallel()
	server := bustest.Start(t)
	env := environment(t)
	p, err := pipeline.OpenReady(t.Context(), env, "test", server.Config(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	ready := func() bool { return env.Health.Status(t.Context()).Status == health.StatusOK }
	bustest.Eventually(t, "the service is ready", ready)
	if err := p.Bus.JetStream().DeleteStream(t.Context(), bus.StreamReady); err != nil {
		t.Fatal(err)
	}
	bustest.Eventually(t, "readiness is red", func() bool { return !ready() })
	if got := env.Health.Status(t.Context()).Checks["nats"]; !strings.Contains(got, bus.StreamReady) {
		t.Errorf("readiness says %q, want the name of the stream", got)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Follow(ctx) }()
	bustest.Eventually(t, "the service is ready again", ready)
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Follow = %v", err)
	}
}
