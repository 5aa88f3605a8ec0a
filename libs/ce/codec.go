package ce

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/types"
	"github.com/nats-io/nats.go"
)

const (
	prefix            = "ce-"
	headerContentType = "content-type"
)

// MaxData is the largest data of an event that Decode accepts, in bytes.
const MaxData = 2 << 20

// ErrNotCloudEvent says that a message is no CloudEvent in binary mode; test with errors.Is.
var ErrNotCloudEvent = errors.New("not a CloudEvent in binary content mode")

// Encode writes an event as a NATS message for the subject: attributes and extensions as "ce-…" headers, values
// percent-encoded as the CloudEvents HTTP binding demands (section 3.1.3.2), data as the payload.
func Encode(subject string, ev event.Event) (*nats.Msg, error) {
	if err := ev.Validate(); err != nil {
		return nil, fmt.Errorf("encode event: %w", err)
	}
	if ev.SpecVersion() != event.CloudEventsVersionV1 {
		return nil, fmt.Errorf("encode event: specversion is %q, not 1.0", ev.SpecVersion())
	}
	msg := nats.NewMsg(subject)
	set := func(name, value string) {
		if value != "" {
			msg.Header[prefix+name] = []string{encodeValue(value)}
		}
	}
	set("specversion", ev.SpecVersion())
	set("id", ev.ID())
	set("source", ev.Source())
	set("type", ev.Type())
	set("subject", ev.Subject())
	set("dataschema", ev.DataSchema())
	if !ev.Time().IsZero() {
		set("time", ev.Time().UTC().Format(time.RFC3339Nano))
	}
	for name, value := range ev.Extensions() {
		text, err := types.Format(value)
		if err != nil {
			return nil, fmt.Errorf("encode extension %s: %w", name, err)
		}
		set(name, text)
	}
	if ct := ev.DataContentType(); ct != "" {
		msg.Header[headerContentType] = []string{ct}
	}
	msg.Data = ev.Data()
	return msg, nil
}

// Decode reads what Encode wrote. It also accepts other writers' header names in capitals, since NATS keeps their case.
// Every error wraps ErrNotCloudEvent.
func Decode(header nats.Header, data []byte) (event.Event, error) {
	if len(data) > MaxData {
		return event.Event{}, fmt.Errorf("%w: data of %d bytes, at most %d are read", ErrNotCloudEvent, len(data), MaxData)
	}
	ev := event.New(event.CloudEventsVersionV1)
	var version, contentType string
	// In a fixed order, so that of two spellings of one header the same one always counts.
	for _, name := range sortedNames(header) {
		value := header[name][0]
		lower := strings.ToLower(name)
		if lower == headerContentType {
			contentType = value
			continue
		}
		attribute, ok := strings.CutPrefix(lower, prefix)
		if !ok {
			continue
		}
		text, err := decodeValue(value)
		if err != nil {
			return event.Event{}, fmt.Errorf("%w: header %s: %w", ErrNotCloudEvent, lower, err)
		}
		if attribute == "specversion" {
			version = text
			continue
		}
		if err := setAttribute(&ev, attribute, text); err != nil {
			return event.Event{}, fmt.Errorf("%w: header %s: %w", ErrNotCloudEvent, lower, err)
		}
	}
	if version != event.CloudEventsVersionV1 {
		return event.Event{}, fmt.Errorf("%w: header ce-specversion is %q, not 1.0", ErrNotCloudEvent, version)
	}
	if contentType != "" {
		ev.SetDataContentType(contentType)
	}
	ev.DataEncoded = data
	if err := ev.Validate(); err != nil {
		return event.Event{}, fmt.Errorf("%w: %w", ErrNotCloudEvent, err)
	}
	return ev, nil
}

func sortedNames(header nats.Header) []string {
	names := make([]string, 0, len(header))
	for name, values := range header {
		if len(values) > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func setAttribute(ev *event.Event, name, text string) error {
	switch name {
	case "id":
		ev.SetID(text)
	case "source":
		ev.SetSource(text)
	case "type":
		ev.SetType(text)
	case "subject":
		ev.SetSubject(text)
	case "dataschema":
		ev.SetDataSchema(text)
	case "time":
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return fmt.Errorf("parse time: %w", err)
		}
		// In UTC, where it is written, the offset may lead out of the years that the format has.
		if year := at.UTC().Year(); year < 0 || year > 9999 {
			return errors.New("time is not within the years 0 to 9999")
		}
		ev.SetTime(at)
	case "datacontenttype":
		return errors.New("travels as content-type")
	case "data":
		return errors.New("travels as the payload")
	default:
		if !extensionName(name) {
			return errors.New("extension names are a-z and 0-9")
		}
		ev.SetExtension(name, text)
	}
	return nil
}

func extensionName(name string) bool {
	for i := range len(name) {
		if c := name[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// encodeValue percent-encodes blanks, quotes, percent signs and everything outside printable ASCII.
func encodeValue(text string) string {
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	b.Grow(len(text))
	for i := range len(text) {
		if c := text[i]; c > 0x20 && c < 0x7f && c != '"' && c != '%' {
			b.WriteByte(c)
		} else {
			b.WriteByte('%')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
		}
	}
	return b.String()
}

func decodeValue(text string) (string, error) {
	plain, err := url.PathUnescape(text)
	if err != nil {
		return "", fmt.Errorf("percent-encoding: %w", err)
	}
	if !utf8.ValidString(plain) {
		return "", errors.New("not valid UTF-8")
	}
	return plain, nil
}
