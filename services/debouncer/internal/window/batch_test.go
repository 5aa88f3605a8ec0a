package window

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/libs/redisx/redistest"
)

// Ids are opaque: whatever they hold, each has a window of its own, and comes back as it was.
func TestHostileKeysNeverShareAWindow(t *testing.T) {
	t.Parallel()
	ids := []string{
		"1", "01", "1 ", " 1", "1\n", "1\x00", "1.0", "*", ">", "{0}", "}{", "'; redis.call('FLUSHALL') --", "$(id)", "+inf", "-inf", "(1",
		"nan", "-", "=31", "ü", "u\u0308", "契約", "\u202e1", strings.Repeat("🦀", 50), "windows", "1 2 3 4 5", "%f", "\r\n", "\"", "\\",
	}
	for _, server := range serversAndCluster {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			rdb := server.open(t)
			s := openStore(t, rdb, 4)
			want := map[key.Key]position.Position{}
			var items []Arm
			for i, id := range ids {
				k := contract(t, id)
				want[k] = at(1, uint64(i+1))
				items = append(items, Arm{Key: k, Position: want[k]})
			}
			if _, err := s.Arm(t.Context(), items); err != nil {
				t.Fatalf("Arm: %v", err)
			}
			got := map[key.Key]position.Position{}
			for shard := range s.Shards() {
				claimed, err := s.Claim(t.Context(), shard, MaxBatch, time.Minute)
				if err != nil {
					t.Fatalf("Claim: %v", err)
				}
				for _, w := range claimed.Windows {
					got[w.Key] = w.Position
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("windows (-armed +claimed):\n%s", diff)
			}
		})
	}
}

func TestBatchesOfAnySizeAreArmedClaimedAndCompleted(t *testing.T) {
	t.Parallel()
	for _, server := range serversAndCluster {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			rdb := server.open(t)
			s := openStore(t, rdb, 2)
			const n = 3*MaxBatch + 7
			items := make([]Arm, n)
			for i := range items {
				items[i] = Arm{Key: contract(t, strconv.Itoa(i)), Position: at(1, uint64(i+1))}
			}
			if _, err := s.Arm(t.Context(), items); err != nil {
				t.Fatalf("Arm: %v", err)
			}
			if open, err := s.Len(t.Context()); err != nil || open != n {
				t.Fatalf("Len = %d, %v, want %d", open, err, n)
			}
			var windows []Window
			for shard := range s.Shards() {
				for more := true; more; {
					claimed, err := s.Claim(t.Context(), shard, MaxBatch, time.Minute)
					if err != nil {
						t.Fatalf("Claim: %v", err)
					}
					windows = append(windows, claimed.Windows...)
					more = len(claimed.Windows) > 0
				}
			}
			settled, err := s.Complete(t.Context(), windows)
			if err != nil {
				t.Fatalf("Complete: %v", err)
			}
			for i, completion := range settled.Completions {
				if completion != Done {
					t.Errorf("window %d: completion %d, want Done", i, completion)
				}
			}
			if open, err := s.Len(t.Context()); err != nil || len(windows) != n || open != 0 {
				t.Errorf("%d windows claimed, %d left, %v; want %d and 0", len(windows), open, err, n)
			}
		})
	}
}

func TestArmRefusesBadItemsAndArmsTheOthers(t *testing.T) {
	t.Parallel()
	for _, server := range servers {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			rdb := server.open(t)
			s := openStore(t, rdb, 1)
			good := contract(t, "good")
			items := []Arm{
				{Key: key.Key{}, Position: at(1, 1)},
				{Key: key.Key{Source: "pc", Kind: "meter", ID: "1"}, Position: at(1, 1)},
				{Key: good, Position: at(0, 0)},
				{Key: good, Position: at(1, 1<<53)},
				{Key: good, Position: at(1<<53, 1)},
				{Key: good, Position: at(1, 1), Quiet: -1},
				{Key: good, Position: at(1, 1), MaxWait: -1},
				{Key: good, Position: at(1, 1), MaxWait: maxPeriod + 1},
				{Key: good, Position: at(1, 1), Quiet: time.Hour, MaxWait: time.Hour},
			}
			want := []error{key.ErrSource, key.ErrKind, ErrPosition, ErrPosition, ErrPosition, ErrPeriod, ErrPeriod, ErrPeriod, nil}
			result, err := s.Arm(t.Context(), items)
			if err == nil || !strings.Contains(err.Error(), "8 of 9") {
				t.Errorf("Arm: error %v, want one that counts 8 of 9", err)
			}
			for i := range items {
				if !errors.Is(result.Errs[i], want[i]) || (result.Outcomes[i] == Failed) != (want[i] != nil) {
					t.Errorf("item %d: outcome %d, error %v, want error %v", i, result.Outcomes[i], result.Errs[i], want[i])
				}
			}
			if n, err := s.Len(t.Context()); n != 1 || err != nil {
				t.Errorf("Len = %d, %v, want 1", n, err)
			}
		})
	}
}

func TestArgumentsOutOfRangeAreRefusedBeforeRedisIsAsked(t *testing.T) {
	t.Parallel()
	s := openStore(t, redistest.Miniredis(t), 2)
	for _, c := range []struct {
		shard, limit int
		lease        time.Duration
	}{{-1, 1, 1}, {2, 1, 1}, {0, 0, 1}, {0, MaxBatch + 1, 1}, {0, 1, 0}, {0, 1, maxPeriod + 1}} {
		if _, err := s.Claim(t.Context(), c.shard, c.limit, c.lease); err == nil {
			t.Errorf("Claim(%d, %d, %s) succeeded", c.shard, c.limit, c.lease)
		}
	}
	for _, delay := range []time.Duration{-1, maxPeriod + 1} {
		if _, err := s.Release(t.Context(), nil, delay); !errors.Is(err, ErrPeriod) {
			t.Errorf("Release after %s: %v, want ErrPeriod", delay, err)
		}
	}
}

// One shard of the batch fails: the caller learns which items are armed, so that it acknowledges only those.
func TestArmReportsTheItemsOfAFailedShard(t *testing.T) {
	t.Parallel()
	for _, server := range servers {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			rdb := server.open(t)
			s := openStore(t, rdb, 2)
			if err := rdb.Set(t.Context(), dueKey(1), "not a sorted set", 0).Err(); err != nil {
				t.Fatalf("damage shard 1: %v", err)
			}
			var items []Arm
			for i := range 20 {
				items = append(items, Arm{Key: contract(t, strconv.Itoa(i)), Position: at(1, uint64(i+1)), Quiet: time.Hour, MaxWait: time.Hour})
			}
			result, err := s.Arm(t.Context(), items)
			if err == nil {
				t.Fatal("Arm with a damaged shard succeeded")
			}
			for i, item := range items {
				bad := s.shardOf(item.Key.String()) == 1
				if (result.Errs[i] != nil) != bad || (result.Outcomes[i] == Opened) == bad {
					t.Errorf("item %d of shard %d: outcome %d, error %v", i, s.shardOf(item.Key.String()), result.Outcomes[i], result.Errs[i])
				}
			}
			if left, err := rdb.Exists(t.Context(), windowsKey(1)).Result(); err != nil || left != 0 {
				t.Errorf("the failed script left state behind: %d, %v", left, err)
			}
		})
	}
}

func TestScriptsThatRedisForgotAreSentAgain(t *testing.T) {
	t.Parallel()
	for _, server := range serversAndCluster {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			rdb := server.open(t)
			s := openStore(t, rdb, 4)
			forget := func() {
				t.Helper()
				if err := rdb.ScriptFlush(t.Context()).Err(); err != nil {
					t.Fatalf("SCRIPT FLUSH: %v", err)
				}
			}
			var items []Arm
			for i := range 40 {
				items = append(items, Arm{Key: contract(t, strconv.Itoa(i)), Position: at(1, uint64(i+1))})
			}
			forget()
			if _, err := s.Arm(t.Context(), items); err != nil {
				t.Fatalf("Arm: %v", err)
			}
			forget()
			var windows []Window
			for shard := range s.Shards() {
				claimed, err := s.Claim(t.Context(), shard, MaxBatch, time.Minute)
				if err != nil {
					t.Fatalf("Claim: %v", err)
				}
				windows = append(windows, claimed.Windows...)
			}
			if len(windows) != len(items) {
				t.Errorf("%d windows claimed, want %d", len(windows), len(items))
			}
			forget()
			if _, err := s.Release(t.Context(), windows, 0); err != nil {
				t.Errorf("Release: %v", err)
			}
			forget()
			settled, err := s.Complete(t.Context(), windows)
			if err != nil || settled.Completions[0] != Lost {
				t.Errorf("Complete after Release: %v, %v; want Lost", settled.Completions, err)
			}
		})
	}
}

func TestARestartedRedisIsUsedAtOnce(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := openStore(t, server.Client, 4)
	server.Kill(t)
	items := []Arm{{Key: contract(t, "1"), Position: at(1, 1)}}
	result, err := s.Arm(t.Context(), items)
	if err == nil || result.Errs[0] == nil || result.Outcomes[0] != Failed {
		t.Errorf("Arm without Redis: %+v, %v", result, err)
	}
	if _, err := s.Len(t.Context()); err == nil {
		t.Error("Len without Redis succeeded")
	}
	if settled, err := s.Complete(t.Context(), []Window{{Key: items[0].Key}}); err == nil || settled.Completions[0] != Unknown {
		t.Errorf("Complete without Redis: %+v, %v", settled, err)
	}
	server.Restart(t)
	result, err = s.Arm(t.Context(), items)
	if err != nil || result.Outcomes[0] != Opened || !result.Emptied {
		t.Errorf("Arm after the restart: %+v, %v", result, err)
	}
}
