package rig

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/record"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// epochRecord is where the services keep the log's epoch. It is only read here: opening the log itself would begin a new
// epoch in the services' place.
const epochRecord = "log.epoch"

// settleTimeout bounds the wait for what is open to be settled when nothing disturbs any more: the pauses of what has
// failed last a minute at most, with up to a quarter of jitter.
const settleTimeout = 90 * time.Second

// Epoch is the log's epoch as the services know it.
func (w *World) Epoch(ctx context.Context) (uint64, error) {
	b, err := w.Bus(ctx)
	if err != nil {
		return 0, err
	}
	epochs, err := record.Open[bridgev1.LogEpoch](ctx, b.JetStream(), bus.BucketBridge)
	if err != nil {
		return 0, err
	}
	entry, err := epochs.Get(ctx, epochRecord)
	if err != nil {
		return 0, err
	}
	return entry.Value.GetEpoch(), nil
}

var errUnbalanced = errors.New("accepted is not settled + open")

// Audit balances the whole log against what is settled.
func (w *World) Audit(ctx context.Context) (ledger.Balance, error) {
	b, err := w.Bus(ctx)
	if err != nil {
		return ledger.Balance{}, err
	}
	epoch, err := w.Epoch(ctx)
	if err != nil {
		return ledger.Balance{}, err
	}
	settled, err := ledger.Open(ctx, b)
	if err != nil {
		return ledger.Balance{}, err
	}
	balance, err := settled.Audit(ctx, epoch)
	if err == nil && balance.Accepted != balance.Settled+balance.Open {
		err = fmt.Errorf("%w: %d, %d, %d", errUnbalanced, balance.Accepted, balance.Settled, balance.Open)
	}
	return balance, err
}

// Settled waits until the log holds at least accepted events and none of them is open.
func (w *World) Settled(ctx context.Context, accepted uint64) (ledger.Balance, error) {
	return w.SettledWithin(ctx, settleTimeout, accepted)
}

// SettledWithin is Settled with a limit.
func (w *World) SettledWithin(ctx context.Context, limit time.Duration, accepted uint64) (balance ledger.Balance, err error) {
	err = Eventually(ctx, limit, "everything accepted is settled", func(ctx context.Context) error {
		if balance, err = w.Audit(ctx); err != nil {
			return err
		}
		if balance.Accepted < accepted || balance.Open > 0 {
			return fmt.Errorf("accepted %d of %d, open %d: %v", balance.Accepted, accepted, balance.Open, balance.OpenKeys[:min(3, len(balance.OpenKeys))])
		}
		return nil
	})
	return balance, err
}

// Idle waits until no window is armed and no ticket waits: whatever the services had in hand is finished.
func (w *World) Idle(ctx context.Context) error {
	return w.drained(ctx, bus.StageEnrich, bus.StagePublish)
}

// Read waits until no window is armed and no ticket waits for a read: every burst is over, and in the hands of the publisher.
func (w *World) Read(ctx context.Context) error { return w.drained(ctx, bus.StageEnrich) }

func (w *World) drained(ctx context.Context, stages ...bus.Stage) error {
	return Eventually(ctx, settleTimeout, "no window is armed and no ticket waits", func(ctx context.Context) error {
		windows, err := w.Redis.Windows(ctx)
		if err != nil {
			return err
		}
		// After the windows: a ticket comes before its window goes.
		tickets, err := w.tickets(ctx, stages)
		if err != nil {
			return err
		}
		if windows > 0 || tickets > 0 {
			return fmt.Errorf("%d windows, %d tickets", windows, tickets)
		}
		return nil
	})
}

func (w *World) tickets(ctx context.Context, stages []bus.Stage) (total uint64, err error) {
	b, err := w.Bus(ctx)
	if err != nil {
		return 0, err
	}
	for _, stage := range stages {
		stream, err := b.JetStream().Stream(ctx, stage.Stream())
		if err != nil {
			return 0, fmt.Errorf("look at the tickets: %w", err)
		}
		total += stream.CachedInfo().State.Msgs
	}
	return total, nil
}

// Counts are how often each id was the subject of a request to a simulated system.
func (w *World) Counts(ctx context.Context, system string, kind key.Kind) (map[string]int, error) {
	counts := map[string]int{}
	err := w.Sim.EachEntry(ctx, simclient.JournalQuery{System: system, Kind: kind}, func(e simclient.Entry) error {
		counts[e.ID]++
		return nil
	})
	return counts, err
}

// Sound checks what must hold after every run in which no process was paused: no two requests for one key at once, never an
// older state over a newer one, and Enneo ends with what the ERP ends with.
func (w *World) Sound(ctx context.Context) error {
	var errs []error
	for what, query := range map[string]simclient.JournalQuery{
		"overlapping requests": {System: simclient.Enneo, Overlapped: true},
		"older over newer":     {System: simclient.Enneo, Regression: true},
	} {
		entries, err := w.Sim.Journal(ctx, query)
		if err != nil {
			return err
		}
		if len(entries) > 0 {
			errs = append(errs, fmt.Errorf("%s: %d, first %+v", what, len(entries), entries[0]))
		}
	}
	return errors.Join(append(errs, w.Same(ctx))...)
}

// Same checks that Enneo holds what the ERP holds.
func (w *World) Same(ctx context.Context) error {
	comparison, err := w.Sim.Compare(ctx, simclient.CompareQuery{System: simclient.Powercloud, Limit: 20})
	if err != nil {
		return err
	}
	if comparison.Compared == 0 || comparison.Mismatched > 0 {
		return fmt.Errorf("compared %d keys, %d differ: %v", comparison.Compared, comparison.Mismatched, comparison.Mismatches)
	}
	return nil
}
