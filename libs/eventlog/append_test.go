package eventlog_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/ce"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

func stored(t *testing.T, b *bus.Bus, sequence uint64) *jetstream.RawStreamMsg {
	t.Helper()
	stream, err := b.JetStream().Stream(t.Context(), bus.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := stream.GetMsg(t.Context(), sequence)
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

func TestDuplicatesAreRecognisedWithinOneAppend(t *testing.T) {
	t.Parallel()
	a, b := contract("a"), contract("b")
	tests := []struct {
		name    string
		changes []eventlog.Change
		want    []bool // duplicate
	}{
		{
			name:    "the same id and key",
			changes: []eventlog.Change{{Key: a, SenderID: "1"}, {Key: a, SenderID: "1"}, {Key: a, SenderID: "1"}},
			want:    []bool{false, true, true},
		},
		{
			name: "the same id and key, with other words around it",
			changes: []eventlog.Change{
				{Key: a, SenderID: "1", ChangeType: "x", Origin: bridgev1.Origin_ORIGIN_WEBHOOK},
				{Key: a, SenderID: "1", ChangeType: "y", Origin: bridgev1.Origin_ORIGIN_CLOUDEVENT},
			},
			want: []bool{false, true},
		},
		{
			name:    "one id that names two keys, told twice",
			changes: []eventlog.Change{{Key: a, SenderID: "1"}, {Key: b, SenderID: "1"}, {Key: a, SenderID: "1"}, {Key: b, SenderID: "1"}},
			want:    []bool{false, false, true, true},
		},
		{
			name:    "a contract and a customer with one id",
			changes: []eventlog.Change{{Key: a, SenderID: "1"}, {Key: key.Key{Source: "pc", Kind: key.Customer, ID: "a"}, SenderID: "1"}},
			want:    []bool{false, false},
		},
		{
			name:    "the same id from two sources",
			changes: []eventlog.Change{{Key: a, SenderID: "1"}, {Key: key.Key{Source: "lq", Kind: key.Contract, ID: "a"}, SenderID: "1"}},
			want:    []bool{false, false},
		},
		{
			name:    "two ids of one key",
			changes: []eventlog.Change{{Key: a, SenderID: "1"}, {Key: a, SenderID: "2"}},
			want:    []bool{false, false},
		},
		{
			name:    "no id, the same change",
			changes: []eventlog.Change{{Key: a}, {Key: a}, {Key: a}},
			want:    []bool{false, false, false},
		},
		{
			name:    "an id, and none",
			changes: []eventlog.Change{{Key: a, SenderID: "1"}, {Key: a}},
			want:    []bool{false, false},
		},
	}
	at := time.Now()
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := bustest.Start(t).Connect(t)
			l := open(t, b)
			var got []bool
			var distinct uint64
			for i := range tc.changes {
				tc.changes[i].ReceivedAt = at
			}
			for _, ack := range appendAll(t, l, tc.changes...) {
				got = append(got, ack.Duplicate)
				if !ack.Duplicate {
					distinct++
				}
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("duplicates = %v, want %v", got, tc.want)
			}
			if last := lastSequence(t, b); last != distinct {
				t.Errorf("the log holds %d events, want %d", last, distinct)
			}
		})
	}
}

func TestIDsFollowFromTheSenderOrAreNew(t *testing.T) {
	t.Parallel()
	at := time.Now()
	id := func(source, sender, id string) string {
		return newEvent(t, eventlog.Change{Key: key.Key{Source: source, Kind: key.Contract, ID: id}, SenderID: sender, ReceivedAt: at}).ID
	}
	if first, again := id("pc", "1", "a"), id("pc", "1", "a"); first != again || first == "" {
		t.Errorf("ids of one event told twice = %q and %q, want the same", first, again)
	}
	all := []string{
		id("pc", "1", "a"), id("lq", "1", "a"), id("pc", "2", "a"), id("pc", "1", "b"), id("pc", "1:a", "b"), id("pc", "1 a", "b"),
		id("pc", "", "a"), id("pc", "", "a"),
	}
	slices.Sort(all)
	if got := len(slices.Compact(slices.Clone(all))); got != len(all) {
		t.Errorf("%d ids of %d events: %v", got, len(all), all)
	}
}

func TestEventOnTheWire(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t)
	l := open(t, b)
	customer := key.Key{Source: "pc", Kind: key.Customer, ID: "K 1"}
	at := time.Date(2026, 3, 1, 12, 0, 0, 5000, time.UTC)
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled})
	for name, sender := range map[string]string{"with an id of the sender": "/erp 7", "without": ""} {
		t.Run(name, func(t *testing.T) {
			c := eventlog.Change{
				Key: contract("ä.*> 1"), Origin: bridgev1.Origin_ORIGIN_CUSTOMER, SenderID: sender,
				ChangeType: "status", ReceivedAt: at, CausedBy: &customer,
			}
			e, err := eventlog.NewEvent(trace.ContextWithSpanContext(t.Context(), span), propagation.TraceContext{}, c)
			if err != nil {
				t.Fatal(err)
			}
			acks, errs := l.Append(t.Context(), []eventlog.Event{e})
			if errs[0] != nil {
				t.Fatal(errs[0])
			}
			msg := stored(t, b, acks[0].Sequence)
			var wantID string
			if sender != "" {
				wantID = e.ID
			}
			if got := msg.Header.Get("Nats-Msg-Id"); got != wantID {
				t.Errorf("Nats-Msg-Id = %q, want %q", got, wantID)
			}
			if got, want := msg.Header.Get("traceparent"), "00-01000000000000000000000000000000-0200000000000000-01"; got != want {
				t.Errorf("traceparent = %q, want %q", got, want)
			}
			if got, want := msg.Subject, "erp.event.pc.contract."+key.EncodeToken("ä.*> 1"); got != want {
				t.Errorf("subject = %q, want %q", got, want)
			}
			ev, err := ce.Decode(msg.Header, msg.Data)
			if err != nil {
				t.Fatal(err)
			}
			type attributes struct{ ID, Source, Type, Subject string }
			got := attributes{ev.ID(), ev.Source(), ev.Type(), ev.Subject()}
			want := attributes{e.ID, "/sources/pc", ce.TypeContractChanged, c.Key.String()}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("attributes differ (-want +got):\n%s", diff)
			}
			data := &bridgev1.Change{}
			if err := ce.UnmarshalData(ev.Data(), data); err != nil {
				t.Fatal(err)
			}
			wantData := &bridgev1.Change{
				Key: &bridgev1.Key{Source: "pc", Kind: "contract", Id: "ä.*> 1"}, Origin: c.Origin, SenderEventId: sender,
				ChangeType: "status", ReceivedAt: timestamppb.New(at), CausedBy: &bridgev1.Key{Source: "pc", Kind: "customer", Id: "K 1"},
			}
			if diff := cmp.Diff(wantData, data, protocmp.Transform()); diff != "" {
				t.Errorf("data differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAppendSaysWhichEventFailed(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t)
	b := srv.Connect(t)
	l := open(t, b)
	if acks, errs := l.Append(t.Context(), nil); len(acks) != 0 || len(errs) != 0 {
		t.Errorf("Append of nothing = %v, %v", acks, errs)
	}
	srv.Stop(t)
	acks, errs := l.Append(t.Context(), []eventlog.Event{newEvent(t, eventlog.Change{Key: contract("1")}), newEvent(t, eventlog.Change{Key: contract("2")})})
	for i, err := range errs {
		if err == nil || acks[i] != nil {
			t.Errorf("event %d: %v, %v without a server, want an error and no acknowledgement", i, acks[i], err)
		}
	}
	if len(errs) != 2 || len(acks) != 2 {
		t.Errorf("%d acknowledgements and %d errors of 2 events", len(acks), len(errs))
	}
}

func TestLastKnowsNothingOfWhatHasLeftTheLog(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t)
	l := open(t, b)
	if last, found, err := l.Last(t.Context(), contract("1")); err != nil || found || !last.Position.IsZero() {
		t.Errorf("Last = %v, %t, %v of an empty log", last, found, err)
	}
	grow(t, l, 2)
	want := grow(t, l, 1)
	other := appendAll(t, l, eventlog.Change{Key: contract("2")}, eventlog.Change{Key: contract("11")})[0].Sequence
	for id, sequence := range map[string]uint64{"1": want, "2": other} {
		last, found, err := l.Last(t.Context(), contract(id))
		if err != nil || !found || last.Position != (position.Position{Epoch: epoch(t, l), Sequence: sequence}) {
			t.Errorf("Last of %s = %v, %t, %v; want sequence %d", id, last, found, err, sequence)
		}
		if at := stored(t, b, sequence).Time; !last.At.Equal(at) {
			t.Errorf("Last of %s is of %s, the log says %s", id, last.At, at)
		}
	}
	if _, found, err := l.Last(t.Context(), contract("3")); err != nil || found {
		t.Errorf("Last = %t, %v of a key without events", found, err)
	}
	stream, err := b.JetStream().Stream(t.Context(), bus.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, found, err := l.Last(t.Context(), contract("1")); err != nil || found {
		t.Errorf("Last = %t, %v after the key's events have left the log", found, err)
	}
}

func TestOfTwoWhoDecideOnTheSameStateOneAppends(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t)
	l := open(t, b)
	revive := func() eventlog.Event { return newEvent(t, eventlog.Change{Key: contract("1")}) }
	var last uint64
	for range 2 {
		acks, errs := l.Append(t.Context(), []eventlog.Event{revive().After(last), revive().After(last)})
		if errs[0] != nil || acks[0] == nil || !errors.Is(errs[1], eventlog.ErrNotLast) || acks[1] != nil {
			t.Fatalf("Append after %d = %v, %v; want the first, and ErrNotLast for the second", last, acks, errs)
		}
		last = acks[0].Sequence
	}
}

func TestACarriedEventSaysItsEpochWithoutTheData(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t)
	l := open(t, b)
	acks := appendAll(t, l, eventlog.Change{Key: contract("1")}, eventlog.Change{Key: contract("2"), CarriedIn: 7})
	for i, want := range []bool{false, true} {
		header := stored(t, b, acks[i].Sequence).Header
		if eventlog.CarriedIn(header, 7) != want || eventlog.CarriedIn(header, 8) || eventlog.CarriedIn(header, 0) {
			t.Errorf("event %d is not carried in epoch 7 alone, as %t says: %v", i, want, header)
		}
	}
}

func TestOriginIsReadWithoutTheData(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t)
	l := open(t, b)
	for number := range bridgev1.Origin_name {
		want := bridgev1.Origin(number)
		ack := appendAll(t, l, eventlog.Change{Key: contract("1"), Origin: want})[0]
		if got := eventlog.OriginOf(stored(t, b, ack.Sequence).Header); got != want {
			t.Errorf("origin = %v, want %v", got, want)
		}
	}
	for _, header := range []nats.Header{nil, {"ce-origin": {}}, {"ce-origin": {"nobody"}}, {"ce-origin": {"webhook", "sweeper"}}} {
		if got := eventlog.OriginOf(header); got != bridgev1.Origin_ORIGIN_UNSPECIFIED {
			t.Errorf("origin of %v = %v, want none", header, got)
		}
	}
	if got := eventlog.OriginWord(bridgev1.Origin_ORIGIN_CLOUDEVENT); got != "cloudevent" {
		t.Errorf("word = %q", got)
	}
}
