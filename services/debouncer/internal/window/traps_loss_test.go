package window

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/redisx/redistest"
)

// BullMQ asks for maxmemory-policy noeviction, so that a full Redis refuses instead of forgetting. Then the scripts are
// refused before they have changed anything, and completing, which makes room, goes on.
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
