package ticket_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/ce"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/libs/ticket"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func sample() ticket.Ticket {
	return ticket.Ticket{
		Key:      key.Key{Source: "pc", Kind: key.Contract, ID: "4711.ü"},
		Position: position.Position{Epoch: 3, Sequence: 42}, Collapsed: 7, FirstEventAt: now.Add(-time.Second),
	}
}

func encode(t testing.TB, stage bus.Stage, tk ticket.Ticket) *nats.Msg {
	t.Helper()
	msg, err := ticket.Encode(t.Context(), propagation.TraceContext{}, stage, tk, now)
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

func TestTicketsSurviveTheWire(t *testing.T) {
	t.Parallel()
	bare := sample()
	bare.FirstEventAt, bare.Collapsed, bare.Position = time.Time{}, 0, position.Position{}
	customer := sample()
	customer.Key.Kind = key.Customer
	for name, want := range map[string]ticket.Ticket{"complete": sample(), "without what may be unknown": bare, "of a customer": customer} {
		for stage, eventType := range map[bus.Stage]string{bus.StageEnrich: ce.TypeDue, bus.StagePublish: ce.TypeReady} {
			t.Run(name+" for the "+string(stage), func(t *testing.T) {
				t.Parallel()
				msg := encode(t, stage, want)
				if got := msg.Header.Get("ce-type"); got != eventType {
					t.Errorf("type = %q, want %q", got, eventType)
				}
				if got := stage.Subject(want.Key); got != msg.Subject {
					t.Errorf("subject = %q, want %q", msg.Subject, got)
				}
				if id := msg.Header.Get(nats.MsgIdHdr); id != "" {
					t.Errorf("Nats-Msg-Id = %q, want none: a ticket must never be taken for a duplicate", id)
				}
				got, err := ticket.Decode(stage, msg.Subject, msg.Header, msg.Data)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("ticket differs (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestTwoTicketsHaveTwoIDs(t *testing.T) {
	t.Parallel()
	a, b := encode(t, bus.StageEnrich, sample()), encode(t, bus.StageEnrich, sample())
	if a.Header.Get("ce-id") == b.Header.Get("ce-id") {
		t.Error("two tickets share one id")
	}
}

func TestTicketCarriesTheTrace(t *testing.T) {
	t.Parallel()
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
	msg, err := ticket.Encode(trace.ContextWithSpanContext(t.Context(), span), propagation.TraceContext{}, bus.StageEnrich, sample(), now)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := msg.Header.Get("traceparent"), "00-01000000000000000000000000000000-0200000000000000-00"; got != want {
		t.Errorf("traceparent = %q, want %q", got, want)
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	msg := encode(t, bus.StageEnrich, sample())
	other := sample()
	other.Key.ID = "0815"
	tests := []struct {
		name    string
		subject string
		header  nats.Header
		data    []byte
		want    error // nil: any
	}{
		{name: "a subject that names no key", subject: "contract.due.pc.contract.a.b", header: msg.Header, data: msg.Data, want: key.ErrToken},
		{name: "a key alone", subject: sample().Key.String(), header: msg.Header, data: msg.Data, want: key.ErrToken},
		{name: "a subject of another stage", subject: bus.StagePublish.Subject(sample().Key), header: msg.Header, data: msg.Data, want: key.ErrToken},
		{name: "no CloudEvent", subject: msg.Subject, header: nil, data: msg.Data, want: ce.ErrNotCloudEvent},
		{name: "a ticket of another key", subject: bus.StageEnrich.Subject(other.Key), header: msg.Header, data: msg.Data, want: ce.ErrNotCloudEvent},
		{name: "data that is no ticket", subject: msg.Subject, header: msg.Header, data: []byte(`{"collapsed":-1}`)},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got, err := ticket.Decode(bus.StageEnrich, tc.subject, tc.header, tc.data); err == nil || tc.want != nil && !errors.Is(err, tc.want) {
				t.Errorf("Decode = %v, %v; want the error %v", got, err, tc.want)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	msg := encode(f, bus.StageEnrich, sample())
	f.Add(msg.Subject, msg.Header.Get("ce-subject"), msg.Data)
	f.Add("contract.due.pc.contract.1", "pc.contract.1", []byte(`{"first_event_at":"0001-01-01T00:00:00Z","position":null}`))
	f.Fuzz(func(t *testing.T, subject, about string, data []byte) {
		header := nats.Header{"ce-specversion": {"1.0"}, "ce-id": {"1"}, "ce-source": {"/s"}, "ce-type": {ce.TypeDue}, "ce-subject": {about}}
		got, err := ticket.Decode(bus.StageEnrich, subject, header, data)
		if err != nil {
			return
		}
		again := encode(t, bus.StageEnrich, got)
		if back, err := ticket.Decode(bus.StageEnrich, again.Subject, again.Header, again.Data); err != nil || back != got {
			t.Errorf("Decode(Encode(%v)) = %v, %v", got, back, err)
		}
	})
}
