package eventlog_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/propagation"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/ce"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

var received = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func contract(id string) key.Key { return key.Key{Source: "pc", Kind: key.Contract, ID: id} }

func open(t testing.TB, b *bus.Bus) *eventlog.Log {
	t.Helper()
	l, err := eventlog.Open(t.Context(), b, discard())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func event(t testing.TB, k key.Key, senderID string) eventlog.Event {
	t.Helper()
	e, err := eventlog.NewEvent(t.Context(), propagation.TraceContext{}, eventlog.Change{
		Key: k, Origin: bridgev1.Origin_ORIGIN_WEBHOOK, SenderID: senderID, ReceivedAt: received,
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func appendEvents(t testing.TB, l *eventlog.Log, events ...eventlog.Event) []*jetstream.PubAck {
	t.Helper()
	acks, errs := l.Append(t.Context(), events)
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	return acks
}

// appendMany appends n events of a key.
func appendMany(t testing.TB, l *eventlog.Log, k key.Key, n int) {
	t.Helper()
	for range n {
		appendEvents(t, l, event(t, k, ""))
	}
}

func epoch(t testing.TB, l *eventlog.Log) uint64 {
	t.Helper()
	got, err := l.Epoch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestOnlyTheSendersIDMakesTwoEventsTheSame(t *testing.T) {
	t.Parallel()
	north := contract("1")
	north.Source = "pc-north"
	customer := contract("1")
	customer.Kind = key.Customer
	tests := []struct {
		name          string
		a, b          key.Key
		idA, idB      string
		wantDuplicate bool
	}{
		{name: "the same event of the same key", a: contract("1"), b: contract("1"), idA: "x", idB: "x", wantDuplicate: true},
		{name: "one event that names two contracts", a: contract("1"), b: contract("2"), idA: "x", idB: "x"},
		{name: "one event that names a contract and a customer of one id", a: contract("1"), b: customer, idA: "x", idB: "x"},
		{name: "the same id from two sources", a: contract("1"), b: north, idA: "x", idB: "x"},
		{name: "two events of one key", a: contract("1"), b: contract("1"), idA: "x", idB: "y"},
		{name: "no ids, and the same bytes", a: contract("1"), b: contract("1")},
		{name: "an id, then none", a: contract("1"), b: contract("1"), idA: "x"},
		{name: "ids that join to one text", a: contract("1"), b: contract("1"), idA: "x1:y", idB: "x"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			l := open(t, bustest.Start(t).Connect(t))
			a, b := event(t, tc.a, tc.idA), event(t, tc.b, tc.idB)
			if same := a.ID == b.ID; same != tc.wantDuplicate {
				t.Errorf("ids %q and %q: same %t, want %t", a.ID, b.ID, same, tc.wantDuplicate)
			}
			first := appendEvents(t, l, a)[0]
			second := appendEvents(t, l, b)[0]
			if first.Duplicate || second.Duplicate != tc.wantDuplicate {
				t.Errorf("duplicates: %t and %t, want false and %t", first.Duplicate, second.Duplicate, tc.wantDuplicate)
			}
			if distinct := first.Sequence != second.Sequence; distinct == tc.wantDuplicate {
				t.Errorf("sequences %d and %d, want distinct ones: %t", first.Sequence, second.Sequence, !tc.wantDuplicate)
			}
		})
	}
}

func TestEventHoldsWhatWasSaid(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t)
	l := open(t, b)
	by := contract("9")
	k := key.Key{Source: "pc", Kind: key.Customer, ID: "a.ü"}
	e, err := eventlog.NewEvent(t.Context(), propagation.TraceContext{}, eventlog.Change{
		Key: k, Origin: bridgev1.Origin_ORIGIN_CUSTOMER, SenderID: "s 1", ChangeType: "moved", ReceivedAt: received, CausedBy: &by,
	})
	if err != nil {
		t.Fatal(err)
	}
	sequence := appendEvents(t, l, e)[0].Sequence
	stream, err := b.JetStream().Stream(t.Context(), bus.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := stream.GetMsg(t.Context(), sequence)
	if err != nil {
		t.Fatal(err)
	}
	if msg.Subject != bus.EventSubject(k) {
		t.Errorf("subject = %q, want %q", msg.Subject, bus.EventSubject(k))
	}
	ev, err := ce.Decode(msg.Header, msg.Data)
	if err != nil {
		t.Fatal(err)
	}
	if ev.ID() != e.ID || ev.Type() != ce.TypeCustomerChanged || ev.Subject() != k.String() || !ev.Time().Equal(received) {
		t.Errorf("event = %s", ev)
	}
	var c bridgev1.Change
	if err := ce.UnmarshalData(ev.Data(), &c); err != nil {
		t.Fatal(err)
	}
	if c.GetKey().GetId() != k.ID || c.GetOrigin() != bridgev1.Origin_ORIGIN_CUSTOMER || c.GetSenderEventId() != "s 1" ||
		c.GetChangeType() != "moved" || c.GetCausedBy().GetId() != by.ID || !c.GetReceivedAt().AsTime().Equal(received) {
		t.Errorf("change = %v", &c)
	}
}

func TestEventThatCannotBeWrittenIsRefused(t *testing.T) {
	t.Parallel()
	_, err := eventlog.NewEvent(t.Context(), propagation.TraceContext{}, eventlog.Change{Key: contract("1"), ChangeType: "\xff", ReceivedAt: received})
	if err == nil {
		t.Error("an event with a type that is no text was made")
	}
}

func TestLastIsTheNewestEventOfTheKey(t *testing.T) {
	t.Parallel()
	l := open(t, bustest.Start(t).Connect(t))
	k := contract("1")
	if last, found, err := l.Last(t.Context(), k); found || err != nil {
		t.Errorf("Last of an empty log = %+v, %t, %v; want nothing", last, found, err)
	}
	appendMany(t, l, k, 3)
	begun := time.Now().Add(-time.Minute)
	appendMany(t, l, contract("1.1"), 2)
	last, found, err := l.Last(t.Context(), k)
	if err != nil || !found {
		t.Fatalf("Last = %t, %v", found, err)
	}
	if want := (position.Position{Epoch: epoch(t, l), Sequence: 3}); last.Position != want {
		t.Errorf("position = %v, want %v", last.Position, want)
	}
	if last.At.Before(begun) || last.At.After(time.Now().Add(time.Minute)) {
		t.Errorf("time = %s, want the log's own", last.At)
	}
	if _, found, err := l.Last(t.Context(), contract("2")); found || err != nil {
		t.Errorf("Last of another key = %t, %v; want nothing", found, err)
	}
}

func TestAppendReportsWhatTheLogDidNotTake(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t)
	b := srv.Connect(t)
	l := open(t, b)
	srv.Stop(t)
	bustest.Eventually(t, "the connection is noticed to be gone", func() bool { return b.Check(t.Context()) != nil })
	acks, errs := l.Append(t.Context(), []eventlog.Event{event(t, contract("1"), ""), event(t, contract("2"), "x")})
	for i := range acks {
		if acks[i] != nil || errs[i] == nil {
			t.Errorf("event %d: ack %v, error %v; want an error", i, acks[i], errs[i])
		}
	}
	if _, err := l.Epoch(t.Context()); err != nil {
		t.Errorf("Epoch = %v, want what is known while there is no connection", err)
	}
}
