package enricher

import (
	"context"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/services/enricher/internal/turn"
)

// wait puts a ticket off whose key is being read. No worker waits meanwhile, and whatever else comes for the key until that
// read has ended replaces the ticket: all of it costs one more read.
func (e *enricher) wait(ctx context.Context, k key.Key, busy *turn.Busy) bus.Verdict {
	e.metrics.waited(ctx, k, busy.Elsewhere)
	return bus.Again(busy.Pause)
}
