package rig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
)

// serverTimeout bounds the start of a server; it takes well below a second on an idle machine.
const serverTimeout = time.Minute

// natsName is the server's name: without one it would have a new one each time, as if it were another server.
const natsName = "nats-0"

// NATS is a nats-server with JetStream on disk that syncs every write before it acknowledges it.
type NATS struct {
	// URL and MonitorURL stay the same over Kill and Start.
	URL, MonitorURL string
	binary, dir     string
	log             string
	process         *Process
}

// EventsDir is where the server keeps the event log; it belongs to others only while the server does not run.
func (n *NATS) EventsDir() string {
	return filepath.Join(n.dir, "jetstream", "$G", "streams", bus.StreamEvents)
}

// Start starts the server: on free ports the first time, then on the same ones, with the store that is there.
func (n *NATS) Start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, serverTimeout)
	defer cancel()
	for {
		err := n.start(ctx)
		// A port that the server has just given up may be taken for a moment as the near end of somebody's connection.
		if !errors.Is(err, errEnded) || n.URL == "" {
			return err
		}
		if ctx.Err() != nil {
			return err
		}
	}
}

func (n *NATS) start(ctx context.Context) error {
	listen, monitor := "127.0.0.1:-1", "127.0.0.1:-1"
	if n.URL != "" {
		listen, monitor = strings.TrimPrefix(n.URL, "nats://"), strings.TrimPrefix(n.MonitorURL, "http://")
	}
	config := fmt.Sprintf("server_name: %q\nlisten: %q\nhttp: %q\njetstream { store_dir: %q, sync_interval: always }\n", natsName, listen, monitor, n.dir)
	file := filepath.Join(n.dir, "nats.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return fmt.Errorf("write the configuration of nats-server: %w", err)
	}
	p, err := launch("nats-server", n.log, n.binary, []string{"-c", file}, nil)
	if err != nil {
		return err
	}
	n.process = p
	// The addresses are announced first, readiness last.
	var url, monitorURL string
	_, err = p.Await(ctx, "its readiness", func(line string) bool {
		if _, addr, found := strings.Cut(line, "Starting http monitor on "); found {
			monitorURL = "http://" + addr
		}
		if _, addr, found := strings.Cut(line, "Listening for client connections on "); found {
			url = "nats://" + addr
		}
		return strings.Contains(line, "Server is ready")
	})
	if err != nil {
		p.Kill()
		return err
	}
	// Later they are the same, and others read them.
	if n.URL == "" {
		n.URL, n.MonitorURL = url, monitorURL
	}
	return nil
}

// Kill ends the server without warning.
func (n *NATS) Kill() {
	if n.process != nil {
		n.process.Kill()
	}
}

// Empty removes everything that is stored, while the server does not run: it comes back as if with another disk.
func (n *NATS) Empty() error {
	if err := os.RemoveAll(filepath.Join(n.dir, "jetstream")); err != nil {
		return fmt.Errorf("empty the store of nats-server: %w", err)
	}
	return nil
}

// CopyEvents copies the store of the event log, while the server does not run.
func (n *NATS) CopyEvents(to string) error {
	if err := os.RemoveAll(to); err != nil {
		return fmt.Errorf("remove an older copy of the event log: %w", err)
	}
	if err := os.CopyFS(to, os.DirFS(n.EventsDir())); err != nil {
		return fmt.Errorf("copy the event log: %w", err)
	}
	return nil
}

// SetBackEvents puts a copy in the place of the event log's store, while the server does not run.
func (n *NATS) SetBackEvents(from string) error {
	if err := os.RemoveAll(n.EventsDir()); err != nil {
		return fmt.Errorf("remove the event log: %w", err)
	}
	if err := os.CopyFS(n.EventsDir(), os.DirFS(from)); err != nil {
		return fmt.Errorf("put back the event log: %w", err)
	}
	return nil
}
