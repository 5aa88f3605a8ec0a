// Package redistest runs a real redis-server, or an in-process stand-in, for a test.
//
// Every Server is a process of its own on a unix socket: no port is taken, tests run in parallel, and a test may kill,
// restart or empty its server without touching another.
//
// # Concurrency
//
// Clients are safe for concurrent use. Kill and Restart belong to one goroutine.
package redistest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// startTimeout bounds the start of a server; it takes some ten milliseconds on an idle machine.
const startTimeout = 30 * time.Second

// Option changes how a Server runs.
type Option func(*Server)

// AppendOnly makes the server write its append-only file, so that what was answered outlives Kill and Restart.
func AppendOnly() Option { return func(s *Server) { s.appendOnly = "yes" } }

// Server is a redis-server of one test, without persistence: a restart empties it, unless AppendOnly is given.
type Server struct {
	// URL is what REDIS_URL would hold.
	URL string
	// Client is connected to the server, and closed with the test.
	Client redis.UniversalClient
	// Dir is the directory of the server's files.
	Dir string

	socket     string
	binary     string
	appendOnly string
	exited     chan struct{}
	cmd        *exec.Cmd
}

// Open starts a server for the test and returns a client of it.
func Open(t testing.TB) redis.UniversalClient {
	t.Helper()
	return Start(t).Client
}

// Start starts a server for the test; both end with it. Without a redis-server in PATH the test fails when CI=true, and
// is skipped elsewhere.
func Start(t testing.TB, options ...Option) *Server {
	t.Helper()
	binary := Binary(t)
	// Not t.TempDir: its path holds the name of the test, and a socket path is limited to about 100 bytes.
	dir, err := os.MkdirTemp("", "redis") //nolint:usetesting // see above
	if err != nil {
		t.Fatalf("make a directory for the socket: %v", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &Server{socket: filepath.Join(dir, "redis.sock"), Dir: dir, binary: binary, appendOnly: "no"}
	for _, option := range options {
		option(s)
	}
	s.URL = "unix://" + s.socket
	s.Client = redis.NewClient(&redis.Options{Network: "unix", Addr: s.socket, DialerRetries: 1, ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = s.Client.Close() })
	t.Cleanup(func() { s.Kill(t) })
	s.start(t)
	return s
}

// Kill ends the server with SIGKILL and waits until it is gone. A dead server stays dead.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	if s.cmd == nil {
		return
	}
	if err := s.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatalf("kill redis-server: %v", err)
	}
	<-s.exited
	s.cmd = nil
	if err := os.Remove(s.socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("remove the socket of a dead redis-server: %v", err)
	}
}

// Restart kills the server if it runs, and starts one on the same socket: empty, unless it is AppendOnly.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Kill(t)
	s.start(t)
}

func (s *Server) start(t testing.TB) {
	t.Helper()
	// Not the test's context: it ends before the clean-up functions run, and would kill the server under them.
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), s.binary,
		"--port", "0", "--unixsocket", s.socket, "--save", "", "--appendonly", s.appendOnly,
		// With the default, everysec, Redis answers before it has written while a sync is under way.
		"--appendfsync", "always", "--dir", s.Dir)
	if err := cmd.Start(); err != nil {
		t.Fatalf("start redis-server: %v", err)
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = cmd.Wait() // always an error after Kill, and unexpected ends show as failed pings
	}()
	s.cmd, s.exited = cmd, exited
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	err := await(ctx, exited, func() error {
		// Before the socket is there, a ping would only fill the log with failed dials.
		if _, err := os.Stat(s.socket); err != nil {
			return err
		}
		return s.Client.Ping(ctx).Err()
	})
	if err != nil {
		t.Fatalf("wait for redis-server: %v", err)
	}
}

// Binary finds the server. Without one the test ends, as with Start.
func Binary(t testing.TB) string {
	t.Helper()
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		const missing = "no redis-server in PATH; install one, for example: apt-get install redis-server, brew install redis"
		if os.Getenv("CI") == "true" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	return binary
}

// await returns once ready succeeds. It fails with the context, and when the server ends by itself.
func await(ctx context.Context, exited <-chan struct{}, ready func() error) error {
	poll := time.NewTicker(2 * time.Millisecond)
	defer poll.Stop()
	for {
		err := ready()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("no answer in time: %w", err)
		case <-exited:
			return fmt.Errorf("it ended by itself: %w", err)
		case <-poll.C:
		}
	}
}

// Miniredis starts the in-process stand-in that the demo uses, and returns a client of it. Its numbers and some commands
// differ from the real server, so it only ever comes in addition to it.
func Miniredis(t testing.TB) redis.UniversalClient {
	t.Helper()
	server := miniredis.NewMiniRedis()
	if err := server.Start(); err != nil {
		t.Fatalf("start miniredis: %v", err)
	}
	t.Cleanup(server.Close)
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr(), ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = rdb.Close() })
	return rdb
}
