package ingestor

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/enneo-ai/enneo-bridge/libs/jsonptr"
)

// element is one thing that a webhook tells: the body, or an element of the array that it is.
type element struct {
	// doc is decoded by jsonptr.Decode.
	doc any
	// raw is kept as a dead letter if nothing is found in doc, and mediaType says what it is.
	raw       []byte
	mediaType string
}

// Errors of reading a request; test with errors.Is. Their text is shown to the sender.
var (
	errMediaType = errors.New("send application/json or application/x-www-form-urlencoded")
	errNoEvent   = errors.New("no CloudEvent: set the ce- headers, or send " + mediaEvent + " or " + mediaBatch +
		"; other webhooks go to /webhooks/{source}")
	// Who overheard a signed request could send it again with another subject.
	errUncovered = errors.New("the signature does not cover the ce- headers: send " + mediaEvent + " or " + mediaBatch)
	errTooMany   = errors.New("too many in one body")
	// encoding/json would replace invalid bytes by U+FFFD, which makes two different ids one.
	errUTF8 = errors.New("the body is not valid UTF-8")
	errBody = errors.New("the body did not arrive whole and in time")
)

// tooMany is the error of a request that tells of n events.
func tooMany(n, limit int) error {
	return fmt.Errorf("%d events, at most %d: %w", n, limit, errTooMany)
}

// unreadable is the error of a body that could not be read. What the connection says of it names addresses.
func unreadable(err error) error {
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge
	}
	return errBody
}

// parse splits a body into its elements. Every error but errMediaType and errTooMany says what is malformed.
func parse(contentType string, body []byte, maxElements int) ([]element, error) {
	media := "application/json" // Senders that can set nothing but a URL send JSON.
	if contentType != "" {
		parsed, _, err := mime.ParseMediaType(contentType)
		if err != nil {
			return nil, fmt.Errorf("header Content-Type cannot be read: %w", errMediaType)
		}
		media = parsed
	}
	if !utf8.Valid(body) {
		return nil, errUTF8
	}
	switch {
	case media == mediaEvent || media == mediaBatch:
		// Here it is a webhook like any other, and must not be taken for an event when it is read again.
		return parseJSON("application/json", body, maxElements)
	case jsonMedia(media):
		return parseJSON(media, body, maxElements)
	case media == "application/x-www-form-urlencoded":
		return parseForm(media, body)
	default:
		return nil, fmt.Errorf("media type %q: %w", media, errMediaType)
	}
}

func jsonMedia(media string) bool {
	return media == "application/json" || media == "text/json" || strings.HasSuffix(media, "+json")
}

func parseJSON(media string, body []byte, maxElements int) ([]element, error) {
	doc, err := jsonptr.Decode(body)
	if err != nil {
		return nil, fmt.Errorf("the body is not JSON: %w", err)
	}
	switch doc := doc.(type) {
	case map[string]any:
		return []element{{doc: doc, raw: body, mediaType: media}}, nil
	case []any:
		if len(doc) > maxElements {
			return nil, tooMany(len(doc), maxElements)
		}
		var raws []json.RawMessage
		if err := json.Unmarshal(body, &raws); err != nil {
			return nil, fmt.Errorf("the body is not JSON: %w", err)
		}
		elements := make([]element, len(doc))
		for i := range doc {
			elements[i] = element{doc: doc[i], raw: raws[i], mediaType: media}
		}
		return elements, nil
	default:
		return nil, errors.New("the body is neither a JSON object nor an array of them")
	}
}

// parseForm makes an object of a form: a field given once is its text, one given several times a list, and a field that
// holds a JSON object or array, as many senders' "payload" does, is what it holds.
func parseForm(media string, body []byte) ([]element, error) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, errors.New("the body is not a URL-encoded form")
	}
	doc := make(map[string]any, len(form))
	for name, values := range form {
		decoded := make([]any, len(values))
		for i, value := range values {
			if !utf8.ValidString(value) {
				return nil, errors.New("the form is not valid UTF-8")
			}
			decoded[i] = formValue(value)
		}
		if len(decoded) == 1 {
			doc[name] = decoded[0]
		} else {
			doc[name] = decoded
		}
	}
	return []element{{doc: doc, raw: body, mediaType: media}}, nil
}

func formValue(value string) any {
	if trimmed := bytes.TrimSpace([]byte(value)); len(trimmed) > 0 && (trimmed[0] == '{' || trimmed[0] == '[') {
		if doc, err := jsonptr.Decode(trimmed); err == nil {
			return doc
		}
	}
	return value
}
