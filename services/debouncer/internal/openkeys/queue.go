package openkeys

import "container/heap"

// queue is a heap of entries whose order may change while they stand in it.
type queue struct {
	entries []*entry
	less    func(a, b *entry) bool
	index   func(*entry) *int
}

// oldestFirst orders by the oldest open sequence.
func oldestFirst() *queue {
	return &queue{
		less:  func(a, b *entry) bool { return a.oldest() < b.oldest() },
		index: func(e *entry) *int { return &e.oldestIndex },
	}
}

// nextLookFirst orders by when to look.
func nextLookFirst() *queue {
	return &queue{
		less:  func(a, b *entry) bool { return a.look.Before(b.look) },
		index: func(e *entry) *int { return &e.lookIndex },
	}
}

// put adds the entry, or gives it its new place.
func (q *queue) put(e *entry) {
	if i := *q.index(e); i >= 0 {
		heap.Fix(q, i)
		return
	}
	heap.Push(q, e)
}

// remove takes the entry out, if it stands in the queue.
func (q *queue) remove(e *entry) {
	if i := *q.index(e); i >= 0 {
		heap.Remove(q, i)
	}
}

// first is the entry at the front, nil if there is none.
func (q *queue) first() *entry {
	if len(q.entries) == 0 {
		return nil
	}
	return q.entries[0]
}

// Len implements heap.Interface.
func (q *queue) Len() int { return len(q.entries) }

// Less implements heap.Interface.
func (q *queue) Less(i, j int) bool { return q.less(q.entries[i], q.entries[j]) }

// Swap implements heap.Interface.
func (q *queue) Swap(i, j int) {
	q.entries[i], q.entries[j] = q.entries[j], q.entries[i]
	*q.index(q.entries[i]), *q.index(q.entries[j]) = i, j
}

// Push implements heap.Interface.
func (q *queue) Push(x any) {
	e, _ := x.(*entry)
	*q.index(e) = len(q.entries)
	q.entries = append(q.entries, e)
}

// Pop implements heap.Interface.
func (q *queue) Pop() any {
	last := len(q.entries) - 1
	e := q.entries[last]
	q.entries[last] = nil
	q.entries = q.entries[:last]
	*q.index(e) = -1
	return e
}
