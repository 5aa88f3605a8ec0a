package pause_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/pause"
)

// gate is a gate of another process, which follows its record.
func gate(t *testing.T, s *bustest.Server, target string) *pause.Gate {
	t.Helper()
	pauses, err := pause.Open(t.Context(), s.Connect(t))
	if err != nil {
		t.Fatal(err)
	}
	g, err := pauses.Gate(t.Context(), target, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- g.Follow(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Follow = %v, want nil", err)
		}
	})
	return g
}

func open(t *testing.T, s *bustest.Server) *pause.Pauses {
	t.Helper()
	p, err := pause.Open(t.Context(), s.Connect(t))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestAPauseShutsTheGatesOfAllProcessesUntilItEnds(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t)
	p := open(t, s)
	target := pause.Source("pc")
	one, other := gate(t, s, target), gate(t, s, pause.Enneo)
	must(t, p.Begin(t.Context(), target, "maintenance", time.Time{}))
	bustest.Eventually(t, "the gate is shut", one.Paused)
	if other.Paused() {
		t.Error("another target is paused as well")
	}
	late := gate(t, s, target)
	if !late.Paused() {
		t.Error("a process that starts during the pause does not know of it")
	}
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := one.Enter(impatient); !errors.Is(err, context.Canceled) {
		t.Errorf("Enter during the pause = %v, want that it waits", err)
	}
	entered := make(chan error, 1)
	go func() {
		_, err := one.Enter(t.Context())
		entered <- err
	}()
	ended, err := p.End(t.Context(), target)
	must(t, err)
	if !ended {
		t.Error("End says that there was no pause")
	}
	if err := <-entered; err != nil {
		t.Errorf("Enter after the pause = %v, want nil", err)
	}
	if again, err := p.End(t.Context(), target); err != nil || again {
		t.Errorf("End once more = %t, %v, want false", again, err)
	}
}

func TestAPauseEndsByItself(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t)
	p := open(t, s)
	must(t, p.Begin(t.Context(), pause.Enneo, "short", time.Now().Add(200*time.Millisecond)))
	g := gate(t, s, pause.Enneo)
	if _, err := g.Enter(t.Context()); err != nil {
		t.Fatalf("Enter = %v, want nil once the pause is over", err)
	}
	if _, found, err := p.Of(t.Context(), pause.Enneo); err != nil || found {
		t.Errorf("Of = %t, %v, want that the pause is over", found, err)
	}
}

func TestAPauseSaysSinceWhenAndWhy(t *testing.T) {
	t.Parallel()
	p := open(t, bustest.Start(t))
	must(t, p.Begin(t.Context(), pause.Enneo, "first", time.Time{}))
	before, _, err := p.Of(t.Context(), pause.Enneo)
	must(t, err)
	until := time.Now().Add(time.Hour).UTC().Round(time.Millisecond)
	must(t, p.Begin(t.Context(), pause.Enneo, "second", until))
	all, err := p.List(t.Context(), []string{pause.Source("pc"), pause.Enneo})
	must(t, err)
	if len(all) != 1 || all[0].Reason != "second" || !all[0].Since.Equal(before.Since) || !all[0].Until.Equal(until) {
		t.Errorf("List = %+v, want one pause since %s until %s, for the second reason", all, before.Since, until)
	}
}
