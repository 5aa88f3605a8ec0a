package window

import (
	"fmt"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/position"
)

// invariants are what must hold in every history, whatever the scripts look like. They know only what was asked and
// answered, not how windows work inside.
type invariants struct {
	// owed are the events that have to be covered by a claim that is completed after they were armed.
	owed []owed
	// held is the newest position armed of a key.
	held map[key.Key]position.Position
	// oldest is the arrival of a key's oldest event that no completed claim has covered.
	oldest map[key.Key]int64
	leases []lease
}

type owed struct {
	key      key.Key
	position position.Position
	arrived  int64
	// claimed counts the claims made before it: only later ones count, except for a duplicate.
	claimed int
}

// lease is one claim: it lives until its end, or until it is completed or released. After a release, end is the end of
// the pause.
type lease struct {
	window Window
	end    int64
	over   bool
	paused bool
	// rested tells that the clock has reached the end of the pause. A pause that is over may end with an event, so it does
	// not begin again when the clock goes back. A lease does: only its owner can end it.
	rested bool
}

func (v *invariants) armed(a Arm, outcome Outcome, isOpen bool, now int64) error {
	if duplicate := isOpen && v.held[a.Key].Covers(a.Position); duplicate || outcome == Unchanged {
		if duplicate && outcome != Unchanged {
			return fmt.Errorf("duplicate %s of %s changed something", a.Position, a.Key)
		}
		if !v.held[a.Key].Covers(a.Position) {
			return fmt.Errorf("%s of %s was taken for a duplicate, the newest is %s", a.Position, a.Key, v.held[a.Key])
		}
		return nil // covered by whatever covers the newer one
	}
	v.owed = append(v.owed, owed{a.Key, a.Position, now, len(v.leases)})
	v.held[a.Key] = a.Position
	if _, ok := v.oldest[a.Key]; !ok {
		v.oldest[a.Key] = now
	}
	return nil
}

func (v *invariants) claimed(w Window, now int64) error {
	for _, l := range v.leases {
		if l.window.Key == w.Key && !l.over && l.end > now {
			return fmt.Errorf("%s is claimed while another lease lives until %d", w.Key, l.end)
		}
		if l.window.Key == w.Key && l.paused && !l.rested && l.end > now {
			return fmt.Errorf("%s is claimed during the pause until %d", w.Key, l.end)
		}
	}
	if v.held[w.Key] != w.Position {
		return fmt.Errorf("claim of %s holds %s, the newest armed is %s", w.Key, w.Position, v.held[w.Key])
	}
	if first := w.First.UnixMilli(); first != v.oldest[w.Key] {
		return fmt.Errorf("claim of %s says first %d, the oldest uncovered event came at %d", w.Key, first, v.oldest[w.Key])
	}
	var open uint64
	for _, o := range v.owed {
		if o.key == w.Key {
			open++
		}
	}
	if w.Collapsed != open {
		return fmt.Errorf("claim of %s stands for %d events, %d are uncovered", w.Key, w.Collapsed, open)
	}
	for i, l := range v.leases {
		if l.window.Key == w.Key {
			// Whatever the clock does from now on, the claim before has had its time.
			v.leases[i].over, v.leases[i].paused = true, false
		}
	}
	v.leases = append(v.leases, lease{window: w, end: now + modelLease})
	return nil
}

// completed takes what the claim covers off the list.
func (v *invariants) completed(w Window, completion Completion) error {
	index, err := v.find(w, completion)
	if err != nil || completion == Lost {
		return err
	}
	v.leases[index].over = true
	var left []owed
	delete(v.oldest, w.Key)
	for _, o := range v.owed {
		if o.key == w.Key && w.Position.Covers(o.position) && o.claimed <= index {
			continue
		}
		left = append(left, o)
		if _, ok := v.oldest[o.key]; o.key == w.Key && !ok {
			v.oldest[o.key] = o.arrived
		}
	}
	v.owed = left
	return nil
}

func (v *invariants) released(w Window, completion Completion, now, pauseEnd int64) error {
	index, err := v.find(w, completion)
	if err != nil || completion == Lost {
		return err
	}
	l := &v.leases[index]
	l.over, l.paused, l.end, l.rested = true, true, pauseEnd, pauseEnd <= now
	return nil
}

// find returns the lease of a claim. Only the newest claim of a key may still have an effect, and only once: a late one
// with an old token must be lost.
func (v *invariants) find(w Window, completion Completion) (int, error) {
	found, newest := -1, -1
	for i, l := range v.leases {
		if l.window.Key == w.Key {
			newest = i
			if l.window.token == w.token {
				found = i
			}
		}
	}
	owner := found == newest && !v.leases[found].over
	if owner != (completion != Lost) {
		return found, fmt.Errorf("completion %d of %s, though its owner is %t", completion, w.Key, owner)
	}
	return found, nil
}

// scheduled checks that a key that owes something is in the schedule, and no later than the longest wait allows: the max
// wait from its oldest event, or the end of a lease or pause. All of them are times of Redis' clock, so whatever it goes
// back by comes on top of the wait, once: the times that are stored do not move.
func (v *invariants) scheduled(k key.Key, score, maxWait int64) error {
	first, ok := v.oldest[k]
	if !ok {
		return nil
	}
	latest := first + maxWait
	for _, l := range v.leases {
		if l.window.Key == k && (!l.over || l.paused) {
			latest = max(latest, l.end)
		}
	}
	if score == 0 || score > latest {
		return fmt.Errorf("%s can be claimed from %d (0: never), want at most %d", k, score, latest)
	}
	return nil
}

// ticked notes what the clock shows.
func (v *invariants) ticked(now int64) {
	for i := range v.leases {
		l := &v.leases[i]
		l.rested = l.rested || l.paused && l.end <= now
	}
}

// emptied forgets what Redis has lost: every lease is lost with the window.
func (v *invariants) emptied() {
	v.owed = nil
	clear(v.held)
	clear(v.oldest)
	for i := range v.leases {
		v.leases[i].over, v.leases[i].paused = true, false
	}
}

// living are the newest claims of keys that are neither completed nor released nor lost.
func (v *invariants) living() []Window {
	newest := map[key.Key]int{}
	for i, l := range v.leases {
		newest[l.window.Key] = i
	}
	var windows []Window
	for i, l := range v.leases {
		if !l.over && newest[l.window.Key] == i {
			windows = append(windows, l.window)
		}
	}
	return windows
}

func (v *invariants) drained() error {
	if len(v.owed) > 0 {
		return fmt.Errorf("nothing is left, but %d events were never covered: %+v", len(v.owed), v.owed)
	}
	return nil
}
