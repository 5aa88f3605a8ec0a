package debouncer

import (
	"strconv"
	"testing"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/key"
)

// sweeping revives what has stood nowhere for at most 3 s.
func sweeping(period string) map[string]string {
	return map[string]string{"DEBOUNCE_QUIET_PERIOD": period, "DEBOUNCE_MAX_WAIT": "2s", "SWEEP_BOUND": "1s"}
}

func TestALostTicketComesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin(t, sweeping("200ms"), Run)
	first := w.append(t.Context(), t, "acme", "", "A")
	w.ticket(t, "acme A")
	stream, _ := w.state(t, bus.StreamDue)
	if err := stream.Purge(calm(t)); err != nil {
		t.Fatal(err)
	}
	if got := w.ticket(t, "acme A"); got.Position.Sequence <= first {
		t.Errorf("the ticket is %+v, want one of an event that was appended after %d", got, first)
	}
}

// TestAWindowThatAFailoverLostComesBack: the replica that took over lacks the last second, but has the markers.
func TestAWindowThatAFailoverLostComesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.filledBy(t, w.begin(t, sweeping("1900ms"), Run))
	w.acknowledged(t, "acme", w.append(t.Context(), t, "acme", "", "A"))
	for shard := range 16 {
		prefix := "debounce:{" + strconv.Itoa(shard) + "}:"
		if err := w.redis.Client.Del(t.Context(), prefix+"windows", prefix+"due").Err(); err != nil {
			t.Fatal(err)
		}
	}
	if len(w.windows(t)) > 0 {
		t.Fatal("the window is still there")
	}
	w.ticket(t, "acme A")
}

// TestACarriedEventIsLeftToItsAppenderAndSweptIfThatDies: only in the epoch in which it was appended, since a later one reads
// every key again.
func TestACarriedEventIsLeftToItsAppenderAndSweptIfThatDies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.filledBy(t, w.begin(t, sweeping("200ms"), Run))
	epoch, _ := w.log.Changed()
	carried := func(id string, in uint64) eventlog.Change {
		return eventlog.Change{Key: key.Key{Source: "acme", Kind: key.Contract, ID: id}, ReceivedAt: time.Now(), CarriedIn: in}
	}
	first := w.appendAll(t.Context(), t, carried("A", epoch))
	other := w.appendAll(t.Context(), t, carried("B", epoch-1))
	if got := w.ticket(t, "acme B"); got.Position.Sequence != other {
		t.Errorf("the ticket is %+v, want one of the event %d itself: nobody carries it in this epoch", got, other)
	}
	w.acknowledged(t, "acme", other)
	if got := w.ticket(t, "acme A"); got.Position.Sequence <= first {
		t.Errorf("the ticket is %+v, want none of the event %d that is carried, and one of the sweeper's", got, first)
	}
}

// filledBy waits until a replica has filled the empty Redis.
func (w *world) filledBy(t *testing.T, s *service) {
	t.Helper()
	s.readyTurns(t, "")
	w.filled(t)
}
