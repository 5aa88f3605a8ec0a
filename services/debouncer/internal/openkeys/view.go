package openkeys

import (
	"time"

	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// Open is an open key.
type Open struct {
	Key    string
	Source string
	Epoch  uint64
	// Newest is the newest sequence that is known of it: of an open event, or of what is settled and owed a delivery.
	Newest uint64
	// Events is how many are open, Origins how many of each origin.
	Events  uint64
	Origins [origins]uint64
	// Oldest and NewestAt are when the oldest and the newest open event were accepted, by the log's own clock.
	Oldest, NewestAt time.Time
	// Since is from when on the key has been open without anything that the sweeper did.
	Since time.Time
}

// Sweeps is how many open events the sweeper has appended.
func (o *Open) Sweeps() uint64 { return o.Origins[bridgev1.Origin_ORIGIN_SWEEPER] }

func (b *Book) view(e *entry) Open {
	oldest, newest := e.times()
	return Open{
		Key: e.key, Source: e.source, Epoch: b.epoch, Newest: e.newest(), Events: e.events(), Origins: e.origins(),
		Oldest: oldest, NewestAt: newest, Since: e.since(),
	}
}

// Due returns up to limit keys that are to be looked at, those first that have waited longest. now is the time of the
// server that keeps the log. Each comes again after its wait, unless it is settled or swept before.
func (b *Book) Due(now time.Time, limit int) []Open {
	b.mu.Lock()
	defer b.mu.Unlock()
	var due []Open
	for len(due) < limit {
		e := b.looks.first()
		if e == nil || e.look.After(now) {
			break
		}
		due = append(due, b.view(e))
		if wait, ok := b.rules.Wait(e.key, e.sweeps()); ok {
			e.look = now.Add(max(wait, time.Nanosecond))
			b.looks.put(e)
		} else {
			b.looks.remove(e)
		}
	}
	return due
}

// Look sets when a key is to be looked at next, if it is still open.
func (b *Book) Look(key string, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.keys[key]; e != nil && e.lookIndex >= 0 {
		e.look = at
		b.looks.put(e)
	}
}

// Epoch is the log epoch of the book.
func (b *Book) Epoch() uint64 { return b.epoch }

// Summary is what is known of one source.
type Summary struct {
	Counts
	// OpenKeys have open events or are owed a delivery.
	OpenKeys, OpenEvents uint64
	// Oldest is when the oldest open event was accepted, the zero time if none is open.
	Oldest time.Time
}

// Summaries are all sources of which anything is known.
func (b *Book) Summaries() map[string]Summary {
	b.mu.Lock()
	defer b.mu.Unlock()
	summaries := map[string]Summary{}
	for source, c := range b.all {
		summaries[source] = Summary{Counts: *c}
	}
	for source, a := range b.sources {
		s := summaries[source]
		s.OpenKeys, s.OpenEvents = uint64(a.queue.Len()), a.events
		if e := a.queue.first(); e != nil {
			s.Oldest, _ = e.times()
		}
		summaries[source] = s
	}
	return summaries
}

// Keys are all open keys, in no order.
func (b *Book) Keys() []Open {
	b.mu.Lock()
	defer b.mu.Unlock()
	keys := make([]Open, 0, len(b.keys))
	for _, e := range b.keys {
		keys = append(keys, b.view(e))
	}
	return keys
}
