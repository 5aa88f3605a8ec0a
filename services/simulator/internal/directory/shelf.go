package directory

import (
	"cmp"
	"slices"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

// maxVersions bounds the older states that are kept of one record, for ERPs that lag behind.
const maxVersions = 64

// shelf holds all records of one kind. It is guarded by the directory's lock.
type shelf[T any] struct {
	records map[string]*record[T]
	// order holds the ids as they came into being, also of those that are gone.
	order []string
	// changes is the order of changes. Only a record's newest place counts; the others are stale.
	changes []place
	// live is the number of records that are not gone.
	live int
	// stamp writes the revision into a record.
	stamp func(*T, int64)
}

type record[T any] struct {
	// versions are the states, oldest first; the last one is in force.
	versions []version[T]
	// cut: states before the first version have been forgotten.
	cut bool
	// place is where the newest change stands in changes.
	place int64
	// touched: changed by control since the start or reset.
	touched bool
}

type version[T any] struct {
	value    T
	gone     bool
	revision int64
	at       time.Time
}

type place struct {
	number int64
	id     string
}

func newShelf[T any](stamp func(*T, int64)) *shelf[T] {
	return &shelf[T]{records: map[string]*record[T]{}, stamp: stamp}
}

// get is the record in force, nil if there never was one.
func (s *shelf[T]) get(id string) *version[T] {
	r := s.records[id]
	if r == nil {
		return nil
	}
	return &r.versions[len(r.versions)-1]
}

// put stores a new state, or that the record is gone, and returns the new revision.
func (s *shelf[T]) put(id string, value T, gone bool, at time.Time, number int64, touched bool) int64 {
	r := s.records[id]
	if r == nil {
		r = &record[T]{}
		s.records[id] = r
		s.order = append(s.order, id)
	}
	next := version[T]{value: value, gone: gone, revision: 1, at: at}
	existed := false
	if n := len(r.versions); n > 0 {
		next.revision = r.versions[n-1].revision + 1
		existed = !r.versions[n-1].gone
	}
	switch {
	case existed && gone:
		s.live--
	case !existed && !gone:
		s.live++
	}
	s.stamp(&next.value, next.revision)
	r.forget(at)
	r.versions = append(r.versions, next)
	r.place, r.touched = number, r.touched || touched
	s.changes = append(s.changes, place{number: number, id: id})
	if len(s.changes) > 2*len(s.records)+1024 {
		s.changes = slices.DeleteFunc(s.changes, func(p place) bool { return s.records[p.id].place != p.number })
	}
	return next.revision
}

// forget drops states that no lag can reach any more.
func (r *record[T]) forget(now time.Time) {
	drop := max(len(r.versions)-maxVersions+1, 0)
	// A state ends when the next one begins.
	for drop+1 < len(r.versions) && now.Sub(r.versions[drop+1].at) > simclient.MaxReadLag {
		drop++
	}
	if drop > 0 {
		r.versions = slices.Delete(r.versions, 0, drop)
		r.cut = true
	}
}

// at is the state that was in force then, nil if the record did not exist yet. If it has been forgotten, it is the oldest
// state that has not.
func (r *record[T]) at(then time.Time) *version[T] {
	for i := len(r.versions) - 1; i >= 0; i-- {
		if !r.versions[i].at.After(then) {
			return &r.versions[i]
		}
	}
	if r.cut {
		return &r.versions[0]
	}
	return nil
}

// after yields the newest changes behind a place in the order of changes, at most limit; a limit of 0 means all.
func (s *shelf[T]) after(number int64, limit int, accept func(*version[T]) bool, then time.Time) (found []*version[T], last int64, more bool) {
	first, _ := slices.BinarySearchFunc(s.changes, number+1, func(p place, n int64) int { return cmp.Compare(p.number, n) })
	last = number
	for _, p := range s.changes[first:] {
		r := s.records[p.id]
		if r.place != p.number {
			continue
		}
		v := r.at(then)
		if v == nil || !accept(v) {
			continue
		}
		if limit > 0 && len(found) == limit {
			return found, last, true
		}
		found = append(found, v)
		last = p.number
	}
	return found, last, false
}
