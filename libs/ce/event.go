// Package ce makes and reads the CloudEvents that travel between the services.
//
// The CloudEvents SDK provides the event type and its validation. Its NATS JetStream transport is not used: it asks the
// server for the stream before each publish, cannot set a message id per event and naks in a hot loop. Encode and Decode
// are a small codec instead: CloudEvents 1.0, binary content mode, attributes as "ce-…" NATS headers, held by golden
// files and a fuzz test.
//
// Everything here is a pure function, safe for concurrent use.
package ce

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/enneo-ai/enneo-bridge/libs/key"
)

// The types of the events that the services exchange.
const (
	TypeContractChanged = "ai.enneobridge.erp.contract.changed.v1"
	TypeCustomerChanged = "ai.enneobridge.erp.customer.changed.v1"
	TypeDue             = "ai.enneobridge.contract.due.v1"
	TypeReady           = "ai.enneobridge.contract.ready.v1"
	TypeDeadLetter      = "ai.enneobridge.deadletter.v1"
)

// ContentType is the media type of the data: protobuf JSON.
const ContentType = "application/json"

// ChangedType is the type of the event that says that a key of this kind changed.
func ChangedType(kind key.Kind) string {
	if kind == key.Customer {
		return TypeCustomerChanged
	}
	return TypeContractChanged
}

// New makes an event. id must be unique within source; subject is the key in its text form, or whatever the event is about.
func New(id, source, eventType, subject string, at time.Time, data proto.Message) (event.Event, error) {
	body, err := MarshalData(data)
	if err != nil {
		return event.Event{}, err
	}
	ev := event.New(event.CloudEventsVersionV1)
	ev.SetID(id)
	ev.SetSource(source)
	ev.SetType(eventType)
	ev.SetSubject(subject)
	ev.SetTime(at.UTC())
	if err := ev.SetData(ContentType, json.RawMessage(body)); err != nil {
		return event.Event{}, fmt.Errorf("set data of %s: %w", eventType, err)
	}
	if err := ev.Validate(); err != nil {
		return event.Event{}, fmt.Errorf("event %s: %w", eventType, err)
	}
	return ev, nil
}

// MarshalData writes a message as compact protobuf JSON. protojson varies its blanks from build to build on purpose;
// without them, the same message is always the same bytes.
func MarshalData(m proto.Message) ([]byte, error) {
	loose, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("marshal %s: %w", m.ProtoReflect().Descriptor().Name(), err)
	}
	var b bytes.Buffer
	if err := json.Compact(&b, loose); err != nil {
		return nil, fmt.Errorf("compact %s: %w", m.ProtoReflect().Descriptor().Name(), err)
	}
	return b.Bytes(), nil
}

// UnmarshalData is the inverse of MarshalData. Fields that this version does not know are ignored, so that an older
// service can read what a newer one wrote during a rolling upgrade.
func UnmarshalData(data []byte, m proto.Message) error {
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(data, m); err != nil {
		return fmt.Errorf("unmarshal %s: %w", m.ProtoReflect().Descriptor().Name(), err)
	}
	return nil
}
