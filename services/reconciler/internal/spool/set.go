// Package spool keeps on disk what grows with the number of contracts, so that memory does not.
//
// Its files are removed from their directory as soon as they are open: nothing is left of them when the process ends,
// however it ends.
//
// # Concurrency
//
// A Set and a List belong to one goroutine.
package spool

import (
	"bufio"
	"bytes"
	"container/heap"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sort"
)

const (
	// hashSize is how much is kept of a text: among a billion texts, two have the same hash with a probability of 10⁻²¹.
	hashSize = 16
	// runLength is how many hashes are sorted in memory at a time: 1 MiB.
	runLength = 1 << 16
	// bufferSize is that of each open run while they are merged.
	bufferSize = 16 << 10
)

type hash [hashSize]byte

func hashOf(text string) hash {
	sum := sha256.Sum256([]byte(text))
	return hash(sum[:hashSize])
}

func compare(a, b hash) int { return bytes.Compare(a[:], b[:]) }

// Set is a set of texts. Fill it with Add, then Freeze it, then ask with Contains.
type Set struct {
	dir    string
	memory []hash
	runs   *os.File // sorted runs of runLength hashes, the last one shorter
	spilt  int64    // hashes in runs
	sorted *os.File // after Freeze
	length int64
}

// NewSet makes an empty set whose files are in dir, the system's directory for temporary files if empty.
func NewSet(dir string) (*Set, error) {
	runs, err := temporary(dir)
	if err != nil {
		return nil, err
	}
	return &Set{dir: dir, runs: runs}, nil
}

// temporary makes a file that has no name any more.
func temporary(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, "reconciler-")
	if err != nil {
		return nil, fmt.Errorf("make a temporary file (RECONCILE_TEMP_DIR): %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(fmt.Errorf("hide a temporary file: %w", err), f.Close())
	}
	return f, nil
}

// Add puts a text into the set.
func (s *Set) Add(text string) error {
	s.memory = append(s.memory, hashOf(text))
	if len(s.memory) < runLength {
		return nil
	}
	return s.spill()
}

// spill writes what is in memory as a sorted run.
func (s *Set) spill() error {
	slices.SortFunc(s.memory, compare)
	w := bufio.NewWriterSize(s.runs, bufferSize)
	for _, h := range s.memory {
		if _, err := w.Write(h[:]); err != nil {
			return fmt.Errorf("write a temporary file: %w", err)
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write a temporary file: %w", err)
	}
	s.spilt += int64(len(s.memory))
	s.memory = s.memory[:0]
	return nil
}

// Freeze ends the filling.
func (s *Set) Freeze() error {
	if err := s.spill(); err != nil {
		return err
	}
	s.memory = nil
	var err error
	if s.sorted, err = temporary(s.dir); err != nil {
		return err
	}
	w := bufio.NewWriterSize(s.sorted, bufferSize)
	var last hash
	err = s.merge(func(h hash) error {
		if s.length > 0 && h == last {
			return nil
		}
		last = h
		s.length++
		_, err := w.Write(h[:])
		return err //nolint:wrapcheck // merge's caller does.
	})
	if err = errors.Join(err, w.Flush()); err != nil {
		return fmt.Errorf("write a temporary file: %w", err)
	}
	return nil
}

// run is a sorted run that is being merged.
type run struct {
	next   hash
	reader *bufio.Reader
}

// advance reads the next hash; it returns false at the end of the run.
func (r *run) advance() (bool, error) {
	_, err := io.ReadFull(r.reader, r.next[:])
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	return err == nil, err //nolint:wrapcheck // merge's caller does.
}

// runHeap has the run with the smallest next hash at the top.
type runHeap []*run

func (h runHeap) Len() int           { return len(h) }
func (h runHeap) Less(i, j int) bool { return compare(h[i].next, h[j].next) < 0 }
func (h runHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *runHeap) Push(x any)        { *h = append(*h, x.(*run)) } //nolint:errcheck // Only this file pushes.
func (h *runHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// merge visits the hashes of all runs in their order.
func (s *Set) merge(visit func(hash) error) error {
	var open runHeap
	for begin := int64(0); begin < s.spilt; begin += runLength {
		length := min(s.spilt-begin, runLength)
		r := &run{reader: bufio.NewReaderSize(io.NewSectionReader(s.runs, begin*hashSize, length*hashSize), bufferSize)}
		if ok, err := r.advance(); err != nil {
			return err
		} else if ok {
			open = append(open, r)
		}
	}
	heap.Init(&open)
	for len(open) > 0 {
		if err := visit(open[0].next); err != nil {
			return err
		}
		more, err := open[0].advance()
		switch {
		case err != nil:
			return err
		case more:
			heap.Fix(&open, 0)
		default:
			heap.Pop(&open)
		}
	}
	return nil
}

// Len is the number of different texts in a frozen set.
func (s *Set) Len() int64 { return s.length }

// Contains tells whether a text is in a frozen set.
func (s *Set) Contains(text string) (bool, error) {
	wanted := hashOf(text)
	var (
		found  hash
		failed error
	)
	_, ok := sort.Find(int(s.length), func(i int) int {
		if _, err := s.sorted.ReadAt(found[:], int64(i)*hashSize); err != nil {
			failed = fmt.Errorf("read a temporary file: %w", err)
		}
		return compare(wanted, found)
	})
	return ok && failed == nil, failed
}

// Close gives everything back.
func (s *Set) Close() error {
	var err error
	if s.sorted != nil {
		err = s.sorted.Close()
	}
	return errors.Join(err, s.runs.Close())
}
