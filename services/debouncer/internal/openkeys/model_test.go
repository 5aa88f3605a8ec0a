package openkeys

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/enneo-ai/enneo-bridge/libs/position"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

const (
	modelEpoch     = 7
	modelObjective = 50 * time.Second
)

// never is a Wait that looks at nothing.
func never(string, uint64) (time.Duration, bool) { return 0, false }

var modelRules = Rules{Objective: modelObjective, Wait: never}

// second is a time of the model's log.
func second(n uint64) time.Time { return time.Unix(int64(n), 0) }

// modelEvent is an event and how it was settled, 0 while it is open.
type modelEvent struct {
	Event
	outcome bridgev1.Outcome
	// by is the outcome of the settlement, which differs for what is superseded.
	by    bridgev1.Outcome
	fresh bool
}

// model is a log, what is settled, and a Book that reads both with delays, and is restarted.
type model struct {
	log     []modelEvent // sequence n at index n-1
	read    int          // of the log, by the book
	settled map[string]Settlement
	// told is the newest settlement of each key that the book has been told of.
	told map[string]Settlement
	book *Book
	// revision of SETTLED.
	revision uint64
}

func newModel() *model {
	return &model{settled: map[string]Settlement{}, told: map[string]Settlement{}, book: newBook(modelEpoch, 0, totals{}, modelRules)}
}

func (m *model) append(key string, origin bridgev1.Origin) {
	sequence := uint64(len(m.log) + 1)
	m.log = append(m.log, modelEvent{Event: Event{Key: key, Sequence: sequence, At: second(sequence), Origin: origin}})
}

// readOne lets the book read one more event.
func (m *model) readOne() {
	ev := &m.log[m.read]
	m.read++
	m.book.accept(ev.Event)
	m.classify(ev)
}

// settle settles a key up to one of its events.
func (m *model) settle(key string, sequence uint64, outcome bridgev1.Outcome, owed bool) {
	m.revision++
	s := Settlement{
		Covered: position.Position{Epoch: modelEpoch, Sequence: sequence}, Outcome: outcome,
		At: second(uint64(len(m.log))), Owed: owed, Revision: m.revision,
	}
	if old, known := m.settled[key]; known && old.Covered.Sequence > sequence {
		return
	}
	m.settled[key] = s
}

// tell tells the book of the newest settlement of a key.
func (m *model) tell(key string) {
	s, known := m.settled[key]
	if !known {
		return
	}
	m.told[key] = s
	if c := m.book.settle(key, s); c != nil {
		var events []Event
		for _, ev := range m.log[c.first-1 : c.last] {
			if ev.Key == key {
				events = append(events, ev.Event)
			}
		}
		m.book.split(key, *c, events)
		if c := m.book.settle(key, s); c != nil {
			panic(fmt.Sprintf("still unclear: %v", c))
		}
	}
	for i := range m.log[:m.read] {
		m.classify(&m.log[i])
	}
}

// classify settles an event by what the book has been told, unless it is settled already.
func (m *model) classify(ev *modelEvent) {
	s, known := m.told[ev.Key]
	if !known || ev.outcome != 0 || !s.covers(modelEpoch, ev.Sequence) {
		return
	}
	ev.outcome = Superseded
	if s.Covered.Sequence == ev.Sequence {
		ev.outcome = s.Outcome
	}
	ev.by = s.Outcome
	ev.fresh = s.At.Sub(ev.At) <= modelObjective && s.Outcome != bridgev1.Outcome_OUTCOME_DEAD_LETTER && s.Outcome != bridgev1.Outcome_OUTCOME_DROPPED
}

// restart begins with a new book from the watermark of the old one.
func (m *model) restart() {
	low, base, owed := m.book.watermark()
	m.book = newBook(modelEpoch, low, totalsOf(base), modelRules)
	// What the new book reads again, it judges by what is settled then.
	m.read = int(low)
	for i := range m.log[low:] {
		m.log[int(low)+i].outcome, m.log[int(low)+i].fresh = 0, false
	}
	m.told = map[string]Settlement{}
	for m.read < len(m.log) {
		key := m.log[m.read].Key
		m.readOne()
		m.tell(key)
	}
	// Then SETTLED is followed from the oldest debt on.
	for key, s := range m.settled {
		if s.Revision >= owed {
			m.tell(key)
		}
	}
}

// check compares the book with what it should know.
func (m *model) check() error {
	m.book.mu.Lock()
	low, base := m.book.low, m.book.base
	m.book.mu.Unlock()
	var want, wantLow Counts
	openEvents := map[string]uint64{}
	var droppedWith uint64 // superseded by what an operator dropped
	for _, ev := range m.log[:m.read] {
		sums := []*Counts{&want}
		if ev.Sequence <= low {
			sums = append(sums, &wantLow)
		}
		for _, c := range sums {
			c.Accepted[ev.Origin]++
			if ev.outcome != 0 {
				c.Settled[ev.outcome]++
			}
		}
		if ev.fresh {
			want.Fresh++
		}
		if ev.outcome == Superseded && ev.by == bridgev1.Outcome_OUTCOME_DROPPED {
			droppedWith++
		}
		if ev.outcome == 0 {
			openEvents[ev.Key]++
			if ev.Sequence <= low {
				return fmt.Errorf("event %d is open, the watermark is %d", ev.Sequence, low)
			}
		}
	}
	got, gotOpen := m.book.Summaries()["s"], map[string]uint64{}
	var sum uint64
	for _, k := range m.book.Keys() {
		if k.Events > 0 {
			gotOpen[k.Key] = k.Events
			sum += k.Events
		}
		if s := m.told[k.Key]; k.Events == 0 && !s.Owed {
			return fmt.Errorf("%s is known though nothing of it is open or owed", k.Key)
		}
		var byOrigin uint64
		for _, n := range k.Origins {
			byOrigin += n
		}
		if byOrigin != k.Events {
			return fmt.Errorf("%s has %d events, by origin %d", k.Key, k.Events, byOrigin)
		}
	}
	_, _, owed := m.book.watermark()
	wantOwed := uint64(math.MaxUint64)
	for key, s := range m.told {
		if s.Owed {
			wantOwed = min(wantOwed, s.Revision)
		}
		if s.Owed && !slices.ContainsFunc(m.book.Keys(), func(o Open) bool { return o.Key == key }) {
			return fmt.Errorf("%s is owed a delivery and not known", key)
		}
	}
	if owed != wantOwed {
		return fmt.Errorf("the oldest debt is of revision %d, want %d", owed, wantOwed)
	}
	if diff := cmp.Diff(openEvents, gotOpen); diff != "" {
		return fmt.Errorf("open events (-want +got):\n%s", diff)
	}
	accepted, settled := got.Sums()
	if accepted != settled+got.OpenEvents || got.OpenEvents != sum {
		return fmt.Errorf("accepted %d, settled %d, open %d, %d of keys", accepted, settled, got.OpenEvents, sum)
	}
	if got.Accepted != want.Accepted || got.Settled != want.Settled {
		return fmt.Errorf("accepted %v settled %v, want %v and %v", got.Accepted, got.Settled, want.Accepted, want.Settled)
	}
	if c := base.of("s"); c.Accepted != wantLow.Accepted || c.Settled != wantLow.Settled {
		return fmt.Errorf("up to the watermark accepted %v settled %v, want %v and %v", c.Accepted, c.Settled, wantLow.Accepted, wantLow.Settled)
	}
	// Of merged events only some are known to be fresh.
	judged := settled - got.Settled[bridgev1.Outcome_OUTCOME_DROPPED] - droppedWith
	if got.Fresh+got.Stale != judged || got.Fresh > want.Fresh {
		return fmt.Errorf("fresh %d of %d, stale %d, judged %d", got.Fresh, want.Fresh, got.Stale, judged)
	}
	return nil
}

func TestRandomHistoriesBalance(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := newModel()
		keys := []string{"s.contract.A", "s.contract.B", "s.customer.C"}
		key := rapid.SampledFrom(keys)
		for range rapid.IntRange(1, 120).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0, 1, 2:
				origin := bridgev1.Origin(rapid.IntRange(0, origins-1).Draw(t, "origin"))
				k := key.Draw(t, "key")
				for range rapid.IntRange(1, 12).Draw(t, "burst") {
					m.append(k, origin)
				}
			case 3, 4, 5:
				for range rapid.IntRange(1, 20).Draw(t, "reads") {
					if m.read < len(m.log) {
						m.readOne()
					}
				}
			case 6, 7:
				if len(m.log) == 0 {
					continue
				}
				ev := rapid.SampledFrom(m.log).Draw(t, "event")
				outcome := bridgev1.Outcome(rapid.IntRange(1, int(Superseded)-1).Draw(t, "outcome"))
				m.settle(ev.Key, ev.Sequence, outcome, rapid.Bool().Draw(t, "owed"))
				if rapid.Bool().Draw(t, "told") {
					m.tell(ev.Key)
				}
			case 8:
				m.tell(key.Draw(t, "key"))
			case 9:
				m.book.checkpoint()
				if rapid.IntRange(0, 3).Draw(t, "restart") == 0 {
					m.restart()
				}
			}
			if err := m.check(); err != nil {
				t.Fatal(err)
			}
		}
		// Once everything is read and settled, the watermark reaches the end and nothing is known any more.
		for m.read < len(m.log) {
			m.readOne()
		}
		for _, ev := range m.log {
			m.settle(ev.Key, ev.Sequence, bridgev1.Outcome_OUTCOME_DELIVERED, false)
		}
		for _, k := range keys {
			m.tell(k)
		}
		m.book.checkpoint()
		if err := m.check(); err != nil {
			t.Fatal(err)
		}
		if low, _, _ := m.book.watermark(); low != uint64(len(m.log)) || len(m.book.Keys()) > 0 || len(m.book.ahead) > 0 {
			t.Fatalf("watermark %d of %d, %d keys, %d settlements ahead", low, len(m.log), len(m.book.Keys()), len(m.book.ahead))
		}
	})
}
