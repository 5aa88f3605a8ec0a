package publisher

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/pause"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// TestAPauseHoldsForWhoeverWaitedForATicketAlready: the workers of this replica know of the pause, but do not stop pulling.
func TestAPauseHoldsForWhoeverWaitedForATicketAlready(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pauses, err := pause.Open(t.Context(), w.bus)
	w.must(err)
	gate, err := pauses.Gate(t.Context(), pause.Enneo, slog.New(slog.DiscardHandler))
	w.must(err)
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() { _ = gate.Follow(ctx) }) // It returns nil, always.
	t.Cleanup(group.Wait)
	t.Cleanup(stop)
	w.replica(func(d *deliverer) { d.paused = gate })

	w.must(pauses.Begin(t.Context(), pause.Enneo, "test", time.Time{}))
	bustest.Eventually(t, "the pause is known", gate.Paused)
	k := contract("VN-1")
	p := w.change(k, 1)
	bustest.Eventually(t, "the ticket was handed out twice", func() bool { return w.deliveries() >= 2 })
	if s := w.settlement(k); len(w.requests(k)) != 0 || s.GetIntent() != nil {
		t.Errorf("%d requests in a pause, intent %v; want none", len(w.requests(k)), s.GetIntent())
	}
	_, err = pauses.End(t.Context(), pause.Enneo)
	w.must(err)
	checkOutcome(t, w.settled(k, p), p, bridgev1.Outcome_OUTCOME_DELIVERED)
}
