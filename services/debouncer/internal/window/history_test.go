package window

import (
	"fmt"

	"pgregory.net/rapid"
)

const (
	modelKeys  = 2
	modelLease = 20
	// modelStart leaves room for a clock that goes back in every step.
	modelStart = 100_000
	// drainStep is longer than every period and lease of a history.
	drainStep = 1000
)

// stepKind is what happens in one step of a history.
type stepKind string

const (
	stepArm      stepKind = "arm"
	stepRedo     stepKind = "redeliver" // the newest batch once more
	stepClaim    stepKind = "claim"
	stepComplete stepKind = "complete" // flush and complete any claim ever made, also a lost one
	stepRelease  stepKind = "release"
	stepClock    stepKind = "clock" // forth, or back as when the server's clock is set
	stepEpoch    stepKind = "epoch" // the log begins anew
	stepCrash    stepKind = "crash" // claims are left alone until their leases end, and made again by another
	stepEmpty    stepKind = "empty" // Redis loses everything
	stepRefill   stepKind = "refill"
)

// step is one step.
type step struct {
	Kind  stepKind
	Items []modelItem // of arm
	Limit int         // of claim
	Which int         // of complete and release: which of the claims made, counted from the newest
	MS    int64       // of clock: how far it goes; of release: the pause
	// Published, of crash: the claims were flushed before, only not completed.
	Published bool
	// Restarted, of empty: Redis has forgotten its scripts as well.
	Restarted bool
	Refill    modelRefill
}

// GoString shows what the step uses, for histories that fail.
func (s step) GoString() string {
	switch s.Kind {
	case stepArm:
		return fmt.Sprintf("arm %+v", s.Items)
	case stepClaim:
		return fmt.Sprintf("claim %d", s.Limit)
	case stepComplete:
		return fmt.Sprintf("complete newest-%d", s.Which)
	case stepRelease:
		return fmt.Sprintf("release newest-%d for %d ms", s.Which, s.MS)
	case stepClock:
		return fmt.Sprintf("clock %+d ms", s.MS)
	case stepCrash:
		return fmt.Sprintf("crash, published: %t", s.Published)
	case stepEmpty:
		return fmt.Sprintf("empty, restarted: %t", s.Restarted)
	case stepRefill:
		return fmt.Sprintf("refill %+v", s.Refill)
	default:
		return string(s.Kind)
	}
}

// modelItem is one event. Back > 0 makes it arrive out of order, that many positions behind the newest.
type modelItem struct {
	Key    int
	Back   uint64
	Urgent bool
	Traced bool
}

// modelRefill is what disturbs a refill after the log has been read: before the open keys are armed, and after it.
type modelRefill struct {
	Before, After disturbance
	// Fails: the replica does not come to its end.
	Fails bool
}

type disturbance string

const (
	undisturbed  disturbance = ""
	emptiedAgain disturbance = "emptied again"
	otherBegins  disturbance = "another replica begins to refill"
	otherRefills disturbance = "another replica refills"
	// The new life has begun already when the first replica comes to its end.
	emptiedAndBegun disturbance = "emptied again, and another replica begins to refill"
	emptiedAndDone  disturbance = "emptied again, and another replica refills"
)

// history is a test case: the periods of each key, and what happens. It begins with an empty Redis.
type history struct {
	Quiet, MaxWait [modelKeys]int64
	Steps          []step
}

// histories draws from small numbers, so that boundaries are hit often.
var histories = rapid.Custom(func(t *rapid.T) history {
	var h history
	for i := range modelKeys {
		h.Quiet[i] = rapid.SampledFrom([]int64{0, 5, 10}).Draw(t, "quiet")
		h.MaxWait[i] = rapid.SampledFrom([]int64{10, 25, 40}).Draw(t, "max wait")
	}
	h.Steps = rapid.SliceOfN(modelSteps, 5, 60).Draw(t, "steps")
	return h
})

// modelStepKinds says how often what happens: one after the other where a step makes sense only after another.
var modelStepKinds = []stepKind{
	stepArm, stepArm, stepArm, stepArm, stepArm, stepRedo, stepClaim, stepClaim, stepClaim, stepClaim, stepComplete, stepComplete,
	stepRelease, stepClock, stepClock, stepClock, stepClock, stepEpoch, stepCrash, stepEmpty, stepRefill, stepRefill,
}

var modelSteps = rapid.Custom(func(t *rapid.T) step {
	s := step{Kind: rapid.SampledFrom(modelStepKinds).Draw(t, "kind")}
	switch s.Kind {
	case stepArm:
		s.Items = rapid.SliceOfN(modelItems, 1, 3).Draw(t, "items")
	case stepClaim:
		s.Limit = rapid.IntRange(1, modelKeys).Draw(t, "limit")
	case stepComplete:
		s.Which = rapid.SampledFrom([]int{0, 0, 0, 1, 1, 2, 3}).Draw(t, "which")
	case stepRelease:
		s.Which = rapid.SampledFrom([]int{0, 0, 0, 1, 1, 2, 3}).Draw(t, "which")
		s.MS = rapid.SampledFrom([]int64{0, 1, 15}).Draw(t, "pause")
	case stepClock:
		s.MS = rapid.SampledFrom([]int64{1, 4, 5, 6, 9, 10, 15, 19, 20, 21, 25, 40, -1, -6, -30}).Draw(t, "ms")
	case stepCrash:
		s.Published = rapid.Bool().Draw(t, "published")
	case stepEmpty:
		s.Restarted = rapid.Bool().Draw(t, "restarted")
	case stepRefill:
		between := rapid.SampledFrom([]disturbance{
			undisturbed, undisturbed, undisturbed, undisturbed, undisturbed, emptiedAgain, otherBegins, otherRefills, emptiedAndBegun, emptiedAndDone,
		})
		s.Refill.Before, s.Refill.After = between.Draw(t, "before"), between.Draw(t, "after")
		s.Refill.Fails = rapid.SampledFrom([]bool{false, false, false, false, true}).Draw(t, "fails")
	case stepRedo, stepEpoch: // nothing to draw
	}
	return s
})

var modelItems = rapid.Custom(func(t *rapid.T) modelItem {
	return modelItem{
		Key:    rapid.IntRange(0, modelKeys-1).Draw(t, "key"),
		Back:   rapid.SampledFrom([]uint64{0, 0, 0, 1, 2}).Draw(t, "back"),
		Urgent: rapid.SampledFrom([]bool{false, false, false, true}).Draw(t, "urgent"),
		Traced: rapid.Bool().Draw(t, "traced"),
	}
})
