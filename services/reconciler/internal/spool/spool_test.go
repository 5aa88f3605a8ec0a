package spool_test

import (
	"os"
	"runtime"
	"slices"
	"strconv"
	"testing"

	"github.com/enneo-ai/enneo-bridge/services/reconciler/internal/spool"
)

func newSet(t testing.TB) *spool.Set {
	t.Helper()
	s, err := spool.NewSet(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestASetKnowsWhatWasAddedAndNothingElse(t *testing.T) {
	t.Parallel()
	// 0, one run, a whole run, several runs with a rest.
	for _, n := range []int{0, 1, 1000, 1 << 16, 200_001} {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			t.Parallel()
			s := newSet(t)
			for i := range n {
				if err := s.Add("in " + strconv.Itoa(i)); err != nil {
					t.Fatal(err)
				}
				if i%7 == 0 { // A listing may show one twice.
					if err := s.Add("in " + strconv.Itoa(i/2)); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := s.Freeze(); err != nil {
				t.Fatal(err)
			}
			if s.Len() != int64(n) {
				t.Errorf("%d texts, want %d", s.Len(), n)
			}
			for i := 0; i < n; i += max(1, n/5000) {
				if in, err := s.Contains("in " + strconv.Itoa(i)); err != nil || !in {
					t.Fatalf("text %d is not found: %v", i, err)
				}
			}
			for i := range 1000 {
				if in, err := s.Contains("out " + strconv.Itoa(i)); err != nil || in {
					t.Fatalf("a text that was not added is found: %v", err)
				}
			}
		})
	}
}

func TestAListKeepsItsOrder(t *testing.T) {
	t.Parallel()
	l, err := spool.NewList(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for i := range 1001 {
		want = append(want, strconv.Itoa(i))
		if err := l.Add(strconv.Itoa(i)); err != nil {
			t.Fatal(err)
		}
	}
	sizes := []int{}
	err = l.Chunks(500, func(texts []string) error {
		got, sizes = append(got, texts...), append(sizes, len(texts))
		return nil
	})
	if err != nil || !slices.Equal(got, want) || !slices.Equal(sizes, []int{500, 500, 1}) || l.Len() != 1001 {
		t.Errorf("%d of %d texts in chunks of %v, %v", len(got), l.Len(), sizes, err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

func TestNothingIsLeftInTheDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := spool.NewSet(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Freeze(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("the directory has %d files while the set is open, %v: a killed process would leave them", len(left), err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := spool.NewSet(dir + "/missing"); err == nil {
		t.Error("a set without a directory")
	}
}

// TestMemoryDoesNotGrowWithTheNumberOfTexts is not parallel, since it looks at the whole process.
func TestMemoryDoesNotGrowWithTheNumberOfTexts(t *testing.T) { //nolint:paralleltest // See above.
	const texts, bound = 2_000_000, 8 << 20
	s := newSet(t)
	before := live()
	var most uint64
	for i := range texts {
		if err := s.Add(strconv.Itoa(i)); err != nil {
			t.Fatal(err)
		}
		if i%(texts/8) == 0 {
			most = max(most, live())
		}
	}
	if err := s.Freeze(); err != nil {
		t.Fatal(err)
	}
	most = max(most, live())
	if s.Len() != texts || most > before+bound {
		t.Errorf("%d texts take %d bytes of memory, want less than %d: as hashes alone they are %d bytes", s.Len(), most-before, bound, texts*16)
	}
}

func live() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
