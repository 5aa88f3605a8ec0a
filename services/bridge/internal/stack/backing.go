package stack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/nats-io/nats-server/v2/server"
)

// redisTick is how often the in-process Redis hears that time has passed.
const redisTick = 20 * time.Millisecond

// natsTimeout bounds the start of the embedded server: with a large log from an earlier run it reads that first.
const natsTimeout = time.Minute

// backing is what the services need and do not bring along.
type backing struct {
	dir       string
	temporary bool
	nats      *server.Server
	started   chan struct{} // closed when the server's start has ended, well or not
	redis     *miniredis.Miniredis
	aged      chan struct{} // closed when nobody tells Redis the time any more
	stopAging context.CancelFunc
}

// startBacking starts NATS and Redis on free ports. An empty dir means a temporary one.
func startBacking(ctx context.Context, dir string) (*backing, error) {
	b := &backing{dir: dir, temporary: dir == ""}
	if err := b.start(ctx); err != nil {
		return nil, errors.Join(err, b.stop())
	}
	return b, nil
}

func (b *backing) start(ctx context.Context) error {
	var err error
	if b.temporary {
		if b.dir, err = os.MkdirTemp("", "enneo-bridge-"); err != nil {
			return fmt.Errorf("make a directory for the event log: %w", err)
		}
	} else if err := os.MkdirAll(b.dir, 0o750); err != nil {
		return fmt.Errorf("make a directory for the event log: %w", err)
	}
	if err := b.startNATS(ctx); err != nil {
		return err
	}
	b.redis = miniredis.NewMiniRedis()
	if err := b.redis.Start(); err != nil {
		return fmt.Errorf("start the in-process Redis: %w", err)
	}
	ctx, b.stopAging = context.WithCancel(context.WithoutCancel(ctx))
	b.aged = make(chan struct{})
	go b.age(ctx)
	return nil
}

// age makes keys expire: miniredis lets them live until it is told that time has passed. Without it the pause that a system asks
// for with Retry-After would never end.
func (b *backing) age(ctx context.Context) {
	defer close(b.aged)
	ticker := time.NewTicker(redisTick)
	defer ticker.Stop()
	for last := time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			now := time.Now()
			b.redis.FastForward(now.Sub(last))
			last = now
		}
	}
}

func (b *backing) startNATS(ctx context.Context) error {
	srv, err := server.NewServer(&server.Options{
		ServerName: "enneo-bridge", Host: "127.0.0.1", Port: server.RANDOM_PORT,
		JetStream: true, StoreDir: b.dir, NoSigs: true, NoLog: true,
	})
	if err != nil {
		return fmt.Errorf("make the embedded nats-server: %w", err)
	}
	b.nats, b.started = srv, make(chan struct{})
	go func() {
		defer close(b.started)
		srv.Start()
	}()
	ready := make(chan bool, 1)
	go func() { ready <- srv.ReadyForConnections(natsTimeout) }()
	select {
	case <-ctx.Done():
		return fmt.Errorf("start the embedded nats-server: %w", ctx.Err())
	case ok := <-ready:
		if !ok || !srv.JetStreamEnabled() {
			return fmt.Errorf("the embedded nats-server was not ready within %s; is %s writable, and used by nobody else?", natsTimeout, b.dir)
		}
		return nil
	}
}

// stop ends what was started and removes a temporary directory.
func (b *backing) stop() error {
	if b.stopAging != nil {
		b.stopAging()
		<-b.aged
	}
	if b.redis != nil {
		b.redis.Close()
	}
	if b.nats != nil {
		// A server that is shut down while it starts goes on writing to its directory.
		<-b.started
		b.nats.Shutdown()
		b.nats.WaitForShutdown()
	}
	if !b.temporary || b.dir == "" {
		return nil
	}
	if err := os.RemoveAll(b.dir); err != nil {
		return fmt.Errorf("remove the directory of the event log: %w", err)
	}
	return nil
}

// redisURL is what REDIS_URL would hold.
func (b *backing) redisURL() string { return "redis://" + b.redis.Addr() }

// url is an address as a client reaches it.
func url(addr net.Addr) string { return "http://" + addr.String() }
