package debouncer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/pressure"
	"github.com/enneo-ai/enneo-bridge/libs/source"
)

// widenEvery is the time between two looks at the pressure, each of which widens or narrows by one step at most.
const widenEvery = 5 * time.Second

// WidenConfig says how windows widen under pressure.
type WidenConfig struct {
	Most    int    `env:"DEBOUNCE_WIDEN_MAX, default=3" desc:"How often the quiet period of a source is doubled at most while its ERP or Enneo is under pressure (429, slow, closed to us, growing backlog); never beyond the max wait. 0 switches it off"`
	Backlog uint64 `env:"DEBOUNCE_BACKLOG, default=2000" desc:"Tickets of a source that wait for the ERP or Enneo from which on a backlog that does not shrink counts as pressure"`
}

// Validate checks the figures.
func (c *WidenConfig) Validate() error {
	const most = 10
	var errs []error
	if c.Most < 0 || c.Most > most {
		errs = append(errs, fmt.Errorf("DEBOUNCE_WIDEN_MAX: %d is not between 0 and %d", c.Most, most))
	}
	if c.Backlog < 1 {
		errs = append(errs, errors.New("DEBOUNCE_BACKLOG: 0 is not positive"))
	}
	return errors.Join(errs...)
}

// width is by how much the windows of a source are widened: each doubling takes up bursts that are twice as long. Each
// replica decides for itself; that they differ for some seconds does no harm.
type width struct {
	source  *source.Source
	doubled atomic.Int32
	// backlog is the one of the look before.
	backlog uint64
}

// quiet is the quiet period that events are armed with now. It never exceeds the max wait, which never changes.
func (w *width) quiet() time.Duration {
	return min(w.source.QuietPeriod<<w.doubled.Load(), w.source.MaxWait)
}

// factor is quiet as a multiple of the configured quiet period.
func (w *width) factor() float64 { return w.quiet().Seconds() / w.source.QuietPeriod.Seconds() }

// reasonBacklog is the reason of a widening that no stage has told of.
const reasonBacklog = "backlog"

// look widens by a step under pressure, and narrows by one without. A backlog that shrinks, but is still large, leaves
// everything as it is, so that the width does not go back and forth. It returns the steps made, 1, -1 or 0, and the reason.
func (w *width) look(cfg *WidenConfig, told string, pressed bool, backlog uint64) (step int32, reason string) {
	before := w.backlog
	w.backlog = backlog
	doubled := w.doubled.Load()
	growing := backlog > cfg.Backlog && backlog >= before
	switch {
	case pressed:
		step, reason = 1, told
	case growing:
		step, reason = 1, reasonBacklog
	case backlog <= cfg.Backlog/2:
		step = -1
	}
	if next := doubled + step; next < 0 || next > int32(cfg.Most) || step > 0 && w.quiet() >= w.source.MaxWait {
		return 0, ""
	}
	w.doubled.Add(step)
	return step, reason
}

// widener widens the windows of sources whose ERP is under pressure, or Enneo, and narrows them again.
type widener struct {
	bus     *bus.Bus
	cfg     *WidenConfig
	widths  map[string]*width
	logger  *slog.Logger
	metrics *metrics
	every   time.Duration
}

func newWidener(b *bus.Bus, cfg *WidenConfig, sources []*source.Source, logger *slog.Logger, m *metrics) *widener {
	w := &widener{bus: b, cfg: cfg, widths: map[string]*width{}, logger: logger, metrics: m, every: widenEvery}
	for _, s := range sources {
		w.widths[s.Name] = &width{source: s}
	}
	return w
}

// run looks at the pressure until ctx ends.
func (w *widener) run(ctx context.Context) error {
	heard, stop, err := pressure.Hear(w.bus)
	if err != nil {
		return err
	}
	defer stop()
	tick := time.NewTicker(w.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		for name, width := range w.widths {
			backlog, err := w.backlog(ctx, name)
			if err != nil {
				// Without NATS no ticket comes anywhere; the width stays until it is known again.
				w.logger.DebugContext(ctx, "the backlog is not known", "source", name, "error", err.Error())
				continue
			}
			told, pressed := heard.Of(name, time.Now())
			if step, reason := width.look(w.cfg, told, pressed, backlog); step != 0 {
				w.metrics.widened(ctx, name, step, reason)
				w.logger.InfoContext(ctx, "the windows of a source have another width", "source", name,
					"quiet_period", width.quiet().String(), "reason", reason, "backlog", backlog)
			}
		}
	}
}

// backlog is how many tickets of a source wait for the ERP and for Enneo, or are being worked on.
func (w *widener) backlog(ctx context.Context, name string) (uint64, error) {
	var sum uint64
	for _, stage := range []bus.Stage{bus.StageEnrich, bus.StagePublish} {
		consumer, err := w.bus.Consumer(ctx, stage, name)
		if err != nil {
			return 0, err
		}
		info := consumer.CachedInfo()
		sum += info.NumPending + uint64(max(0, info.NumAckPending))
	}
	return sum, nil
}
