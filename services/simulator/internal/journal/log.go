package journal

import "iter"

// chunk is the number of items that are allocated at once: an append never copies what is there.
const chunk = 4096

// log is an append-only list with a limit. It is guarded by its owner's lock; what view returns needs none.
type log[T any] struct {
	chunks  [][]T
	length  int
	limit   int
	dropped int64
}

// add appends the item, or counts it as dropped if the log is full: what was kept first stays complete.
func (l *log[T]) add(item T) {
	if l.length >= l.limit {
		l.dropped++
		return
	}
	if l.length%chunk == 0 {
		l.chunks = append(l.chunks, make([]T, chunk))
	}
	l.chunks[l.length/chunk][l.length%chunk] = item
	l.length++
}

// view is what the log holds now. Items are never changed after they were added, so it stays valid.
func (l *log[T]) view() view[T] { return view[T]{chunks: l.chunks, length: l.length} }

type view[T any] struct {
	chunks [][]T
	length int
}

// from yields the items from index first on.
func (v view[T]) from(first int) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		for i := first; i < v.length; i++ {
			if !yield(&v.chunks[i/chunk][i%chunk]) {
				return
			}
		}
	}
}
