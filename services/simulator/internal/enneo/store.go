package enneo

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

// Store is what the simulated Enneo holds. It is safe for concurrent use.
type Store struct {
	mu      sync.RWMutex
	records map[simclient.Ref]*record
}

// record is what Enneo was told about a key.
type record struct {
	// body is nil if Enneo does not hold the key.
	body json.RawMessage
	// newest is the highest revision that Enneo was ever given, also if it was deleted since.
	newest int64
}

// NewStore returns an empty store.
func NewStore() *Store { return &Store{records: map[simclient.Ref]*record{}} }

// Reset forgets everything.
func (s *Store) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records = map[simclient.Ref]*record{}
}

// Get is what Enneo holds under a key, nil for nothing. The caller must not change it.
func (s *Store) Get(ref simclient.Ref) json.RawMessage {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if r := s.records[ref]; r != nil {
		return r.body
	}
	return nil
}

// Told lists the keys that Enneo was ever told of.
func (s *Store) Told() []simclient.Ref {
	s.mu.RLock()
	defer s.mu.RUnlock()
	refs := slices.Collect(maps.Keys(s.records))
	slices.SortFunc(refs, func(a, b simclient.Ref) int {
		return strings.Compare(string(a.Kind)+a.ID, string(b.Kind)+b.ID)
	})
	return refs
}

// each calls f with every record of a kind that Enneo holds, until it returns false.
func (s *Store) each(kind key.Kind, f func(ref simclient.Ref, body json.RawMessage) bool) {
	for _, ref := range s.Told() {
		if body := s.Get(ref); ref.Kind == kind && body != nil && !f(ref, body) {
			return
		}
	}
}

// write stores a body, or deletes with a nil body, and calls note before anybody else can write. It tells whether the
// key was there, and whether the revision is older than one that Enneo was given before. A revision of 0 is none.
func (s *Store) write(ref simclient.Ref, body json.RawMessage, revision int64, note func()) (existed, regression bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.records[ref]
	if r == nil {
		r = &record{}
		s.records[ref] = r
	}
	existed, regression = r.body != nil, revision > 0 && revision < r.newest
	r.body, r.newest = body, max(r.newest, revision)
	note()
	return existed, regression
}
