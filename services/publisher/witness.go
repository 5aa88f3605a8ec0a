package publisher

import (
	"sync"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/key"
)

// maxRefused bounds how many refused keys are remembered. Beyond it a refusal is not believed until there is room.
const maxRefused = 100_000

// witness tells a key that Enneo refuses from an Enneo that refuses everything: a refusal counts only once another key was
// delivered by a request that began after this key was first refused. An Enneo that answers every request with "no success", or with 400
// after a mishap of its own, would otherwise make a dead letter of each key that changes meanwhile.
//
// The memory is this process's own; after a restart the first refusal is asked for once more.
type witness struct {
	mu      sync.Mutex
	begun   time.Time             // the latest beginning of a request that succeeded
	refused map[key.Key]time.Time // when each was first refused
}

// succeeded notes a delivery by a request that began then.
func (w *witness) succeeded(k key.Key, began time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if began.After(w.begun) {
		w.begun = began
	}
	delete(w.refused, k)
}

// forget makes the key's next refusal its first, after it has become a dead letter.
func (w *witness) forget(k key.Key) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.refused, k)
}

// refusedAlone notes a refusal, and tells whether others have been delivered since the key was first refused.
func (w *witness) refusedAlone(k key.Key) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	first, known := w.refused[k]
	if known && w.begun.After(first) {
		return true
	}
	if !known && len(w.refused) < maxRefused {
		if w.refused == nil {
			w.refused = map[key.Key]time.Time{}
		}
		w.refused[k] = time.Now()
	}
	return false
}
