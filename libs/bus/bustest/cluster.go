package bustest

import (
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/config"
)

// Cluster is a NATS cluster whose servers all run in the process of the test.
type Cluster struct {
	Servers []*Server
}

// StartCluster starts a cluster of n servers with empty stores. It may not have elected its leaders yet; bus.Connect and
// Bus.Ensure wait for that.
func StartCluster(t testing.TB, n int, options ...Option) *Cluster {
	t.Helper()
	// Every server has to know the routes to all others before any of them runs.
	routes := freePorts(t, n)
	urls := make([]*url.URL, n)
	for i, port := range routes {
		urls[i] = &url.URL{Scheme: "nats-route", Host: fmt.Sprintf("127.0.0.1:%d", port)}
	}
	c := &Cluster{}
	for i, port := range routes {
		c.Servers = append(c.Servers, Start(t, append([]Option{func(o *server.Options) {
			o.ServerName = fmt.Sprintf("nats-%d", i)
			o.Cluster = server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: port}
			o.Routes = urls
		}}, options...)...))
	}
	return c
}

// freePorts finds n ports that nobody listens on. They are held until all are found, so that no two are the same.
func freePorts(t testing.TB, n int) []int {
	t.Helper()
	ports := make([]int, n)
	for i := range ports {
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatalf("find a free port: %v", err)
		}
		defer func() { _ = l.Close() }() // Only its number was wanted.
		addr, ok := l.Addr().(*net.TCPAddr)
		if !ok {
			t.Fatalf("a TCP listener listens on %v", l.Addr())
		}
		ports[i] = addr.Port
	}
	return ports
}

// Config is a bus configuration for the cluster, with three replicas of everything.
func (c *Cluster) Config() *bus.Config {
	urls := make([]string, len(c.Servers))
	for i, s := range c.Servers {
		urls[i] = s.URL()
	}
	topology := Topology()
	topology.Replicas = 3
	return &bus.Config{URL: config.Secret(strings.Join(urls, ",")), Topology: topology}
}

// MonitorURLs are the monitoring endpoints of all servers, comma-separated.
func (c *Cluster) MonitorURLs() string {
	urls := make([]string, len(c.Servers))
	for i, s := range c.Servers {
		urls[i] = s.MonitorURL()
	}
	return strings.Join(urls, ",")
}

// Server finds a server by its name.
func (c *Cluster) Server(t testing.TB, name string) *Server {
	t.Helper()
	for _, s := range c.Servers {
		if s.Name() == name {
			return s
		}
	}
	t.Fatalf("the cluster has no server %q", name)
	return nil
}
