// Package turn lets the reads of one key follow each other: a ticket that replaces one whose read is under way is
// delivered at once, and its read would cost as much as the first and learn little more.
//
// # Guarantees
//
// Inside one process a key has one turn at a time. Between replicas a turn is an announcement that nobody stores: whoever
// is about to read says so, says it again every third of the lease, and says when it has ended. It counts for one lease
// after it was heard last, by the clock of whoever heard it. So a lost announcement costs one more read, a dead reader
// delays its key by one lease, and nothing is ever lost: what is read twice is stored once.
//
// A claim in a KV bucket would be exact, and would cost two more replicated writes for each read, where a read has three
// (snapshot, ticket, acknowledgement). What it would save is a read in the moment in which two replicas begin at once: that
// needs two tickets of the key within a message's way through NATS, and they are a quiet period apart.
//
// # Concurrency
//
// Turns is safe for concurrent use; a Turn belongs to the goroutine that took it.
package turn

import (
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/key"
)

// MaxLease bounds how long a dead reader delays its key.
const MaxLease = 3 * time.Second

const (
	subjects = "enneobridge.reading."
	// A key that is being read is looked at again soon, since reads are short; the longer it takes, the less often.
	minPause = 50 * time.Millisecond
	maxPause = 2 * time.Second
	// maxAnnouncement bounds what is believed of a message in bytes.
	maxAnnouncement = 64
)

// Speaker says and hears messages that nobody stores, as *bus.Bus does.
type Speaker interface {
	Say(subject string, data []byte) error
	Hear(subject string, heard func(subject string, data []byte)) (stop func(), err error)
}

// Busy says that the key has its turn already.
type Busy struct {
	// Elsewhere: another replica has it.
	Elsewhere bool
	// Pause is how long to leave the key alone before asking again.
	Pause time.Duration
}

// Error implements error.
func (b *Busy) Error() string {
	return fmt.Sprintf("the key is being read, look again in %s", b.Pause)
}

// Turns are the turns of the keys of one source.
type Turns struct {
	speaker Speaker
	self    string
	lease   time.Duration
	stop    func()

	mu     sync.Mutex
	own    map[key.Key]time.Time // since when
	others map[key.Key]claim
	swept  time.Time
}

// claim is the turn of another replica.
type claim struct {
	holder       string
	since, until time.Time
}

// New makes the turns of a source and listens to the other replicas until Close. lease should not exceed the time after
// which the server delivers a dead reader's ticket again (ACK_WAIT); beyond MaxLease it is cut.
func New(speaker Speaker, source string, lease time.Duration) (*Turns, error) {
	t := &Turns{
		speaker: speaker, self: rand.Text(), lease: min(lease, MaxLease),
		own: map[key.Key]time.Time{}, others: map[key.Key]claim{},
	}
	stop, err := speaker.Hear(subjects+source+".>", func(subject string, data []byte) { t.note(subject, data, time.Now()) })
	if err != nil {
		return nil, fmt.Errorf("listen for reads of other replicas: %w", err)
	}
	t.stop = stop
	return t, nil
}

// Close ends listening.
func (t *Turns) Close() { t.stop() }

// Take takes the key's turn, or returns who has it and how long to wait.
func (t *Turns) Take(k key.Key) (*Turn, *Busy) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if since, taken := t.own[k]; taken {
		return nil, &Busy{Pause: pause(now.Sub(since))}
	}
	if busy := t.elsewhere(k, now); busy != nil {
		return nil, busy
	}
	t.own[k] = now
	return &Turn{turns: t, key: k}, nil
}

// elsewhere returns nil unless another replica has the key's turn.
func (t *Turns) elsewhere(k key.Key, now time.Time) *Busy {
	c, found := t.others[k]
	if left := c.until.Sub(now); found && left > 0 {
		return &Busy{Elsewhere: true, Pause: max(time.Millisecond, min(left, pause(now.Sub(c.since))))}
	}
	return nil
}

func pause(held time.Duration) time.Duration { return max(minPause, min(held/2, maxPause)) }

// note notes what another replica says: "<holder> <lease in ms>", 0 once its turn has ended.
func (t *Turns) note(subject string, data []byte, now time.Time) {
	name, ours := strings.CutPrefix(subject, subjects)
	k, err := key.Parse(name)
	if !ours || err != nil || len(data) > maxAnnouncement {
		return // No announcement of ours.
	}
	holder, text, _ := strings.Cut(string(data), " ")
	ms, err := strconv.ParseUint(text, 10, 32)
	if err != nil || holder == "" || holder == t.self {
		return
	}
	lease := min(time.Duration(ms)*time.Millisecond, MaxLease)
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.others[k]
	switch {
	case lease > 0 && c.holder == holder && now.Before(c.until):
		c.until = now.Add(lease)
		t.others[k] = c
	case lease > 0:
		t.others[k] = claim{holder: holder, since: now, until: now.Add(lease)}
		t.sweep(now)
	case c.holder == holder:
		delete(t.others, k)
	}
}

// sweep forgets what the dead have said last.
func (t *Turns) sweep(now time.Time) {
	if now.Sub(t.swept) < MaxLease {
		return
	}
	t.swept = now
	for k, c := range t.others {
		if !now.Before(c.until) {
			delete(t.others, k)
		}
	}
}

// Turn is the right to read a key. End it.
type Turn struct {
	turns *Turns
	key   key.Key

	mu      sync.Mutex
	renewal *time.Timer
	ended   bool
}

// Announce tells the other replicas that the read begins, unless it returns that one of them has begun meanwhile. That
// nobody could be told is no reason not to read.
func (t *Turn) Announce() *Busy {
	t.turns.mu.Lock()
	busy := t.turns.elsewhere(t.key, time.Now())
	t.turns.mu.Unlock()
	if busy != nil {
		return busy
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.renewal == nil && !t.ended {
		t.say(t.turns.lease)
		t.renewal = time.AfterFunc(t.turns.lease/3, t.renew)
	}
	return nil
}

func (t *Turn) renew() {
	t.mu.Lock()
	defer t.mu.Unlock()
	// Said after the end, it would count for another lease.
	if !t.ended {
		t.say(t.turns.lease)
		t.renewal.Reset(t.turns.lease / 3)
	}
}

func (t *Turn) say(lease time.Duration) {
	text := t.turns.self + " " + strconv.FormatInt(lease.Milliseconds(), 10)
	// Without a connection no other replica can be told, and this one gets no further either.
	_ = t.turns.speaker.Say(subjects+t.key.String(), []byte(text))
}

// End gives the turn back. Only its first call has an effect.
func (t *Turn) End() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return
	}
	t.ended = true
	if t.renewal != nil {
		t.renewal.Stop()
		t.say(0)
	}
	t.turns.mu.Lock()
	defer t.turns.mu.Unlock()
	delete(t.turns.own, t.key)
}
