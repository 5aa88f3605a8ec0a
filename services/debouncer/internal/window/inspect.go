package window

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/position"
)

// scanPage is about how many windows Redis looks at in one step of Each. A step takes it well under a millisecond, so
// nobody else waits.
const scanPage = 500

// ErrNoWindows is the error of Attach when no debouncer has ever used this Redis, or it was emptied since.
var ErrNoWindows = errors.New("this Redis holds no windows: no debouncer has run on it, or it was emptied")

// State says what a window waits for.
type State string

// The states of a window.
const (
	// StateOpen windows collect events until they are due.
	StateOpen State = "open"
	// StateDue windows can be claimed now. Among them are those whose claim was lost with the debouncer that held it.
	StateDue State = "due"
	// StateClaimed windows are being flushed.
	StateClaimed State = "claimed"
	// StatePaused windows wait out the pause after a failed flush.
	StatePaused State = "paused"
	// StateCooling windows hold no events; they only slow down the next urgent one.
	StateCooling State = "cooling"
)

// Events are events that wait together. All times are by the clock of Redis.
type Events struct {
	// First is the arrival of the first of them, Due when they are due by the rule; both are zero without events.
	First, Due time.Time
	// Count is their number, without duplicates.
	Count uint64
	// TraceParents are the W3C traceparents of the first and the newest sampled ones, oldest first.
	TraceParents []string
}

// Lease is what a claim has taken and not completed yet.
type Lease struct {
	Events
	// Position is the newest position taken.
	Position position.Position
	// Until is the end of the lease; afterwards others may claim the window.
	Until time.Time
}

// View is a window as it stood in Redis at Now.
type View struct {
	Key key.Key
	Now time.Time
	// Position is the newest position that the window holds, claimed or not.
	Position position.Position
	// Open are the events that no claim has taken.
	Open Events
	// Claim is nil while nobody has claimed the window.
	Claim *Lease
	// PausedUntil is the end of the pause after a failed flush, CoolsUntil the end of a cool-down; zero without one. Both may
	// be over.
	PausedUntil, CoolsUntil time.Time
	// Urgent: the next claim starts a cool-down, and no further event puts the window off.
	Urgent bool
	// Unscheduled: Look has found the window without a place in the schedule. No debouncer sees it until its next event.
	Unscheduled bool
}

// Claimable is when the window can be claimed next: its due, or the end of its lease, pause or cool-down.
func (v *View) Claimable() time.Time {
	switch {
	case v.Claim != nil:
		return v.Claim.Until
	case v.PausedUntil.After(v.Now):
		return v.PausedUntil
	case v.Open.First.IsZero():
		return v.CoolsUntil
	default:
		return v.Open.Due
	}
}

// State is what the window waits for at Now.
func (v *View) State() State {
	waits := v.Claimable().After(v.Now)
	switch {
	case v.Claim != nil && waits:
		return StateClaimed
	case v.Claim == nil && v.Open.First.IsZero():
		return StateCooling
	case !waits:
		return StateDue
	case v.PausedUntil.After(v.Now):
		return StatePaused
	default:
		return StateOpen
	}
}

// Oldest is the arrival of the oldest event that no completed flush covers, zero without one.
func (v *View) Oldest() time.Time {
	if v.Claim != nil {
		return v.Claim.First
	}
	return v.Open.First
}

// Collapsed is the number of events that no completed flush covers.
func (v *View) Collapsed() uint64 {
	if v.Claim != nil {
		return v.Claim.Count + v.Open.Count
	}
	return v.Open.Count
}

// Attach opens the windows of a running installation, with the number of shards that it has. Unlike Open it changes
// nothing in Redis.
func Attach(ctx context.Context, rdb redis.UniversalClient) (*Store, error) {
	count, err := rdb.Get(ctx, countKey).Result()
	if errors.Is(err, redis.Nil) {
		return nil, ErrNoWindows
	}
	if err != nil {
		return nil, fmt.Errorf("read the number of shards: %w", err)
	}
	shards, err := strconv.Atoi(count)
	if err != nil || shards < 1 || shards > MaxShards {
		return nil, fmt.Errorf("read the number of shards: what stands in %s is no number from 1 to %d", countKey, MaxShards)
	}
	return &Store{rdb: rdb, shards: shards, scripts: embedded(), now: func() string { return "" }}, nil
}

// Look reads one window, with its place in the schedule, as one snapshot. It is nil if there is none, or if it cannot be
// read.
func (s *Store) Look(ctx context.Context, k key.Key) (*View, error) {
	name := k.String()
	r := s.run(ctx, s.scripts.look, []call{{shard: s.shardOf(name), args: []any{name}}})[0]
	if r.err != nil {
		return nil, r.err
	}
	if len(r.rest) != 2 {
		return nil, fmt.Errorf("look at a window: %w", errReply)
	}
	state, _ := r.rest[0].(string)
	score, _ := r.rest[1].(string)
	v, ok := parseView(name, state, r.now)
	if !ok {
		return nil, nil //nolint:nilnil // as documented: there is none
	}
	v.Unscheduled = score == ""
	return &v, nil
}

// Scanned is what Each has come across besides windows.
type Scanned struct {
	// Unreadable counts what is no window of this package; a debouncer removes it once it comes to it.
	Unreadable int
	// Emptied counts the shards whose open keys are still to be armed again.
	Emptied int
}

// Each visits every window, in no order, until visit returns an error. It reads in small steps, so Redis serves others
// meanwhile; what is there from the beginning to the end is visited once or, seldom, more often, and what comes or goes
// meanwhile may be. visit must not keep the View.
func (s *Store) Each(ctx context.Context, visit func(*View) error) (Scanned, error) {
	var seen Scanned
	for shard := range s.shards {
		for cursor, more := uint64(0), true; more; more = cursor != 0 {
			// Each page brings the time, because a scan of a million windows takes seconds.
			r := s.run(ctx, s.scripts.look, []call{{shard: shard}})[0]
			if r.err != nil {
				return seen, r.err
			}
			if r.emptied && cursor == 0 {
				seen.Emptied++
			}
			var page []string
			var err error
			page, cursor, err = s.rdb.HScan(ctx, windowsKey(shard), cursor, "", scanPage).Result()
			if err != nil {
				return seen, fmt.Errorf("list the windows of shard %d: %w", shard, err)
			}
			for i := 0; i+1 < len(page); i += 2 {
				v, ok := parseView(page[i], page[i+1], r.now)
				if !ok {
					seen.Unreadable++
					continue
				}
				if err := visit(&v); err != nil {
					return seen, err
				}
			}
		}
	}
	return seen, nil
}

// parseView reads the packed state of a window; see the package. It is not ok for what claim.lua could not read either.
func parseView(name, state string, now time.Time) (View, bool) {
	const commonCount, claimCount = 5, 15
	k, err := key.Parse(name)
	fields := strings.Fields(state)
	if err != nil || len(fields) < commonCount || len(fields) > unclaimedCount && len(fields) < claimCount {
		return View{}, false
	}
	f := fieldReader{fields: fields}
	v := View{Key: k, Now: now, Position: f.position(0), Open: f.events(2)}
	if len(fields) > 5 {
		if cool := f.number(5); cool < 0 {
			v.Urgent = true
		} else if cool > 0 {
			v.CoolsUntil = time.UnixMilli(cool)
		}
	}
	if len(fields) > 6 {
		v.Open.TraceParents = unpackTraces(fields[6])
	}
	var held int64
	if len(fields) >= unclaimedCount {
		held = f.number(unclaimedCount - 1)
	}
	switch {
	case len(fields) >= claimCount:
		v.Claim = &Lease{Position: f.position(9), Events: f.events(11), Until: time.UnixMilli(held)}
		v.Claim.TraceParents = unpackTraces(fields[14])
	case held != 0:
		v.PausedUntil = time.UnixMilli(held)
	}
	return v, !f.failed
}

// fieldReader reads numbers of a state, and notes if one is none.
type fieldReader struct {
	fields []string
	failed bool
}

// number is a whole number that Lua can hold, with or without a sign.
func (f *fieldReader) number(i int) int64 {
	n, err := strconv.ParseInt(f.fields[i], 10, 64)
	if err != nil || n > maxNumber || n < -maxNumber {
		f.failed = true
		return 0
	}
	return n
}

func (f *fieldReader) count(i int) uint64 {
	n := f.number(i)
	if n < 0 {
		f.failed = true
		return 0
	}
	return uint64(n)
}

func (f *fieldReader) position(i int) position.Position {
	return position.Position{Epoch: f.count(i), Sequence: f.count(i + 1)}
}

// events reads first, wait and n.
func (f *fieldReader) events(i int) Events {
	first, wait, n := f.number(i), f.number(i+1), f.count(i+2)
	if first == 0 {
		return Events{Count: n}
	}
	return Events{First: time.UnixMilli(first), Due: time.UnixMilli(first + wait), Count: n}
}
