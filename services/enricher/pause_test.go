package enricher

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/pause"
)

// TestAPauseHoldsForWhoeverWaitedForATicketAlready: the workers of this replica know of the pause, but do not stop pulling.
func TestAPauseHoldsForWhoeverWaitedForATicketAlready(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pauses, err := pause.Open(t.Context(), w.bus)
	w.must(err)
	gate, err := pauses.Gate(t.Context(), pause.Source(testSource), slog.New(slog.DiscardHandler))
	w.must(err)
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() { _ = gate.Follow(ctx) }) // It returns nil, always.
	t.Cleanup(group.Wait)
	t.Cleanup(stop)
	w.replica(func(e *enricher) { e.paused = gate })

	w.must(pauses.Begin(t.Context(), pause.Source(testSource), "test", time.Time{}))
	bustest.Eventually(t, "the pause is known", gate.Paused)
	k := contract(w.contracts[0])
	p := w.change(k)
	bustest.Eventually(t, "the ticket was handed out twice", func() bool {
		consumer, err := w.bus.Consumer(t.Context(), bus.StageEnrich, testSource)
		w.must(err)
		return consumer.CachedInfo().Delivered.Consumer >= 2
	})
	w.count(k, 0)
	_, err = pauses.End(t.Context(), pause.Source(testSource))
	w.must(err)
	w.readyFor(k, p)
	w.count(k, 1)
}
