package window

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/libs/redisx/redistest"
)

// Inngest stores the event of a debounce and arms its timer in two steps. A crash in between leaves an event that waits
// for the next one, and an older event overwrote a newer one there (PR 4800). The tests up to the next comment of this
// kind kill Redis in the middle, and look for windows without a place in the schedule and for places without a window.

// mustBeWhole fails if state and schedule of a shard do not hold the same keys.
func mustBeWhole(t *testing.T, rdb redis.UniversalClient, when string) contents {
	t.Helper()
	c, err := dump(t.Context(), rdb)
	if err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	states, places := slices.Sorted(maps.Keys(c.Windows)), slices.Sorted(maps.Keys(c.Due))
	if diff := cmp.Diff(states, places); diff != "" {
		t.Errorf("%s, the windows (-) and the schedule (+) differ:\n%s", when, diff)
	}
	return c
}

// stuck is a script that never gets from the one command of its changes to the next.
func stuck(t *testing.T, name, before string) script {
	t.Helper()
	source := luaFile("state") + luaFile(name)
	if strings.Count(source, before) != 1 {
		t.Fatalf("%q does not stand in %s.lua once", before, name)
	}
	return newScript(name, strings.Replace(source, before, "while true do end "+before, 1))
}

func TestKilledBetweenWindowAndTimerNothingIsHalfDone(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, script, before string
		do                   func(context.Context, *Store, []Window) error
	}{
		{"arming", "arm", "redis.call('HSET', KEYS[1], unpack(states))", func(ctx context.Context, s *Store, _ []Window) error {
			_, err := s.Arm(ctx, []Arm{soon(keyA, 2, 0), soon(contract(t, "new"), 1, 0)})
			return err
		}},
		{"claiming", "claim", "redis.call('HSET', KEYS[1], unpack(states))", func(ctx context.Context, s *Store, _ []Window) error {
			_, err := s.Claim(ctx, 0, 10, time.Minute)
			return err
		}},
		{"completing", "complete", "redis.call('ZREM', KEYS[2], unpack(gone))", func(ctx context.Context, s *Store, claimed []Window) error {
			_, err := s.Complete(ctx, claimed)
			return err
		}},
		{"releasing", "release", "redis.call('HSET', KEYS[1], unpack(states))", func(ctx context.Context, s *Store, claimed []Window) error {
			_, err := s.Release(ctx, claimed, 0)
			return err
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t, redistest.AppendOnly())
			rdb := server.Client
			s := openStore(t, rdb, 1)
			mustArm(t, s, soon(keyA, 1, 0))
			claimed := mustClaim(t, s)
			mustArm(t, s, soon(keyB, 1, 0))
			before := mustBeWhole(t, rdb, "before")
			slow := *s
			sc := stuck(t, tc.script, tc.before)
			slow.scripts.arm, slow.scripts.claim, slow.scripts.complete, slow.scripts.release = sc, sc, sc, sc

			// From here on Redis answers others while a script runs, and refuses to end a script that has written.
			if err := rdb.ConfigSet(t.Context(), "lua-time-limit", "1").Err(); err != nil {
				t.Fatalf("set lua-time-limit: %v", err)
			}
			died := make(chan error, 1)
			go func() { died <- tc.do(t.Context(), &slow, claimed) }()
			awaitWritten(t, rdb)
			server.Kill(t)
			if err := <-died; err == nil {
				t.Error("the call succeeded although Redis was killed")
			}
			server.Restart(t)
			if diff := cmp.Diff(before, mustBeWhole(t, rdb, "after the crash")); diff != "" {
				t.Errorf("contents (-before +after):\n%s", diff)
			}
			if err := tc.do(t.Context(), s, claimed); err != nil {
				t.Errorf("once more: %v", err)
			}
			mustBeWhole(t, rdb, "once more")
		})
	}
}

// awaitWritten returns once a script runs that has made some, but not all of its changes.
func awaitWritten(t *testing.T, rdb redis.UniversalClient) {
	t.Helper()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	giveUp := time.After(patience)
	for {
		err := rdb.ScriptKill(t.Context()).Err()
		switch {
		case redis.HasErrorPrefix(err, "UNKILLABLE"):
			return
		case err == nil:
			t.Fatal("the script was ended before it wrote")
		}
		select {
		case <-poll.C:
		case <-giveUp:
			t.Fatalf("no script runs: %v", err)
		}
	}
}

// The power fails while Redis writes: its file ends anywhere.
func TestAFileThatEndsAnywhereHoldsNoHalfWindow(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.AppendOnly())
	rdb := server.Client
	s := openStore(t, rdb, 1)
	mustArm(t, s, soon(keyA, 1, 0), soon(keyB, 1, 0), soon(contract(t, "C"), 1, time.Hour))
	windows := mustClaim(t, s)
	mustArm(t, s, soon(keyA, 2, time.Hour))
	mustComplete(t, s, windows[0])
	if _, err := s.Release(t.Context(), windows[1:], time.Second); err != nil {
		t.Fatalf("Release: %v", err)
	}
	server.Kill(t)
	file := appendOnlyFile(t, server.Dir)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("read the file: %v", err)
	}
	held := map[int]bool{}
	const cuts = 40
	for i := range cuts {
		size := len(whole) - i*len(whole)/cuts
		if err := os.WriteFile(file, whole[:size], 0o600); err != nil {
			t.Fatalf("cut the file: %v", err)
		}
		server.Restart(t)
		held[len(mustBeWhole(t, rdb, fmt.Sprintf("with %d of %d bytes", size, len(whole))).Windows)] = true
		server.Kill(t)
	}
	// Otherwise the cuts would have missed all that was done.
	if !held[0] || !held[3] {
		t.Errorf("there were %v windows, want none at first and three at last", slices.Sorted(maps.Keys(held)))
	}
}

// appendOnlyFile is the file that Redis appends to; its name is another one since Redis 7.
func appendOnlyFile(t *testing.T, dir string) string {
	t.Helper()
	for _, pattern := range []string{"appendonlydir/*.incr.aof", "appendonly.aof"} {
		if found, err := filepath.Glob(filepath.Join(dir, pattern)); err == nil && len(found) == 1 {
			return found[0]
		}
	}
	t.Fatalf("no append-only file in %s", dir)
	return ""
}

// Everything runs at full speed when Redis is killed. What was answered as armed is claimed sooner or later.
func TestKilledInTheMiddleOfAStreamNothingAnsweredIsLost(t *testing.T) {
	t.Parallel()
	const rounds, keys = 5, 30
	server := redistest.Start(t, redistest.AppendOnly())
	rdb := server.Client
	s := openStore(t, rdb, 1)
	var mu sync.Mutex
	armed, flushed := map[key.Key]position.Position{}, map[key.Key]position.Position{}
	sequence := uint64(0)
	for round := range rounds {
		var streams sync.WaitGroup
		enough := make(chan struct{})
		streams.Go(func() {
			for calls := 0; ; calls++ {
				if calls == 20+13*round {
					close(enough)
				}
				var items []Arm
				for i := range 7 {
					sequence++
					items = append(items, soon(contract(t, strconv.Itoa(int(sequence*7919+uint64(i))%keys)), sequence, 0))
				}
				if _, err := s.Arm(t.Context(), items); err != nil {
					return // killed
				}
				mu.Lock()
				for _, item := range items {
					armed[item.Key] = item.Position
				}
				mu.Unlock()
			}
		})
		streams.Go(func() {
			for {
				claimed, err := s.Claim(t.Context(), 0, 5, time.Millisecond)
				if err != nil {
					return // killed
				}
				mu.Lock()
				for _, w := range claimed.Windows {
					flushed[w.Key] = w.Position
				}
				mu.Unlock()
				if _, err := s.Complete(t.Context(), claimed.Windows); err != nil {
					return
				}
			}
		})
		<-enough
		server.Kill(t)
		streams.Wait()
		server.Restart(t)
		mustBeWhole(t, rdb, fmt.Sprintf("after crash %d", round))
	}
	clock := &fakeClock{}
	clock.ms.Store(time.Now().Add(time.Hour).UnixMilli()) // all leases are over
	s.now = clock.text
	for _, w := range mustClaim(t, s) {
		if w.Position.Compare(flushed[w.Key]) > 0 {
			flushed[w.Key] = w.Position
		}
	}
	for k, p := range armed {
		// An event whose answer was lost may be held as well.
		if !flushed[k].Covers(p) {
			t.Errorf("%s was armed up to %s and flushed up to %s", k, p, flushed[k])
		}
	}
}

// The scripts write to nobody's memory: full, they refuse before they have changed anything, and completing goes on.
// BullMQ asks for maxmemory-policy noeviction for that reason.
func TestAFullRedisRefusesWholeCallsAndLetsWindowsEnd(t *testing.T) {
	t.Parallel()
	rdb := redistest.Open(t)
	s := openStore(t, rdb, 1)
	limit := func(bytes string) {
		t.Helper()
		if err := rdb.ConfigSet(t.Context(), "maxmemory", bytes).Err(); err != nil {
			t.Fatalf("set maxmemory: %v", err)
		}
	}
	mustArm(t, s, soon(keyA, 1, 0))
	claimed := mustClaim(t, s)
	mustArm(t, s, soon(keyB, 1, 0))
	before := mustBeWhole(t, rdb, "before")
	limit("1")
	if result, err := s.Arm(t.Context(), []Arm{soon(keyB, 2, 0)}); err == nil || result.Outcomes[0] != Failed {
		t.Errorf("Arm with full memory: %+v, %v", result, err)
	}
	if _, err := s.Claim(t.Context(), 0, 1, time.Minute); err == nil {
		t.Error("Claim with full memory succeeded")
	}
	if diff := cmp.Diff(before, mustBeWhole(t, rdb, "with full memory")); diff != "" {
		t.Errorf("refused calls changed something (-before +after):\n%s", diff)
	}
	if got := mustComplete(t, s, claimed...); got[0] != Done {
		t.Errorf("completion %d with full memory, want Done: it makes room", got[0])
	}
	limit("0")
	mustArm(t, s, soon(keyB, 2, 0))
	if windows := mustClaim(t, s); len(windows) != 1 || windows[0].Position != at(1, 2) {
		t.Errorf("claimed %+v, want the newest event", windows)
	}
}

// Svix lost its queue in Redis without a word (issue 1844); BullMQ warns of eviction policies. Whatever goes missing, the
// log brings it back: at once where the marker is gone, and otherwise by the event that the sweep appends for a key that
// Holds does not find.
func TestWhateverRedisLosesComesBackWithoutAPerson(t *testing.T) {
	t.Parallel()
	remove := func(parts ...func(int) string) func(*testing.T, *redistest.Server) {
		return func(t *testing.T, server *redistest.Server) {
			t.Helper()
			for _, part := range parts {
				if err := server.Client.Del(t.Context(), part(0)).Err(); err != nil {
					t.Fatalf("DEL: %v", err)
				}
			}
		}
	}
	flushAll := func(t *testing.T, server *redistest.Server) {
		t.Helper()
		if err := server.Client.FlushAll(t.Context()).Err(); err != nil {
			t.Fatalf("FLUSHALL: %v", err)
		}
	}
	for _, tc := range []struct {
		name string
		lose func(*testing.T, *redistest.Server)
		// atOnce: a refill alone brings everything back.
		atOnce bool
	}{
		{"FLUSHALL", flushAll, true},
		{"a restart without persistence", func(t *testing.T, server *redistest.Server) { t.Helper(); server.Restart(t) }, true},
		{"eviction of the marker", remove(epochKey), true},
		{"eviction of the windows", remove(windowsKey), false},
		{"eviction of the schedule", remove(dueKey), false},
		{"eviction of windows and schedule", remove(windowsKey, dueKey), false},
		{"eviction of windows and marker", remove(windowsKey, epochKey), true},
		{"eviction of schedule and marker", remove(dueKey, epochKey), false},
		{"eviction of everything", remove(windowsKey, dueKey, epochKey), true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			s := openStore(t, server.Client, 1)
			keys := []key.Key{keyA, keyB}
			sequence := uint64(1)
			arm := func(ctx context.Context) error {
				_, err := s.Arm(ctx, []Arm{soon(keyA, sequence, 0), soon(keyB, sequence, 0)})
				return err
			}
			if _, err := s.Refill(t.Context(), arm); err != nil {
				t.Fatalf("first Refill: %v", err)
			}
			tc.lose(t, server)
			if _, err := s.Refill(t.Context(), arm); err != nil {
				t.Fatalf("Refill: %v", err)
			}
			held, err := s.Holds(t.Context(), keys)
			if err != nil {
				t.Fatalf("Holds: %v", err)
			}
			if diff := cmp.Diff([]bool{tc.atOnce, tc.atOnce}, held); diff != "" {
				t.Fatalf("held after the refill (-want +got):\n%s", diff)
			}
			if !tc.atOnce {
				sequence++
				if err := arm(t.Context()); err != nil {
					t.Fatalf("arm what the sweep appends: %v", err)
				}
			}
			mustBeWhole(t, server.Client, "after healing")
			if windows := mustClaim(t, s); len(windows) != len(keys) {
				t.Errorf("claimed %+v, want both windows", windows)
			}
		})
	}
}
