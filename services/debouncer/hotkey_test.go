package debouncer

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
)

// A key with 100,000 events gets one ticket for each quiet period at most, and keys whose events stand between its own are
// flushed while it never falls silent.
func TestAHotKeyHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	const (
		events, others, batch = 100_000, 100, 1000
		// held back are events of the hot key that are only appended once every other key was flushed.
		heldBack     = 10_000
		quiet        = time.Second
		hot, prefix  = "HOT", "other-"
		everyOther   = (events - heldBack) / others
		hotName      = "acme " + hot
		othersPrefix = "acme " + prefix
	)
	w := newWorld(t)
	w.begin(t, map[string]string{"DEBOUNCE_QUIET_PERIOD": quiet.String(), "DEBOUNCE_MAX_WAIT": "2s"}, Run)
	w.filled(t)
	began := time.Now()
	for i := range others {
		w.append(t.Context(), t, "acme", "x", append(slices.Repeat([]string{hot}, everyOther), prefix+strconv.Itoa(i))...)
	}
	bustest.Eventually(t, "a ticket for every other key", func() bool {
		if _, due := w.state(t, bus.StreamDue); due.Msgs < others {
			return false // reading all tickets takes a while
		}
		waiting, _ := w.tickets(t)
		for i := range others {
			if _, ok := waiting[othersPrefix+strconv.Itoa(i)]; !ok {
				return false
			}
		}
		return true
	})
	var last uint64
	for range heldBack / batch {
		last = w.append(t.Context(), t, "acme", "x", slices.Repeat([]string{hot}, batch)...)
	}
	w.settled(t, "acme", last)
	elapsed := time.Since(began)

	waiting, sent := w.tickets(t)
	if got := waiting[hotName].Position.Sequence; got != last {
		t.Errorf("the newest ticket of the hot key holds %d, want its last event, %d", got, last)
	}
	if len(waiting) != others+1 {
		t.Errorf("tickets of %d keys, want %d", len(waiting), others+1)
	}
	// A window is due one quiet period after its first event at the earliest, and the next one opens after its claim.
	if most := uint64(elapsed/quiet) + 1; sent < others+1 || sent-others > most {
		t.Errorf("%d tickets for the hot key in %s, want 1 to %d; and one for each other key", sent-others, elapsed, most)
	}
}
