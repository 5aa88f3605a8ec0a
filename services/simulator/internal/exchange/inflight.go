package exchange

import (
	"sync"

	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

// Inflight knows which writes are in progress, and notices when two of them are about one key. It is safe for
// concurrent use. The zero value is ready.
type Inflight struct {
	mu   sync.Mutex
	keys map[simclient.Ref][]*Work
}

// Work is one write in progress. A nil Work is none.
type Work struct {
	owner *Inflight
	refs  []simclient.Ref
	// late: another write for one of the keys was in progress at the beginning. met: there was another one at any time.
	late, met bool
}

// Begin notes that a write for these keys has begun.
func (f *Inflight) Begin(refs []simclient.Ref) *Work {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.keys == nil {
		f.keys = map[simclient.Ref][]*Work{}
	}
	w := &Work{owner: f, refs: refs}
	for _, ref := range refs {
		for _, other := range f.keys[ref] {
			if other != w { // a body may name a key twice
				other.met, w.met, w.late = true, true, true
			}
		}
		f.keys[ref] = append(f.keys[ref], w)
	}
	return w
}

// End notes that the write is over, marks the entry, and tells whether the write found another one in progress.
func (w *Work) End(entry *simclient.Entry) (late bool) {
	if w == nil {
		return false
	}
	w.owner.mu.Lock()
	defer w.owner.mu.Unlock()
	for _, ref := range w.refs {
		rest := w.owner.keys[ref][:0]
		for _, other := range w.owner.keys[ref] {
			if other != w {
				rest = append(rest, other)
			}
		}
		if len(rest) == 0 {
			delete(w.owner.keys, ref)
		} else {
			w.owner.keys[ref] = rest
		}
	}
	entry.Overlapped = w.met
	return w.late
}
