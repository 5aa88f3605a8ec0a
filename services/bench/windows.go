package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/ticket"
	"github.com/enneo-ai/enneo-bridge/services/bench/internal/child"
	"github.com/enneo-ai/enneo-bridge/services/bench/internal/contest"
	"github.com/enneo-ai/enneo-bridge/services/bench/internal/logfill"
	"github.com/enneo-ai/enneo-bridge/services/bench/internal/promtext"
	"github.com/enneo-ai/enneo-bridge/services/bench/internal/report"
	"github.com/enneo-ai/enneo-bridge/services/bench/internal/servers"
	"github.com/enneo-ai/enneo-bridge/services/bench/internal/stats"
)

const (
	// backlogSource has the windows that stay open, steadySource those that come due.
	backlogSource, steadySource = "backlog", "steady"
	backlogQuiet                = 2 * time.Hour
	steadyQuiet                 = 2 * time.Second
	// steadyRate is how many windows come due in a second, steadyTime for how long.
	steadyRate = 500
	steadyTime = 12 * time.Second
	// steadyTick divides a second into the parts in which events arrive together.
	steadyTick = 10 * time.Millisecond
	// ticketTimeout bounds the wait for the last tickets.
	ticketTimeout = 30 * time.Second
)

// levels are the numbers of open windows.
func (r *run) levels() []int { return []int{r.times(1_000), r.times(100_000), r.times(1_000_000)} }

// shelf is the world of the benchmark windows.
type shelf struct {
	*run
	nats      *servers.NATS
	redis     *servers.Redis
	fill      *logfill.Filler
	debouncer *child.Process
	empty     int64 // used_memory without windows
	open      int
	steady    int // events of the steady source so far
}

// windows measures memory and lateness with more and more windows open.
func windows(ctx context.Context, r *run) ([]*report.Table, error) {
	late := &report.Table{
		Title: fmt.Sprintf("lateness: from due to the ticket on its subject, %d windows/s coming due for %s", steadyRate, steadyTime),
		Header: []string{
			"open windows", "p50", "p99", "max", "from the event's ack, less the quiet period: p99", "max", "CPU debouncer", "CPU Redis", "CPU NATS",
		},
		Notes: []string{
			"Tickets are timed by a subscriber of the subject; due is what the ticket says of its window, in whole milliseconds, plus the quiet period.",
			"CPU in percent of one core meanwhile.",
		},
	}
	memory := &report.Table{
		Title:  "memory: Redis bytes per open window, and how the processes grow",
		Header: []string{"open windows", "bytes/window", "bytes/window, all traces sampled", "RSS Redis", "RSS debouncer", "RSS NATS", "opened in"},
		Notes:  []string{"bytes/window: used_memory less that of the empty server, over the windows. Keys are 25 bytes long. RSS without traces."},
	}
	plain, err := r.shelve(ctx, false, late)
	if err != nil {
		return nil, err
	}
	traced, err := r.shelve(ctx, true, nil)
	if err != nil {
		return nil, err
	}
	for i, p := range plain {
		memory.Row(report.Count(float64(p.windows)), fmt.Sprintf("%.0f", p.bytes), fmt.Sprintf("%.0f", traced[i].bytes),
			report.MiB(p.redis), report.MiB(p.debouncer), report.MiB(p.nats), report.Seconds(p.took))
	}
	return []*report.Table{late, memory}, nil
}

// level is what was found at a number of open windows.
type level struct {
	windows                int
	bytes                  float64
	redis, debouncer, nats int64
	took                   time.Duration
}

// shelve opens more and more windows, and measures lateness at each level if there is a table for it.
func (r *run) shelve(ctx context.Context, traced bool, late *report.Table) (found []level, err error) {
	s := &shelf{run: r}
	if s.nats, err = r.startNATS(ctx, false); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.nats.Stop()) }()
	if s.redis, err = servers.StartRedis(ctx); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.redis.Stop()) }()
	if s.fill, err = logfill.Open(ctx, s.nats.URL, backlogSource, steadySource); err != nil {
		return nil, err
	}
	defer s.fill.Close()
	s.debouncer, err = r.start(ctx, "debouncer", debouncerEnv(s.nats.URL, s.redis.URL,
		map[string]time.Duration{backlogSource: backlogQuiet, steadySource: steadyQuiet}))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.debouncer.Stop()) }()
	if err := s.debouncer.AwaitMessage(ctx, filled); err != nil {
		return nil, err
	}
	// One event of each source, so that everything is connected and loaded before memory is counted.
	if err := s.fillTo(ctx, 1, traced); err != nil {
		return nil, err
	}
	if _, err := s.comeDue(ctx, time.Second); err != nil {
		return nil, err
	}
	if s.empty, err = s.redis.UsedMemory(ctx); err != nil {
		return nil, err
	}
	for _, windows := range r.levels() {
		l, err := s.level(ctx, windows, traced)
		if err != nil {
			return nil, err
		}
		r.progress("%d windows open, %.0f bytes each, traced: %t", windows, l.bytes, traced)
		found = append(found, l)
		if late != nil {
			if err := s.lateness(ctx, late); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

func (s *shelf) level(ctx context.Context, windows int, traced bool) (level, error) {
	l, began := level{windows: windows}, time.Now()
	if err := s.fillTo(ctx, windows, traced); err != nil {
		return l, err
	}
	l.took = time.Since(began)
	samples, err := s.debouncer.Metrics(ctx)
	if err != nil {
		return l, err
	}
	if got := int(promtext.Sum(samples, "bridge_windows_open", nil)); got != windows {
		return l, fmt.Errorf("%d windows are open, want %d", got, windows)
	}
	used, err := s.redis.UsedMemory(ctx)
	if err != nil {
		return l, err
	}
	l.bytes = float64(used-s.empty) / float64(max(1, windows-1))
	l.redis, l.debouncer, l.nats = s.redis.Usage().RSS, s.debouncer.Usage().RSS, s.nats.Usage().RSS
	return l, nil
}

// fillTo opens windows of the backlog until there are so many.
func (s *shelf) fillTo(ctx context.Context, windows int, traced bool) error {
	keys := make([]key.Key, 0, windows-s.open)
	for ; s.open < windows; s.open++ {
		keys = append(keys, logfill.Key(backlogSource, s.open))
	}
	last, err := s.fill.Append(ctx, keys, traced)
	if err != nil {
		return err
	}
	return s.fill.AwaitAcked(ctx, bus.StageDebounce.ConsumerName(backlogSource), last)
}

// arrival is when a ticket came.
type arrival struct {
	at  time.Time
	msg *nats.Msg
}

// lateness lets windows come due and adds a row.
func (s *shelf) lateness(ctx context.Context, t *report.Table) error {
	pids := map[string]int{procClient: s.debouncer.PID(), procRedis: s.redis.PID(), procNATS: s.nats.PID()}
	m := startMeter(pids)
	began := time.Now()
	found, err := s.comeDue(ctx, steadyTime)
	if err != nil {
		return err
	}
	lasted := time.Since(began)
	var used contest.Outcome
	m.stop(&used)
	share := func(process string) string { return report.Percent(used.CPU[process].Seconds() / lasted.Seconds()) }
	t.Row(report.Count(float64(s.open)),
		report.Milliseconds(stats.Median(found.flush)), report.Milliseconds(stats.Quantile(found.flush, 0.99)), report.Milliseconds(stats.Quantile(found.flush, 1)),
		report.Milliseconds(stats.Quantile(found.whole, 0.99)), report.Milliseconds(stats.Quantile(found.whole, 1)),
		share(procClient), share(procRedis), share(procNATS))
	return nil
}

// delays are how late tickets came: flush after their window was due, whole after the event's acknowledgement and the
// quiet period.
type delays struct{ flush, whole []time.Duration }

// comeDue appends events of new keys at a steady rate and waits for the tickets of all of them.
func (s *shelf) comeDue(ctx context.Context, lasting time.Duration) (delays, error) {
	ctx, cancel := context.WithTimeout(ctx, lasting+steadyQuiet+ticketTimeout)
	defer cancel()
	conn, err := nats.Connect(s.nats.URL)
	if err != nil {
		return delays{}, fmt.Errorf("connect to NATS: %w", err)
	}
	defer conn.Close()
	perTick := int(steadyRate * steadyTick / time.Second)
	ticks := int(lasting / steadyTick)
	arrivals := make(chan arrival, perTick*ticks*2)
	_, err = conn.Subscribe(bus.StageEnrich.Filter(steadySource), func(msg *nats.Msg) {
		arrivals <- arrival{time.Now(), msg}
	})
	if err == nil {
		err = conn.FlushWithContext(ctx)
	}
	if err != nil {
		return delays{}, fmt.Errorf("subscribe to the tickets: %w", err)
	}
	acked := map[string]time.Time{}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		tick := time.NewTicker(steadyTick)
		defer tick.Stop()
		for range ticks {
			keys := make([]key.Key, perTick)
			for i := range keys {
				keys[i] = logfill.Key(steadySource, s.steady)
				s.steady++
			}
			if _, err := s.fill.Append(ctx, keys, false); err != nil {
				return err
			}
			for _, k := range keys {
				acked[k.String()] = time.Now()
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	came := make([]arrival, 0, perTick*ticks)
	group.Go(func() error {
		for len(came) < perTick*ticks {
			select {
			case a := <-arrivals:
				came = append(came, a)
			case <-ctx.Done():
				return fmt.Errorf("%d of %d tickets came: %w", len(came), perTick*ticks, ctx.Err())
			}
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		return delays{}, err
	}
	return late(came, acked)
}

func late(came []arrival, acked map[string]time.Time) (delays, error) {
	var d delays
	for _, a := range came {
		t, err := ticket.Decode(bus.StageEnrich, a.msg.Subject, a.msg.Header, a.msg.Data)
		if err != nil {
			return delays{}, err
		}
		stored, known := acked[t.Key.String()]
		if !known || t.Collapsed != 1 {
			return delays{}, fmt.Errorf("a ticket stands for %d events, want the one of its key", t.Collapsed)
		}
		d.flush = append(d.flush, a.at.Sub(t.FirstEventAt.Add(steadyQuiet)))
		d.whole = append(d.whole, a.at.Sub(stored.Add(steadyQuiet)))
	}
	return d, nil
}
