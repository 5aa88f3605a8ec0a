package openkeys

import (
	"math"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// maxCheckpoints is how many checkpoints wait to become the watermark; beyond it every second one is given up.
const maxCheckpoints = 32

// Rules are what a Book follows.
type Rules struct {
	// Objective is how long an event may take to be settled and still count as fresh.
	Objective time.Duration
	// Wait is how long after it became open, or was looked at, a key is to be looked at; false if never. sweeps is how many
	// of its open events the sweeper has appended. It may vary from call to call.
	Wait func(key string, sweeps uint64) (time.Duration, bool)
}

// Event is an event of the log.
type Event struct {
	Key      string
	Sequence uint64
	// At is the log's own time.
	At     time.Time
	Origin bridgev1.Origin
}

// Settlement is what a record of SETTLED says.
type Settlement struct {
	Covered position.Position
	Outcome bridgev1.Outcome
	// At is when the outcome was stored.
	At time.Time
	// Owed tells that a delivery is owed although what is covered has an outcome.
	Owed     bool
	Revision uint64
}

// settlementOf reads a record.
func settlementOf(e ledger.Entry) Settlement {
	s := Settlement{
		Covered: position.FromProto(e.Value.GetCovered()), Outcome: e.Value.GetOutcome(),
		At: e.StoredAt, Owed: ledger.Owes(e.Value), Revision: e.Revision,
	}
	// The record may have been written again since, for a newer intent.
	if at := e.Value.GetSettledAt(); at != nil && at.AsTime().Before(s.At) {
		s.At = at.AsTime()
	}
	return s
}

func (s Settlement) covers(epoch, sequence uint64) bool {
	return s.Outcome != bridgev1.Outcome_OUTCOME_UNSPECIFIED && s.Covered.Covers(position.Position{Epoch: epoch, Sequence: sequence})
}

// interval counts the events between two checkpoints.
type interval struct {
	end uint64 // the last sequence that belongs to it
	totals
}

// account is what is open of one source.
type account struct {
	queue  *queue // by oldest open sequence
	events uint64
}

// Book is what is known of the events of one log epoch. It is safe for concurrent use.
type Book struct {
	rules Rules
	epoch uint64

	mu      sync.Mutex
	read    uint64 // the log has been read up to here
	keys    map[string]*entry
	sources map[string]*account
	looks   *queue
	owed    map[*entry]struct{}
	// ahead are settlements of events that have not been read yet.
	ahead map[string]Settlement

	// base adds up the events up to low, all of which have ended; intervals those after it.
	low       uint64
	base      totals
	intervals []interval
	all       totals
}

// newBook makes the book of a log of which everything up to low has ended, with what that adds up to.
func newBook(epoch, low uint64, base totals, rules Rules) *Book {
	b := &Book{
		rules: rules, epoch: epoch, read: low, low: low, base: base, all: totals{},
		keys: map[string]*entry{}, sources: map[string]*account{}, looks: nextLookFirst(), owed: map[*entry]struct{}{},
		ahead: map[string]Settlement{}, intervals: []interval{{end: math.MaxUint64, totals: totals{}}},
	}
	b.all.add(base)
	return b
}

// accept notes an event. It returns true if its key was not open before.
func (b *Book) accept(ev Event) (opened bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if ev.Sequence <= b.read {
		return false
	}
	b.read = ev.Sequence
	source := sourceOf(ev.Key)
	for _, t := range []totals{b.all, b.last().totals} {
		t.of(source).Accepted[originIndex(ev.Origin)]++
	}
	if s, known := b.ahead[ev.Key]; known {
		if s.Covered.Sequence <= ev.Sequence {
			delete(b.ahead, ev.Key)
		}
		if s.covers(b.epoch, ev.Sequence) {
			r := one(ev)
			b.settleRun(source, &r, s)
			return false
		}
	}
	e := b.keys[ev.Key]
	opened = e == nil
	if opened {
		e = b.open(ev.Key)
	}
	e.append(ev)
	b.account(source).events++
	if opened || len(e.runs) == 1 || ev.Origin == bridgev1.Origin_ORIGIN_SWEEPER {
		b.place(e)
	}
	return opened
}

func (b *Book) last() *interval { return &b.intervals[len(b.intervals)-1] }

func sourceOf(key string) string {
	source, _, _ := strings.Cut(key, ".")
	return source
}

func (b *Book) account(source string) *account {
	a := b.sources[source]
	if a == nil {
		a = &account{queue: oldestFirst()}
		b.sources[source] = a
	}
	return a
}

func (b *Book) open(key string) *entry {
	e := &entry{key: key, source: sourceOf(key), oldestIndex: -1, lookIndex: -1}
	b.keys[key] = e
	return e
}

// place gives the entry its place in the queues after its oldest event or its last sweep has changed.
func (b *Book) place(e *entry) {
	b.account(e.source).queue.put(e)
	wait, ok := b.rules.Wait(e.key, e.sweeps())
	if !ok {
		b.looks.remove(e)
		return
	}
	e.look = e.since().Add(wait)
	b.looks.put(e)
}

func (b *Book) forget(e *entry) {
	b.account(e.source).queue.remove(e)
	b.looks.remove(e)
	delete(b.keys, e.key)
}

// cut names merged events between which a settlement falls.
type cut struct{ first, last uint64 }

// settle notes a settlement. It returns the merged events that have to be split before it can be noted in full; then it
// has to be called again.
func (b *Book) settle(key string, s Settlement) (unclear *cut) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.keys[key]
	if e == nil && s.Owed {
		e = b.open(key)
	}
	if s.Covered.Epoch == b.epoch && s.Covered.Sequence > b.read {
		b.ahead[key] = s
	}
	if e == nil {
		return nil
	}
	settled := 0
	for ; settled < len(e.runs) && s.covers(b.epoch, e.runs[settled].last); settled++ {
		b.settleRun(e.source, &e.runs[settled], s)
		b.account(e.source).events -= e.runs[settled].count
	}
	e.runs = e.runs[settled:]
	delete(b.owed, e)
	e.owed = 0
	if s.Owed {
		b.owed[e] = struct{}{}
		e.owed, e.owedSequence, e.owedAt = s.Revision, s.Covered.Sequence, s.At
	}
	switch {
	case len(e.runs) > 0 && s.covers(b.epoch, e.runs[0].first):
		unclear = &cut{first: e.runs[0].first, last: e.runs[0].last}
	case len(e.runs) == 0 && e.owed == 0:
		b.forget(e)
		return nil
	}
	if settled > 0 || e.oldestIndex < 0 || len(e.runs) == 0 {
		b.place(e)
	}
	return unclear
}

// split replaces merged events by what the log says of them.
func (b *Book) split(key string, c cut, events []Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.keys[key]; e != nil {
		e.split(c.first, events)
	}
}

// settleRun counts a run as settled.
func (b *Book) settleRun(source string, r *run, s Settlement) {
	at := sort.Search(len(b.intervals), func(i int) bool { return b.intervals[i].end >= r.last })
	for _, t := range []totals{b.all, b.intervals[at].totals} {
		c := t.of(source)
		superseded := r.count
		if s.Covered == (position.Position{Epoch: b.epoch, Sequence: r.last}) {
			superseded--
			c.Settled[s.Outcome]++
		}
		c.Settled[Superseded] += superseded
		fresh := r.fresh(s.At, b.rules.Objective)
		switch s.Outcome { //nolint:exhaustive // All others reached Enneo.
		case bridgev1.Outcome_OUTCOME_DROPPED:
		case bridgev1.Outcome_OUTCOME_DEAD_LETTER:
			c.Stale += r.count
		default:
			c.Fresh += fresh
			c.Stale += r.count - fresh
		}
	}
}

// fresh is how many of the events were settled in time. Of merged ones whose times are not known, only the newest counts.
func (r *run) fresh(at time.Time, objective time.Duration) uint64 {
	limit := at.Add(-objective).UnixNano()
	switch {
	case r.from >= limit:
		return r.count
	case r.to >= limit:
		return 1
	default:
		return 0
	}
}

// checkpoint notes how far the log has been read, and moves the watermark as far as everything has ended.
func (b *Book) checkpoint() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key, s := range b.ahead {
		if s.Covered.Sequence <= b.read {
			delete(b.ahead, key) // The event has left the log, or was settled as its settlement was noted.
		}
	}
	reached := b.low
	if n := len(b.intervals); n > 1 {
		reached = b.intervals[n-2].end
	}
	if b.read > reached {
		b.last().end = b.read
		b.intervals = append(b.intervals, interval{end: math.MaxUint64, totals: totals{}})
	}
	if len(b.intervals) > maxCheckpoints {
		kept := b.intervals[:0]
		for i, last := 0, len(b.intervals)-1; i <= last; i++ {
			if i%2 == 0 && i+1 < last {
				b.intervals[i+1].add(b.intervals[i].totals)
				continue
			}
			kept = append(kept, b.intervals[i])
		}
		b.intervals = kept
	}
	oldest := b.oldest()
	for len(b.intervals) > 1 && b.intervals[0].end < oldest {
		first := b.intervals[0]
		b.intervals = b.intervals[1:]
		if !first.closed() {
			// Merged events that reached beyond it were counted where they ended.
			b.intervals[0].add(first.totals)
			continue
		}
		b.base.add(first.totals)
		b.low = first.end
	}
}

// oldest is the oldest open sequence of all, the largest number if none is open.
func (b *Book) oldest() uint64 {
	oldest := uint64(math.MaxUint64)
	for _, a := range b.sources {
		if e := a.queue.first(); e != nil {
			oldest = min(oldest, e.oldest())
		}
	}
	return oldest
}

// watermark is up to which sequence everything has ended, what it adds up to, and the oldest revision of a settlement that
// owes a delivery (the largest number if none does).
func (b *Book) watermark() (low uint64, base []*bridgev1.SourceTotals, owed uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	owed = math.MaxUint64
	for e := range b.owed {
		owed = min(owed, e.owed)
	}
	return b.low, b.base.proto(), owed
}

// expire gives up the keys that nobody looks at and whose newest event is older than the log's first.
func (b *Book) expire(first uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.oldest() >= first {
		return
	}
	for _, e := range b.keys {
		if e.lookIndex >= 0 || e.newest() >= first || e.owed > 0 {
			continue
		}
		for i := range e.runs {
			at := sort.Search(len(b.intervals), func(j int) bool { return b.intervals[j].end >= e.runs[i].last })
			for _, t := range []totals{b.all, b.intervals[at].totals} {
				t.of(e.source).Expired += e.runs[i].count
			}
			b.account(e.source).events -= e.runs[i].count
		}
		b.forget(e)
	}
}
