package durability

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

const (
	// checkTimeout bounds one check; whoever wants to write after a reconnection may wait that long.
	checkTimeout = 4 * time.Second
	// unmetInterval is how long the next check waits at most while writing is refused: it is how long senders wait
	// after the operator has mended it.
	unmetInterval = 5 * time.Second
)

// ErrBelow is in the chain of the error with which writing is refused.
var ErrBelow = errors.New("an acknowledgement of the log is worth less than demanded")

// Watcher knows what an acknowledgement of some streams is worth. Make one with New.
type Watcher struct {
	js       jetstream.JetStream
	streams  []string
	demand   Demand
	interval time.Duration
	monitors *monitors
	logger   *slog.Logger

	checking sync.Mutex
	last     atomic.Pointer[verdict]
}

// verdict is the outcome of a check.
type verdict struct {
	reports []Report
	// refusal is nil if what is demanded is met.
	refusal error
	// reconnects is how often the connection had been found again when the check began.
	reconnects uint64
}

// New makes a watcher of the streams. It asks nothing yet, and refuses to write until the first Check if a level is
// demanded. The level of each stream is the gauge durability.level with the attributes stream and level: 1 for the
// level that the stream has, 0 for the others.
func New(js jetstream.JetStream, cfg *Config, streams []string, logger *slog.Logger, meter metric.Meter) (*Watcher, error) {
	endpoints, err := cfg.endpoints()
	if err != nil {
		return nil, fmt.Errorf("NATS_MONITOR_URL: %w", err)
	}
	w := &Watcher{
		js: js, streams: slices.Clone(streams), demand: cfg.Demand, interval: cfg.CheckInterval,
		monitors: newMonitors(endpoints), logger: logger,
	}
	if w.interval <= 0 {
		w.interval = defaultInterval
	}
	_, err = meter.Int64ObservableGauge("durability.level", metric.WithUnit("{level}"),
		metric.WithDescription("What an acknowledgement of a stream is worth: 1 for its level (none, replicated, fsync), 0 for the others"),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			w.observe(o)
			return nil
		}))
	if err != nil {
		return nil, fmt.Errorf("make instrument: %w", err)
	}
	return w, nil
}

func (w *Watcher) observe(o metric.Int64Observer) {
	for _, r := range w.Reports() {
		for _, l := range levels() {
			value := int64(0)
			if l == r.Level {
				value = 1
			}
			o.Observe(value, metric.WithAttributes(attribute.String("stream", r.Stream), attribute.String("level", l.String())))
		}
	}
}

// Reports is the outcome of the last check, a report for each stream; nil before the first one.
func (w *Watcher) Reports() []Report {
	if v := w.last.Load(); v != nil {
		return slices.Clone(v.reports)
	}
	return nil
}

// Run checks regularly until ctx ends.
func (w *Watcher) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(w.wait()):
		}
		w.Check(ctx)
	}
}

// wait is how long the next check has time.
func (w *Watcher) wait() time.Duration {
	if v := w.last.Load(); v == nil || v.refusal != nil {
		return min(w.interval, unmetInterval)
	}
	return w.interval
}

// Check asks the streams and the servers now, takes 4 s at most, and logs what has changed. A check that ends because
// ctx does changes nothing.
func (w *Watcher) Check(ctx context.Context) {
	w.checking.Lock()
	defer w.checking.Unlock()
	w.check(ctx)
}

// Allow returns nil if what is demanded is met, and an error with ErrBelow in its chain otherwise. After a reconnection
// it checks first: the server may be another one.
func (w *Watcher) Allow(ctx context.Context) error {
	if w.demand == Warn {
		return nil
	}
	if v := w.last.Load(); w.fresh(v) {
		return v.refusal
	}
	w.checking.Lock()
	defer w.checking.Unlock()
	v := w.last.Load()
	if !w.fresh(v) {
		// Others wait for the same check, so it does not end with the request that began it.
		w.check(context.WithoutCancel(ctx))
		v = w.last.Load()
	}
	return v.refusal
}

// fresh tells whether the outcome is about the servers to which we are connected now.
func (w *Watcher) fresh(v *verdict) bool { return v != nil && v.reconnects == w.reconnects() }

func (w *Watcher) reconnects() uint64 { return w.js.Conn().Stats().Reconnects }

// check does it; the lock is held.
func (w *Watcher) check(ctx context.Context) {
	v := &verdict{reconnects: w.reconnects()}
	limited, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	told, problems := w.monitors.ask(limited)
	for _, name := range w.streams {
		v.reports = append(v.reports, w.look(limited, name, told, problems))
	}
	if ctx.Err() != nil {
		return
	}
	for _, r := range v.reports {
		if !w.demand.Met(r.Level) {
			v.refusal = fmt.Errorf("%w: DURABILITY=%s, but the stream %s is at %s: %s; %s",
				ErrBelow, w.demand, r.Stream, r.Level, r.Reason, r.Remedy)
			break
		}
	}
	before := w.last.Swap(v)
	w.tell(ctx, before, v)
}

func (w *Watcher) look(ctx context.Context, name string, told map[string]server, problems []string) Report {
	stream, err := w.js.Stream(ctx, name)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return unknown(name, "there is no such stream")
	case err != nil:
		return unknown(name, "the stream does not answer: "+err.Error())
	}
	return assess(stream.CachedInfo(), w.js.Conn().ConnectedServerName(), told, problems)
}

// tell logs each outcome that is new, once for all streams that share it.
func (w *Watcher) tell(ctx context.Context, before, now *verdict) {
	var known []Report
	if before != nil {
		known = before.reports
	}
	told := map[Report]bool{}
	for _, r := range now.reports {
		if slices.Contains(known, r) {
			continue
		}
		alike := r
		alike.Stream = ""
		if told[alike] {
			continue
		}
		told[alike] = true
		var streams []string
		for _, other := range now.reports {
			name := other.Stream
			other.Stream = ""
			if other == alike {
				streams = append(streams, name)
			}
		}
		w.log(ctx, strings.Join(streams, ","), r)
	}
}

func (w *Watcher) log(ctx context.Context, streams string, r Report) {
	attrs := []slog.Attr{
		slog.String("streams", streams), slog.String("durability", r.Level.String()), slog.String("demanded", w.demand.String()),
		slog.Int("replicas", r.Replicas), slog.Int("current", r.Current), slog.String("loss", r.Loss),
	}
	if r.Reason != "" {
		attrs = append(attrs, slog.String("reason", r.Reason), slog.String("remedy", r.Remedy))
	}
	switch {
	case !w.demand.Met(r.Level):
		w.logger.LogAttrs(ctx, slog.LevelError, "events are refused: the log is less durable than demanded", attrs...)
	case r.Level == None:
		w.logger.LogAttrs(ctx, slog.LevelWarn, "acknowledged events can be lost", attrs...)
	default:
		w.logger.LogAttrs(ctx, slog.LevelInfo, "durability of acknowledged events is known", attrs...)
	}
}
