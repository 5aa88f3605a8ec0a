package simclient

import (
	"fmt"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/key"
)

// Duration is a time.Duration that is written as text, such as "250ms", in JSON.
type Duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	value, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("read duration: %w", err)
	}
	*d = Duration(value)
	return nil
}

// Action is what a fault does to a request.
type Action string

// The actions of a fault.
const (
	// Status answers with Fault.Status, Fault.Body and Fault.RetryAfter.
	Status Action = "status"
	// Delay waits Fault.Delay. The server goes on waiting, and then working, when the client has gone.
	Delay Action = "delay"
	// Hold keeps the request until Release lets it go; it then goes on as if nothing had happened.
	Hold Action = "hold"
	// Hang never answers; the request ends when the client goes away.
	Hang Action = "hang"
	// Reset resets the connection instead of answering.
	Reset Action = "reset"
	// Truncate processes the request and sends half of the answer's body.
	Truncate Action = "truncate"
	// HTML answers with a web page, as a proxy under maintenance does.
	HTML Action = "html"
	// Failure answers HTTP 200 with a body that says failure, in the words of the system.
	Failure Action = "failure"
	// WrongID processes the request and answers with a contract or customer that was not asked for.
	WrongID Action = "wrong_id"
	// ReadLag makes an ERP show what it held Fault.Delay ago.
	ReadLag Action = "read_lag"
)

// Phase says on which side of the processing a fault lies.
type Phase string

// The phases of a fault.
const (
	// Before: the system has done nothing yet; an action that ends the request leaves it undone.
	Before Phase = "before"
	// After: the system has done what was asked, only the answer is late or lost.
	After Phase = "after"
)

// MaxReadLag is the longest Delay of a ReadLag: older states are forgotten.
const MaxReadLag = time.Minute

// Fault is a rule that disturbs requests. Every matcher that is set must fit; all rules that fit a request apply in the
// order in which they were added, except that only the first one that ends the request does so, once per phase.
type Fault struct {
	// ID names the rule; the simulator gives one if it is empty.
	ID string `json:"id"`
	// System is mandatory.
	System string `json:"system"`
	// Operation is a word of the journal, such as "get_contract".
	Operation string `json:"operation,omitempty"`
	Method    string `json:"method,omitempty"`
	// Path is the whole path of the request, or its beginning if it ends with "*".
	Path string   `json:"path,omitempty"`
	Kind key.Kind `json:"kind,omitempty"`
	// EntityID is the id of a contract or customer.
	EntityID string `json:"entityId,omitempty"`

	Action Action `json:"action"`
	// Phase is Before unless said otherwise. Truncate, WrongID and ReadLag have none.
	Phase Phase `json:"phase,omitempty"`
	// Status is the HTTP status of Status (mandatory), HTML and Failure (default 200).
	Status int `json:"status,omitempty"`
	// RetryAfter is the header of that name: seconds or an HTTP date.
	RetryAfter string `json:"retryAfter,omitempty"`
	// Body replaces the body that Status, HTML and Failure send.
	Body string `json:"body,omitempty"`
	// Delay is the time of Delay and ReadLag.
	Delay Duration `json:"delay,omitempty"`
	// Probability between 0 and 1; 0 means always.
	Probability float64 `json:"probability,omitempty"`
	// Count ends the rule after so many requests; 0 means never.
	Count int `json:"count,omitempty"`
}

// FaultState is a rule and what it has done.
type FaultState struct {
	Fault
	// Applied is the number of requests that it was applied to.
	Applied int `json:"applied"`
	// Held is the number of requests that wait for a Release at the moment.
	Held int `json:"held"`
}

// Release lets held requests go.
type Release struct {
	// Fault is the id of a Hold rule; empty means all of them.
	Fault string `json:"fault,omitempty"`
	// Requests is how many of the held requests go, oldest first, while the rule stays. 0 lets all go and ends the rule.
	Requests int `json:"requests,omitempty"`
}
