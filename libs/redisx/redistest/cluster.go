package redistest

import (
	"context"
	"net"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Cluster starts a Redis Cluster of one node that holds all slots, and returns a client of it. It refuses what every
// cluster refuses: a command or script whose keys are in several slots. Unlike a Server it needs two ports; they are
// taken from those that are free.
func Cluster(t testing.TB) redis.UniversalClient {
	t.Helper()
	binary := lookPath(t)
	// A port that was free a moment ago may be taken by now; that is rare, and repeated.
	const attempts = 5
	for range attempts {
		if rdb := startCluster(t, binary); rdb != nil {
			return rdb
		}
	}
	t.Fatalf("no cluster in %d attempts", attempts)
	return nil
}

// startCluster returns nil if the node does not come up.
func startCluster(t testing.TB, binary string) redis.UniversalClient {
	t.Helper()
	dir, port := t.TempDir(), freePort(t)
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), binary,
		"--bind", "127.0.0.1", "--port", port, "--cluster-enabled", "yes", "--cluster-port", freePort(t),
		"--save", "", "--appendonly", "no", "--dir", dir)
	if err := cmd.Start(); err != nil {
		t.Fatalf("start redis-server: %v", err)
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = cmd.Wait() // always an error after Kill
	}()
	t.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil && err != os.ErrProcessDone { //nolint:errorlint // returned as it is
			t.Errorf("kill redis-server: %v", err)
		}
		<-exited
	})
	address := net.JoinHostPort("127.0.0.1", port)
	node := redis.NewClient(&redis.Options{Addr: address, DialerRetries: 1, ContextTimeoutEnabled: true})
	defer func() { _ = node.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	if err := await(ctx, exited, func() error { return node.Ping(ctx).Err() }); err != nil {
		t.Logf("redis-server on port %s: %v", port, err)
		return nil
	}
	const lastSlot = 16383
	if err := node.ClusterAddSlotsRange(ctx, 0, lastSlot).Err(); err != nil {
		t.Fatalf("give all slots to the node: %v", err)
	}
	rdb := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{address}, ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = rdb.Close() })
	// The node accepts commands only after it has noticed that no slot is missing.
	if err := await(ctx, exited, func() error { return rdb.Set(ctx, "ready", 1, time.Millisecond).Err() }); err != nil {
		t.Fatalf("wait for the cluster: %v", err)
	}
	return rdb
}

func freePort(t testing.TB) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("find a free port: %v", err)
	}
	defer func() { _ = listener.Close() }()
	address, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatalf("%s is no TCP address", listener.Addr())
	}
	return strconv.Itoa(address.Port)
}
