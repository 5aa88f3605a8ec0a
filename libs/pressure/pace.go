package pressure

import (
	"sync"
	"time"
)

// ReasonSlow is the reason of a target that answers, but takes its time.
const ReasonSlow = "slow"

// slowShare is the part of the longest permitted time from which on requests are slow: four of them at once do then what
// one did at the limit, and a few more of their kind shut the gate.
const slowShare = 4

// Pace notes how long the requests to a target take. Make one with NewPace; it is safe for concurrent use.
type Pace struct {
	timeout time.Duration

	mu sync.Mutex
	// mean is a moving one: one slow request among quick ones says nothing.
	mean time.Duration
	at   time.Time
}

// NewPace makes a pace of requests that may take up to timeout each.
func NewPace(timeout time.Duration) *Pace { return &Pace{timeout: timeout} }

// Note notes that a request has ended now and took that long, waiting for its turn under a limit of our own included.
func (p *Pace) Note(took time.Duration) { p.note(took, time.Now()) }

func (p *Pace) note(took time.Duration, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Sub(p.at) > p.timeout {
		p.mean = 0 // Too long ago to be told anything by.
	}
	p.mean += (took - p.mean) / 4
	p.at = now
}

// Slow tells whether the latest requests took a quarter of the longest permitted time or more, on average. Of a target that
// nobody has asked for so long that an answer would be overdue, it is not known.
func (p *Pace) Slow() bool { return p.slow(time.Now()) }

func (p *Pace) slow(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mean >= p.timeout/slowShare && now.Sub(p.at) <= p.timeout
}

// Or is a function for Tell: pressed with its reason, or else that the target is slow.
func (p *Pace) Or(pressed func() (reason string, pressed bool)) func() (reason string, pressed bool) {
	return func() (string, bool) {
		if reason, yes := pressed(); yes {
			return reason, true
		}
		return ReasonSlow, p.Slow()
	}
}
