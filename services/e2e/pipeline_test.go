package e2e

import (
	"slices"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	"github.com/enneo-ai/enneo-bridge/services/e2e/internal/rig"
)

// TestFiveChangesCostOneReadAndOneRequest is the main job with one of each service.
func TestFiveChangesCostOneReadAndOneRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 10)
	env := w.With(map[string]string{"DEBOUNCE_QUIET_PERIOD": "5s"})
	ingestor := w.start("ingestor", env)
	must(t, w.Accepting(t.Context(), w.http(ingestor)))
	services := []*rig.Process{ingestor, w.start("debouncer", env), w.start("enricher", env), w.start("publisher", env)}
	id := w.contracts(1)[0]
	for _, status := range []int{1000, 2000, 3000, 4000, simclient.StatusActive} {
		w.change(w.http(ingestor), status, id)
	}
	// The contract's customer is new to Enneo, so the sixth event is the customer's own.
	balance := w.settled(6)
	if balance.ByOutcome["delivered"] != 6 {
		t.Errorf("outcomes: %v, want 6 delivered", balance.ByOutcome)
	}
	contract, err := w.Sim.Contract(t.Context(), id)
	must(t, err)
	for _, system := range []string{simclient.Powercloud, simclient.Enneo} {
		for kind, id := range map[key.Kind]string{key.Contract: id, key.Customer: contract.CustomerID} {
			if got := w.counts(system, kind); len(got) != 1 || got[id] != 1 {
				t.Errorf("%s: requests per %s: %v, want one for %s", system, kind, got, id)
			}
		}
	}
	w.sound()
	for _, p := range slices.Backward(services) {
		must(t, p.Stop())
	}
}

// TestInterleavedBurstsWithReplicas posts ten interleaved changes of each of 500 contracts at three debouncers, two
// enrichers and two publishers: exactly one read and one request per contract, nothing lost, nothing at once.
func TestInterleavedBurstsWithReplicas(t *testing.T) {
	t.Parallel()
	const contracts, changes, senders = 500, 10, 8
	w := newWorld(t, contracts)
	// Time enough for all senders to come round, and for all rounds, on a busy machine.
	env := w.With(map[string]string{"DEBOUNCE_QUIET_PERIOD": "10s", "DEBOUNCE_MAX_WAIT": "5m"})
	ingestor := w.ingestor(env)
	for name, replicas := range map[string]int{"debouncer": 3, "enricher": 2, "publisher": 2} {
		for range replicas {
			w.start(name, env)
		}
	}
	ids := w.contracts(contracts)
	var group errgroup.Group
	for sender := range senders {
		group.Go(func() error {
			for i := range changes {
				for j := sender; j < len(ids); j += senders {
					if err := w.Change(t.Context(), ingestor, ids[j], 1000+i); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
	must(t, group.Wait())
	balance := w.settled(contracts * changes)
	w.exactlyOnce(contracts)
	w.sound()
	t.Logf("accepted %d = settled %d + open %d; outcomes %v", balance.Accepted, balance.Settled, balance.Open, balance.ByOutcome)
}

// exactlyOnce checks that each contract and each customer was read once and written once.
func (w *world) exactlyOnce(contracts int) {
	w.t.Helper()
	for _, system := range []string{simclient.Powercloud, simclient.Enneo} {
		for _, kind := range []key.Kind{key.Contract, key.Customer} {
			counts := w.counts(system, kind)
			total, most := 0, 0
			for _, n := range counts {
				total, most = total+n, max(most, n)
			}
			if kind == key.Contract && len(counts) != contracts || most != 1 {
				w.t.Errorf("%s: %d requests for %d %ss, at most %d for one; want exactly one each", system, total, len(counts), kind, most)
			}
			w.t.Logf("%s: %d requests for %d %ss", system, total, len(counts), kind)
		}
	}
}
