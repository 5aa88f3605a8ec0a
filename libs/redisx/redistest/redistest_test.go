package redistest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/enneo-ai/enneo-bridge/libs/redisx/redistest"
)

// keys are many enough that every node of a cluster holds some.
func keys() []string {
	names := make([]string, 50)
	for i := range names {
		names[i] = fmt.Sprintf("{%d}:key", i)
	}
	return names
}

// have counts the keys that are there.
func have(t *testing.T, rdb redis.UniversalClient) int {
	t.Helper()
	n := 0
	for _, name := range keys() {
		found, err := rdb.Exists(t.Context(), name).Result()
		if err != nil {
			t.Fatalf("EXISTS: %v", err)
		}
		n += int(found)
	}
	return n
}

func fill(t *testing.T, rdb redis.UniversalClient) {
	t.Helper()
	for _, name := range keys() {
		if err := rdb.Set(t.Context(), name, 1, 0).Err(); err != nil {
			t.Fatalf("SET: %v", err)
		}
	}
}

func TestOnlyAnAppendOnlyServerKeepsItsDataOverAKill(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		options []redistest.Option
		kept    int
	}{
		"without persistence": {nil, 0},
		"append only":         {[]redistest.Option{redistest.AppendOnly()}, len(keys())},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t, tc.options...)
			fill(t, server.Client)
			server.Restart(t)
			if n := have(t, server.Client); n != tc.kept {
				t.Errorf("%d keys are left after a restart, want %d", n, tc.kept)
			}
		})
	}
}

func TestAClusterDividesItsKeysAndLosesOnlyThoseOfADeadNode(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	fill(t, c.Client)
	var held [redistest.Masters]int
	for _, name := range keys() {
		held[c.NodeOf(t, name)]++
	}
	for node, n := range held {
		if n == 0 {
			t.Errorf("node %d of %v holds nothing", node, held)
		}
	}
	const several = "return redis.call('MGET', KEYS[1], KEYS[2])"
	if err := c.Client.Eval(t.Context(), several, keys()[:2]).Err(); err == nil || !strings.Contains(err.Error(), "slot") {
		t.Errorf("a script with keys of several slots: %v, want a refusal", err)
	}
	c.Kill(1)
	c.Restart(t, 1)
	if n, want := have(t, c.Client), len(keys())-held[1]; n != want {
		t.Errorf("%d keys are left after node 1 was restarted, want %d", n, want)
	}
	if err := redistest.FlushAll(t.Context(), c.Client); err != nil {
		t.Fatalf("FLUSHALL: %v", err)
	}
	if n := have(t, c.Client); n != 0 {
		t.Errorf("%d keys are left after FLUSHALL", n)
	}
}
