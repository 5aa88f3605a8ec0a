package window

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/redisx/redistest"
)

func TestHoldsFollowsAWindowThroughItsLife(t *testing.T) {
	t.Parallel()
	for _, server := range serversAndCluster {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			rdb := server.open(t)
			s := openStore(t, rdb, 4)
			k, other := contract(t, "A"), contract(t, "B")
			shard := s.shardOf(k.String())
			check := func(when string, want bool) {
				t.Helper()
				got, err := s.Holds(t.Context(), []key.Key{other, k})
				if err != nil {
					t.Fatalf("Holds: %v", err)
				}
				if diff := cmp.Diff([]bool{false, want}, got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", when, diff)
				}
			}
			claimOne := func() Window {
				t.Helper()
				claimed, err := s.Claim(t.Context(), shard, 1, time.Minute)
				if err != nil || len(claimed.Windows) != 1 {
					t.Fatalf("claim %v, %v; want one window", claimed.Windows, err)
				}
				return claimed.Windows[0]
			}
			finish := func(w Window) {
				t.Helper()
				if _, err := s.Complete(t.Context(), []Window{w}); err != nil {
					t.Fatal(err)
				}
			}

			check("before anything", false)
			mustArm(t, s, soon(k, 1, 0))
			check("open", true)
			w := claimOne()
			check("claimed", true)
			mustArm(t, s, soon(k, 2, 0))
			check("claimed, with something newer", true)
			finish(w)
			check("armed again by what was newer", true)
			w = claimOne()
			if _, err := s.Release(t.Context(), []Window{w}, 0); err != nil {
				t.Fatal(err)
			}
			check("released", true)
			finish(claimOne())
			check("completed", false)

			urgent := Arm{Key: k, Position: at(1, 3), Quiet: time.Hour, MaxWait: 2 * time.Hour, Urgent: true}
			mustArm(t, s, urgent)
			check("urgent", true)
			finish(claimOne())
			check("only cooling down", false)
			mustArm(t, s, Arm{Key: k, Position: at(1, 4), Quiet: time.Hour, MaxWait: 2 * time.Hour})
			check("an event while it cools down", true)
		})
	}
}

func TestHoldsNeedsBothStateAndSchedule(t *testing.T) {
	t.Parallel()
	rdb := redistest.Open(t)
	s := openStore(t, rdb, 1)
	ctx := t.Context()
	a, b, c := contract(t, "A"), contract(t, "B"), contract(t, "C")
	mustArm(t, s, soon(a, 1, time.Hour), soon(b, 1, time.Hour), soon(c, 1, time.Hour))
	if err := rdb.HDel(ctx, windowsKey(0), a.String()).Err(); err != nil {
		t.Fatal(err)
	}
	if err := rdb.ZRem(ctx, dueKey(0), b.String()).Err(); err != nil {
		t.Fatal(err)
	}
	got, err := s.Holds(ctx, []key.Key{a, b, c})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]bool{false, false, true}, got); diff != "" {
		t.Errorf("held (-want +got):\n%s", diff)
	}
	// A new event makes such a window whole again.
	mustArm(t, s, soon(a, 2, time.Hour), soon(b, 2, time.Hour))
	if got, err = s.Holds(ctx, []key.Key{a, b, c}); err != nil || !cmp.Equal(got, []bool{true, true, true}) {
		t.Errorf("after new events: %v, %v; want all held", got, err)
	}
}

func TestHoldsTakesAnyNumberOfKeysAndFailsWithoutRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := openStore(t, server.Client, 2)
	var keys []key.Key
	var arms []Arm
	for i := range 3*MaxBatch + 1 {
		k := modelKey(i)
		keys = append(keys, k)
		if i%2 == 0 {
			arms = append(arms, soon(k, 1, time.Hour))
		}
	}
	mustArm(t, s, arms...)
	got, err := s.Holds(t.Context(), keys)
	if err != nil {
		t.Fatal(err)
	}
	for i := range keys {
		if got[i] != (i%2 == 0) {
			t.Fatalf("key %d: held %t", i, got[i])
		}
	}
	if got, err := s.Holds(t.Context(), nil); err != nil || len(got) != 0 {
		t.Errorf("no keys: %v, %v", got, err)
	}
	server.Kill(t)
	if got, err := s.Holds(t.Context(), keys); err == nil {
		t.Errorf("without redis: %v, want an error", got)
	}
}
