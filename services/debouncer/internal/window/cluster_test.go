package window

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/libs/redisx/redistest"
)

// shardsByNode are the shards that each master holds.
func shardsByNode(t *testing.T, c *redistest.ClusterServers, s *Store) [redistest.Masters][]int {
	t.Helper()
	var shards [redistest.Masters][]int
	for shard := range s.Shards() {
		node := c.NodeOf(t, windowsKey(shard))
		for _, name := range keysOf(shard) {
			if other := c.NodeOf(t, name); other != node {
				t.Errorf("%s is on node %d, other keys of the shard on node %d", name, other, node)
			}
		}
		shards[node] = append(shards[node], shard)
	}
	return shards
}

func TestTheShardsSpreadOverTheMastersOfACluster(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	s := openStore(t, c.Client, DefaultShards)
	for node, shards := range shardsByNode(t, c, s) {
		if len(shards) < 2 {
			t.Errorf("node %d holds the shards %v, want some of the %d", node, shards, DefaultShards)
		}
	}
}

// A master dies and comes back without its data. The others go on meanwhile; its shards, and no others, say that they were
// emptied, and are filled again.
func TestAMasterThatLostItsDataEmptiesOnlyItsShards(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	s := openStore(t, c.Client, DefaultShards)
	log := map[key.Key]position.Position{}
	var items []Arm
	for i := range 10 * s.Shards() {
		item := Arm{Key: contract(t, strconv.Itoa(i)), Position: at(1, uint64(i+1))}
		items, log[item.Key] = append(items, item), item.Position
	}
	var armedAgain []ArmResult
	fill := func(ctx context.Context) error {
		result, err := s.Arm(ctx, items)
		armedAgain = append(armedAgain, result)
		return err
	}
	if _, err := s.Refill(t.Context(), fill); err != nil {
		t.Fatalf("first Refill: %v", err)
	}
	const dead = 1
	deadShards := map[int]bool{}
	for node, shards := range shardsByNode(t, c, s) {
		for _, shard := range shards {
			deadShards[shard] = node == dead
		}
	}

	c.Kill(dead)
	result, err := s.Arm(t.Context(), items)
	if err == nil {
		t.Error("Arm with a dead master succeeded")
	}
	for i, item := range items {
		if isDead := deadShards[s.shardOf(item.Key.String())]; isDead != (result.Errs[i] != nil) {
			t.Errorf("%s, of a dead master: %t, gets %v", item.Key, isDead, result.Errs[i])
		}
	}

	c.Restart(t, dead)
	lives, err := s.emptied(t.Context())
	if err != nil {
		t.Fatalf("look for emptied shards: %v", err)
	}
	for shard := range s.Shards() {
		if _, emptied := lives[shard]; emptied != deadShards[shard] {
			t.Errorf("shard %d emptied: %t, of the dead master: %t", shard, emptied, deadShards[shard])
		}
	}
	armedAgain = nil
	if filled, err := s.Refill(t.Context(), fill); !filled || err != nil {
		t.Fatalf("Refill = %t, %v", filled, err)
	}
	for i, item := range items {
		want := Unchanged
		if deadShards[s.shardOf(item.Key.String())] {
			want = Opened
		}
		if got := armedAgain[0].Outcomes[i]; got != want {
			t.Errorf("refill of %s: outcome %d, want %d", item.Key, got, want)
		}
	}
	got := map[key.Key]position.Position{}
	for shard := range s.Shards() {
		claimed, err := s.Claim(t.Context(), shard, MaxBatch, time.Minute)
		if err != nil || claimed.Emptied {
			t.Errorf("Claim in shard %d: emptied %t, %v", shard, claimed.Emptied, err)
		}
		for _, w := range claimed.Windows {
			got[w.Key] = w.Position
		}
	}
	if diff := cmp.Diff(log, got); diff != "" {
		t.Errorf("windows (-log +claimed):\n%s", diff)
	}
}
