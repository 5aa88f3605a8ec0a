// Package journal keeps a record of every request to the simulated systems, and of every write of the simulated Enneo.
//
// Both lists are bounded: once full, they keep what they have and count what they had to leave out. The counts of the
// summary go on.
//
// # Concurrency
//
// A Journal is safe for concurrent use. Appending holds one lock for as long as it takes to store an entry and to raise
// its counts; reading holds it only to note how far the lists reach.
package journal

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"sync"

	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

// Journal is the record. Use New.
type Journal struct {
	mu       sync.Mutex
	entries  log[simclient.Entry]
	writes   log[simclient.Write]
	sequence int64
	written  int64
	counts   map[operation]*counts
	overlaps int64
	regress  int64
	// grown is closed and forgotten with the next entry; nil while nobody waits.
	grown chan struct{}
}

type operation struct{ system, name string }

type counts struct {
	requests int64
	byStatus map[int]int64
	perRef   map[simclient.Ref]int64
}

// New returns an empty journal for so many entries and writes.
func New(entries, writes int) *Journal {
	j := &Journal{entries: log[simclient.Entry]{limit: entries}, writes: log[simclient.Write]{limit: writes}}
	j.counts = map[operation]*counts{}
	return j
}

// Append adds an entry and gives it its sequence. overlap says that the request found another write in progress.
func (j *Journal) Append(entry simclient.Entry, overlap bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.sequence++
	entry.Sequence = j.sequence
	j.entries.add(entry)
	j.count(&entry)
	if overlap {
		j.overlaps++
	}
	if entry.Regression {
		j.regress++
	}
	if j.grown != nil {
		close(j.grown)
		j.grown = nil
	}
}

func (j *Journal) count(entry *simclient.Entry) {
	name := operation{system: entry.System, name: entry.Operation}
	c := j.counts[name]
	if c == nil {
		c = &counts{byStatus: map[int]int64{}, perRef: map[simclient.Ref]int64{}}
		j.counts[name] = c
	}
	c.requests++
	c.byStatus[entry.Status]++
	if entry.ID != "" {
		c.perRef[simclient.Ref{Kind: entry.Kind, ID: entry.ID}]++
	}
	for _, ref := range entry.More {
		c.perRef[ref]++
	}
}

// AppendWrite adds a write of the simulated Enneo and gives it its sequence.
func (j *Journal) AppendWrite(write simclient.Write) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.written++
	write.Sequence = j.written
	j.writes.add(write)
}

// Reset forgets all entries, writes and counts. Sequences go on.
func (j *Journal) Reset() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = log[simclient.Entry]{limit: j.entries.limit}
	j.writes = log[simclient.Write]{limit: j.writes.limit}
	j.counts = map[operation]*counts{}
	j.overlaps, j.regress = 0, 0
}

// Entries yields the entries there are now that the query selects, in order.
func (j *Journal) Entries(query simclient.JournalQuery) iter.Seq[*simclient.Entry] {
	j.mu.Lock()
	all := j.entries.view()
	j.mu.Unlock()
	return func(yield func(*simclient.Entry) bool) {
		selected := 0
		for entry := range all.from(0) {
			if !query.Matches(entry) {
				continue
			}
			if !yield(entry) {
				return
			}
			if selected++; selected == query.Limit {
				return
			}
		}
	}
}

// Writes yields the writes there are now, in order; an empty kind or id selects all.
func (j *Journal) Writes(ref simclient.Ref) iter.Seq[*simclient.Write] {
	j.mu.Lock()
	all := j.writes.view()
	j.mu.Unlock()
	return func(yield func(*simclient.Write) bool) {
		for write := range all.from(0) {
			if (ref.Kind == "" || ref.Kind == write.Kind) && (ref.ID == "" || ref.ID == write.ID) && !yield(write) {
				return
			}
		}
	}
}

// Await blocks until the journal holds at least n entries that the query selects, and returns how many. A reset in
// between starts the count anew.
func (j *Journal) Await(ctx context.Context, query simclient.JournalQuery, n int) (int, error) {
	var seen view[simclient.Entry]
	for count := 0; ; {
		j.mu.Lock()
		now := j.entries.view()
		if j.grown == nil {
			j.grown = make(chan struct{})
		}
		grown := j.grown
		j.mu.Unlock()
		if reset := now.length < seen.length || seen.length > 0 && &now.chunks[0][0] != &seen.chunks[0][0]; reset {
			seen, count = view[simclient.Entry]{}, 0
		}
		for entry := range now.from(seen.length) {
			if query.Matches(entry) {
				count++
			}
		}
		seen = now
		if count >= n {
			return count, nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return count, fmt.Errorf("await %d journal entries: %w", n, context.Cause(ctx))
		}
	}
}

// Summary returns the counts. What the ERPs hold is left to the caller.
func (j *Journal) Summary() simclient.Summary {
	j.mu.Lock()
	defer j.mu.Unlock()
	summary := simclient.Summary{
		Systems:  map[string]simclient.SystemSummary{},
		Overlaps: j.overlaps, Regressions: j.regress,
		Entries: j.entries.length, Dropped: j.entries.dropped,
		Writes: j.writes.length, WritesDropped: j.writes.dropped,
	}
	for name, c := range j.counts {
		system, known := summary.Systems[name.system]
		if !known {
			system.Operations = map[string]simclient.OperationSummary{}
		}
		system.Requests += c.requests
		system.Operations[name.name] = c.summary()
		summary.Systems[name.system] = system
	}
	return summary
}

func (c *counts) summary() simclient.OperationSummary {
	s := simclient.OperationSummary{
		Requests: c.requests, ByStatus: maps.Clone(c.byStatus), IDs: len(c.perRef), PerID: map[int64]int{},
	}
	for ref, n := range c.perRef {
		s.PerID[n]++
		// Among equals the smallest id, so that the answer does not depend on the order of the map.
		if n > s.MaxPerID || n == s.MaxPerID && ref.ID < s.MaxRef.ID {
			s.MaxPerID, s.MaxRef = n, &ref
		}
	}
	return s
}
