package gate_test

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/key"
)

func id(n int) key.Key { return key.Key{Source: "erp", Kind: key.Contract, ID: strconv.Itoa(n)} }

func TestWhoHasFailedStandsAsideOnceForEachProbe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		hold := func(n int, failed, want bool) {
			t.Helper()
			if wait := g.Hold(id(n), failed); (wait > 0) != want {
				t.Errorf("number %d, failed before %t: has to wait %s, want a wait %t", n, failed, wait, want)
			}
		}
		hold(1, true, false)
		shut(t, g)
		hold(1, true, true)
		hold(2, false, true)
		for range 2 {
			leave, err := g.Enter(t.Context()) // Returns when the pause is over.
			if err != nil {
				t.Fatal(err)
			}
			hold(1, true, true)
			hold(2, false, false)
			hold(3, true, true)
			hold(1, true, false)
			g.Report(down)
			leave()
		}
		g.Report(nil)
		hold(1, true, false)
	})
}

// TestWhoStandsAsideComesBackAfterAllOthersCould: else it would be taken for the next one before they have been seen.
func TestWhoStandsAsideComesBackAfterAllOthersCould(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		shut(t, g)
		leave, err := g.Enter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer leave()
		last := time.Duration(0)
		for n := range 1000 {
			wait := g.Hold(id(n), true)
			if wait <= last {
				t.Fatalf("number %d waits %s, the one before it %s", n, wait, last)
			}
			last = wait
		}
		if last < 10*time.Second || last > time.Minute {
			t.Errorf("the last of a thousand waits %s, want time enough for a thousand tickets, and no more", last)
		}
	})
}

// TestNobodyIsHeldForLongByAShutGate: the target may be well again long before the time that it asked for, and another replica knows.
func TestNobodyIsHeldForLongByAShutGate(t *testing.T) {
	t.Parallel()
	g := newGate()
	g.Report(busy(time.Minute))
	if wait := g.Hold(id(1), false); wait <= 0 || wait > 2*time.Second {
		t.Errorf("held for %s, want at most 2s", wait)
	}
}
