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
// for the next one, and an older event overwrote a newer one there (PR 4800). The tests of this file kill Redis in the
// middle, and look for windows without a place in the schedule and for places without a window.

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
	names := make([]key.Key, keys)
	for i := range names {
		names[i] = contract(t, strconv.Itoa(i))
	}
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
				for range 7 {
					sequence++
					items = append(items, soon(names[sequence*7919%keys], sequence, 0))
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
