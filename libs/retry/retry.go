// Package retry remembers, per key, before which time nothing may be tried again.
//
// A ticket can be replaced by a newer one at any moment, and the new one forgets its predecessor's delay. So the delay
// is kept here, outside the ticket: whoever pulls a ticket asks first. The memory is this process's own, or that of all
// replicas (Shared), which a restart does not end.
//
// # Concurrency
//
// A Schedule is safe for concurrent use.
package retry

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/fault"
	"github.com/enneo-ai/enneo-bridge/libs/key"
)

// Schedule is the memory of failed keys. Make one with New.
type Schedule struct {
	first, max time.Duration
	shared     *shared // nil: the memory is this process's own

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
	s.learn(k)
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
	if s.shared != nil {
		defer s.shared.set(k, e)
	}
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
	if wait := s.wait(k); wait > 0 || s.shared == nil {
		return wait
	}
	s.learn(k)
	return s.wait(k)
}

func (s *Schedule) wait(k key.Key) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(0, time.Until(s.keys[k].notBefore))
}

// learn takes over what other replicas know of a key.
func (s *Schedule) learn(k key.Key) {
	if s.shared == nil {
		return
	}
	e, found := s.shared.get(k, max(s.max+s.max/4, fault.MaxRetryAfter))
	if !found {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ours := s.keys[k]; (ours || len(s.keys) < maxKeys) && known.attempts <= e.attempts {
		s.keys[k] = e
	}
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
	_, failed := s.keys[k]
	delete(s.keys, k)
	s.mu.Unlock()
	if failed && s.shared != nil {
		s.shared.forget(k)
	}
}
