package bus_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
)

// diary is a gate that notes who comes and goes.
type diary struct {
	name  string
	notes *[]string
	err   error
}

func (d diary) Enter(context.Context) (func(), error) {
	if d.err != nil {
		return nil, d.err
	}
	*d.notes = append(*d.notes, "in "+d.name)
	return func() { *d.notes = append(*d.notes, "out "+d.name) }, nil
}

func TestGatesAreEnteredInOrderAndLeftTogether(t *testing.T) {
	t.Parallel()
	var notes []string
	leave, err := bus.Gates(diary{name: "a", notes: &notes}, diary{name: "b", notes: &notes}).Enter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	leave()
	if want := []string{"in a", "in b", "out a", "out b"}; !slices.Equal(notes, want) {
		t.Errorf("notes %q, want %q", notes, want)
	}
}

func TestGatesThatWereEnteredAreLeftWhenALaterOneFails(t *testing.T) {
	t.Parallel()
	var notes []string
	closed := errors.New("closed")
	_, err := bus.Gates(diary{name: "a", notes: &notes}, diary{name: "b", notes: &notes, err: closed}).Enter(t.Context())
	if !errors.Is(err, closed) {
		t.Errorf("Enter = %v, want %v", err, closed)
	}
	if want := []string{"in a", "out a"}; !slices.Equal(notes, want) {
		t.Errorf("notes %q, want %q", notes, want)
	}
}
