package openkeys

import (
	"math"
	"slices"
	"time"

	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// maxRuns is how many parts of a key's open events are told apart.
const maxRuns = 8

// run is one open event, or several merged neighbours of one key.
//
// There may be millions of them, so times are the log's own in nanoseconds since 1970.
type run struct {
	first, last uint64
	from, to    int64
	count       uint64
	origins     [origins]uint32
}

// one is the run of one event.
func one(e Event) run {
	at := e.At.UnixNano()
	r := run{first: e.Sequence, last: e.Sequence, from: at, to: at, count: 1}
	r.origins[originIndex(e.Origin)] = 1
	return r
}

// originIndex is the place of an origin in Counts; one that only a newer version knows counts as unspecified.
func originIndex(o bridgev1.Origin) int {
	if o < 0 || int(o) >= origins {
		return 0
	}
	return int(o)
}

func (r *run) merge(next run) {
	r.last, r.to = next.last, next.to
	r.count += next.count
	for i, n := range next.origins {
		r.origins[i] += n
	}
}

// entry is an open key: it has open events, or is owed a delivery.
type entry struct {
	key, source string
	// runs are the open events, oldest first.
	runs []run
	// owed is the revision of the settlement that owes a delivery, 0 if none is owed; owedSequence is what it covers.
	owed         uint64
	owedSequence uint64
	owedAt       time.Time
	// swept is when the newest open event of the sweeper was appended.
	swept time.Time
	// look is when the key is to be looked at, the zero time if never.
	look time.Time

	oldestIndex, lookIndex int
}

// oldest is the first open sequence; the largest number if none is open.
func (e *entry) oldest() uint64 {
	if len(e.runs) == 0 {
		return math.MaxUint64
	}
	return e.runs[0].first
}

// newest is the newest sequence that is known of the key.
func (e *entry) newest() uint64 {
	if len(e.runs) == 0 {
		return e.owedSequence
	}
	return e.runs[len(e.runs)-1].last
}

// times are when the oldest and the newest open event were accepted.
func (e *entry) times() (oldest, newest time.Time) {
	if len(e.runs) == 0 {
		return e.owedAt, e.owedAt
	}
	return time.Unix(0, e.runs[0].from), time.Unix(0, e.runs[len(e.runs)-1].to)
}

// since is from when on the key has been open without anything that the sweeper did.
func (e *entry) since() time.Time {
	oldest, _ := e.times()
	if e.swept.After(oldest) {
		return e.swept
	}
	return oldest
}

func (e *entry) events() (n uint64) {
	for i := range e.runs {
		n += e.runs[i].count
	}
	return n
}

func (e *entry) origins() (sum [origins]uint64) {
	for i := range e.runs {
		for o, n := range e.runs[i].origins {
			sum[o] += uint64(n)
		}
	}
	return sum
}

// sweeps is how many open events the sweeper has appended.
func (e *entry) sweeps() uint64 { return e.origins()[bridgev1.Origin_ORIGIN_SWEEPER] }

// append adds an event that is newer than all others.
func (e *entry) append(ev Event) {
	e.runs = append(e.runs, one(ev))
	if ev.Origin == bridgev1.Origin_ORIGIN_SWEEPER {
		e.swept = ev.At
	}
	e.compact()
}

// compact merges neighbours once there are too many runs. The newest stays as it is: it is what a settlement most likely
// names.
func (e *entry) compact() {
	if len(e.runs) <= maxRuns {
		return
	}
	last := len(e.runs) - 1
	kept := e.runs[:0]
	for i := 0; i < last; i += 2 {
		r := e.runs[i]
		if i+1 < last {
			r.merge(e.runs[i+1])
		}
		kept = append(kept, r)
	}
	kept = append(kept, e.runs[last])
	e.runs = kept
}

// split replaces the run that begins with first by single events. What the log no longer holds of it stays merged with the
// first of them, or as it is if nothing is left.
func (e *entry) split(first uint64, events []Event) {
	at := slices.IndexFunc(e.runs, func(r run) bool { return r.first == first })
	if at < 0 || len(events) == 0 {
		return
	}
	old := e.runs[at]
	parts := make([]run, len(events))
	for i, ev := range events {
		parts[i] = one(ev)
	}
	missing := old.count - min(old.count, uint64(len(events)))
	if missing > 0 {
		parts[0].first, parts[0].from = old.first, old.from
		parts[0].count += missing
		for i, n := range old.origins {
			var found uint32
			for _, ev := range events {
				if originIndex(ev.Origin) == i {
					found++
				}
			}
			parts[0].origins[i] += n - min(n, found)
		}
	}
	e.runs = slices.Replace(e.runs, at, at+1, parts...)
}
