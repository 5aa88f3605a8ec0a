// Package fault classifies what went wrong in a call to an outside system, by what has to happen next.
//
// Two questions decide: does the fault concern this key alone or the whole target (then nothing more is sent there for
// a while), and can the same call succeed later without anybody changing anything.
package fault

import (
	"errors"
	"fmt"
	"time"
)

// Scope says how much a fault concerns.
type Scope int

const (
	// Key is the scope of a fault that concerns only the contract or customer at hand.
	Key Scope = iota
	// Target is the scope of a fault that concerns every call to that ERP or to Enneo.
	Target
)

// RateLimited is the reason of a fault by which a target asks for fewer requests.
const RateLimited = "rate_limited"

// Fault is an error of a call to an outside system. Its text never holds secrets, personal data or the answer's body.
type Fault struct {
	Scope Scope
	// Permanent: repeating the call cannot help; somebody has to change data, mapping or configuration.
	Permanent bool
	// Unknown: the request may have taken effect although no answer came.
	Unknown bool
	// Reason is a stable word for metrics and dead letters, for example "timeout", "unauthorized", "unmappable".
	Reason string
	// Field is the dotted name of the field at fault, if there is one.
	Field string
	// Status is the HTTP status of the answer, 0 without one.
	Status int
	// RetryAfter is what the target asked to wait; 0 if it did not.
	RetryAfter time.Duration
	// Answer is the beginning of the answer with secrets and personal data removed; for dead letters only, never logged.
	Answer string
	// Err is the cause.
	Err error
}

// Error is the reason, the status and the cause.
func (f *Fault) Error() string {
	text := f.Reason
	if f.Field != "" {
		text += " (field " + f.Field + ")"
	}
	if f.Status != 0 {
		text += fmt.Sprintf(" (HTTP %d)", f.Status)
	}
	if f.Err != nil {
		text += ": " + f.Err.Error()
	}
	return text
}

// Unwrap returns the cause.
func (f *Fault) Unwrap() error { return f.Err }

// Unsent tells whether the call was not even made, because it cannot be made for this key. That is known without the target and says
// nothing about it, not even that it answers. It is false for nil.
func (f *Fault) Unsent() bool { return f != nil && f.Scope == Key && f.Permanent && f.Status == 0 }

// Of finds the fault in err's chain; an error that is none counts as a passing fault of the key with the reason "internal".
// It returns nil for a nil error.
func Of(err error) *Fault {
	if err == nil {
		return nil
	}
	if f, ok := errors.AsType[*Fault](err); ok {
		return f
	}
	return &Fault{Reason: "internal", Err: err}
}
