package words_test

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/model/words"
)

// TestTheIndexAnswersLikeAList compares with documents that are looked through one by one.
func TestTheIndexAnswersLikeAList(t *testing.T) {
	t.Parallel()
	word := rapid.Custom(func(t *rapid.T) words.Word {
		return words.Word{Field: words.Field(rapid.SampledFrom([]byte("fl")).Draw(t, "field")), Text: rapid.StringMatching(`[ab]{1,3}`).Draw(t, "text")}
	})
	rapid.Check(t, func(t *rapid.T) {
		index, list := words.New(), map[uint32]map[words.Word]bool{}
		for range rapid.IntRange(0, 60).Draw(t, "changes") {
			c := words.Change{Word: word.Draw(t, "word"), Document: uint32(rapid.IntRange(1, 8).Draw(t, "document")), Remove: rapid.Bool().Draw(t, "remove")}
			index.Apply([]words.Change{c})
			if list[c.Document] == nil {
				list[c.Document] = map[words.Word]bool{}
			}
			if c.Remove {
				delete(list[c.Document], c.Word)
			} else {
				list[c.Document][c.Word] = true
			}
		}
		var conditions []words.Any
		for range rapid.IntRange(1, 3).Draw(t, "conditions") {
			conditions = append(conditions, words.Any{Words: rapid.SliceOfN(word, 0, 2).Draw(t, "words"), Beginnings: rapid.SliceOfN(word, 0, 2).Draw(t, "beginnings")})
		}
		var want []uint32
		for _, doc := range slices.Sorted(maps.Keys(list)) {
			if !slices.ContainsFunc(conditions, func(c words.Any) bool { return !meets(list[doc], c) }) {
				want = append(want, doc)
			}
		}
		got, more := index.All(100, conditions...)
		if more || !slices.Equal(got, want) {
			t.Fatalf("found %v, want %v", got, want)
		}
		if len(want) > 1 {
			if got, more := index.All(1, conditions...); !more || !slices.Equal(got, want[:1]) {
				t.Fatalf("the first one is %v (more: %t), want %v", got, more, want[:1])
			}
		}
	})
}

func meets(has map[words.Word]bool, c words.Any) bool {
	for w := range has {
		if slices.Contains(c.Words, w) {
			return true
		}
		for _, b := range c.Beginnings {
			if b.Field == w.Field && strings.HasPrefix(w.Text, b.Text) {
				return true
			}
		}
	}
	return false
}

func TestNoConditionAndNoWordFindNothing(t *testing.T) {
	t.Parallel()
	index := words.New()
	index.Apply([]words.Change{{Word: words.Word{Field: 'l', Text: "a"}, Document: 1}})
	if got, _ := index.All(10); got != nil {
		t.Errorf("no condition finds %v", got)
	}
	if got, _ := index.All(10, words.Any{}); got != nil {
		t.Errorf("an empty condition finds %v", got)
	}
	index.Apply([]words.Change{{Word: words.Word{Field: 'l', Text: "a"}, Document: 1, Remove: true}})
	if n := index.Words(); n != 0 {
		t.Errorf("a word that nobody has is kept: %d words", n)
	}
}

// TestReadersAndAWriterDoNotMeet is for the race detector.
func TestReadersAndAWriterDoNotMeet(t *testing.T) {
	t.Parallel()
	index, word := words.New(), words.Word{Field: 'l', Text: "a"}
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for range 500 {
				set := index.Match(words.Any{Words: []words.Word{word}})
				set.Add(1) // It is the reader's own.
				index.All(10, words.Any{Words: []words.Word{word}}, words.Any{Beginnings: []words.Word{{Field: 'l'}}})
			}
		})
	}
	for i := range uint32(500) {
		index.Apply([]words.Change{{Word: word, Document: i, Remove: i%3 == 0}})
	}
	readers.Wait()
}
