package eventlog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"go.opentelemetry.io/otel/propagation"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/ce"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// Event is a change that is ready to be appended.
type Event struct {
	// ID is the id of the CloudEvent.
	ID        string
	msg       *nats.Msg
	messageID string
	after     *uint64
}

// After makes the append conditional: it fails with ErrNotLast unless the newest event of the key then is the one with
// this sequence; 0 means that the log holds none. Of several writers that decide on the same state, one appends.
func (e Event) After(sequence uint64) Event {
	e.after = &sequence
	return e
}

// originAttribute is the CloudEvents extension that holds the origin, in lower case, so that whoever counts events need not
// read their data.
const originAttribute = "origin"

// originHeader is originAttribute as a NATS header.
const originHeader = "ce-" + originAttribute

// carriedAttribute is the CloudEvents extension of Change.CarriedIn, and carriedHeader the same as a NATS header.
const (
	carriedAttribute = "carriedin"
	carriedHeader    = "ce-" + carriedAttribute
)

const originPrefix = "ORIGIN_"

// OriginWord is the name of an origin in metrics and headers, for example "webhook".
func OriginWord(o bridgev1.Origin) string {
	return strings.ToLower(strings.TrimPrefix(o.String(), originPrefix))
}

// OriginOf reads the origin from the header of an event; it is unspecified if the event says none that is known.
func OriginOf(header nats.Header) bridgev1.Origin {
	values := header[originHeader]
	if len(values) != 1 {
		return bridgev1.Origin_ORIGIN_UNSPECIFIED
	}
	return bridgev1.Origin(bridgev1.Origin_value[originPrefix+strings.ToUpper(values[0])])
}

// CarriedIn tells whether an event is carried over by whoever has appended it, in this log epoch (Change.CarriedIn).
func CarriedIn(header nats.Header, epoch uint64) bool {
	values := header[carriedHeader]
	return len(values) == 1 && values[0] == strconv.FormatUint(epoch, 10)
}

// Change says what is to be appended.
type Change struct {
	Key    key.Key
	Origin bridgev1.Origin
	// SenderID is what the sender says identifies this event, for instance "<CloudEvents source> <id>"; empty if it says
	// nothing. Only it makes two events the same: an ERP sends the same bytes for two real changes.
	SenderID   string
	ChangeType string
	ReceivedAt time.Time
	CausedBy   *key.Key
	// CarriedIn is not 0 if whoever appends the event has read what it covers already, and stores and passes that on by itself: no
	// window opens for it. It is the log epoch, since in a later one every key is read again. If the appender dies in between,
	// the event is open like any other, and the sweeper revives it.
	CarriedIn uint64
	// WithContracts, for a customer: its contracts are to be read as well, since the sender named none.
	WithContracts bool
}

// hashParts names a list of texts.
func hashParts(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		// The length makes the joining unambiguous: no two lists of parts give one text.
		b.WriteString(strconv.Itoa(len(p)))
		b.WriteByte(':')
		b.WriteString(p)
	}
	sum := sha256.Sum256([]byte(b.String()))
	return hex.EncodeToString(sum[:16])
}

// NewEvent makes the event of a change, with the trace of ctx. With a sender's id, the event's own id and its
// Nats-Msg-Id follow from source, that id and the key: the same event told twice is one, one event that names two
// contracts is two, and the same id from two sources is two.
func NewEvent(ctx context.Context, propagator propagation.TextMapPropagator, c Change) (Event, error) {
	id := uuid.NewString()
	var messageID string
	if c.SenderID != "" {
		id = hashParts(c.Key.Source, c.SenderID, c.Key.String())
		messageID = id
	}
	data := &bridgev1.Change{
		Key:           &bridgev1.Key{Source: c.Key.Source, Kind: string(c.Key.Kind), Id: c.Key.ID},
		Origin:        c.Origin,
		SenderEventId: c.SenderID,
		ChangeType:    c.ChangeType,
		ReceivedAt:    timestamppb.New(c.ReceivedAt),
		WithContracts: c.WithContracts,
	}
	if by := c.CausedBy; by != nil {
		data.CausedBy = &bridgev1.Key{Source: by.Source, Kind: string(by.Kind), Id: by.ID}
	}
	ev, err := ce.New(id, "/sources/"+c.Key.Source, ce.ChangedType(c.Key.Kind), c.Key.String(), c.ReceivedAt, data)
	if err != nil {
		return Event{}, err
	}
	ev.SetExtension(originAttribute, OriginWord(c.Origin))
	if c.CarriedIn != 0 {
		ev.SetExtension(carriedAttribute, strconv.FormatUint(c.CarriedIn, 10))
	}
	msg, err := ce.Encode(bus.EventSubject(c.Key), ev)
	if err != nil {
		return Event{}, err
	}
	propagator.Inject(ctx, ce.TraceCarrier(msg.Header))
	return Event{ID: id, msg: msg, messageID: messageID}, nil
}

// knownBy is the newest position that a settlement record speaks of: what it covers, or what is on its way to Enneo.
func knownBy(data []byte) (position.Position, error) {
	if len(data) == 0 {
		return position.Position{}, nil // The mark of a record that a person has deleted.
	}
	var s bridgev1.Settlement
	if err := ce.UnmarshalData(data, &s); err != nil {
		return position.Position{}, fmt.Errorf("what was settled last: %w", err)
	}
	covered, intended := position.FromProto(s.GetCovered()), position.FromProto(s.GetIntent().GetPosition())
	if intended.Covers(covered) {
		return intended, nil
	}
	return covered, nil
}
