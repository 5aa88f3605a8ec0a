package fault_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/enneo-ai/enneo-bridge/libs/fault"
)

func TestOf(t *testing.T) {
	t.Parallel()
	cause := errors.New("connection refused")
	f := &fault.Fault{Scope: fault.Target, Reason: "unreachable", Err: cause}
	tests := []struct {
		name string
		err  error
		want *fault.Fault
	}{
		{name: "nothing went wrong", err: nil, want: nil},
		{name: "a fault is itself", err: f, want: f},
		{name: "a fault is found in a chain", err: fmt.Errorf("read contract: %w", f), want: f},
		{name: "a fault is found among several", err: errors.Join(errors.New("other"), f), want: f},
		{name: "any other error passes and concerns the key", err: cause, want: &fault.Fault{Scope: fault.Key, Reason: "internal", Err: cause}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := fault.Of(tc.err)
			if (got == nil) != (tc.want == nil) || got != nil && *got != *tc.want {
				t.Errorf("Of = %#v, want %#v", got, tc.want)
			}
		})
	}
}

func TestErrorSaysWhatIsKnown(t *testing.T) {
	t.Parallel()
	tests := []struct {
		fault fault.Fault
		want  string
	}{
		{fault: fault.Fault{Reason: "timeout"}, want: "timeout"},
		{fault: fault.Fault{Reason: "unmappable", Field: "contract.id"}, want: "unmappable (field contract.id)"},
		{fault: fault.Fault{Reason: "rejected", Status: 422}, want: "rejected (HTTP 422)"},
		{
			fault: fault.Fault{Reason: "rejected", Field: "iban", Status: 422, Answer: "secret", Err: errors.New("too short")},
			want:  "rejected (field iban) (HTTP 422): too short",
		},
	}
	for _, tc := range tests {
		if got := tc.fault.Error(); got != tc.want {
			t.Errorf("Error = %q, want %q", got, tc.want)
		}
	}
}

func TestCauseIsFound(t *testing.T) {
	t.Parallel()
	err := error(&fault.Fault{Reason: "timeout", Err: context.DeadlineExceeded})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error("the cause is not in the chain of the fault")
	}
}

func TestOnlyAPermanentFaultWithoutAnAnswerWasNotSent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault *fault.Fault
		want  bool
	}{
		"none":                 {nil, false},
		"an id that fits none": {&fault.Fault{Permanent: true, Reason: "no_request"}, true},
		"a refusal":            {&fault.Fault{Permanent: true, Reason: "refused", Status: 422}, false},
		"a passing fault":      {&fault.Fault{Reason: "internal"}, false},
		"a broken connection":  {&fault.Fault{Scope: fault.Target, Reason: "network"}, false},
	} {
		if got := c.fault.Unsent(); got != c.want {
			t.Errorf("%s: %t, want %t", name, got, c.want)
		}
	}
}
