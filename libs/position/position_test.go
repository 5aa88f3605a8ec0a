package position_test

import (
	"slices"
	"testing"

	"github.com/enneo-ai/enneo-bridge/libs/position"
)

func TestPositionsAreOrderedByEpochFirst(t *testing.T) {
	t.Parallel()
	ordered := []position.Position{{}, {Sequence: 1}, {Sequence: 9}, {Epoch: 1}, {Epoch: 1, Sequence: 2}, {Epoch: 2, Sequence: 1}, {Epoch: 1 << 63, Sequence: 1}}
	if !slices.IsSortedFunc(ordered, position.Position.Compare) {
		t.Error("the list is not in the order of Compare")
	}
	for i, p := range ordered {
		for j, q := range ordered {
			if got, want := p.Covers(q), i >= j; got != want {
				t.Errorf("%v covers %v = %t, want %t", p, q, got, want)
			}
			if got, want := p.Compare(q) == 0, i == j; got != want {
				t.Errorf("%v equals %v = %t, want %t", p, q, got, want)
			}
		}
		if got, want := p.IsZero(), i == 0; got != want {
			t.Errorf("%v is zero = %t, want %t", p, got, want)
		}
		if got := position.FromProto(p.Proto()); got != p {
			t.Errorf("%v comes back as %v", p, got)
		}
	}
}

func TestNoPositionOnTheWireIsZero(t *testing.T) {
	t.Parallel()
	if got := position.FromProto(nil); !got.IsZero() {
		t.Errorf("FromProto(nil) = %v, want the zero position", got)
	}
}

func TestPositionReadsWellInLogs(t *testing.T) {
	t.Parallel()
	if got, want := (position.Position{Epoch: 17, Sequence: 4}).String(), "17:4"; got != want {
		t.Errorf("String = %q, want %q", got, want)
	}
}
