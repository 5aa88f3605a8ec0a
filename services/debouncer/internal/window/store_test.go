package window

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/libs/redisx/redistest"
)

// opener starts an empty Redis of some kind for a test.
type opener struct {
	name string
	open func(testing.TB) redis.UniversalClient
}

// servers are what the contract holds for: the real server, and the stand-in of "make demo".
var servers = []opener{{"redis", redistest.Open}, {"miniredis", redistest.Miniredis}}

// serversAndCluster is for the tests that every command of the package takes part in. The cluster has three masters, and
// needs some three seconds to start; each test has its own, because all windows of a cluster have the same names.
var serversAndCluster = append(slices.Clone(servers), opener{"cluster", redistest.Cluster})

// fakeClock is the now_ms of a Store.
type fakeClock struct{ ms atomic.Int64 }

func (c *fakeClock) text() string { return strconv.FormatInt(c.ms.Load(), 10) }

// openStore opens a store with the clock of Redis.
func openStore(t testing.TB, rdb redis.UniversalClient, shards int) *Store {
	t.Helper()
	s, err := Open(t.Context(), rdb, Options{Shards: shards})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return s
}

// contract returns the key of a contract of the source "pc".
func contract(t testing.TB, id string) key.Key {
	t.Helper()
	k, err := key.New("pc", key.Contract, id)
	if err != nil {
		t.Fatalf("key of %q: %v", id, err)
	}
	return k
}

func at(epoch, sequence uint64) position.Position {
	return position.Position{Epoch: epoch, Sequence: sequence}
}

// contents is everything that a shard holds.
type contents struct {
	Windows map[string]string
	Due     map[string]int64
}

var randomToken = regexp.MustCompile(`[A-Z2-7]{26}`)

// dump reads everything that shard 0 holds. Random tokens show as TOKEN.
func dump(ctx context.Context, rdb redis.UniversalClient) (contents, error) {
	c := contents{Windows: map[string]string{}, Due: map[string]int64{}}
	pipe := rdb.Pipeline()
	windows, due := pipe.HGetAll(ctx, windowsKey(0)), pipe.ZRangeWithScores(ctx, dueKey(0), 0, -1)
	if _, err := pipe.Exec(ctx); err != nil {
		return c, fmt.Errorf("dump: %w", err)
	}
	for k, state := range windows.Val() {
		c.Windows[k] = randomToken.ReplaceAllString(state, "TOKEN")
	}
	for _, member := range due.Val() {
		c.Due[member.Member.(string)] = int64(member.Score) //nolint:errcheck // members are strings
	}
	return c, nil
}

func TestOpenRefusesAnotherShardCount(t *testing.T) {
	t.Parallel()
	for _, server := range servers {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			rdb := server.open(t)
			openStore(t, rdb, 8)
			openStore(t, rdb, 8)
			_, err := Open(t.Context(), rdb, Options{Shards: 4})
			if !errors.Is(err, ErrShardCount) {
				t.Fatalf("got %v, want ErrShardCount", err)
			}
			for _, part := range []string{"4 configured", "8 in Redis", "configure 8", "delete the key debounce:{shards}:count"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not say %q", err, part)
				}
			}
		})
	}
}

func TestOpenRefusesSenselessShardCounts(t *testing.T) {
	t.Parallel()
	rdb := redistest.Miniredis(t)
	for _, shards := range []int{-1, MaxShards + 1} {
		if _, err := Open(t.Context(), rdb, Options{Shards: shards}); err == nil {
			t.Errorf("Open with %d shards succeeded", shards)
		}
	}
	if s := openStore(t, rdb, 0); s.Shards() != DefaultShards {
		t.Errorf("got %d shards, want %d", s.Shards(), DefaultShards)
	}
}

func TestOpenFailsWithoutRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.Kill(t)
	if _, err := Open(t.Context(), server.Client, Options{}); err == nil {
		t.Error("Open without Redis succeeded")
	}
}

// The data in Redis is divided by this function: a change of it is a change of the shard count in disguise.
func TestTheShardOfAKeyNeverChanges(t *testing.T) {
	t.Parallel()
	s := &Store{shards: 16}
	want := map[string]int{
		"pc.contract.4711": 6, "pc.contract.4713": 7, "lynq.contract.LQ-2024-0001": 8, "lynq.customer.C=2F1": 6, "a.customer.=C3=BC": 0,
	}
	got := map[string]int{}
	for k := range want {
		got[k] = s.shardOf(k)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("shards (-want +got):\n%s", diff)
	}
}

func TestWindowsSpreadOverTheShards(t *testing.T) {
	t.Parallel()
	s := &Store{shards: 16}
	counts := make([]int, s.shards)
	for i := range 16000 {
		counts[s.shardOf("pc.contract."+strconv.Itoa(i))]++
	}
	for shard, n := range counts {
		if n < 800 || n > 1200 {
			t.Errorf("shard %d has %d of 16000 keys, want about 1000", shard, n)
		}
	}
}

// Two replicas arm and claim the same keys at once. Each position is flushed, and no window by two at a time.
func TestTwoStoresAtOnceLoseNothingAndNeverOverlap(t *testing.T) {
	t.Parallel()
	for _, server := range servers {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			rdb := server.open(t)
			const keys, events, replicas = 20, 600, 2
			stores := []*Store{openStore(t, rdb, 4), openStore(t, rdb, 4)}
			var mu sync.Mutex
			flushed, holder := map[key.Key]position.Position{}, map[key.Key]bool{}
			newest := map[key.Key]position.Position{}

			var arming, claiming sync.WaitGroup
			armed := make(chan struct{})
			for replica := range replicas {
				arming.Go(func() {
					random := rand.New(rand.NewPCG(1, uint64(replica)))
					for i := range events {
						k := key.Key{Source: "pc", Kind: key.Contract, ID: strconv.Itoa(random.IntN(keys))}
						p := at(1, uint64(i*replicas+replica+1))
						if _, err := stores[replica].Arm(t.Context(), []Arm{{Key: k, Position: p}}); err != nil {
							t.Errorf("Arm: %v", err)
							return
						}
						mu.Lock()
						if p.Compare(newest[k]) > 0 {
							newest[k] = p
						}
						mu.Unlock()
					}
				})
				claiming.Go(func() {
					for last := false; ; {
						select {
						case <-armed:
							last = true
						default:
						}
						found := 0
						for shard := range 4 {
							claimed, err := stores[replica].Claim(t.Context(), shard, 7, time.Minute)
							if err != nil {
								t.Errorf("Claim: %v", err)
								return
							}
							found += len(claimed.Windows)
							mu.Lock()
							for _, w := range claimed.Windows {
								if holder[w.Key] {
									t.Errorf("%s is claimed twice at a time", w.Key)
								}
								holder[w.Key] = true
								if w.Position.Compare(flushed[w.Key]) > 0 {
									flushed[w.Key] = w.Position
								}
							}
							for _, w := range claimed.Windows {
								holder[w.Key] = false
							}
							mu.Unlock()
							if _, err := stores[replica].Complete(t.Context(), claimed.Windows); err != nil {
								t.Errorf("Complete: %v", err)
								return
							}
						}
						if last && found == 0 {
							return
						}
					}
				})
			}
			arming.Wait()
			close(armed)
			claiming.Wait()
			if n, err := stores[0].Len(t.Context()); n != 0 || err != nil {
				t.Errorf("%d windows left, %v", n, err)
			}
			if diff := cmp.Diff(newest, flushed); diff != "" {
				t.Errorf("newest positions (-armed +flushed):\n%s", diff)
			}
		})
	}
}

// A million open windows have to fit into a small Redis. Each sampled event costs 32 bytes more, up to eight of them.
func TestAWindowNeedsAtMost260BytesAndFewMoreForItsTraces(t *testing.T) {
	t.Parallel()
	for traces, tc := range map[int]struct {
		windows int
		most    float64
	}{
		0:             {60000, 260}, // in one shard: as full as each of 16 shards with a million windows
		1:             {60000, 300},
		MaxTraces + 1: {15000, 550}, // as full as a table of that size is
	} {
		t.Run(fmt.Sprintf("%d traces", traces), func(t *testing.T) {
			t.Parallel()
			if got := bytesPerWindow(t, tc.windows, traces); got > tc.most {
				t.Errorf("%.0f bytes per window, want at most %.0f", got, tc.most)
			}
		})
	}
}

// bytesPerWindow opens n windows in one shard, each with as many sampled events, or with one event that is not sampled.
func bytesPerWindow(t *testing.T, n, traces int) float64 {
	t.Helper()
	rdb := redistest.Open(t)
	s := openStore(t, rdb, 1)
	used := func() int {
		info, err := rdb.InfoMap(t.Context(), "memory").Result()
		if err != nil {
			t.Fatalf("INFO memory: %v", err)
		}
		n, err := strconv.Atoi(info["Memory"]["used_memory"])
		if err != nil {
			t.Fatalf("used_memory: %v", err)
		}
		return n
	}
	before := used()
	for event := range max(1, traces) {
		for start := 0; start < n; start += 5000 {
			items := make([]Arm, 0, 5000)
			for i := start; i < start+5000; i++ {
				item := Arm{
					Key: contract(t, fmt.Sprintf("4711-%08d", i)), Position: at(1795460706, uint64(10_000_000+event*n+i)),
					Quiet: 10 * time.Second, MaxWait: time.Minute,
				}
				if traces > 0 {
					item.TraceParent = fmt.Sprintf("00-%016x%016x-%016x-01", event+1, i+1, i+1)
				}
				items = append(items, item)
			}
			if _, err := s.Arm(t.Context(), items); err != nil {
				t.Fatalf("Arm: %v", err)
			}
		}
	}
	perWindow := float64(used()-before) / float64(n)
	t.Logf("%.0f bytes per window with the traces of %d events", perWindow, traces)
	return perWindow
}
