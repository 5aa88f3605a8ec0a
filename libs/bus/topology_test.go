package bus_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
)

// rules are what others rely on in a stream, as the server tells them.
type rules struct {
	Subjects   string
	Retention  jetstream.RetentionPolicy
	PerSubject int64
	MaxAge     time.Duration
	MaxBytes   int64
	Duplicates time.Duration
}

func streamRules(t *testing.T, b *bus.Bus) map[string]rules {
	t.Helper()
	all := map[string]rules{}
	infos := b.JetStream().ListStreams(t.Context())
	for info := range infos.Info() {
		c := info.Config
		all[c.Name] = rules{
			Subjects: strings.Join(c.Subjects, " "), Retention: c.Retention, PerSubject: c.MaxMsgsPerSubject,
			MaxAge: c.MaxAge, MaxBytes: c.MaxBytes, Duplicates: c.Duplicates,
		}
		if c.Discard != jetstream.DiscardNew || c.DiscardNewPerSubject {
			t.Errorf("%s: discard = %v, per subject %t; want new, and a newer message of a subject in place of the older", c.Name, c.Discard, c.DiscardNewPerSubject)
		}
		if c.AllowDirect {
			t.Errorf("%s allows direct gets, which may answer with an older state", c.Name)
		}
		if c.Storage != jetstream.FileStorage || c.Replicas != 1 || c.MaxMsgs != -1 || c.DenyDelete {
			t.Errorf("%s: storage %v, %d replicas, at most %d messages, deny delete %t", c.Name, c.Storage, c.Replicas, c.MaxMsgs, c.DenyDelete)
		}
	}
	if err := infos.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestStreamsAreAsDesigned(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t)
	const limits, queue, day, window = jetstream.LimitsPolicy, jetstream.WorkQueuePolicy, 24 * time.Hour, 2 * time.Minute
	want := map[string]rules{
		"EVENTS":       {"erp.event.>", limits, -1, 7 * day, -1, 10 * time.Minute},
		"DUE":          {"contract.due.>", queue, 1, 0, -1, window},
		"READY":        {"contract.ready.>", queue, 1, 0, -1, window},
		"DEAD":         {"dead.>", limits, 1, 30 * day, -1, window},
		"KV_SETTLED":   {"$KV.SETTLED.>", limits, 1, 0, -1, window},
		"KV_CONTRACTS": {"$KV.CONTRACTS.>", limits, 8, 0, -1, window},
		"KV_BRIDGE":    {"$KV.BRIDGE.>", limits, 1, 0, -1, window},
	}
	if diff := cmp.Diff(want, streamRules(t, b)); diff != "" {
		t.Errorf("streams differ (-want +got):\n%s", diff)
	}
}

func TestEnsureRepeatsAndUpdates(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t)
	b := srv.Connect(t, "pc")
	sequence := publish(t, b, bus.StageEnrich, contract("pc", "1"), "kept")
	before := streamRules(t, b)
	for range 2 {
		if err := b.Ensure(t.Context(), []string{"pc", "lq"}); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(before, streamRules(t, b)); diff != "" {
		t.Errorf("repeating Ensure changed the streams (-before +after):\n%s", diff)
	}
	open(t, b, bus.StageEnrich, "lq")
	open(t, b, bus.StagePublish, "lq")

	cfg := srv.Config()
	cfg.Topology.EventsMaxAge, cfg.Topology.EventsMaxBytes, cfg.Topology.DeadMaxAge = 48*time.Hour, 1<<30, 24*time.Hour
	changed, err := bus.Connect(t.Context(), cfg, t.Name(), discard())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(changed.Close)
	if err := changed.Ensure(t.Context(), []string{"pc"}); err != nil {
		t.Fatal(err)
	}
	after := streamRules(t, b)
	if got := after["EVENTS"]; got.MaxAge != 48*time.Hour || got.MaxBytes != 1<<30 {
		t.Errorf("EVENTS after the change: %+v", got)
	}
	if got := after["DEAD"]; got.MaxAge != 24*time.Hour {
		t.Errorf("DEAD after the change: %+v", got)
	}
	msg := next(t, open(t, b, bus.StageEnrich, "pc"))
	if meta, err := msg.Metadata(); err != nil || meta.Sequence.Stream != sequence {
		t.Errorf("message = %+v, %v; want the one from before the change", meta, err)
	}
}

func TestConsumersAreAsDesigned(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t, "pc")
	for _, stage := range []bus.Stage{bus.StageEnrich, bus.StagePublish} {
		c := open(t, b, stage, "pc").CachedInfo().Config
		if c.FilterSubject != stage.Filter("pc") || c.AckPolicy != jetstream.AckExplicitPolicy || c.AckWait != 30*time.Second ||
			c.MaxDeliver != -1 || c.MaxAckPending != -1 || c.DeliverPolicy != jetstream.DeliverAllPolicy {
			t.Errorf("consumer of the %s: %+v", stage, c)
		}
	}
}

func TestBucketsServeTheOrdinaryKeyValueAPI(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t)
	for _, bucket := range []string{bus.BucketSettled, bus.BucketContracts, bus.BucketBridge} {
		kv, err := b.JetStream().KeyValue(t.Context(), bucket)
		if err != nil {
			t.Fatal(err)
		}
		k := contract("pc", "ü.*").String()
		revision, err := kv.Create(t.Context(), k, []byte("one"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := kv.Update(t.Context(), k, []byte("two"), revision); err != nil {
			t.Fatal(err)
		}
		entry, err := kv.Get(t.Context(), k)
		if err != nil || string(entry.Value()) != "two" {
			t.Errorf("%s: Get = %v, %v", bucket, entry, err)
		}
		if err := kv.Purge(t.Context(), k); err != nil {
			t.Errorf("%s: Purge = %v", bucket, err)
		}
		history := int64(1)
		if bucket == bus.BucketContracts {
			history = 8 // Replaced revisions are overwritten before they go.
		}
		status, err := kv.Status(t.Context())
		if err != nil || status.History() != history || status.BackingStore() != "JetStream" {
			t.Errorf("%s: status = %+v, %v", bucket, status, err)
		}
	}
}

func TestFullStreamKeepsWhatWaits(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t)
	cfg := srv.Config()
	cfg.Topology.EventsMaxBytes = 1000
	b, err := bus.Connect(t.Context(), cfg, t.Name(), discard())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	if err := b.Ensure(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	var stored uint64
	for stored < 100 {
		if _, err = b.Publish(t.Context(), message(bus.StageDebounce, contract("pc", "1"), "event")); err != nil {
			break
		}
		stored++
	}
	if err == nil || stored == 0 {
		t.Fatalf("%d events were taken, then %v; want some, then an error", stored, err)
	}
	stream, err := b.JetStream().Stream(t.Context(), bus.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	if got := stream.CachedInfo().State; got.Msgs != stored || got.FirstSeq != 1 {
		t.Errorf("state = %+v, want the %d events that were acknowledged", got, stored)
	}
}

func TestTopologyThatMakesNoSenseIsRefused(t *testing.T) {
	t.Parallel()
	good := bustest.Topology()
	if err := good.Validate(); err != nil {
		t.Fatalf("Validate = %v, want the ordinary topology to pass", err)
	}
	for want, spoil := range map[string]func(*bus.Topology){
		"STREAM_REPLICAS":         func(c *bus.Topology) { c.Replicas = 2 },
		"EVENTS_MAX_AGE":          func(c *bus.Topology) { c.EventsMaxAge = time.Minute },
		"EVENTS_DUPLICATE_WINDOW": func(c *bus.Topology) { c.DuplicateWindow = c.EventsMaxAge + 1 },
		"EVENTS_MAX_BYTES":        func(c *bus.Topology) { c.EventsMaxBytes = 0 },
		"DEAD_MAX_AGE":            func(c *bus.Topology) { c.DeadMaxAge = 0 },
	} {
		topology := good
		spoil(&topology)
		if err := topology.Validate(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("Validate = %v, want an error that names %s", err, want)
		}
	}
	for _, cfg := range []bus.Config{{CertFile: "a"}, {KeyFile: "a"}} {
		if err := cfg.Validate(); err == nil {
			t.Errorf("%+v is valid, want both files or neither", cfg)
		}
	}
}

func TestDuplicatesAreKnownByTheirIDAlone(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t)
	k := contract("pc", "1")
	for i, want := range []bool{false, true} {
		got, err := b.Publish(t.Context(), message(bus.StageDebounce, k, "x"), jetstream.WithMsgID("a"))
		if err != nil || got.Duplicate != want {
			t.Errorf("publish %d = %+v, %v; want duplicate %t", i, got, err, want)
		}
	}
	for range 2 {
		got, err := b.Publish(t.Context(), &nats.Msg{Subject: bus.EventSubject(k), Data: []byte("x")})
		if err != nil || got.Duplicate {
			t.Errorf("the same bytes without an id = %+v, %v; want no duplicate", got, err)
		}
	}
}
