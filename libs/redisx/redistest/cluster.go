package redistest

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// Masters is the number of nodes of a cluster. Each holds a third of the slots; there are no replicas.
const Masters = 3

const slots = 16384

// ClusterServers is a Redis Cluster of one test: three processes without persistence. It needs about three seconds to
// start, in which it does next to nothing: a node of a cluster refuses writes in its first two seconds.
type ClusterServers struct {
	// Client is connected to the cluster, and closed with the test.
	Client *redis.ClusterClient

	nodes [Masters]*node
}

// node is one process of a cluster. Its slots and its name survive a restart, its data does not.
type node struct {
	binary, dir   string
	port, busPort string
	client        *redis.Client
	cmd           *exec.Cmd
	exited        chan struct{}
}

// Cluster starts a Redis Cluster and returns a client of it.
func Cluster(t testing.TB) redis.UniversalClient {
	t.Helper()
	return StartCluster(t).Client
}

// StartCluster starts a Redis Cluster for the test; both end together. It refuses what every cluster refuses: a command
// or script whose keys are in several slots. Unlike a Server it needs ports; they are taken from those that are free.
func StartCluster(t testing.TB) *ClusterServers {
	t.Helper()
	binary := Binary(t)
	// A port that was free a moment ago may be taken by now; that is rare, and repeated.
	const attempts = 5
	for range attempts {
		c := &ClusterServers{}
		if err := c.start(t, binary); err != nil {
			t.Logf("start a cluster: %v", err)
			c.kill()
			continue
		}
		return c
	}
	t.Fatalf("no cluster in %d attempts", attempts)
	return nil
}

// Kill ends the node with SIGKILL and waits until it is gone.
func (c *ClusterServers) Kill(node int) { c.nodes[node].kill() }

// Restart kills the node if it runs, starts it without data, and returns once the cluster accepts everything again.
func (c *ClusterServers) Restart(t testing.TB, node int) {
	t.Helper()
	c.Kill(node)
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	if err := c.nodes[node].start(ctx); err != nil {
		t.Fatalf("restart node %d: %v", node, err)
	}
	if err := c.ready(ctx); err != nil {
		t.Fatalf("wait for the cluster: %v", err)
	}
}

// NodeOf is the node that holds the key.
func (c *ClusterServers) NodeOf(t testing.TB, key string) int {
	t.Helper()
	slot, err := c.Client.ClusterKeySlot(t.Context(), key).Result()
	if err != nil {
		t.Fatalf("slot of %s: %v", key, err)
	}
	for i := range c.nodes {
		if first, last := slotsOf(i); int(slot) >= first && int(slot) <= last {
			return i
		}
	}
	t.Fatalf("nobody holds slot %d", slot)
	return 0
}

// slotsOf are the first and the last slot of a node.
func slotsOf(node int) (first, last int) {
	return node * slots / Masters, (node+1)*slots/Masters - 1
}

func (c *ClusterServers) start(t testing.TB, binary string) error {
	t.Helper()
	ports := freePorts(t, 2*Masters)
	for i := range c.nodes {
		port := ports[2*i]
		c.nodes[i] = &node{
			binary: binary, dir: t.TempDir(), port: port, busPort: ports[2*i+1],
			client: redis.NewClient(&redis.Options{Addr: address(port), DialerRetries: 1, ContextTimeoutEnabled: true}),
		}
	}
	t.Cleanup(c.kill)
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	for i, n := range c.nodes {
		if err := n.start(ctx); err != nil {
			return fmt.Errorf("node %d: %w", i, err)
		}
		if err := n.client.Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err(); err != nil {
			return fmt.Errorf("set the epoch of node %d: %w", i, err)
		}
		first, last := slotsOf(i)
		if err := n.client.ClusterAddSlotsRange(ctx, first, last).Err(); err != nil {
			return fmt.Errorf("give node %d its slots: %w", i, err)
		}
	}
	addresses := make([]string, len(c.nodes))
	for i, n := range c.nodes {
		addresses[i] = address(n.port)
		// Everybody meets everybody: waiting for gossip would take another second.
		for j, other := range c.nodes {
			if i == j {
				continue
			}
			if err := n.client.Do(ctx, "CLUSTER", "MEET", "127.0.0.1", other.port, other.busPort).Err(); err != nil {
				return fmt.Errorf("let node %d meet node %d: %w", i, j, err)
			}
		}
	}
	if err := c.ready(ctx); err != nil {
		return err
	}
	c.Client = redis.NewClusterClient(&redis.ClusterOptions{Addrs: addresses, ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = c.Client.Close() })
	return nil
}

// ready returns once every node knows all slots and accepts commands.
func (c *ClusterServers) ready(ctx context.Context) error {
	for i, n := range c.nodes {
		err := await(ctx, n.exited, func() error {
			info, err := n.client.ClusterInfo(ctx).Result()
			if err != nil {
				return err
			}
			for _, line := range []string{"cluster_state:ok", "cluster_slots_ok:" + strconv.Itoa(slots), "cluster_size:" + strconv.Itoa(Masters)} {
				if !strings.Contains(info, line+"\r\n") {
					return fmt.Errorf("not %s", line)
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("node %d: %w", i, err)
		}
	}
	return nil
}

func (c *ClusterServers) kill() {
	for _, n := range c.nodes {
		if n != nil {
			n.kill()
			_ = n.client.Close()
		}
	}
}

func (n *node) start(ctx context.Context) error {
	// The time after which silent nodes count as dead stays at its 15 s: nobody could take the place of one, and a
	// shorter one would end a test on a machine that is only busy.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), n.binary,
		"--bind", "127.0.0.1", "--port", n.port, "--cluster-enabled", "yes", "--cluster-port", n.busPort,
		"--save", "", "--appendonly", "no", "--dir", n.dir)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start redis-server: %w", err)
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = cmd.Wait() // always an error after kill
	}()
	n.cmd, n.exited = cmd, exited
	// Before the port is open, a ping would only fill the log with failed dials.
	return await(ctx, exited, func() error {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address(n.port))
		if err != nil {
			return err
		}
		_ = conn.Close()
		return n.client.Ping(ctx).Err()
	})
}

func (n *node) kill() {
	if n.cmd == nil {
		return
	}
	_ = n.cmd.Process.Kill() // an error means that it has ended already
	<-n.exited
	n.cmd = nil
}

// EachServer calls f for the server that the client is connected to, or for every node of the cluster: a command without a
// key reaches only one of them otherwise. The nodes of a cluster are called at the same time.
func EachServer(ctx context.Context, rdb redis.UniversalClient, f func(context.Context, redis.UniversalClient) error) error {
	cluster, ok := rdb.(*redis.ClusterClient)
	if !ok {
		return f(ctx, rdb)
	}
	return cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error { return f(ctx, node) })
}

// FlushAll empties the server, or every node of the cluster, that the client is connected to.
func FlushAll(ctx context.Context, rdb redis.UniversalClient) error {
	return EachServer(ctx, rdb, func(ctx context.Context, server redis.UniversalClient) error {
		return server.FlushAll(ctx).Err()
	})
}

func address(port string) string { return net.JoinHostPort("127.0.0.1", port) }

// freePorts finds n different ports that nobody listens on.
func freePorts(t testing.TB, n int) []string {
	t.Helper()
	ports := make([]string, n)
	for i := range ports {
		listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatalf("find a free port: %v", err)
		}
		// Kept open until all are found, so that none is found twice.
		defer func() { _ = listener.Close() }()
		if _, ports[i], err = net.SplitHostPort(listener.Addr().String()); err != nil {
			t.Fatalf("port of %s: %v", listener.Addr(), err)
		}
	}
	return ports
}
