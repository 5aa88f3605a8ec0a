package e2e

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	"github.com/enneo-ai/enneo-bridge/services/e2e/internal/rig"
)

// TestNothingIsLostWhileEverythingRestarts sends changes while NATS, Redis and each service are stopped or killed in turn.
func TestNothingIsLostWhileEverythingRestarts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 60)
	env := w.With(impatient)
	running := map[string]*rig.Process{}
	for _, name := range []string{"ingestor", "debouncer", "enricher", "publisher"} {
		running[name] = w.start(name, env)
	}
	ids := w.contracts(60)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var sent sync.WaitGroup
	var mu sync.Mutex
	accepted, address := 0, w.http(running["ingestor"])
	sent.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			mu.Lock()
			to := address
			mu.Unlock()
			// What the ingestor does not take with 202 is the sender's to repeat; here the next round does.
			if w.Change(ctx, to, ids[i%len(ids)], 1000+i%50) == nil {
				mu.Lock()
				accepted++
				mu.Unlock()
			}
		}
	})
	replace := func(name string) {
		t.Helper()
		running[name] = w.start(name, env)
		if name == "ingestor" {
			to := w.http(running[name])
			mu.Lock()
			address = to
			mu.Unlock()
		}
	}
	progress := func(n int) {
		t.Helper()
		mu.Lock()
		from := accepted
		mu.Unlock()
		eventually(t, "webhooks are accepted again", func() error {
			mu.Lock()
			defer mu.Unlock()
			if accepted < from+n {
				return fmt.Errorf("%d of %d", accepted-from, n)
			}
			return nil
		})
	}
	progress(100)
	for _, name := range []string{"debouncer", "enricher", "publisher"} {
		running[name].Kill()
		progress(50)
		replace(name)
	}
	w.NATS.Kill()
	must(t, w.NATS.Start(t.Context()))
	progress(100)
	w.Redis.Kill()
	progress(50)
	must(t, w.Redis.Start(t.Context()))
	progress(50)
	for _, name := range []string{"debouncer", "enricher", "publisher", "ingestor"} {
		must(t, running[name].Stop())
		replace(name)
	}
	progress(50)
	cancel()
	sent.Wait()
	// The last change of each contract must be told of: a change whose webhook was refused is not enneo-bridge's to know.
	must(t, w.Accepting(t.Context(), address))
	w.change(address, simclient.StatusActive, ids...)
	balance := w.settled(accepted + len(ids))
	w.sound()
	t.Logf("accepted %d = settled %d + open %d; outcomes %v", balance.Accepted, balance.Settled, balance.Open, balance.ByOutcome)
}
