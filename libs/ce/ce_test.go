package ce_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/enneo-ai/enneo-bridge/libs/ce"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

var at = time.Date(2026, 3, 1, 12, 30, 0, 123456789, time.UTC)

func protoKey(k key.Key) *bridgev1.Key {
	return &bridgev1.Key{Source: k.Source, Kind: string(k.Kind), Id: k.ID}
}

// samples is one event of each of our types.
func samples(t testing.TB) map[string]sample {
	t.Helper()
	contract := key.Key{Source: "pc-north", Kind: key.Contract, ID: "4711.ü"}
	customer := key.Key{Source: "pc-north", Kind: key.Customer, ID: "0815"}
	stamp := timestamppb.New(at)
	ticket := &bridgev1.Ticket{
		Key: protoKey(contract), Position: &bridgev1.Position{Epoch: 1772368200, Sequence: 42}, Collapsed: 7,
		FirstEventAt: timestamppb.New(at.Add(-5 * time.Second)), IssuedAt: stamp,
	}
	all := map[string]sample{
		"contract-changed": {about: contract, data: &bridgev1.Change{
			Key: protoKey(contract), Origin: bridgev1.Origin_ORIGIN_WEBHOOK, SenderEventId: "ev 1", ChangeType: "contract.updated", ReceivedAt: stamp,
		}},
		"customer-changed": {about: customer, data: &bridgev1.Change{
			Key: protoKey(customer), Origin: bridgev1.Origin_ORIGIN_CUSTOMER, ReceivedAt: stamp, CausedBy: protoKey(contract),
		}},
		"due":   {about: contract, eventType: ce.TypeDue, data: ticket},
		"ready": {about: contract, eventType: ce.TypeReady, data: ticket},
		"deadletter": {about: contract, eventType: ce.TypeDeadLetter, data: &bridgev1.DeadLetter{
			Stage: "enrich", Source: contract.Source, Key: protoKey(contract), Position: &bridgev1.Position{Epoch: 1772368200, Sequence: 42},
			Reason: "unmappable", Message: "unmappable (field contract.iban)", Field: "contract.iban", Attempts: 3,
			FirstAt: stamp, LastAt: stamp, Status: 200, Answer: "{}",
		}},
	}
	for name, s := range all {
		if s.eventType == "" {
			s.eventType = ce.ChangedType(s.about.Kind)
		}
		ev, err := ce.New("0f6c7d1e", "/sources/"+s.about.Source, s.eventType, s.about.String(), at.In(time.FixedZone("", 3600)), s.data)
		if err != nil {
			t.Fatalf("New %s: %v", name, err)
		}
		s.ev = ev
		all[name] = s
	}
	return all
}

type sample struct {
	about     key.Key
	eventType string
	data      proto.Message
	ev        event.Event
}

// golden is a message as a golden file shows it.
type golden struct {
	Subject string          `json:"subject"`
	Header  nats.Header     `json:"header"`
	Data    json.RawMessage `json:"data"`
}

func TestMessagesOnTheWire(t *testing.T) {
	t.Parallel()
	for name, s := range samples(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			msg, err := ce.Encode("test."+name, s.ev)
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.MarshalIndent(golden{Subject: msg.Subject, Header: msg.Header, Data: msg.Data}, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			var compact bytes.Buffer
			if err := json.Compact(&compact, msg.Data); err != nil || compact.String() != string(msg.Data) {
				t.Errorf("data is not compact JSON, so that its bytes differ from build to build: %v\n%s", err, msg.Data)
			}
			path := filepath.Join("testdata", name+".golden.json")
			if *update {
				if err := os.WriteFile(path, append(got, '\n'), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatalf("%v; run the test with -update and look at the difference", err)
			}
			if diff := cmp.Diff(string(want), string(got)+"\n"); diff != "" {
				t.Errorf("message differs from %s (-want +got):\n%s", path, diff)
			}

			back, err := ce.Decode(msg.Header, msg.Data)
			if err != nil {
				t.Fatal(err)
			}
			compareEvents(t, s.ev, back)
			data := s.data.ProtoReflect().New().Interface()
			if err := ce.UnmarshalData(back.Data(), data); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(s.data, data, protocmp.Transform()); diff != "" {
				t.Errorf("data differs (-want +got):\n%s", diff)
			}
		})
	}
}

func compareEvents(t *testing.T, want, got event.Event) {
	t.Helper()
	type attributes struct {
		ID, Source, Type, Subject, DataSchema, ContentType string
		Time                                               time.Time
		Extensions                                         map[string]any
		Data                                               string
	}
	of := func(ev event.Event) attributes {
		a := attributes{
			ev.ID(), ev.Source(), ev.Type(), ev.Subject(), ev.DataSchema(), ev.DataContentType(), ev.Time().UTC(), map[string]any{}, string(ev.Data()),
		}
		for name, value := range ev.Extensions() {
			a.Extensions[name] = value
		}
		return a
	}
	if diff := cmp.Diff(of(want), of(got)); diff != "" {
		t.Errorf("event differs (-want +got):\n%s", diff)
	}
}

// valid is the header of the smallest event.
func valid(changes ...string) nats.Header {
	h := nats.Header{"ce-specversion": {"1.0"}, "ce-id": {"1"}, "ce-source": {"/s"}, "ce-type": {"t"}}
	for i := 0; i < len(changes); i += 2 {
		if changes[i+1] == "" {
			delete(h, changes[i])
		} else {
			h[changes[i]] = []string{changes[i+1]}
		}
	}
	return h
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		header nats.Header
		data   []byte
		want   string
	}{
		{name: "no header", header: nil, want: "ce-specversion"},
		{name: "no specversion", header: valid("ce-specversion", ""), want: "ce-specversion"},
		{name: "an older specversion", header: valid("ce-specversion", "0.3"), want: `"0.3"`},
		{name: "a newer specversion", header: valid("ce-specversion", "1.1"), want: `"1.1"`},
		{name: "no id", header: valid("ce-id", ""), want: "id"},
		{name: "a blank id", header: valid("ce-id", "%20"), want: "id"},
		{name: "no source", header: valid("ce-source", ""), want: "source"},
		{name: "a source that is no URI", header: valid("ce-source", "http://[::1"), want: "source"},
		{name: "no type", header: valid("ce-type", ""), want: "type"},
		{name: "a time that is none", header: valid("ce-time", "yesterday"), want: "ce-time"},
		{name: "a time without a zone", header: valid("ce-time", "2026-03-01T12:00:00"), want: "ce-time"},
		{name: "a time beyond the years of the format", header: valid("ce-time", "9999-12-31T23:59:59-01:00"), want: "ce-time"},
		{name: "half an escape", header: valid("ce-subject", "a%2"), want: "ce-subject"},
		{name: "an escape that is none", header: valid("ce-subject", "%zz"), want: "ce-subject"},
		{name: "escaped bytes that are no text", header: valid("ce-subject", "%ff"), want: "ce-subject"},
		{name: "raw bytes that are no text", header: valid("ce-subject", "\xff"), want: "ce-subject"},
		{name: "an extension with a name that is none", header: valid("ce-my-extension", "1"), want: "ce-my-extension"},
		{name: "an extension without a name", header: valid("ce-", "1"), want: "ce-"},
		{name: "a content type in the wrong place", header: valid("ce-datacontenttype", "text/plain"), want: "content-type"},
		{name: "data as an extension", header: valid("ce-data", "1"), want: "data"},
		{name: "too much data", header: valid(), data: make([]byte, ce.MaxData+1), want: "at most"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			ev, err := ce.Decode(tc.header, tc.data)
			if !errors.Is(err, ce.ErrNotCloudEvent) {
				t.Fatalf("Decode = %v, %v; want ErrNotCloudEvent", ev, err)
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %q does not mention %q", err, tc.want)
			}
		})
	}
}

func TestDecodeTakesTheLargestData(t *testing.T) {
	t.Parallel()
	ev, err := ce.Decode(valid(), make([]byte, ce.MaxData))
	if err != nil || len(ev.Data()) != ce.MaxData {
		t.Errorf("Decode = %d bytes, %v; want all", len(ev.Data()), err)
	}
}

func TestDecodeTakesHeadersInAnyCase(t *testing.T) {
	t.Parallel()
	ev, err := ce.Decode(nats.Header{
		"Ce-Specversion": {"1.0"}, "CE-ID": {"1"}, "Ce-Source": {"/s"}, "Ce-Type": {"t"}, "Ce-Tenant": {"north"},
		"Content-Type": {"application/json"}, "Nats-Msg-Id": {"x"}, "Traceparent": {"y"}, "Ce-Nothing": {},
	}, []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	if ev.ID() != "1" || ev.Extensions()["tenant"] != "north" || ev.DataContentType() != "application/json" || len(ev.Extensions()) != 1 {
		t.Errorf("event = %s", ev)
	}
}

func TestOneOfTwoSpellingsAlwaysCounts(t *testing.T) {
	t.Parallel()
	for range 50 {
		ev, err := ce.Decode(valid("Ce-Id", "capital"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if ev.ID() != "1" {
			t.Fatalf("id = %q, want the one of the header in small letters", ev.ID())
		}
	}
}

func TestAttributesSurviveInAnyAlphabet(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"Größe 50 %", "契約/1", "🔌", `"quoted"`, "a\r\nNats-Msg-Id: x", "%41", "+", "a b", "\x00", "~!'()"} {
		ev, err := ce.New(text+"x", "/s", "t", "x"+text+"x", at, &bridgev1.Change{})
		if err != nil {
			t.Fatal(err)
		}
		ev.SetExtension("tenant", text)
		msg, err := ce.Encode("x", ev)
		if err != nil {
			t.Fatal(err)
		}
		for name, values := range msg.Header {
			for _, c := range []byte(values[0]) {
				if c <= ' ' || c >= 0x7f || c == '"' {
					t.Errorf("header %s of %q has the raw byte %q", name, text, c)
				}
			}
		}
		back, err := ce.Decode(msg.Header, msg.Data)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		compareEvents(t, ev, back)
	}
}

func TestNewRefusesWhatIsNoEvent(t *testing.T) {
	t.Parallel()
	if ev, err := ce.New("", "/s", "t", "x", at, &bridgev1.Change{}); err == nil {
		t.Errorf("New without an id = %v, want an error", ev)
	}
	if ev, err := ce.New("1", "/s", "", "x", at, &bridgev1.Change{}); err == nil {
		t.Errorf("New without a type = %v, want an error", ev)
	}
	if ev, err := ce.New("1", "/s", "t", "x", at, &bridgev1.Change{ChangeType: "\xff"}); err == nil {
		t.Errorf("New with data that is no text = %v, want an error", ev)
	}
}

func TestEncodeRefusesWhatIsNoEvent(t *testing.T) {
	t.Parallel()
	if msg, err := ce.Encode("x", event.New()); err == nil {
		t.Errorf("Encode of an empty event = %v, want an error", msg)
	}
	old := event.New(event.CloudEventsVersionV03)
	old.SetID("1")
	old.SetSource("/s")
	old.SetType("t")
	if msg, err := ce.Encode("x", old); err == nil {
		t.Errorf("Encode of an event of version 0.3 = %v, want an error, since Decode would refuse it", msg)
	}
}

func TestDataOfANewerVersionIsRead(t *testing.T) {
	t.Parallel()
	var got bridgev1.Ticket
	if err := ce.UnmarshalData([]byte(`{"collapsed":"3","invented_later":{"x":[1]}}`), &got); err != nil {
		t.Fatal(err)
	}
	if got.GetCollapsed() != 3 {
		t.Errorf("collapsed = %d, want 3", got.GetCollapsed())
	}
	if err := ce.UnmarshalData([]byte(`{"collapsed":`), &got); err == nil {
		t.Error("half a message is read without an error")
	}
}
