package ingestor

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/nats-io/nats.go"

	"github.com/enneo-ai/enneo-bridge/libs/ce"
	"github.com/enneo-ai/enneo-bridge/libs/jsonptr"
)

// Media types of the CloudEvents HTTP protocol binding 1.0.2, sections 3.2 and 3.3.
const (
	mediaEvent = event.ApplicationCloudEventsJSON
	mediaBatch = event.ApplicationCloudEventsBatchJSON
)

// cloudEvent is what counts of a CloudEvent.
type cloudEvent struct {
	source, id, eventType, subject string
	// doc is the data, decoded by jsonptr.Decode; nil if there is none or it is not JSON.
	doc any
	// structured gives the whole event in structured mode.
	structured func() ([]byte, error)
}

// eventsOf reads the CloudEvents of a request in any of the three modes of the HTTP binding.
//
// The CloudEvents SDK could do it too, but does not decode percent-encoded headers, replaces or keeps invalid UTF-8
// depending on the mode, and panics on some bodies: with it, one contract could have two ids.
func eventsOf(header http.Header, body []byte, maxEvents int) ([]cloudEvent, error) {
	media, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		media = "" // A binary event needs none.
	}
	switch {
	case media == mediaBatch:
		return batchEvents(body, maxEvents)
	case media == mediaEvent:
		doc, err := decodeEvents(body)
		if err != nil {
			return nil, err
		}
		ev, err := structuredEvent(doc, body)
		if err != nil {
			return nil, fmt.Errorf("the body is no CloudEvent: %w", err)
		}
		return []cloudEvent{ev}, nil
	case binaryMode(header):
		ev, err := binaryEvent(header, body)
		if err != nil {
			return nil, fmt.Errorf("the request is no CloudEvent: %w", err)
		}
		return []cloudEvent{ev}, nil
	default:
		return nil, errNoEvent
	}
}

// binaryMode tells whether the attributes of an event are headers.
func binaryMode(header http.Header) bool {
	media, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	structured := err == nil && (media == mediaEvent || media == mediaBatch)
	return !structured && header.Get("Ce-Specversion") != ""
}

func batchEvents(body []byte, maxEvents int) ([]cloudEvent, error) {
	doc, err := decodeEvents(body)
	if err != nil {
		return nil, err
	}
	docs, ok := doc.([]any)
	if !ok {
		return nil, errors.New("the body is no array of CloudEvents")
	}
	if len(docs) > maxEvents {
		return nil, tooMany(len(docs), maxEvents)
	}
	var raws []json.RawMessage
	if err := json.Unmarshal(body, &raws); err != nil {
		return nil, fmt.Errorf("the body is not JSON: %w", err)
	}
	events := make([]cloudEvent, len(docs))
	for i := range docs {
		if events[i], err = structuredEvent(docs[i], raws[i]); err != nil {
			return nil, fmt.Errorf("event %d of %d is no CloudEvent: %w", i+1, len(docs), err)
		}
	}
	return events, nil
}

func decodeEvents(body []byte) (any, error) {
	if !utf8.Valid(body) {
		return nil, errUTF8
	}
	doc, err := jsonptr.Decode(body)
	if err != nil {
		return nil, fmt.Errorf("the body is not JSON: %w", err)
	}
	return doc, nil
}

// structuredEvent reads an event in the JSON event format (CloudEvents JSON format 1.0.2).
func structuredEvent(doc any, raw []byte) (cloudEvent, error) {
	members, ok := doc.(map[string]any)
	if !ok {
		return cloudEvent{}, errors.New("it is no JSON object")
	}
	ev := cloudEvent{structured: func() ([]byte, error) { return raw, nil }}
	var version, contentType string
	for _, attribute := range []struct {
		name string
		to   *string
	}{
		{"specversion", &version},
		{"id", &ev.id},
		{"source", &ev.source},
		{"type", &ev.eventType},
		{"subject", &ev.subject},
		{"datacontenttype", &contentType},
	} {
		switch value := members[attribute.name].(type) {
		case nil:
		case string:
			*attribute.to = value
		default:
			return cloudEvent{}, fmt.Errorf("attribute %s is no string", attribute.name)
		}
	}
	if version != event.CloudEventsVersionV1 {
		return cloudEvent{}, errors.New("attribute specversion is not 1.0")
	}
	var err error
	switch data, encoded := members["data"], members["data_base64"]; {
	case encoded == nil && isJSON(contentType):
		ev.doc = data
	case encoded != nil:
		text, ok := encoded.(string)
		if !ok || data != nil {
			return cloudEvent{}, errors.New("data_base64 must be a string and stand without data")
		}
		bytes, decodeErr := base64.StdEncoding.DecodeString(text)
		if decodeErr != nil {
			return cloudEvent{}, errors.New("data_base64 is not base64")
		}
		if ev.doc, err = decodeData(contentType, bytes); err != nil {
			return cloudEvent{}, err
		}
	}
	return ev, ev.validate()
}

// binaryEvent reads an event whose attributes are headers.
func binaryEvent(header http.Header, body []byte) (cloudEvent, error) {
	// Both bindings write attributes alike: prefixed, and percent-encoded.
	decoded, err := ce.Decode(nats.Header(header), body)
	if err != nil {
		return cloudEvent{}, err
	}
	ev := cloudEvent{
		source: decoded.Source(), id: decoded.ID(), eventType: decoded.Type(), subject: decoded.Subject(),
		structured: func() ([]byte, error) { return structuredOf(&decoded, body) },
	}
	if ev.doc, err = decodeData(decoded.DataContentType(), body); err != nil {
		return cloudEvent{}, err
	}
	return ev, ev.validate()
}

// structuredOf is a binary event in structured mode, for whoever reads it again: unlike the SDK's, it is valid JSON without
// data as well, and the data are JSON exactly where decodeData takes them for it.
func structuredOf(ev *event.Event, body []byte) ([]byte, error) {
	members := map[string]any{}
	maps.Copy(members, ev.Extensions())
	for name, value := range map[string]string{
		"specversion": ev.SpecVersion(), "id": ev.ID(), "source": ev.Source(), "type": ev.Type(), "subject": ev.Subject(),
		"datacontenttype": ev.DataContentType(), "dataschema": ev.DataSchema(),
	} {
		if value != "" {
			members[name] = value
		}
	}
	if !ev.Time().IsZero() {
		members["time"] = ev.Time()
	}
	switch {
	case len(body) == 0:
	case isJSON(ev.DataContentType()):
		members["data"] = json.RawMessage(body)
	default:
		members["data_base64"] = body
	}
	text, err := json.Marshal(members)
	if err != nil {
		return nil, fmt.Errorf("write in structured mode: %w", err)
	}
	return text, nil
}

// validate checks what CloudEvents 1.0 demands of the attributes that count.
func (ev *cloudEvent) validate() error {
	for _, attribute := range []struct {
		name, value string
		required    bool
	}{
		{"id", ev.id, true},
		{"source", ev.source, true},
		{"type", ev.eventType, true},
		{"subject", ev.subject, false},
	} {
		if attribute.value == "" && attribute.required {
			return fmt.Errorf("attribute %s is missing", attribute.name)
		}
		// A lone surrogate is decoded to this: two different texts would become one.
		if strings.ContainsRune(attribute.value, utf8.RuneError) {
			return fmt.Errorf("attribute %s is not valid UTF-8", attribute.name)
		}
	}
	if _, err := url.Parse(ev.source); err != nil {
		return errors.New("attribute source is no URI reference")
	}
	return nil
}

// decodeData returns nil without an error for data that is absent or not JSON.
func decodeData(contentType string, data []byte) (any, error) {
	if len(data) == 0 || !isJSON(contentType) {
		return nil, nil //nolint:nilnil // An event without readable data is an ordinary one: its subject may say enough.
	}
	if !utf8.Valid(data) {
		return nil, errors.New("its data is not valid UTF-8")
	}
	doc, err := jsonptr.Decode(data)
	if err != nil {
		return nil, fmt.Errorf("its data is not JSON: %w", err)
	}
	return doc, nil
}

// isJSON tells whether data of the content type is JSON, which it is where none is given.
func isJSON(contentType string) bool {
	if contentType == "" {
		return true
	}
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && jsonMedia(media)
}
