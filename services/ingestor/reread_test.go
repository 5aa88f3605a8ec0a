package ingestor

import (
	"context"
	"log/slog"
	"testing"

	"go.opentelemetry.io/otel/propagation"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/deadletter"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
	"github.com/enneo-ai/enneo-bridge/libs/source"
)

// TestAMendedProfileReadsUnrecognisedBodiesAgain: what it finds goes through the log and out of the box, what it does not find stays.
func TestAMendedProfileReadsUnrecognisedBodiesAgain(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t, "erp")
	log, err := eventlog.Open(t.Context(), b, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	p, err := profile.Load("generic")
	if err != nil {
		t.Fatal(err)
	}
	box := deadletter.Open(b)
	put := func(body, ref string) {
		t.Helper()
		if err := box.PutBody(t.Context(), "erp", "application/json", []byte(body), "no_identifier", "none was found", ref); err != nil {
			t.Fatal(err)
		}
	}
	put(`{"contractId":"VN-1"}`, "generic@0-000000000000")
	put(`{"contractIds":["VN-2","VN-3"]}`, "") // As an older version has stored it.
	put(`{"nothing":"of ours"}`, "generic@0-000000000000")
	put(`{"contractId":"VN-4"}`, p.Ref()) // The same profile would not find another thing.

	r := &rereader{log: log, dead: box, propagator: propagation.TraceContext{}, logger: slog.New(slog.NewTextHandler(t.Output(), nil))}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	src := &source.Source{Name: "erp", Profile: p}
	r.run(ctx, []*source.Source{src})

	if n := messages(t, b, bus.StreamEvents); n != 3 {
		t.Errorf("the log has %d events, want those of VN-1, VN-2 and VN-3", n)
	}
	var left []string
	err = box.Each(t.Context(), deadletter.Filter{}, func(l deadletter.Letter) error {
		left = append(left, string(l.Value.GetBody()))
		return nil
	})
	if err != nil || len(left) != 2 || left[0] != `{"nothing":"of ours"}` || left[1] != `{"contractId":"VN-4"}` {
		t.Errorf("left: %q, %v; want what is still not recognised, and what this profile has read already", left, err)
	}
	r.run(ctx, []*source.Source{src})
	if n := messages(t, b, bus.StreamEvents); n != 3 {
		t.Errorf("the log has %d events after a second look, want 3", n)
	}
}

func messages(t *testing.T, b *bus.Bus, stream string) uint64 {
	t.Helper()
	s, err := b.JetStream().Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	info, err := s.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return info.State.Msgs
}
