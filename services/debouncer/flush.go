package debouncer

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/ticket"
	"github.com/enneo-ai/enneo-bridge/services/debouncer/internal/window"
)

// flusher sends the tickets of windows that are due.
type flusher struct {
	bus   *bus.Bus
	spans *spans
}

// flush sends one ticket per window to DUE and waits for the acknowledgements. It returns one error per window.
func (f *flusher) flush(ctx context.Context, windows []window.Window) []error {
	errs := make([]error, len(windows))
	msgs, of := make([]*nats.Msg, 0, len(windows)), make([]int, 0, len(windows))
	begun := make([]flushing, len(windows))
	for i, w := range windows {
		var within context.Context
		within, begun[i] = f.spans.flush(w)
		msg, err := f.ticket(within, w)
		if err != nil {
			errs[i] = err
			continue
		}
		msgs, of = append(msgs, msg), append(of, i)
	}
	_, failed := f.bus.PublishAll(ctx, msgs)
	for j, err := range failed {
		errs[of[j]] = err
	}
	for i, err := range errs {
		begun[i].end(err)
	}
	return errs
}

// ticket makes the ticket of a window, in the context of its flush.
func (f *flusher) ticket(ctx context.Context, w window.Window) (*nats.Msg, error) {
	return ticket.Encode(ctx, f.spans.propagator, bus.StageEnrich, ticket.Ticket{
		Key: w.Key, Position: w.Position, Collapsed: w.Collapsed, FirstEventAt: w.First,
	}, time.Now())
}
