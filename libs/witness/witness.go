// Package witness tells a key that an outside system refuses from a system that refuses everything.
//
// An ERP that answers every read with "no success", or an Enneo that says 400 after a mishap of its own, would otherwise make
// a dead letter of each key that changes meanwhile. So a refusal counts only once another key was answered by a request that
// began after this key was first refused. Where several keys are refused and none is answered, the refusals count as a fault
// of the whole system: its gate shuts, and one probe at a time finds out when it is well again.
//
// A key that is refused all alone in a quiet system has no witness; it is believed after an hour.
//
// # Concurrency
//
// A Witness is safe for concurrent use. Its memory is the process's own: after a restart, and in another replica, the first
// refusal of a key is asked for once more.
package witness

import (
	"sync"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/fault"
	"github.com/enneo-ai/enneo-bridge/libs/key"
)

const (
	// maxRefused bounds how many refused keys are remembered. Beyond it a refusal is not believed until there is room.
	maxRefused = 100_000
	// everything is how many keys are refused, and none answered, before that is a fault of the whole system.
	everything = 3
	// alone is how long a key that is refused all alone is asked for again before that is believed.
	alone = time.Hour
)

// Witness remembers which keys of one system are refused, and since when.
type Witness struct {
	now func() time.Time

	mu       sync.Mutex
	answered time.Time             // the latest beginning of a request that succeeded
	refused  map[key.Key]time.Time // when each was first refused
	// unanswered is how many of the refused keys nobody can testify against: no request has succeeded since.
	unanswered int
}

// New makes a witness that has seen nothing. The clock is time.Now unless a test has its own.
func New(now func() time.Time) *Witness {
	return &Witness{now: now, refused: map[key.Key]time.Time{}}
}

// Judge returns the fault of a request that began then as it counts; nil is a success. A permanent refusal that is not
// believed yet is passing, and a refusal of one among many, of which none is answered, is a fault of the whole system. What was
// not even sent (fault.Unsent) needs no witness.
func (w *Witness) Judge(k key.Key, f *fault.Fault, began time.Time) *fault.Fault {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case f == nil:
		w.succeeded(k, began)
		return nil
	case f.Scope != fault.Key, f.Unsent():
		return f
	}
	if _, known := w.refused[k]; !known && len(w.refused) < maxRefused {
		w.refused[k] = w.now()
		w.unanswered++
	}
	if w.believed(k) {
		return f
	}
	judged := *f
	judged.Permanent = false
	if w.unanswered >= everything {
		judged.Scope = fault.Target
	}
	return &judged
}

// Believed tells whether a key that is refused, as Judge has heard, is refused for itself.
func (w *Witness) Believed(k key.Key) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.believed(k)
}

// Forget makes the key's next refusal its first, after it has become a dead letter.
func (w *Witness) Forget(k key.Key) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.forget(k)
}

func (w *Witness) succeeded(k key.Key, began time.Time) {
	w.forget(k)
	if !began.After(w.answered) {
		return
	}
	w.answered = began
	if w.unanswered == 0 {
		return
	}
	w.unanswered = 0
	for _, first := range w.refused {
		if !w.answered.After(first) {
			w.unanswered++
		}
	}
}

func (w *Witness) forget(k key.Key) {
	first, known := w.refused[k]
	if known && !w.answered.After(first) {
		w.unanswered--
	}
	delete(w.refused, k)
}

func (w *Witness) believed(k key.Key) bool {
	first, known := w.refused[k]
	switch {
	case !known:
		return false
	case w.answered.After(first):
		return true
	default:
		return w.unanswered == 1 && w.now().Sub(first) >= alone
	}
}
