// Package servers starts the servers under a measurement, each as a process of its own: the real nats-server with
// JetStream on disk, and redis-server on a unix socket without persistence.
//
// # Concurrency
//
// A server belongs to one goroutine; its URL may be used by any number.
package servers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/redis/go-redis/v9"

	"github.com/enneo-ai/enneo-bridge/services/bench/internal/child"
)

// NATS is a running nats-server.
type NATS struct {
	*child.Process
	URL string
	dir string
}

// StartNATS starts the nats-server program on a free port with an empty store in a new directory below dir. With sync it
// syncs every write before it acknowledges it.
func StartNATS(ctx context.Context, program, dir string, sync bool) (*NATS, error) {
	dir, err := os.MkdirTemp(dir, "nats-")
	if err != nil {
		return nil, fmt.Errorf("directory of nats-server: %w", err)
	}
	interval := "2m" // the server's default
	if sync {
		interval = "always"
	}
	file := filepath.Join(dir, "nats.conf")
	text := fmt.Sprintf("listen: \"127.0.0.1:-1\"\nports_file_dir: %q\njetstream { store_dir: %q, sync_interval: %s }\n", dir, dir, interval)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("configure nats-server: %w", err)
	}
	p, err := child.Start(ctx, program, []string{"-c", file}, nil)
	if err != nil {
		return nil, err
	}
	n := &NATS{Process: p, dir: dir}
	if err := p.Await(ctx, "the file with its port", n.readPort); err != nil {
		return nil, errors.Join(err, n.Stop())
	}
	return n, nil
}

func (n *NATS) readPort(context.Context) error {
	found, err := filepath.Glob(filepath.Join(n.dir, "*.ports"))
	if err != nil || len(found) == 0 {
		return errors.Join(errors.New("no file with ports"), err)
	}
	text, err := os.ReadFile(found[0])
	if err != nil {
		return fmt.Errorf("read ports: %w", err)
	}
	var ports struct{ NATS []string }
	if err := json.Unmarshal(text, &ports); err != nil || len(ports.NATS) == 0 {
		return errors.Join(errors.New("no port of nats-server"), err)
	}
	n.URL = ports.NATS[0]
	return nil
}

// Stop ends the server and removes its store.
func (n *NATS) Stop() error { return errors.Join(n.Process.Stop(), os.RemoveAll(n.dir)) }

// Redis is a running redis-server.
type Redis struct {
	*child.Process
	// URL is what REDIS_URL holds, Socket the path in it.
	URL, Socket string
	Client      *redis.Client
	dir         string
}

// StartRedis starts an empty redis-server from PATH.
func StartRedis(ctx context.Context) (*Redis, error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, fmt.Errorf("redis-server (scripts/ensure-redis.sh installs it): %w", err)
	}
	// Not below the repository: the path of a socket is limited to about 100 bytes.
	dir, err := os.MkdirTemp("", "redis")
	if err != nil {
		return nil, fmt.Errorf("directory of redis-server: %w", err)
	}
	socket := filepath.Join(dir, "redis.sock")
	p, err := child.Start(ctx, program,
		[]string{"--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no", "--dir", dir}, nil)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	r := &Redis{Process: p, URL: "unix://" + socket, Socket: socket, dir: dir}
	r.Client = redis.NewClient(&redis.Options{Network: "unix", Addr: socket})
	err = p.Await(ctx, "its socket", func(ctx context.Context) error {
		if _, err := os.Stat(socket); err != nil {
			return fmt.Errorf("look for the socket: %w", err)
		}
		return r.Client.Ping(ctx).Err()
	})
	if err != nil {
		return nil, errors.Join(err, r.Stop())
	}
	return r, nil
}

// Empty removes everything from the server.
func (r *Redis) Empty(ctx context.Context) error {
	if err := r.Client.FlushAll(ctx).Err(); err != nil {
		return fmt.Errorf("empty redis: %w", err)
	}
	return nil
}

// UsedMemory is what the server says that its data takes, in bytes.
func (r *Redis) UsedMemory(ctx context.Context) (int64, error) {
	info, err := r.Client.InfoMap(ctx, "memory").Result()
	if err != nil {
		return 0, fmt.Errorf("ask redis for its memory: %w", err)
	}
	var used int64
	if _, err := fmt.Sscan(info["Memory"]["used_memory"], &used); err != nil {
		return 0, fmt.Errorf("used_memory of redis: %w", err)
	}
	return used, nil
}

// Stop ends the server and removes its directory.
func (r *Redis) Stop() error {
	return errors.Join(r.Client.Close(), r.Process.Stop(), os.RemoveAll(r.dir))
}
