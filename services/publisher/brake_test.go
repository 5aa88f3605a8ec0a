package publisher

import (
	"fmt"
	"testing"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/brake"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// TestMassChangesWaitForAnOperator: what was let through is in Enneo, the rest is not lost, and the other operation goes on.
func TestMassChangesWaitForAnOperator(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		cfg brake.Config
		// revision is what each contract has become, other what one has that the brake does not stop; 0 stands for gone.
		revision, other int
		outcome         bridgev1.Outcome
		stopped         func(brake.State) time.Time
	}{
		"deletes": {
			brake.Config{DeletesShare: 0.1, DeletesMin: 5},
			0, 2, bridgev1.Outcome_OUTCOME_DELETED,
			func(s brake.State) time.Time { return s.DeletesStopped },
		},
		"writes": {
			brake.Config{WritesShare: 0.1, WritesMin: 5},
			2, 0, bridgev1.Outcome_OUTCOME_DELIVERED,
			func(s brake.State) time.Time { return s.WritesStopped },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			brakes, err := brake.Open(t.Context(), w.bus)
			w.must(err)
			release := func(until time.Time) {
				t.Helper()
				w.must(brakes.Release(t.Context(), testSource, "looked at", until))
			}
			w.replica(func(d *deliverer) { d.brake = brakes.Brake(testSource, tc.cfg, d.logger) })
			release(time.Now().Add(time.Hour))
			keys := make([]key.Key, 20)
			last := map[key.Key]position.Position{}
			other := contract("VN-other")
			w.settled(other, w.change(other, 1))
			for i := range keys {
				keys[i] = contract(fmt.Sprint("VN-", i))
				last[keys[i]] = w.change(keys[i], 1)
			}
			for _, k := range keys {
				w.settled(k, last[k])
			}
			release(time.Now().Add(-time.Second))
			for _, k := range keys {
				last[k] = w.change(k, tc.revision)
			}
			through := func() (n int) {
				for _, k := range keys {
					if ledger.Settles(w.settlement(k), last[k]) {
						n++
					}
				}
				return n
			}
			bustest.Eventually(t, "the brake stops them", func() bool {
				s, err := brakes.Of(t.Context(), testSource)
				return err == nil && !tc.stopped(s).IsZero() && through() == 5
			})
			w.settled(other, w.change(other, tc.other))
			if n := through(); n != 5 {
				t.Errorf("%d went through, want 5", n)
			}
			release(time.Now().Add(time.Hour))
			for _, k := range keys {
				w.tell(k, last[k]) // Sooner than the pause of half a minute.
			}
			for _, k := range keys {
				checkOutcome(t, w.settled(k, last[k]), last[k], tc.outcome)
				w.enneoHas(k, tc.revision)
			}
		})
	}
}
