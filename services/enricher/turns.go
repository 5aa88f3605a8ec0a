package enricher

import (
	"sync"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/key"
)

// turnPause is how long a ticket stays away whose key is being read by this process.
const turnPause = 250 * time.Millisecond

// turns lets one worker of this process at a time work on a key. A ticket that replaces one in work is delivered at once;
// a second read at the same time would cover little more, and a burst during a slow read would cost one for each flush.
//
// Another replica may get such a ticket: then both read, and the read that covers more wins. To keep it from that would
// take a write to the log's store for every read, for a case that costs one.
type turns struct {
	mu   sync.Mutex
	keys map[key.Key]struct{}
}

// take takes the key's turn until done is called; ok is false if another worker has it.
func (t *turns) take(k key.Key) (done func(), ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, taken := t.keys[k]; taken {
		return nil, false
	}
	if t.keys == nil {
		t.keys = map[key.Key]struct{}{}
	}
	t.keys[k] = struct{}{}
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.keys, k)
	}, true
}
