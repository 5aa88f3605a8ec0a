package demo

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	"github.com/enneo-ai/enneo-bridge/services/bridge/internal/terminal"
)

const (
	// lookEvery is the pause between two looks at the figures, lineEvery that between two lines where nothing can be redrawn.
	lookEvery = 200 * time.Millisecond
	lineEvery = time.Second
	// stuckAfter is how long nothing may happen while something is open.
	stuckAfter = 30 * time.Second
	// silenceMargin is how much longer than a quiet period the silence has to last: a window too many would flush by then.
	silenceMargin = 500 * time.Millisecond
)

// figures are where things stand.
type figures struct {
	posted, accepted int
	balance          ledger.Balance
	flushed          uint64
	reads, requests  int64
}

// since is what has been added since base; what is open stays what it is.
func (f figures) since(base *figures) figures {
	f.posted -= base.posted
	f.accepted -= base.accepted
	f.flushed -= base.flushed
	f.reads -= base.reads
	f.requests -= base.requests
	return f
}

// same tells whether nothing has happened between two looks.
func (f figures) same(o *figures) bool {
	return f.posted == o.posted && f.accepted == o.accepted && f.balance.Accepted == o.balance.Accepted && f.balance.Open == o.balance.Open &&
		f.flushed == o.flushed && f.reads == o.reads && f.requests == o.requests
}

// watcher looks at the log, what is settled, and the simulator.
type watcher struct {
	screen *terminal.Screen
	sim    *simclient.Client
	js     jetstream.JetStream
	log    *eventlog.Log
	ledger *ledger.Ledger
	sender *sender
}

func (w *watcher) look(ctx context.Context) (figures, error) {
	var f figures
	f.posted, f.accepted = w.sender.counts()
	epoch, err := w.log.Epoch(ctx)
	if err != nil {
		return f, err
	}
	if f.balance, err = w.ledger.Audit(ctx, epoch); err != nil {
		return f, err
	}
	due, err := w.js.Stream(ctx, bus.StreamDue)
	if err != nil {
		return f, fmt.Errorf("look at the flushed windows: %w", err)
	}
	f.flushed = due.CachedInfo().State.LastSeq
	summary, err := w.sim.Summary(ctx)
	if err != nil {
		return f, fmt.Errorf("look at the simulator: %w", err)
	}
	f.reads, f.requests = summary.Systems[simclient.Powercloud].Requests, summary.Systems[simclient.Enneo].Requests
	return f, nil
}

// settled shows the figures since base until all webhooks have been sent, nothing is open, and nothing has happened for as
// long as silence says.
func (w *watcher) settled(ctx context.Context, base *figures, sent <-chan struct{}, silence time.Duration) (figures, error) {
	began := time.Now()
	last, changed, told := *base, began, began
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	defer w.screen.Status("")
	for {
		// Asked before the look: what was sent by then is in what the look finds.
		done := closed(sent)
		f, err := w.look(ctx)
		if err != nil {
			return f, err
		}
		now := time.Now()
		if !f.same(&last) {
			last, changed = f, now
		}
		line, settled := f.since(base).line(now.Sub(began)), done && f.balance.Open == 0
		if settled {
			line = f.since(base).line(changed.Sub(began))
			w.screen.Status("   " + line + w.screen.Dim("  does anything follow?"))
		} else {
			w.screen.Status("   " + line)
		}
		switch {
		case settled && now.Sub(changed) >= silence:
			w.screen.Printf("   %s\n", line)
			return f, nil
		case !settled && now.Sub(changed) >= stuckAfter:
			return f, stuck(&f)
		case !w.screen.Live() && !settled && now.Sub(told) >= lineEvery:
			w.screen.Printf("   %s\n", line)
			told = now
		}
		select {
		case <-ctx.Done():
			return f, context.Cause(ctx)
		case <-ticker.C:
		}
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func (f figures) line(elapsed time.Duration) string {
	return fmt.Sprintf("webhooks %s  open %s  flushed %s  ERP reads %s  Enneo requests %s  %s",
		count(f.accepted), count(int(f.balance.Open)), count(int(f.flushed)),
		count(int(f.reads)), count(int(f.requests)), seconds(elapsed))
}

// stuck names some of what is open.
func stuck(f *figures) error {
	const most = 5
	names := make([]string, 0, most)
	for _, k := range f.balance.OpenKeys[:min(most, len(f.balance.OpenKeys))] {
		names = append(names, k.Key)
	}
	return fmt.Errorf("nothing has happened for %s, and %s still open: %s", stuckAfter, plural(int(f.balance.Open), "event"), strings.Join(names, ", "))
}
