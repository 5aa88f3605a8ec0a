package faultplan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

// rule is a fault and what it has done; guarded by the plan's lock.
type rule struct {
	simclient.Fault
	applied int
	// held are the requests that wait, oldest first.
	held []chan struct{}
	// ended: the rule was released or cleared, and holds nothing any more.
	ended bool
}

// Request is what rules look at.
type Request struct {
	System, Operation, Method, Path string
	Refs                            []simclient.Ref
}

func (r *rule) fits(q *Request) bool {
	switch {
	case r.ended,
		r.Count > 0 && r.applied >= r.Count,
		r.System != q.System,
		r.Operation != "" && r.Operation != q.Operation,
		r.Method != "" && r.Method != q.Method:
		return false
	}
	if prefix, open := strings.CutSuffix(r.Path, "*"); open {
		if !strings.HasPrefix(q.Path, prefix) {
			return false
		}
	} else if r.Path != "" && r.Path != q.Path {
		return false
	}
	return r.Kind == "" && r.EntityID == "" || slices.ContainsFunc(q.Refs, func(ref simclient.Ref) bool {
		return (r.Kind == "" || r.Kind == ref.Kind) && (r.EntityID == "" || r.EntityID == ref.ID)
	})
}

// endsRequest tells whether the action leaves nothing for a later rule of the same phase.
func endsRequest(action simclient.Action) bool {
	return action != simclient.Delay && action != simclient.Hold
}

// check completes a fault with its defaults, or says what is wrong with it.
func check(f *simclient.Fault) error {
	phased := true
	switch f.Action {
	case simclient.Status:
		if f.Status == 0 {
			return fmt.Errorf("action %s needs status", f.Action)
		}
	case simclient.Delay, simclient.ReadLag:
		if f.Delay <= 0 {
			return fmt.Errorf(`action %s needs delay, for example "250ms"`, f.Action)
		}
		phased = f.Action == simclient.Delay
	case simclient.Truncate, simclient.WrongID:
		phased = false
	case simclient.Hold, simclient.Hang, simclient.Reset, simclient.HTML, simclient.Failure:
	default:
		return fmt.Errorf("unknown action %q", f.Action)
	}
	switch {
	case !slices.Contains(simclient.Systems(), f.System):
		return fmt.Errorf("system must be one of %s", strings.Join(simclient.Systems(), ", "))
	case f.Kind != "" && f.Kind != key.Contract && f.Kind != key.Customer:
		return fmt.Errorf("kind must be contract or customer")
	case f.Status != 0 && (f.Status < 200 || f.Status > 599):
		return fmt.Errorf("status must be between 200 and 599")
	case f.Probability < 0 || f.Probability > 1:
		return fmt.Errorf("probability must be between 0 and 1")
	case f.Count < 0:
		return fmt.Errorf("count must not be negative")
	case f.Action == simclient.ReadLag && time.Duration(f.Delay) > simclient.MaxReadLag:
		return fmt.Errorf("the delay of %s must not exceed %s", f.Action, simclient.MaxReadLag)
	case f.Action == simclient.ReadLag && f.System == simclient.Enneo:
		return fmt.Errorf("action %s is for the ERPs only", f.Action)
	case !phased && f.Phase != "":
		return fmt.Errorf("action %s has no phase", f.Action)
	case f.Phase != "" && f.Phase != simclient.Before && f.Phase != simclient.After:
		return fmt.Errorf("phase must be before or after")
	}
	if phased && f.Phase == "" {
		f.Phase = simclient.Before
	}
	return nil
}
