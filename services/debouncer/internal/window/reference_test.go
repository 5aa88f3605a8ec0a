package window

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/position"
)

// reference is a second implementation of the rules, in Go and in memory, with whole windows instead of packed ones.
type reference struct {
	windows map[key.Key]*refWindow
}

// refEvents are events that wait together.
type refEvents struct {
	first, due int64
	n          uint64
	traces     []string
}

type refWindow struct {
	position  position.Position
	open      refEvents
	cooling   int64
	urgent    int64 // length of the cooling that the waiting urgent event starts, 0 without one
	heldUntil int64
	claim     *refClaim
}

type refClaim struct {
	token    string
	position position.Position
	events   refEvents
}

// older puts events in front of the ones that came later.
func (e refEvents) older(f refEvents) refEvents {
	e.n += f.n
	e.traces = bounded(slices.Concat(e.traces, f.traces))
	return e
}

// bounded keeps the first and the newest of traces.
func bounded(traces []string) []string {
	if len(traces) <= MaxTraces {
		return traces
	}
	return slices.Concat(traces[:1], traces[len(traces)-MaxTraces+1:])
}

// packed are traces as they stand in Redis.
func (e refEvents) packed() string {
	var text string
	for _, trace := range e.traces {
		text += packTrace(trace)
	}
	return cmp.Or(text, noTrace)
}

// score is what the schedule says. The end of a pause stays there after it is over, until the next event.
func (w *refWindow) score() int64 {
	switch {
	case w.heldUntil > 0:
		return w.heldUntil
	case w.open.n == 0:
		return w.cooling
	default:
		return w.open.due
	}
}

func (r reference) arm(a Arm, now int64) Outcome {
	w := r.windows[a.Key]
	if w == nil {
		w = &refWindow{}
		r.windows[a.Key] = w
	}
	if w.position.Covers(a.Position) {
		return Unchanged
	}
	outcome := Extended
	if w.open.n == 0 {
		outcome = Opened
		w.open = refEvents{first: now}
	}
	quiet := a.Quiet.Milliseconds()
	due := min(now+quiet, w.open.first+a.MaxWait.Milliseconds())
	switch {
	case w.urgent > 0:
		due = min(due, w.open.due)
	case w.cooling > now:
		w.cooling = now + quiet
	default:
		w.cooling = 0
		if a.Urgent {
			due = min(due, now)
			w.urgent = quiet
		}
	}
	w.position, w.open.due = a.Position, due
	w.open.n++
	if a.TraceParent != "" {
		w.open.traces = bounded(slices.Concat(w.open.traces, []string{a.TraceParent}))
	}
	if w.claim == nil && w.heldUntil <= now {
		w.heldUntil = 0
	}
	return outcome
}

func (r reference) claim(limit int, token string, now, length int64) []Window {
	var due []key.Key
	for k, w := range r.windows {
		if w.score() <= now {
			due = append(due, k)
		}
	}
	slices.SortFunc(due, func(a, b key.Key) int {
		return cmp.Or(cmp.Compare(r.windows[a].score(), r.windows[b].score()), cmp.Compare(a.String(), b.String()))
	})
	var claimed []Window
	for _, k := range due[:min(limit, len(due))] {
		w := r.windows[k]
		if w.claim == nil && w.open.n == 0 {
			delete(r.windows, k)
			continue
		}
		events := w.open
		if w.claim != nil {
			events = w.claim.events.older(events)
		}
		if w.urgent > 0 {
			w.cooling, w.urgent = now+w.urgent, 0
		}
		w.claim = &refClaim{token, w.position, events}
		w.open, w.heldUntil = refEvents{}, now+length
		claimed = append(claimed, Window{
			Key: k, Position: w.position, First: time.UnixMilli(events.first), Due: time.UnixMilli(events.due),
			Collapsed: events.n, TraceParents: events.traces, token: token,
		})
	}
	return claimed
}

func (r reference) owned(c Window) *refWindow {
	w := r.windows[c.Key]
	if w == nil || w.claim == nil || w.claim.token != c.token {
		return nil
	}
	return w
}

func (r reference) complete(c Window, now int64) Completion {
	w := r.owned(c)
	if w == nil {
		return Lost
	}
	w.claim, w.heldUntil = nil, 0
	switch {
	case w.open.n > 0:
		return Rearmed
	case w.cooling <= now:
		delete(r.windows, c.Key)
	}
	return Done
}

func (r reference) release(c Window, pause, now int64) Completion {
	w := r.owned(c)
	if w == nil {
		return Lost
	}
	w.open, w.claim, w.heldUntil = w.claim.events.older(w.open), nil, 0
	if pause > 0 {
		w.heldUntil = now + pause
	}
	return Done
}

func (r reference) earliest() (int64, bool) {
	var scores []int64
	for _, w := range r.windows {
		scores = append(scores, w.score())
	}
	if len(scores) == 0 {
		return 0, false
	}
	return slices.Min(scores), true
}

// contents is the state as the scripts pack it.
func (r reference) contents() contents {
	c := contents{Windows: map[string]string{}, Due: map[string]int64{}}
	for k, w := range r.windows {
		cool := w.cooling
		if w.urgent > 0 {
			cool = -w.urgent
		}
		text := fmt.Sprintf("%d %d %s", w.position.Epoch, w.position.Sequence, w.open.numbers())
		trace := w.open.packed()
		if cool != 0 || trace != noTrace || w.heldUntil != 0 {
			text += fmt.Sprintf(" %d %s", cool, trace)
		}
		if w.heldUntil != 0 {
			text += fmt.Sprintf(" %d", w.heldUntil)
		}
		if w.claim != nil {
			text += fmt.Sprintf(" TOKEN %d %d %s %s", w.claim.position.Epoch, w.claim.position.Sequence,
				w.claim.events.numbers(), w.claim.events.packed())
		}
		c.Windows[k.String()], c.Due[k.String()] = text, w.score()
	}
	return c
}

func (e refEvents) numbers() string { return fmt.Sprintf("%d %d %d", e.first, e.due-e.first, e.n) }
