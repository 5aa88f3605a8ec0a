package window

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/redis/go-redis/v9"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/redisx/redistest"
)

const (
	sampled   = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	sampled2  = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	unsampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
	// packed and packed2 are the first two as they stand in Redis.
	packed  = "CvdlGRbNQ92ESOshHIAxnLeta3FpIDMx"
	packed2 = "S_kvNXezTaajzpKdDg5HNgDwZ6oLqQK3"
)

var (
	keyA = key.Key{Source: "pc", Kind: key.Contract, ID: "A"}
	keyB = key.Key{Source: "pc", Kind: key.Contract, ID: "B"}
)

// inRedis are states and scores by the id of the key.
type inRedis struct {
	windows map[string]string
	due     map[string]int64
}

func (i inRedis) contents() contents {
	c := contents{Windows: map[string]string{}, Due: map[string]int64{}}
	for id, state := range i.windows {
		c.Windows["pc.contract."+id] = state
	}
	for id, score := range i.due {
		c.Due["pc.contract."+id] = score
	}
	return c
}

// scriptCase is one script call on a shard whose whole state is known before and after.
type scriptCase struct {
	name   string
	now    int64
	before inRedis
	call   func(context.Context, *Store) (any, error)
	want   any
	after  inRedis
	wakes  []string
}

// same is an after that equals the before.
func same(i inRedis) inRedis { return i }

func arm(items ...Arm) func(context.Context, *Store) (any, error) {
	return func(ctx context.Context, s *Store) (any, error) {
		r, err := s.Arm(ctx, items)
		if r.Traces != nil {
			return summary{traced{r.Outcomes, r.Traces}, r.Hints}, err
		}
		return summary{r.Outcomes, r.Hints}, err
	}
}

// traced is the answer to arm when it tells in which traces windows will be flushed.
type traced struct {
	outcomes []Outcome
	traces   map[int]string
}

func claim(limit int, lease time.Duration) func(context.Context, *Store) (any, error) {
	return func(ctx context.Context, s *Store) (any, error) {
		c, err := s.Claim(ctx, 0, limit, lease)
		return c, err
	}
}

func complete(windows ...Window) func(context.Context, *Store) (any, error) {
	return func(ctx context.Context, s *Store) (any, error) {
		r, err := s.Complete(ctx, windows)
		return summary{r.Completions, r.Hints}, err
	}
}

func release(delay time.Duration, windows ...Window) func(context.Context, *Store) (any, error) {
	return func(ctx context.Context, s *Store) (any, error) {
		r, err := s.Release(ctx, windows, delay)
		return summary{r.Completions, r.Hints}, err
	}
}

// summary is what Arm, Complete and Release answer.
type summary struct {
	results any
	hints   []Hint
}

func next(ms int64) []Hint { return []Hint{{Shard: 0, In: time.Duration(ms) * time.Millisecond}} }

func ms(n int64) time.Time { return time.UnixMilli(n) }

// leased is a window of seq 7 with two events, claimed at 1500 until 2500, with nothing newer.
var leased = inRedis{
	map[string]string{"A": "1 7 0 0 0 0 - 2500 TOK 1 7 1000 500 2 -"},
	map[string]int64{"A": 2500},
}

// leasedNewer is the same with seq 9 newer, which came at 1600 and is due at 1700.
var leasedNewer = inRedis{
	map[string]string{"A": "1 9 1600 100 1 0 - 2500 TOK 1 7 1000 500 2 -"},
	map[string]int64{"A": 2500},
}

// scriptCases are the rules of all scripts.
func scriptCases() []scriptCase { return slices.Concat(armCases(), claimCases()) }

// run puts the case on an emptied Redis and returns what differs from its expectation, empty if nothing does.
func (c scriptCase) run(ctx context.Context, rdb redis.UniversalClient, s *Store) (string, error) {
	if err := redistest.FlushAll(ctx, rdb); err != nil {
		return "", fmt.Errorf("empty redis: %w", err)
	}
	if err := rdb.Set(ctx, epochKey(0), "+life", 0).Err(); err != nil {
		return "", fmt.Errorf("set the epoch marker: %w", err)
	}
	before := c.before.contents()
	for k, state := range before.Windows {
		if err := rdb.HSet(ctx, windowsKey(0), k, state).Err(); err != nil {
			return "", fmt.Errorf("set state: %w", err)
		}
	}
	for k, score := range before.Due {
		if err := rdb.ZAdd(ctx, dueKey(0), redis.Z{Score: float64(score), Member: k}).Err(); err != nil {
			return "", fmt.Errorf("set score: %w", err)
		}
	}
	subscription := rdb.Subscribe(ctx, wakeChannel)
	defer subscription.Close()
	if _, err := subscription.Receive(ctx); err != nil {
		return "", fmt.Errorf("subscribe: %w", err)
	}
	clock := fakeClock{}
	clock.ms.Store(c.now)
	s.now = clock.text
	got, err := c.call(ctx, s)
	if err != nil {
		return err.Error(), nil
	}
	// By a script of the same shard: in a cluster, only messages of one node keep their order.
	if err := rdb.Eval(ctx, "return redis.call('PUBLISH', ARGV[1], 'end')", keysOf(0), wakeChannel).Err(); err != nil {
		return "", fmt.Errorf("publish: %w", err)
	}
	var wakes []string
	for {
		message, err := subscription.ReceiveMessage(ctx)
		if err != nil {
			return "", fmt.Errorf("receive wakes: %w", err)
		}
		if message.Payload == "end" {
			break
		}
		wakes = append(wakes, message.Payload)
	}
	after, err := dump(ctx, rdb)
	if err != nil {
		return "", err
	}
	options := cmp.Options{cmp.AllowUnexported(summary{}, traced{}), cmpopts.IgnoreUnexported(Window{})}
	return cmp.Diff(c.want, got, options) + cmp.Diff(c.after.contents(), after) + cmp.Diff(c.wakes, wakes), nil
}

func TestEachScriptLeavesExactlyTheStateOfTheRule(t *testing.T) {
	t.Parallel()
	for _, server := range serversAndCluster {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			rdb := server.open(t)
			s := openStore(t, rdb, 1)
			for _, c := range scriptCases() {
				diff, err := c.run(t.Context(), rdb, s)
				if err != nil {
					t.Fatalf("%s: %v", c.name, err)
				}
				if diff != "" {
					t.Errorf("%s (-want +got):\n%s", c.name, diff)
				}
			}
		})
	}
}

// argumentCase is a call that a script has to refuse.
type argumentCase struct {
	name   string
	script script
	args   []any
}

func argumentCases(s *Store) []argumentCase {
	good := []any{"pc.contract.A", 1, 1, 1, 1, 0, "-"}
	with := func(i int, value any) []any {
		bad := slices.Clone(good)
		bad[i] = value
		return append(slices.Clone(good), bad...)
	}
	return []argumentCase{
		{"too few arguments", s.scripts.arm, append(slices.Clone(good), "pc.contract.B")},
		{"epoch with a sign", s.scripts.arm, with(1, "-1")},
		{"sequence with a fraction", s.scripts.arm, with(2, "1.5")},
		{"sequence with an exponent", s.scripts.arm, with(2, "1e3")},
		{"sequence in hexadecimal", s.scripts.arm, with(2, "0x10")},
		{"sequence above 53 bits", s.scripts.arm, with(2, "9007199254740992")},
		{"quiet period that is no number", s.scripts.arm, with(3, "nan")},
		{"empty max wait", s.scripts.arm, with(4, "")},
		{"trace with blanks", s.scripts.arm, with(6, "a b")},
		{"claim without a limit", s.scripts.claim, []any{0, "TOK", 1}},
		{"claim without a lease", s.scripts.claim, []any{1, "TOK", 0}},
		{"claim with a token of two words", s.scripts.claim, []any{1, "TO K", 1}},
		{"complete with too few arguments", s.scripts.complete, []any{"pc.contract.A", 1, 1}},
		{"complete with a bad sequence", s.scripts.complete, []any{"pc.contract.A", 1, "x", "TOK"}},
		{"release with too few arguments", s.scripts.release, []any{1, "pc.contract.A"}},
		{"release with a bad delay", s.scripts.release, []any{"x", "pc.contract.A", "TOK"}},
	}
}

func TestScriptsCheckAllArgumentsBeforeTheyWrite(t *testing.T) {
	t.Parallel()
	for _, server := range serversAndCluster {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			rdb := server.open(t)
			s := openStore(t, rdb, 1)
			for _, tc := range argumentCases(s) {
				if r := s.run(t.Context(), tc.script, []call{{args: tc.args}})[0]; r.err == nil {
					t.Errorf("%s: no error", tc.name)
				}
				if n, err := rdb.Exists(t.Context(), windowsKey(0), dueKey(0)).Result(); n != 0 || err != nil {
					t.Errorf("%s: %d keys were written, %v", tc.name, n, err)
				}
			}
		})
	}
}

// Without now_ms the scripts use the clock of Redis, in whole milliseconds.
func TestTheClockIsTheOneOfRedis(t *testing.T) {
	t.Parallel()
	for _, server := range servers {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			rdb := server.open(t)
			s := openStore(t, rdb, 1)
			before, err := rdb.Time(t.Context()).Result()
			if err != nil {
				t.Fatalf("TIME: %v", err)
			}
			if _, err := s.Arm(t.Context(), []Arm{{Key: keyA, Position: at(1, 1)}}); err != nil {
				t.Fatalf("Arm: %v", err)
			}
			claimed, err := s.Claim(t.Context(), 0, 1, time.Minute)
			if err != nil || len(claimed.Windows) != 1 {
				t.Fatalf("Claim: %+v, %v", claimed, err)
			}
			after, err := rdb.Time(t.Context()).Result()
			if err != nil {
				t.Fatalf("TIME: %v", err)
			}
			for _, moment := range []time.Time{claimed.Windows[0].First, claimed.Now} {
				if moment.Before(before.Truncate(time.Millisecond)) || moment.After(after) {
					t.Errorf("%s is not between %s and %s", moment, before, after)
				}
			}
		})
	}
}
