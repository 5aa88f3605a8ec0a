package rig

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/redis/go-redis/v9"
)

// Redis is a redis-server without persistence: each start finds it empty. It listens on a unix socket.
type Redis struct {
	// URL is what REDIS_URL would hold.
	URL string
	// Client is connected to the server whenever it runs.
	Client  redis.UniversalClient
	dir     string
	log     string
	process *Process
}

func newRedis(dir, log string) *Redis {
	socket := filepath.Join(dir, "redis.sock")
	return &Redis{
		URL: "unix://" + socket, dir: dir, log: log,
		Client: redis.NewClient(&redis.Options{Network: "unix", Addr: socket, DialerRetries: 1, ContextTimeoutEnabled: true}),
	}
}

// Start starts an empty server.
func (r *Redis) Start(ctx context.Context) error {
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		return fmt.Errorf("find redis-server, for example in the package redis-server or redis: %w", err)
	}
	socket := filepath.Join(r.dir, "redis.sock")
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the socket of a dead redis-server: %w", err)
	}
	r.process, err = launch("redis-server", r.log, binary,
		[]string{"--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no", "--dir", r.dir}, nil)
	if err != nil {
		return err
	}
	return Eventually(ctx, serverTimeout, "redis-server answers", func(ctx context.Context) error {
		// Before the socket is there, a ping would only fill the log with failed dials.
		if _, err := os.Stat(socket); err != nil {
			return fmt.Errorf("look for the socket: %w", err)
		}
		return r.Client.Ping(ctx).Err()
	})
}

// Kill ends the server without warning.
func (r *Redis) Kill() {
	if r.process != nil {
		r.process.Kill()
	}
}

// Windows counts the debounce windows that it holds.
func (r *Redis) Windows(ctx context.Context) (int64, error) {
	var total int64
	due := r.Client.Scan(ctx, 0, "debounce:{*}:due", 1000).Iterator()
	for due.Next(ctx) {
		n, err := r.Client.ZCard(ctx, due.Val()).Result()
		if err != nil {
			return 0, fmt.Errorf("look at the windows: %w", err)
		}
		total += n
	}
	if err := due.Err(); err != nil {
		return 0, fmt.Errorf("look at the windows: %w", err)
	}
	return total, nil
}
