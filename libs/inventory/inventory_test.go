package inventory_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/otel/propagation"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/deadletter"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/fault"
	"github.com/enneo-ai/enneo-bridge/libs/inventory"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/libs/record"
	"github.com/enneo-ai/enneo-bridge/libs/ticket"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// fill gives a source three events of two contracts, a ticket at each stage, a snapshot, a settlement and a dead letter.
func fill(t *testing.T, b *bus.Bus, source string) {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	log, err := eventlog.Open(ctx, b, slog.New(slog.DiscardHandler))
	must(err)
	settled, err := ledger.Open(ctx, b)
	must(err)
	snapshots, err := record.Open[bridgev1.Snapshot](ctx, b.JetStream(), bus.BucketContracts)
	must(err)
	one := key.Key{Source: source, Kind: key.Contract, ID: "VN-1"}
	for _, id := range []string{"VN-1", "VN-1", "VN-2"} {
		event, err := eventlog.NewEvent(ctx, propagation.TraceContext{}, eventlog.Change{
			Key: key.Key{Source: source, Kind: key.Contract, ID: id}, Origin: bridgev1.Origin_ORIGIN_WEBHOOK, ReceivedAt: time.Now(),
		})
		must(err)
		_, errs := log.Append(ctx, []eventlog.Event{event})
		must(errs[0])
	}
	p := position.Position{Epoch: 1, Sequence: 1}
	for _, stage := range []bus.Stage{bus.StageEnrich, bus.StagePublish} {
		msg, err := ticket.Encode(ctx, propagation.TraceContext{}, stage, ticket.Ticket{Key: one, Position: p}, time.Now())
		must(err)
		_, err = b.Publish(ctx, msg)
		must(err)
	}
	for revision := range uint64(2) {
		entry, err := snapshots.Get(ctx, one.String())
		must(err)
		_, err = snapshots.Put(ctx, one.String(), &bridgev1.Snapshot{Body: fmt.Sprintf(`{"lastname":"of-%s-%d"}`, source, revision)}, entry.Revision)
		must(err)
	}
	must(settled.Dead(ctx, one, p, time.Time{}, "refused"))
	must(deadletter.Open(b).PutKey(ctx, deadletter.StagePublish, one, p, 1, &fault.Fault{Reason: "refused", Permanent: true}, ""))
}

func TestARetiredSourceLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	server := bustest.Start(t, bustest.SyncAlways())
	b := server.Connect(t, "old", "kept")
	fill(t, b, "old")
	fill(t, b, "kept")
	full := inventory.Counts{Events: 3, Due: 1, Ready: 1, Snapshots: 1, Settled: 1, Dead: 1}
	is := func(source string, want inventory.Counts) {
		t.Helper()
		if got, err := inventory.Count(t.Context(), b, source); err != nil || got != want {
			t.Errorf("%s has %+v, %v; want %+v", source, got, err, want)
		}
	}
	known := func(want ...string) {
		t.Helper()
		if got, err := inventory.Sources(t.Context(), b); err != nil || !slices.Equal(got, want) {
			t.Errorf("sources %q, %v; want %q", got, err, want)
		}
	}
	is("old", full)
	is("none", inventory.Counts{})
	known("kept", "old")
	keys, err := inventory.Keys(t.Context(), b, "old")
	if err != nil || len(keys) != 2 || keys[0].Source != "old" {
		t.Errorf("keys %v, %v; want both contracts", keys, err)
	}
	for range 2 { // It may be repeated.
		if err := inventory.Clear(t.Context(), b, "old"); err != nil {
			t.Fatal(err)
		}
		is("old", inventory.Counts{})
		is("kept", full)
		known("kept")
	}
	server.Stop(t)
	if !stored(t, server.Dir, "of-kept-1") {
		t.Error("the search does not find what is there")
	}
	for _, gone := range []string{"of-old-0", "of-old-1"} {
		if stored(t, server.Dir, gone) {
			t.Errorf("%s is still in a file", gone)
		}
	}
}

// stored tells whether any file below dir holds the text.
func stored(t *testing.T, dir, text string) (found bool) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		found = found || bytes.Contains(content, []byte(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
