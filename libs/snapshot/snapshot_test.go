package snapshot_test

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"go.opentelemetry.io/otel/propagation"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
	"github.com/enneo-ai/enneo-bridge/libs/record"
	"github.com/enneo-ai/enneo-bridge/libs/snapshot"
	"github.com/enneo-ai/enneo-bridge/libs/ticket"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

var (
	contract = key.Key{Source: "erp", Kind: key.Contract, ID: "1"}
	noon     = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
)

func newShelf(t *testing.T) *snapshot.Shelf {
	t.Helper()
	b := bustest.Start(t).Connect(t, "erp")
	log, logErr := eventlog.Open(t.Context(), b, slog.New(slog.DiscardHandler))
	bucket, bucketErr := record.Open[bridgev1.Snapshot](t.Context(), b.JetStream(), bus.BucketContracts)
	if err := errors.Join(logErr, bucketErr); err != nil {
		t.Fatal(err)
	}
	return &snapshot.Shelf{Bus: b, Log: log, Snapshots: bucket.Erasing(), Propagator: propagation.TraceContext{}}
}

// read is a read that began then and covers a sequence; an empty body means gone.
func read(t *testing.T, sequence uint64, began time.Time, value string) *bridgev1.Snapshot {
	t.Helper()
	mapped := profile.Mapped{Gone: value == "", Body: map[string]any{"id": value}, CustomerID: "k"}
	s, err := snapshot.Of(eventlog.Last{Position: position.Position{Epoch: 1, Sequence: sequence}, At: noon}, mapped, began, "p@1")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWhatCoversMoreWinsAndOfEqualsTheLaterRead(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	for _, step := range []struct {
		name     string
		sequence uint64
		began    time.Duration
		value    string
		want     string
		covers   uint64
	}{
		{"the first", 5, 0, "a", "a", 5},
		{"less", 4, time.Hour, "b", "a", 5},
		{"equal, earlier", 5, -time.Second, "c", "a", 5},
		{"equal, later", 5, time.Second, "d", "d", 5},
		{"more, by an earlier read", 6, -time.Hour, "e", "e", 6},
		{"gone", 7, 0, "", "", 7},
	} {
		covers, err := s.Store(t.Context(), contract, read(t, step.sequence, noon.Add(step.began), step.value))
		if err != nil {
			t.Fatal(err)
		}
		entry, err := s.Snapshots.Get(t.Context(), contract.String())
		if err != nil {
			t.Fatal(err)
		}
		want := ""
		if step.want != "" {
			want = `{"id":"` + step.want + `"}`
		}
		if covers.Sequence != step.covers || entry.Value.GetBody() != want || entry.Value.GetGone() != (want == "") {
			t.Errorf("%s: stored %q covers %d, want %q and %d", step.name, entry.Value.GetBody(), covers.Sequence, want, step.covers)
		}
	}
}

func TestCustomersHearOfContractsThatTheyDoNotList(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	listing := &bridgev1.Snapshot{Covers: position.Position{Epoch: 1, Sequence: 1}.Proto(), ContractIds: []string{"1"}}
	for _, id := range []string{"lists", "former"} {
		if _, err := s.Store(t.Context(), key.Key{Source: "erp", Kind: key.Customer, ID: id}, listing); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		customer, former string
		told             map[string]bool
	}{
		{"lists", "", map[string]bool{}},
		{"unknown", "former", map[string]bool{"unknown": true, "former": true}},
		{"unknown", "former", map[string]bool{"unknown": true, "former": true}}, // The same read again.
	} {
		at := position.Position{Epoch: 1, Sequence: 9}
		if err := s.TellCustomers(t.Context(), contract, at, step.former, profile.Mapped{CustomerID: step.customer}); err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"lists", "unknown", "former"} {
			if _, found, err := s.Log.Last(t.Context(), key.Key{Source: "erp", Kind: key.Customer, ID: id}); err != nil || found != step.told[id] {
				t.Errorf("%s has an event: %t, %v; want %t", id, found, err, step.told[id])
			}
		}
	}
	if end, err := s.Log.End(t.Context()); err != nil || end.Sequence != 2 {
		t.Errorf("%d events, %v; a repeated read causes nothing twice", end.Sequence, err)
	}
}

func TestPassSendsATicketToThePublisher(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	want := ticket.Ticket{Key: contract, Position: position.Position{Epoch: 1, Sequence: 9}, Collapsed: 3}
	if err := s.Pass(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	stream, err := s.Bus.JetStream().Stream(t.Context(), bus.StreamReady)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := stream.GetLastMsgForSubject(t.Context(), bus.StagePublish.Subject(contract))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ticket.Decode(bus.StagePublish, msg.Subject, msg.Header, msg.Data); err != nil || got != want {
		t.Errorf("ticket %+v, %v; want %+v", got, err, want)
	}
}
