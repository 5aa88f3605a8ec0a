package chaos

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

func TestTheSameSeedGivesTheSamePlan(t *testing.T) {
	t.Parallel()
	first := Plan(7, 4*time.Minute)
	if diff := cmp.Diff(first, Plan(7, 4*time.Minute)); diff != "" {
		t.Errorf("plans of one seed differ:\n%s", diff)
	}
	if cmp.Equal(first, Plan(8, 4*time.Minute)) {
		t.Error("two seeds give the same plan")
	}
}

func TestAPlanHasEveryBlowInItsPlace(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		for _, duration := range []time.Duration{20 * time.Second, 2 * time.Minute, 4 * time.Minute} {
			seen, killed := map[string]bool{}, map[string]bool{}
			var last time.Duration
			for _, b := range Plan(seed, duration) {
				if b.At < last || b.At < calm || b.At > duration {
					t.Fatalf("seed %d, %s: %+v is out of order", seed, duration, b)
				}
				last = b.At
				seen[string(b.Kind)] = true
				if b.Kind == Kill {
					killed[b.Service] = true
				}
				if b.Kind == SetBack && !seen[string(KillNATS)] {
					t.Errorf("seed %d, %s: the log is set back before there is a copy of it", seed, duration)
				}
			}
			kinds := []Kind{Kill, Pause, KillNATS, FlushRedis, KillRedis, DisturbERP, DisturbEnneo}
			if duration >= longEnough {
				kinds = append(kinds, Replace, SetBack, OldVersion)
			}
			for _, kind := range kinds {
				if !seen[string(kind)] {
					t.Errorf("seed %d, %s: no %s", seed, duration, kind)
				}
			}
			for _, m := range members() {
				if !killed[m.service] {
					t.Errorf("seed %d, %s: no %s is killed", seed, duration, m.service)
				}
			}
		}
	}
}

// TestAPauseOutlastsEveryLease keeps a pause from being none, and a slow answer from outlasting the turn that waits for
// it: Enneo would then have two requests at once, by nobody's fault.
func TestAPauseOutlastsEveryLease(t *testing.T) {
	t.Parallel()
	for _, b := range Plan(1, 10*time.Minute) {
		if b.Kind == Pause && b.For <= requestTimeout+leaseMargin {
			t.Errorf("a pause of %s is no longer than the lease", b.For)
		}
		if b.Fault.Action == simclient.Delay {
			if d := time.Duration(b.Fault.Delay); d >= 2*requestTimeout+leaseMargin {
				t.Errorf("a delay of %s outlasts the turn", d)
			}
		}
	}
}
