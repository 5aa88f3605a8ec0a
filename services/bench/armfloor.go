package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/enneo-ai/enneo-bridge/services/bench/internal/contest"
)

const (
	// floorPipeline is how many events share a round trip, as in the debouncer.
	floorPipeline = 512
	// floorConnections keep Redis busy while one of them is being written.
	floorConnections = 2
	// floorShards is the debouncer's default.
	floorShards = 16
	// eventArgs is how many arguments the debouncer's script takes for an event.
	eventArgs = 7
)

func (a *armer) emptyPerEvent(ctx context.Context, _ int) (contest.Outcome, error) {
	return a.emptyScript(ctx, func(pipe redis.Pipeliner, sha string, begin, end int) {
		for i := begin; i < end; i++ {
			pipe.EvalSha(ctx, sha, floorKeys(i%floorShards), a.floorArgs(i, i+1)...)
		}
	})
}

func (a *armer) emptyPerBatch(ctx context.Context, _ int) (contest.Outcome, error) {
	return a.emptyScript(ctx, func(pipe redis.Pipeliner, sha string, begin, end int) {
		const perShard = floorPipeline / floorShards
		for shard := 0; begin < end; begin, shard = begin+perShard, shard+1 {
			pipe.EvalSha(ctx, sha, floorKeys(shard), a.floorArgs(begin, min(begin+perShard, end))...)
		}
	})
}

func floorKeys(shard int) []string {
	prefix := "floor:{" + strconv.Itoa(shard) + "}:"
	return []string{prefix + "windows", prefix + "due", prefix + "epoch"}
}

// floorArgs are arguments as long as the debouncer's.
func (a *armer) floorArgs(begin, end int) []any {
	args := make([]any, 0, eventArgs*(end-begin))
	for i := begin; i < end; i++ {
		args = append(args, a.events[i].String(), 1_790_000_000, i, 7_200_000, 86_400_000, 0, "-")
	}
	return args
}

// emptyScript calls a script that does nothing for all events; each queues the calls for a part of them.
func (a *armer) emptyScript(ctx context.Context, each func(pipe redis.Pipeliner, sha string, begin, end int)) (outcome contest.Outcome, err error) {
	if err := a.redis.Empty(ctx); err != nil {
		return outcome, err
	}
	sha, err := a.redis.Client.ScriptLoad(ctx, "return 0").Result()
	if err != nil {
		return outcome, fmt.Errorf("load the empty script: %w", err)
	}
	m := startMeter(map[string]int{procClient: os.Getpid(), procRedis: a.redis.PID(), procNATS: a.nats.PID()})
	began := time.Now()
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range floorConnections {
		group.Go(func() error {
			for {
				begin := int(next.Add(floorPipeline)) - floorPipeline
				if begin >= len(a.events) {
					return nil
				}
				pipe := a.redis.Client.Pipeline()
				each(pipe, sha, begin, min(begin+floorPipeline, len(a.events)))
				if _, err := pipe.Exec(ctx); err != nil {
					return fmt.Errorf("call the empty script: %w", err)
				}
			}
		})
	}
	if err := group.Wait(); err != nil {
		return outcome, err
	}
	outcome.Rate = float64(len(a.events)) / time.Since(began).Seconds()
	m.stop(&outcome)
	return outcome, nil
}

const (
	// bullBulk and bullInFlight are the fastest of those tried: 100 to 1000 events in 1 to 16 bulks.
	bullBulk     = 200
	bullInFlight = 8
)

// peers are BullMQ in its two modes that put a job off; without node the note says why there are none.
func (a *armer) peers(ctx context.Context) (peers []contest.Contestant, missing string) {
	dir := filepath.Join(a.root, "scripts", "bench")
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "bullmq")); err != nil {
		a.progress("npm ci in %s", dir)
		install := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
		install.Dir = dir
		if out, err := install.CombinedOutput(); err != nil {
			return nil, fmt.Sprintf("BullMQ was not measured: npm ci in scripts/bench: %v %.200s", err, out)
		}
	}
	for _, mode := range []struct{ name, about string }{
		{"replace", "BullMQ: debounce mode (extend, replace)"},
		{"reschedule", "BullMQ: extend, reschedule (keeps the old data)"},
	} {
		peers = append(peers, contest.Contestant{Name: mode.about, Run: func(ctx context.Context, _ int) (contest.Outcome, error) {
			return a.bull(ctx, dir, mode.name)
		}})
	}
	return peers, ""
}

// bull adds the same events, from a process of its own, to the same Redis.
func (a *armer) bull(ctx context.Context, dir, mode string) (outcome contest.Outcome, err error) {
	if err := a.redis.Empty(ctx); err != nil {
		return outcome, err
	}
	m := startMeter(map[string]int{procRedis: a.redis.PID(), procNATS: a.nats.PID()})
	//nolint:gosec // our own script
	cmd := exec.CommandContext(ctx, "node", "bullmq.mjs", a.redis.Socket, a.file, mode, strconv.Itoa(bullBulk), strconv.Itoa(bullInFlight))
	cmd.Dir = dir
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return outcome, fmt.Errorf("node: %w: %.500s", err, exit.Stderr)
	}
	if err != nil {
		return outcome, fmt.Errorf("node: %w", err)
	}
	m.stop(&outcome)
	var said struct {
		Seconds    float64 `json:"seconds"`
		Delayed    int     `json:"delayed"`
		CPUSeconds float64 `json:"cpuSeconds"`
		RedisCPU   float64 `json:"redisCpuSeconds"`
		PeakBytes  int64   `json:"peakBytes"`
	}
	if err := json.Unmarshal(out, &said); err != nil {
		return outcome, fmt.Errorf("answer of node: %w", err)
	}
	if want := a.distinct(); said.Delayed != want {
		return outcome, fmt.Errorf("BullMQ has %d delayed jobs, want %d: one for each key", said.Delayed, want)
	}
	outcome.Rate = float64(len(a.events)) / said.Seconds
	// Without the warm-up.
	outcome.CPU[procClient] = time.Duration(said.CPUSeconds * float64(time.Second))
	outcome.CPU[procRedis] = time.Duration(said.RedisCPU * float64(time.Second))
	outcome.Peak[procClient] = said.PeakBytes
	return outcome, nil
}

// distinct is how many keys the events have.
func (a *armer) distinct() int {
	keys := map[string]bool{}
	for _, k := range a.events {
		keys[k.String()] = true
	}
	return len(keys)
}
