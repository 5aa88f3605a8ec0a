// Package retry remembers, per key, before which time nothing may be tried again.
//
// A ticket can be replaced by a newer one at any moment, and the new one forgets its predecessor's delay. So the delay
// is kept here, outside the ticket: whoever pulls a ticket asks first. The memory is this process's own; another
// replica, or this one after a restart, tries once and then knows as well.
//
// # Concurrency
//
// A Schedule is safe for concurrent use.
package retry

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/key"
)

// Schedule is the memory of failed keys. Make one with New.
type Schedule struct {
	first, max time.Duration

	mu     sync.Mutex
	keys   map[key.Key]entry
	forgot time.Time // when the full memory was last searched
}

type entry struct {
	attempts  int
	notBefore time.Time
}

// maxKeys bounds the memory. Beyond it the keys whose pause is over are forgotten, and if there are none, new keys are
// not remembered: they are tried again after the first pause each time.
const maxKeys = 200_000

// New makes a schedule whose pauses grow from first to limit, doubling, with up to a quarter of jitter.
func New(first, limit time.Duration) *Schedule {
	return &Schedule{first: first, max: limit, keys: map[key.Key]entry{}}
}

// Failed notes one more failure and returns how long to wait and how many failures there were in a row. atLeast is what
// the target asked for, 0 if it did not.
func (s *Schedule) Failed(k key.Key, atLeast time.Duration) (wait time.Duration, attempts int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.keys[k]
	e.attempts++
	wait = s.first
	for i := 1; i < e.attempts && wait < s.max; i++ {
		wait *= 2
	}
	wait = min(wait, s.max)
	wait += rand.N(wait/4 + 1) //nolint:gosec // Jitter need not be unpredictable.
	wait = max(wait, atLeast)
	e.notBefore = time.Now().Add(wait)
	if e.attempts == 1 && len(s.keys) >= maxKeys {
		s.forgetPast()
		if len(s.keys) >= maxKeys {
			return wait, e.attempts
		}
	}
	s.keys[k] = e
	return wait, e.attempts
}

// forgetPast makes room. It looks at every key, so it does so once per first pause at most.
func (s *Schedule) forgetPast() {
	now := time.Now()
	if now.Sub(s.forgot) < s.first {
		return
	}
	s.forgot = now
	for k, e := range s.keys {
		if now.After(e.notBefore) {
			delete(s.keys, k)
		}
	}
}

// Wait returns how long the key has to wait still; 0 if it may be tried.
func (s *Schedule) Wait(k key.Key) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(0, time.Until(s.keys[k].notBefore))
}

// Attempts returns how often the key has failed in a row.
func (s *Schedule) Attempts(k key.Key) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys[k].attempts
}

// Succeeded forgets the key's failures.
func (s *Schedule) Succeeded(k key.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.keys, k)
}
