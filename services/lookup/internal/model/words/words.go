// Package words is an index in memory: which documents hold a word, of words and of beginnings of words. Words repeat, so that it is small:
// names, streets, towns. What hardly repeats, such as the number of a contract, does not belong here.
//
// # Concurrency
//
// An Index is safe for concurrent use: many readers, and one writer at a time, which keeps readers waiting for the microseconds that
// a batch takes. What a reader gets does not change any more.
package words

import (
	"strings"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/tidwall/btree"
)

// Field says what a word is in a document. The same word is another one in another field.
type Field byte

// Set are documents by their numbers.
type Set = roaring.Bitmap

// Word is a word of a field.
type Word struct {
	Field Field
	Text  string
}

func (w Word) key() string { return string(byte(w.Field)) + w.Text }

// Change adds a document to a word, or takes it away.
type Change struct {
	Word
	Document uint32
	Remove   bool
}

// Index is the index. The zero value is not usable; use New.
type Index struct {
	mu    sync.RWMutex
	terms btree.Map[string, *Set]
}

// New makes an empty index.
func New() *Index { return &Index{} }

// Apply makes changes, all of them at once for a reader.
func (x *Index) Apply(changes []Change) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, c := range changes {
		set, ok := x.terms.Get(c.key())
		switch {
		case c.Remove && ok:
			set.Remove(c.Document)
			if set.IsEmpty() {
				x.terms.Delete(c.key())
			}
		case c.Remove:
		case ok:
			set.Add(c.Document)
		default:
			x.terms.Set(c.key(), roaring.BitmapOf(c.Document))
		}
	}
}

// Count is how many documents hold the word.
func (x *Index) Count(w Word) int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if set, ok := x.terms.Get(w.key()); ok {
		return int(set.GetCardinality())
	}
	return 0
}

// Words is how many different words there are.
func (x *Index) Words() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.terms.Len()
}

// Any is a condition: one of these words, or a word that begins with one of these beginnings.
type Any struct {
	Words      []Word
	Beginnings []Word
	// Within are the documents that come into question; nil: all. What is few of them costs little, however many documents hold the words.
	Within *Set
}

// All returns the documents that meet all conditions, in order of their numbers and no more than limit of them, and whether there are more.
// No condition is met by nothing.
func (x *Index) All(limit int, conditions ...Any) (documents []uint32, more bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	set := x.all(conditions)
	if set == nil {
		return nil, false
	}
	for it := set.Iterator(); it.HasNext(); {
		if len(documents) == limit {
			return documents, true
		}
		documents = append(documents, it.Next())
	}
	return documents, false
}

// Match returns the documents that meet a condition.
func (x *Index) Match(condition Any) *Set {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.any(condition)
}

func (x *Index) all(conditions []Any) *Set {
	if len(conditions) == 0 {
		return nil
	}
	// Sets of single words are not copied; FastAnd makes a new one.
	sets := make([]*Set, 0, len(conditions))
	for _, c := range conditions {
		var set *Set
		if len(c.Words) == 1 && len(c.Beginnings) == 0 {
			set, _ = x.terms.Get(c.Words[0].key())
		} else {
			set = x.any(c)
		}
		if set == nil || set.IsEmpty() {
			return nil
		}
		sets = append(sets, set)
	}
	// The smallest first, so that what follows has little to do.
	for i := 1; i < len(sets); i++ {
		if sets[i].GetCardinality() < sets[0].GetCardinality() {
			sets[0], sets[i] = sets[i], sets[0]
		}
	}
	return roaring.FastAnd(sets...)
}

// any is a set of its own, never one of the index.
func (x *Index) any(c Any) *Set {
	var sets []*Set
	add := func(set *Set) {
		if c.Within == nil {
			sets = append(sets, set)
		} else if part := roaring.And(set, c.Within); !part.IsEmpty() {
			sets = append(sets, part)
		}
	}
	for _, w := range c.Words {
		if set, ok := x.terms.Get(w.key()); ok {
			add(set)
		}
	}
	for _, b := range c.Beginnings {
		beginning := b.key()
		x.terms.Ascend(beginning, func(key string, set *Set) bool {
			if !strings.HasPrefix(key, beginning) {
				return false
			}
			add(set)
			return true
		})
	}
	if len(sets) == 1 {
		return sets[0].Clone()
	}
	return roaring.FastOr(sets...)
}
