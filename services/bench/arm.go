package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/services/bench/internal/child"
	"github.com/enneo-ai/enneo-bridge/services/bench/internal/contest"
	"github.com/enneo-ai/enneo-bridge/services/bench/internal/logfill"
	"github.com/enneo-ai/enneo-bridge/services/bench/internal/promtext"
	"github.com/enneo-ai/enneo-bridge/services/bench/internal/report"
	"github.com/enneo-ai/enneo-bridge/services/bench/internal/servers"
)

const (
	armEvents = 200_000
	armKeys   = 20_000
	// armWarm is how many events pass before the measurement, so that connections stand and caches are filled.
	armWarm = 5_000
	// armSource is the one source of the benchmark.
	armSource = "bench"
	// profileSeconds is shorter than a round takes, so that a profile holds nothing but work.
	profileSeconds = 3
)

// armer is the world of the benchmark arm.
type armer struct {
	*run
	nats  *servers.NATS
	redis *servers.Redis
	fill  *logfill.Filler
	// events are the keys of the events, in their order.
	events []key.Key
	// file holds the same for the peer, a line each.
	file string
}

// debouncerEnv lets windows stay open for longer than any measurement.
func debouncerEnv(nats, redis string, sources map[string]time.Duration) map[string]string {
	env := map[string]string{
		"NATS_URL": nats, "REDIS_URL": redis, "DEBOUNCE_QUIET_PERIOD": "2h", "DEBOUNCE_MAX_WAIT": "24h",
		// Nobody takes the tickets here: windows would widen by the backlog.
		"DEBOUNCE_WIDEN_MAX": "0",
	}
	for name, quiet := range sources {
		if env["SOURCES"] != "" {
			env["SOURCES"] += ","
		}
		env["SOURCES"] += name
		prefix := "SOURCE_" + strings.ToUpper(name)
		env[prefix+"_PROFILE"] = "powercloud"
		env[prefix+"_QUIET_PERIOD"] = quiet.String()
	}
	return env
}

// arm measures how fast the log gets into windows.
func arm(ctx context.Context, r *run) (_ []*report.Table, err error) {
	a := &armer{run: r}
	if a.nats, err = r.startNATS(ctx, false); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.nats.Stop()) }()
	if a.redis, err = servers.StartRedis(ctx); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.redis.Stop()) }()
	if a.fill, err = logfill.Open(ctx, a.nats.URL, armSource); err != nil {
		return nil, err
	}
	defer a.fill.Close()
	if err := a.choose(); err != nil {
		return nil, err
	}
	contestants := []contest.Contestant{
		{Name: "debouncer: log → windows, acknowledged", Run: a.ours},
		{Name: "floor: fetch and acknowledge only", Run: a.fetch},
		{Name: "floor: empty script, one call per event", Run: a.emptyPerEvent},
		{Name: "floor: empty script, one call per shard and batch", Run: a.emptyPerBatch},
	}
	peers, missing := a.peers(ctx)
	results, err := contest.Run(ctx, r.rounds, append(contestants, peers...), func(text string) { r.progress("%s", text) })
	if err != nil {
		return nil, err
	}
	return []*report.Table{armTable(results, len(a.events), missing)}, nil
}

func armTable(results []contest.Result, events int, missing string) *report.Table {
	t := &report.Table{
		Title:  fmt.Sprintf("arm: events per second from the log into windows (%s events, %s keys)", report.Count(float64(events)), report.Count(armKeys)),
		Header: []string{"contestant", "events/s", "spread", "debouncer / it", "CPU client", "CPU Redis", "CPU NATS", "peak client", "peak Redis"},
		Notes:  []string{"Medians; CPU seconds of one round. The client is the debouncer, this program or node."},
	}
	if missing != "" {
		t.Notes = append(t.Notes, missing)
	}
	ours, _ := results[0].Rate()
	for i := range results {
		result := &results[i]
		rate, spread := result.Rate()
		t.Row(result.Name, report.Count(rate), "±"+report.Percent(spread), report.Times(ours/rate),
			report.Seconds(result.CPU(procClient)), report.Seconds(result.CPU(procRedis)), report.Seconds(result.CPU(procNATS)),
			report.MiB(result.Peak(procClient)), report.MiB(result.Peak(procRedis)))
	}
	return t
}

// The processes of a contest.
const (
	procClient = "client"
	procRedis  = "redis"
	procNATS   = "nats"
)

// filled is what the debouncer logs when it has seen to a Redis that was empty.
const filled = "windows were filled from the event log"

// choose draws the keys; the same in each run.
func (a *armer) choose() error {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // not for secrets
	n := a.times(armEvents)
	a.events = make([]key.Key, n)
	a.file = filepath.Join(a.dir, "keys")
	file, err := os.Create(a.file)
	if err != nil {
		return fmt.Errorf("write the keys: %w", err)
	}
	defer file.Close()
	for i := range a.events {
		a.events[i] = logfill.Key(armSource, random.IntN(armKeys))
		if _, err := fmt.Fprintln(file, a.events[i]); err != nil {
			return fmt.Errorf("write the keys: %w", err)
		}
	}
	return nil
}

// emptyLog empties the log and its consumer.
func (a *armer) emptyLog(ctx context.Context) error {
	for _, name := range []string{bus.StreamEvents, bus.StreamDue} {
		stream, err := a.fill.Bus.JetStream().Stream(ctx, name)
		if err != nil {
			return fmt.Errorf("open %s: %w", name, err)
		}
		if err := stream.Purge(ctx); err != nil {
			return fmt.Errorf("empty %s: %w", name, err)
		}
	}
	err := a.fill.Bus.JetStream().DeleteConsumer(ctx, bus.StreamEvents, armConsumer())
	if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return fmt.Errorf("delete the consumer: %w", err)
	}
	return nil
}

func armConsumer() string { return bus.StageDebounce.ConsumerName(armSource) }

// ours lets the debouncer find the log full, and measures until it has acknowledged all of it. It runs before, on an
// empty log: what it does at its start is not what is measured.
func (a *armer) ours(ctx context.Context, round int) (outcome contest.Outcome, err error) {
	if err := errors.Join(a.emptyLog(ctx), a.redis.Empty(ctx)); err != nil {
		return outcome, err
	}
	debouncer, err := a.start(ctx, "debouncer", debouncerEnv(a.nats.URL, a.redis.URL, map[string]time.Duration{armSource: 2 * time.Hour}))
	if err != nil {
		return outcome, err
	}
	defer func() { err = errors.Join(err, debouncer.Stop()) }()
	// A debouncer that finds an empty Redis arms what is open in the log. It has to find the log empty, too: else it would
	// compete with the events that are measured.
	if err := debouncer.AwaitMessage(ctx, filled); err != nil {
		return outcome, err
	}
	warm := make([]key.Key, armWarm)
	for i := range warm {
		warm[i] = logfill.Key("bench", armKeys+i%100)
	}
	last, err := a.fill.Append(ctx, warm, false)
	if err != nil {
		return outcome, err
	}
	if err := a.fill.AwaitAcked(ctx, armConsumer(), last); err != nil {
		return outcome, err
	}
	js := a.fill.Bus.JetStream()
	if _, err := js.PauseConsumer(ctx, bus.StreamEvents, armConsumer(), time.Now().Add(time.Hour)); err != nil {
		return outcome, fmt.Errorf("pause the consumer: %w", err)
	}
	if last, err = a.fill.Append(ctx, a.events, false); err != nil {
		return outcome, err
	}
	profiled := a.takeProfile(ctx, debouncer, fmt.Sprintf("arm-debouncer-%d", round+1), profileSeconds)
	m := startMeter(map[string]int{procClient: debouncer.PID(), procRedis: a.redis.PID(), procNATS: a.nats.PID()})
	began := time.Now()
	if _, err := js.ResumeConsumer(ctx, bus.StreamEvents, armConsumer()); err != nil {
		return outcome, fmt.Errorf("resume the consumer: %w", err)
	}
	if err := a.fill.AwaitAcked(ctx, armConsumer(), last); err != nil {
		return outcome, err
	}
	outcome.Rate = float64(len(a.events)) / time.Since(began).Seconds()
	m.stop(&outcome)
	return outcome, errors.Join(profiled(), a.verify(ctx, debouncer))
}

// maxUnchanged is the share of events that a window may hold already when they come: batches that are armed side by side
// overtake each other.
const maxUnchanged = 0.05

// verify makes sure that the events did their work: one that a window holds already costs less.
func (a *armer) verify(ctx context.Context, debouncer *child.Process) error {
	samples, err := debouncer.Metrics(ctx)
	if err != nil {
		return err
	}
	count := func(outcome string) float64 {
		return promtext.Sum(samples, "bridge_events_armed_total", map[string]string{"outcome": outcome})
	}
	armed, unchanged, want := count("opened")+count("extended"), count("unchanged"), float64(len(a.events)+armWarm)
	if armed+unchanged < want || unchanged > want*maxUnchanged {
		return fmt.Errorf("the debouncer armed %.0f events and %.0f were armed already; there were %.0f", armed, unchanged, want)
	}
	return nil
}

// fetch only acknowledges what the debouncer's own consumer gives.
func (a *armer) fetch(ctx context.Context, _ int) (outcome contest.Outcome, err error) {
	if err := a.emptyLog(ctx); err != nil {
		return outcome, err
	}
	last, err := a.fill.Append(ctx, a.events, false)
	if err != nil {
		return outcome, err
	}
	epoch, err := a.fill.Log.Epoch(ctx)
	if err != nil {
		return outcome, err
	}
	consumer, err := a.fill.Bus.EnsureLogConsumer(ctx, armSource, epoch)
	if err != nil {
		return outcome, err
	}
	m := startMeter(map[string]int{procClient: os.Getpid(), procRedis: a.redis.PID(), procNATS: a.nats.PID()})
	began := time.Now()
	messages, err := consumer.Messages(jetstream.PullMaxMessages(1000))
	if err != nil {
		return outcome, fmt.Errorf("pull: %w", err)
	}
	defer messages.Stop()
	for range a.events {
		msg, err := messages.Next()
		if err != nil {
			return outcome, fmt.Errorf("pull: %w", err)
		}
		if err := msg.Ack(); err != nil {
			return outcome, fmt.Errorf("acknowledge: %w", err)
		}
	}
	if err := a.fill.AwaitAcked(ctx, armConsumer(), last); err != nil {
		return outcome, err
	}
	outcome.Rate = float64(len(a.events)) / time.Since(began).Seconds()
	m.stop(&outcome)
	return outcome, nil
}
