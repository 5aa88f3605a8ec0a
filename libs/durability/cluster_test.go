package durability_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/durability"
)

// connect connects to the cluster and creates the streams.
func connect(t *testing.T, c *bustest.Cluster) jetstream.JetStream {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	b, err := bus.Connect(ctx, c.Config(), t.Name(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(b.Close)
	if err := b.Ensure(ctx, nil); err != nil {
		t.Fatalf("create the topology: %v", err)
	}
	return b.JetStream()
}

// stopFollower stops a server that follows the leader of EVENTS.
func stopFollower(t *testing.T, c *bustest.Cluster, js jetstream.JetStream) {
	t.Helper()
	stream, err := js.Stream(t.Context(), bus.StreamEvents)
	if err != nil {
		t.Fatalf("look at the log: %v", err)
	}
	followers := stream.CachedInfo().Cluster.Replicas
	if len(followers) != 2 {
		t.Fatalf("the log has %d followers, want 2", len(followers))
	}
	c.Server(t, followers[0].Name).Stop(t)
}

func TestThreeReplicasOutliveALazyServer(t *testing.T) {
	t.Parallel()
	c := bustest.StartCluster(t, 3)
	js := connect(t, c)
	w := watch(t, js, replicated, c.MonitorURLs())
	var r durability.Report
	bustest.Eventually(t, "all replicas are current", func() bool {
		r = w.report(t)
		return r.Current == 3
	})
	if r.Level != durability.Replicated || r.Replicas != 3 {
		t.Errorf("got %v with %d replicas, want replicated with 3", r.Level, r.Replicas)
	}
	says(t, "the loss", r.Loss, "majority of its 3 servers at once", "within the last 2m0s (sync_interval)")
	if err := w.Allow(t.Context()); err != nil {
		t.Errorf("DURABILITY=replicated is not met: %v", err)
	}

	// Without an endpoint only the replicas count.
	r = watch(t, js, replicated, "").report(t)
	if r.Level != durability.Replicated {
		t.Errorf("the level without an endpoint is %v, want replicated", r.Level)
	}
	says(t, "the loss", r.Loss, "which is unknown")

	stopFollower(t, c, js)
	bustest.Eventually(t, "the report says that a replica is away", func() bool {
		r = w.report(t)
		return r.Current == 2
	})
	// Each acknowledgement stands for two copies now as before.
	if r.Level != durability.Replicated || r.Replicas != 3 {
		t.Errorf("with a server away got %v with %d replicas, want replicated with 3", r.Level, r.Replicas)
	}
	lines := w.log.all(t)
	if last := lines[len(lines)-1]; last["current"] != 2.0 || last["replicas"] != 3.0 {
		t.Errorf("the log does not say that 2 of 3 replicas are current: %v", last)
	}
}

func TestAClusterSyncsOnlyIfEachServerSaysSo(t *testing.T) {
	t.Parallel()
	c := bustest.StartCluster(t, 3, bustest.SyncAlways())
	js := connect(t, c)
	r := watch(t, js, fsync, c.Servers[0].MonitorURL()).report(t)
	if r.Level != durability.Replicated {
		t.Errorf("with one of three endpoints the level is %v, want replicated", r.Level)
	}
	says(t, "the reason", r.Reason, "no monitoring endpoint tells whether nats-1, nats-2 syncs")

	w := watch(t, js, fsync, c.MonitorURLs())
	if r = w.report(t); r.Level != durability.Fsync {
		t.Errorf("with all endpoints the level is %v (%s), want fsync", r.Level, r.Reason)
	}

	// A server that is away acknowledges nothing, so nobody has to vouch for it.
	stopFollower(t, c, js)
	bustest.Eventually(t, "the server is known to be away", func() bool {
		r = w.report(t)
		return r.Level == durability.Fsync && r.Current == 2
	})
	if err := w.Allow(t.Context()); err != nil {
		t.Errorf("DURABILITY=fsync is not met while a server is away: %v", err)
	}
}

func TestOneLazyServerMakesAClusterLazy(t *testing.T) {
	t.Parallel()
	c := bustest.StartCluster(t, 3, bustest.SyncAlways())
	c.Servers[1].Stop(t)
	c.Servers[1].Run(t, func(o *server.Options) { o.SyncAlways = false })
	var r durability.Report
	w := watch(t, connect(t, c), fsync, c.MonitorURLs())
	bustest.Eventually(t, "all replicas are current", func() bool {
		r = w.report(t)
		return r.Current == 3
	})
	if r.Level != durability.Replicated {
		t.Errorf("the level is %v, want replicated", r.Level)
	}
	says(t, "the reason", r.Reason, "acknowledged before it is synced on nats-1")
}
