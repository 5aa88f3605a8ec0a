// Package bustest runs the real NATS server inside a test.
//
// # Concurrency
//
// Every server is its caller's own; tests may run in parallel.
package bustest

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/config"
)

// Server is a NATS server with JetStream on disk.
type Server struct {
	// Dir is its store directory.
	Dir     string
	port    int
	monitor int
	options []Option
	srv     *server.Server
}

// Option changes how a server runs.
type Option func(*server.Options)

// SyncAlways makes a server sync every write before it acknowledges it; without, it syncs every two minutes.
func SyncAlways() Option { return func(o *server.Options) { o.SyncAlways = true } }

// Start starts a server on a free port with an empty store.
func Start(t testing.TB, options ...Option) *Server {
	t.Helper()
	s := &Server{Dir: t.TempDir(), port: server.RANDOM_PORT, monitor: server.RANDOM_PORT, options: options}
	s.Run(t)
	t.Cleanup(func() { s.Stop(t) })
	return s
}

// URL is where the server listens; it stays the same over Stop and Run.
func (s *Server) URL() string { return s.srv.ClientURL() }

// MonitorURL is where the server tells about itself over HTTP; it stays the same over Stop and Run.
func (s *Server) MonitorURL() string { return fmt.Sprintf("http://127.0.0.1:%d", s.monitor) }

// Name is the name of the server; a server that was not given one has a new one each time.
func (s *Server) Name() string { return s.srv.Name() }

// Run starts the server, or starts it again on its old ports and store, from now on with further options.
func (s *Server) Run(t testing.TB, further ...Option) {
	t.Helper()
	s.options = append(s.options, further...)
	options := &server.Options{
		Host: "127.0.0.1", Port: s.port, HTTPHost: "127.0.0.1", HTTPPort: s.monitor,
		JetStream: true, StoreDir: s.Dir, NoSigs: true, NoLog: true,
	}
	for _, change := range s.options {
		change(options)
	}
	srv, err := server.NewServer(options)
	if err != nil {
		t.Fatalf("make NATS server: %v", err)
	}
	go srv.Start()
	if !srv.ReadyForConnections(20 * time.Second) {
		t.Fatal("NATS server was not ready within 20 s")
	}
	addr, ok := srv.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatalf("NATS server listens on %v, not on TCP", srv.Addr())
	}
	s.srv, s.port, s.monitor = srv, addr.Port, srv.MonitorAddr().Port
}

// Stop stops the server and waits until it is gone; the store stays.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	s.srv.Shutdown()
	s.srv.WaitForShutdown()
}

// Config is a bus configuration for the server.
func (s *Server) Config() *bus.Config {
	return &bus.Config{URL: config.Secret(s.URL()), Topology: Topology()}
}

// Topology is the topology that a single server has by default.
func Topology() bus.Topology {
	return bus.Topology{
		Replicas: 1, EventsMaxAge: 168 * time.Hour, EventsMaxBytes: -1,
		DuplicateWindow: 10 * time.Minute, AckWait: 30 * time.Second, DeadMaxAge: 720 * time.Hour,
	}
}

// Connect connects a bus to the server and creates the topology for the sources.
func (s *Server) Connect(t testing.TB, sources ...string) *bus.Bus {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	b, err := bus.Connect(ctx, s.Config(), t.Name(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(b.Close)
	if err := b.Ensure(ctx, sources); err != nil {
		t.Fatalf("create the topology: %v", err)
	}
	return b
}

// Eventually waits until a condition holds, and fails the test if it does not within a minute. The condition is asked
// again every few milliseconds; a test that can wait on a channel should do that instead.
func Eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(time.Minute)
	for !holds() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("waited a minute for: %s", what)
		}
	}
}
