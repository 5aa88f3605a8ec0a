package exchange

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"

	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

// Answer is what a system answers.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Text is an answer with a body of the given media type.
func Text(status int, mediaType, body string) Answer {
	return Answer{Status: status, Header: http.Header{"Content-Type": {mediaType}}, Body: []byte(body)}
}

// JSON is an answer with value as its body, which has to be encodable.
func JSON(status int, value any) Answer {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		// Override takes only JSON, and everything else is a type of ours.
		panic(fmt.Sprintf("simulator: encode an answer: %v", err))
	}
	return Answer{Status: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: body.Bytes()}
}

// Object is value, which must be encoded as a JSON object, with the overridden properties in place of its own.
func Object(value any, override map[string]json.RawMessage) any {
	if len(override) == 0 {
		return value
	}
	encoded := JSON(http.StatusOK, value)
	properties := map[string]json.RawMessage{}
	if err := json.Unmarshal(encoded.Body, &properties); err != nil {
		panic(fmt.Sprintf("simulator: %T is no JSON object: %v", value, err))
	}
	for name, property := range override {
		properties[name] = property
	}
	return properties
}

// page is what a proxy shows under maintenance.
const page = "<!DOCTYPE html>\n<html><head><title>Wartungsarbeiten</title></head><body><h1>Wir sind gleich wieder da.</h1></body></html>\n"

// sender puts an answer, or what a fault leaves of it, on the connection.
type sender func(http.ResponseWriter, Answer)

// mangle applies a fault that ends the request. The answer's status is 0 if none is sent.
func (x *exchange) mangle(answer Answer, f *simclient.Fault) (Answer, sender) {
	if f == nil {
		return answer, send
	}
	status := f.Status
	if status == 0 {
		status = http.StatusOK
	}
	switch f.Action {
	case simclient.Reset:
		return Answer{}, reset
	case simclient.Hang:
		return Answer{}, abort
	case simclient.Truncate:
		return answer, truncate
	case simclient.HTML:
		answer = Text(status, "text/html; charset=utf-8", page)
	case simclient.Failure:
		answer = x.system.Failed(x.call, status)
	default:
		answer = JSON(status, map[string]string{"message": http.StatusText(status)})
		if f.RetryAfter != "" {
			answer.Header.Set("Retry-After", f.RetryAfter)
		}
	}
	if f.Body != "" {
		answer.Body = []byte(f.Body)
	}
	return answer, send
}

func send(w http.ResponseWriter, answer Answer) {
	writeHeader(w, answer)
	// A client that has gone away is in the journal already.
	_, _ = w.Write(answer.Body)
}

func writeHeader(w http.ResponseWriter, answer Answer) {
	header := w.Header()
	for name, values := range answer.Header {
		header[name] = values
	}
	header.Set("Content-Length", strconv.Itoa(len(answer.Body)))
	w.WriteHeader(answer.Status)
}

// truncate announces the whole body and closes the connection after half of it.
func truncate(w http.ResponseWriter, answer Answer) {
	writeHeader(w, answer)
	_, _ = w.Write(answer.Body[:len(answer.Body)/2])
	_ = http.NewResponseController(w).Flush()
	abort(w, answer)
}

// abort closes the connection without an answer.
func abort(http.ResponseWriter, Answer) { panic(http.ErrAbortHandler) }

// reset closes the connection so that the client sees a reset rather than an end.
func reset(w http.ResponseWriter, answer Answer) {
	connection, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		abort(w, answer)
	}
	if tcp, ok := connection.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = connection.Close()
}
