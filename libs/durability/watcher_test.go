package durability_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/durability"
)

const (
	fsync      = durability.Demand(durability.Fsync)
	replicated = durability.Demand(durability.Replicated)
)

// syncEvery makes a server sync that often.
func syncEvery(d time.Duration) bustest.Option {
	return func(o *server.Options) { o.SyncInterval = d }
}

func TestWithoutAnEndpointALogCountsAsNotSynced(t *testing.T) {
	t.Parallel()
	// It does sync; but nobody can know.
	js := bustest.Start(t, bustest.SyncAlways()).Connect(t).JetStream()
	w := watch(t, js, durability.Warn, "")
	r := w.report(t)
	if r.Level != durability.None || r.Replicas != 1 || r.Current != 1 {
		t.Errorf("got %v with %d of %d replicas current, want none with 1 of 1", r.Level, r.Current, r.Replicas)
	}
	says(t, "the loss", r.Loss, "power failure", "sync_interval, which is unknown")
	says(t, "the reason", r.Reason, "no monitoring endpoint tells")
	says(t, "the remedy", r.Remedy, "NATS_MONITOR_URL")
	if err := w.Allow(t.Context()); err != nil {
		t.Errorf("nothing is demanded, but writing is refused: %v", err)
	}
	want := map[string]int64{"EVENTS none": 1, "EVENTS replicated": 0, "EVENTS fsync": 0}
	if diff := cmp.Diff(want, w.gauge(t)); diff != "" {
		t.Errorf("durability.level (-want +got):\n%s", diff)
	}
}

func TestALazyServerTellsHowMuchCanBeLost(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		options []bustest.Option
		want    string
	}{
		"by default": {nil, "within the last 2m0s (sync_interval)"},
		"configured": {[]bustest.Option{syncEvery(10 * time.Second)}, "within the last 10s (sync_interval)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := bustest.Start(t, tc.options...)
			w := watch(t, srv.Connect(t).JetStream(), fsync, srv.MonitorURL())
			r := w.report(t)
			if r.Level != durability.None {
				t.Errorf("the level is %v, want none", r.Level)
			}
			says(t, "the loss", r.Loss, tc.want)
			says(t, "the remedy", r.Remedy, "sync_interval: always")
			err := w.Allow(t.Context())
			if !errors.Is(err, durability.ErrBelow) {
				t.Fatalf("writing is refused with %v, want ErrBelow", err)
			}
			says(t, "the refusal", err.Error(), "DURABILITY=fsync", "EVENTS", "none", srv.Name(), "sync_interval: always")
		})
	}
}

func TestASyncingServerMeetsEveryDemand(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t, bustest.SyncAlways())
	js := srv.Connect(t).JetStream()
	for _, demand := range []durability.Demand{durability.Warn, replicated, fsync} {
		// People paste the page as well as the address.
		w := watch(t, js, demand, srv.MonitorURL()+"/varz/")
		if r := w.report(t); r.Level != durability.Fsync || r.Reason != "" || r.Remedy != "" {
			t.Errorf("got %+v, want fsync without a reason", r)
		}
		if err := w.Allow(t.Context()); err != nil {
			t.Errorf("DURABILITY=%s is not met by fsync: %v", demand, err)
		}
		if got := w.gauge(t)["EVENTS fsync"]; got != 1 {
			t.Errorf("the gauge of fsync is %d", got)
		}
	}
}

func TestAStreamItselfCanBeLessThanItsServer(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t, bustest.SyncAlways())
	js := srv.Connect(t).JetStream()
	for name, tc := range map[string]struct {
		cfg  jetstream.StreamConfig
		want []string
	}{
		"async": {
			jetstream.StreamConfig{Name: "ASYNC", Storage: jetstream.FileStorage, PersistMode: jetstream.AsyncPersistMode},
			[]string{"crash of the server", "2m0s"},
		},
		"memory": {jetstream.StreamConfig{Name: "MEMORY", Storage: jetstream.MemoryStorage}, []string{"all acknowledged events"}},
	} {
		tc.cfg.Subjects = []string{name}
		if _, err := js.CreateStream(t.Context(), tc.cfg); err != nil {
			t.Fatalf("create the %s stream: %v", name, err)
		}
		w := watch(t, js, fsync, srv.MonitorURL(), tc.cfg.Name)
		r := w.report(t)
		if r.Level != durability.None {
			t.Errorf("the %s stream is at %v, want none", name, r.Level)
		}
		says(t, "the loss", r.Loss, tc.want...)
		says(t, "the reason", r.Reason, name)
		says(t, "the remedy", r.Remedy, "create the stream again")
		if err := w.Allow(t.Context()); !errors.Is(err, durability.ErrBelow) {
			t.Errorf("writing to the %s stream is refused with %v, want ErrBelow", name, err)
		}
	}
}

func TestTheWeakestStreamDecides(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t, bustest.SyncAlways())
	js := srv.Connect(t).JetStream()
	_, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "MEMORY", Subjects: []string{"memory"}, Storage: jetstream.MemoryStorage})
	if err != nil {
		t.Fatal(err)
	}
	w := watch(t, js, fsync, srv.MonitorURL(), "EVENTS", "DEAD", "MEMORY")
	w.Check(t.Context())
	if err := w.Allow(t.Context()); !errors.Is(err, durability.ErrBelow) {
		t.Errorf("writing is refused with %v, want ErrBelow", err)
	}
	// One line for those that are alike, one for the other.
	var got []string
	for _, line := range w.log.all(t) {
		got = append(got, fmt.Sprintf("%v %v %v", line["level"], line["streams"], line["durability"]))
	}
	want := []string{"INFO EVENTS,DEAD fsync", "ERROR MEMORY none"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

func TestAnEndpointOfAnotherServerProvesNothing(t *testing.T) {
	t.Parallel()
	other := bustest.Start(t, bustest.SyncAlways())
	w := watch(t, bustest.Start(t).Connect(t).JetStream(), fsync, other.MonitorURL())
	if r := w.report(t); r.Level != durability.None {
		t.Errorf("the level is %v, want none", r.Level)
	}
}

func TestAMissingStreamIsNone(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t, bustest.SyncAlways())
	w := watch(t, srv.Connect(t).JetStream(), fsync, srv.MonitorURL(), "NOWHERE")
	r := w.report(t)
	if r.Level != durability.None {
		t.Errorf("the level is %v, want none", r.Level)
	}
	says(t, "the reason", r.Reason, "no such stream")
}

func TestBeforeTheFirstCheckAWriterChecks(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t, bustest.SyncAlways())
	w := watch(t, srv.Connect(t).JetStream(), fsync, srv.MonitorURL())
	if got := w.gauge(t); len(got) != 0 {
		t.Errorf("the gauge says %v before anything is known", got)
	}
	if err := w.Allow(t.Context()); err != nil {
		t.Errorf("writing is refused: %v", err)
	}
}

func TestAWriterThatHasGoneDoesNotSpoilTheCheckForOthers(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t, bustest.SyncAlways())
	w := watch(t, srv.Connect(t).JetStream(), fsync, srv.MonitorURL())
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Allow(gone); err != nil {
		t.Errorf("writing is refused: %v", err)
	}
}

func TestACheckThatWasBrokenOffChangesNothing(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t, bustest.SyncAlways())
	w := watch(t, srv.Connect(t).JetStream(), fsync, srv.MonitorURL())
	before := w.report(t)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	w.Check(gone)
	if diff := cmp.Diff([]durability.Report{before}, w.Reports()); diff != "" {
		t.Errorf("reports (-want +got):\n%s", diff)
	}
}

func TestALevelIsLoggedWhenItChangesAndOnlyThen(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t, func(o *server.Options) { o.ServerName = "nats-0" })
	b := srv.Connect(t)
	w := watch(t, b.JetStream(), fsync, srv.MonitorURL())
	for range 3 {
		w.Check(t.Context())
	}
	restart := func(change bustest.Option) {
		t.Helper()
		before := b.Reconnects()
		srv.Stop(t)
		srv.Run(t, change)
		bustest.Eventually(t, "the connection is back", func() bool { return b.Reconnects() > before && b.Check(t.Context()) == nil })
	}
	// Whoever writes after a reconnection learns at once what the server is now.
	restart(bustest.SyncAlways())
	if err := w.Allow(t.Context()); err != nil {
		t.Errorf("the server syncs now, but writing is refused: %v", err)
	}
	restart(func(o *server.Options) { o.SyncAlways = false })
	if err := w.Allow(t.Context()); !errors.Is(err, durability.ErrBelow) {
		t.Errorf("the server is lazy again, but writing is refused with %v, want ErrBelow", err)
	}
	var got []string
	for _, line := range w.log.all(t) {
		got = append(got, fmt.Sprintf("%v %v", line["level"], line["durability"]))
		if line["loss"] == "" || line["demanded"] != "fsync" {
			t.Errorf("a line does not say what can be lost or is demanded: %v", line)
		}
	}
	want := []string{"ERROR none", "INFO fsync", "ERROR none"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

func TestAWatcherNoticesAChangeByItself(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t)
	js := srv.Connect(t).JetStream()
	cfg := &durability.Config{MonitorURL: config.Secret(srv.MonitorURL()), CheckInterval: 10 * time.Millisecond}
	w, err := durability.New(js, cfg, []string{bus.StreamEvents}, slog.New(slog.DiscardHandler), noop.Meter{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	at := func(l durability.Level) func() bool {
		return func() bool { r := w.Reports(); return len(r) == 1 && r[0].Level == l && r[0].Replicas == 1 }
	}
	bustest.Eventually(t, "the level is none", at(durability.None))
	srv.Stop(t)
	srv.Run(t, bustest.SyncAlways())
	bustest.Eventually(t, "the level is fsync", at(durability.Fsync))
	stop()
	if err := <-ended; err != nil {
		t.Errorf("the watcher ended with: %v", err)
	}
}
