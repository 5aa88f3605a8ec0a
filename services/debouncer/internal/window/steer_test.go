package window

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/key"
)

func hasten(keys ...key.Key) func(context.Context, *Store) (any, error) {
	return func(ctx context.Context, s *Store) (any, error) {
		got, err := s.Hasten(ctx, keys)
		return got, err
	}
}

func drop(k key.Key, epoch, sequence uint64) func(context.Context, *Store) (any, error) {
	return func(ctx context.Context, s *Store) (any, error) {
		got, err := s.Drop(ctx, []Settlement{{k, at(epoch, sequence)}})
		return got, err
	}
}

// steerCases are the rules of hasten.lua and drop.lua.
func steerCases() []scriptCase {
	open := inRedis{map[string]string{"A": "1 7 1000 500 2"}, map[string]int64{"A": 1500}}
	paused := inRedis{map[string]string{"A": "1 7 1000 500 2 0 - 9000"}, map[string]int64{"A": 9000}}
	cooling := inRedis{map[string]string{"A": "1 7 0 0 0 1500 -"}, map[string]int64{"A": 1500}}
	coolingWithEvents := inRedis{map[string]string{"A": "1 7 1000 500 2 1500 " + packed}, map[string]int64{"A": 1500}}
	return []scriptCase{
		{
			"hasten makes a window due now, and nothing puts it off", 1200, open, hasten(keyA),
			[]Hastened{DueNow},
			inRedis{map[string]string{"A": "1 7 1000 200 2 -1 -"}, map[string]int64{"A": 1200}},
			[]string{"0 0"},
		},
		{
			"hasten leaves the due of an overdue window", 1700, open, hasten(keyA),
			[]Hastened{DueNow},
			inRedis{map[string]string{"A": "1 7 1000 500 2 -1 -"}, map[string]int64{"A": 1500}},
			nil,
		},
		{
			"hasten ends a pause", 1700, paused, hasten(keyA),
			[]Hastened{DueNow},
			inRedis{map[string]string{"A": "1 7 1000 500 2 -1 -"}, map[string]int64{"A": 1500}},
			[]string{"0 0"},
		},
		{
			"hasten keeps what is left of a cool-down for after the flush", 1200, coolingWithEvents, hasten(keyA),
			[]Hastened{DueNow},
			inRedis{map[string]string{"A": "1 7 1000 200 2 -300 " + packed}, map[string]int64{"A": 1200}},
			[]string{"0 0"},
		},
		{
			"hasten leaves the mark of an urgent event", 1200,
			inRedis{map[string]string{"A": "1 7 1000 100 2 -400 -"}, map[string]int64{"A": 1100}},
			hasten(keyA),
			[]Hastened{DueNow},
			inRedis{map[string]string{"A": "1 7 1000 100 2 -400 -"}, map[string]int64{"A": 1100}},
			nil,
		},
		{"hasten respects a lease", 1600, leased, hasten(keyA), []Hastened{UnderWay}, same(leased), nil},
		{
			"hasten respects a lease and makes due what came since", 1620, leasedNewer, hasten(keyA),
			[]Hastened{DueNext},
			inRedis{map[string]string{"A": "1 9 1600 20 1 -1 - 2500 TOK 1 7 1000 500 2 -"}, map[string]int64{"A": 2500}},
			nil,
		},
		{"hasten of a lost claim finds it due already", 2500, leased, hasten(keyA), []Hastened{DueNow}, same(leased), nil},
		{"hasten finds nothing in a window that cools down", 1200, cooling, hasten(keyA), []Hastened{NoEvents}, same(cooling), nil},
		{"hasten of a key without a window", 1200, inRedis{}, hasten(keyA), []Hastened{NoWindow}, inRedis{}, nil},
		{
			"hasten of several keys, one of them twice", 1200, open, hasten(keyB, keyA, keyA),
			[]Hastened{NoWindow, DueNow, DueNow},
			inRedis{map[string]string{"A": "1 7 1000 200 2 -1 -"}, map[string]int64{"A": 1200}},
			[]string{"0 0"},
		},
		{
			"hasten gives a window back its place in the schedule", 1200,
			inRedis{map[string]string{"A": "1 7 1000 500 2"}, nil},
			hasten(keyA),
			[]Hastened{DueNow},
			inRedis{map[string]string{"A": "1 7 1000 200 2 -1 -"}, map[string]int64{"A": 1200}},
			[]string{"0 0"},
		},
		// drop
		{"drop removes what is settled", 1200, open, drop(keyA, 1, 7), []Removal{Removed}, inRedis{}, nil},
		{"drop removes what is settled and more", 1200, open, drop(keyA, 2, 1), []Removal{Removed}, inRedis{}, nil},
		{"drop keeps a newer event", 1200, open, drop(keyA, 1, 6), []Removal{HoldsNewer}, same(open), nil},
		{
			"drop keeps a newer epoch", 1200,
			inRedis{map[string]string{"A": "2 1 1000 500 2"}, map[string]int64{"A": 1500}},
			drop(keyA, 1, 7),
			[]Removal{HoldsNewer},
			inRedis{map[string]string{"A": "2 1 1000 500 2"}, map[string]int64{"A": 1500}},
			nil,
		},
		{"drop respects a lease to its last ms", 2499, leased, drop(keyA, 1, 7), []Removal{IsClaimed}, same(leased), nil},
		{"drop keeps what came after a claim", 2499, leasedNewer, drop(keyA, 1, 7), []Removal{HoldsNewer}, same(leasedNewer), nil},
		{"drop removes a lost claim", 2500, leased, drop(keyA, 1, 7), []Removal{Removed}, inRedis{}, nil},
		{"drop ends a pause", 1700, paused, drop(keyA, 1, 7), []Removal{Removed}, inRedis{}, nil},
		{
			"drop lets a cool-down go on", 1200, coolingWithEvents, drop(keyA, 1, 7),
			[]Removal{Removed},
			inRedis{map[string]string{"A": "1 7 0 0 0 1500 -"}, map[string]int64{"A": 1500}},
			nil,
		},
		{"drop ends a cool-down that is over", 1500, coolingWithEvents, drop(keyA, 1, 7), []Removal{Removed}, inRedis{}, nil},
		{"drop of a key without a window", 1200, inRedis{}, drop(keyA, 1, 7), []Removal{WasGone}, inRedis{}, nil},
	}
}

func TestSteeringLeavesExactlyTheStateOfTheRule(t *testing.T) {
	t.Parallel()
	for _, server := range serversAndCluster {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			rdb := server.open(t)
			s := openStore(t, rdb, 1)
			for _, c := range steerCases() {
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

func TestDropChecksItsArgumentsBeforeItWrites(t *testing.T) {
	t.Parallel()
	for _, server := range serversAndCluster {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			rdb := server.open(t)
			s := openStore(t, rdb, 1)
			if _, err := s.Arm(t.Context(), []Arm{{Key: keyA, Position: at(1, 1), Quiet: time.Minute, MaxWait: time.Minute}}); err != nil {
				t.Fatal(err)
			}
			name := keyA.String()
			for _, args := range [][]any{{name, 1}, {name, 1, 1, name}, {name, 1, 1, name, "-1", 1}, {name, 1, 1, name, 1, "9007199254740992"}} {
				if r := s.run(t.Context(), s.scripts.drop, []call{{args: args}})[0]; r.err == nil {
					t.Errorf("drop %v: no error", args)
				}
				if n, err := s.Len(t.Context()); n != 1 || err != nil {
					t.Fatalf("drop %v: %d windows left, %v", args, n, err)
				}
			}
		})
	}
}

// Whatever arrives before the claim: it is taken along, and the window stays due.
func TestEventsNeitherPutOffNorEscapeAHastenedWindow(t *testing.T) {
	t.Parallel()
	for _, server := range serversAndCluster {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			rdb := server.open(t)
			s := openStore(t, rdb, 1)
			clock := fakeClock{}
			clock.ms.Store(1000)
			s.now = clock.text
			event := func(sequence uint64) {
				t.Helper()
				items := []Arm{{Key: keyA, Position: at(1, sequence), Quiet: time.Minute, MaxWait: time.Hour}}
				if _, err := s.Arm(t.Context(), items); err != nil {
					t.Fatalf("arm: %v", err)
				}
			}
			take := func() []Window {
				t.Helper()
				claimed, err := s.Claim(t.Context(), 0, 10, time.Second)
				if err != nil {
					t.Fatalf("claim: %v", err)
				}
				return claimed.Windows
			}
			event(1)
			if answers, err := s.Hasten(t.Context(), []key.Key{keyA}); err != nil || answers[0] != DueNow {
				t.Fatalf("hasten: %v, %v", answers, err)
			}
			event(2)
			windows := take()
			if len(windows) != 1 || windows[0].Position != at(1, 2) || windows[0].Collapsed != 2 {
				t.Fatalf("claimed %+v, want both events at once", windows)
			}
			clock.ms.Add(1) // the cool-down is over
			event(3)
			if answers, err := s.Hasten(t.Context(), []key.Key{keyA}); err != nil || answers[0] != DueNext {
				t.Fatalf("hasten under a lease: %v, %v", answers, err)
			}
			if early := take(); len(early) != 0 {
				t.Fatalf("claimed %+v under a lease", early)
			}
			event(4)
			if settled, err := s.Complete(t.Context(), windows); err != nil || settled.Completions[0] != Rearmed {
				t.Fatalf("complete: %v, %v", settled.Completions, err)
			}
			windows = take()
			if len(windows) != 1 || windows[0].Position != at(1, 4) || windows[0].Collapsed != 2 {
				t.Fatalf("claimed %+v, want what came since the first claim", windows)
			}
			if _, err := s.Complete(t.Context(), windows); err != nil {
				t.Fatalf("complete: %v", err)
			}
			clock.ms.Add(1)
			if left := take(); len(left) != 0 {
				t.Errorf("claimed %+v though nothing is left", left)
			}
			if n, err := s.Len(t.Context()); n != 0 || err != nil {
				t.Errorf("%d windows left, %v", n, err)
			}
		})
	}
}

func TestManyWindowsAreSteeredShardByShard(t *testing.T) {
	t.Parallel()
	for _, server := range serversAndCluster {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			rdb := server.open(t)
			s := openStore(t, rdb, 4)
			const n = 3000
			keys, items, settled := make([]key.Key, n), make([]Arm, n), make([]Settlement, n)
			for i := range n {
				keys[i] = contract(t, strconv.Itoa(i))
				items[i] = Arm{Key: keys[i], Position: at(1, uint64(i+1)), Quiet: time.Hour, MaxWait: time.Hour}
				settled[i] = Settlement{keys[i], at(1, uint64(i+1))}
			}
			if _, err := s.Arm(t.Context(), items); err != nil {
				t.Fatal(err)
			}
			hastened, err := s.Hasten(t.Context(), keys)
			if diff := cmp.Diff(slices.Repeat([]Hastened{DueNow}, n), hastened); err != nil || diff != "" {
				t.Errorf("hasten: %v (-want +got):\n%s", err, diff)
			}
			removals, err := s.Drop(t.Context(), settled)
			if diff := cmp.Diff(slices.Repeat([]Removal{Removed}, n), removals); err != nil || diff != "" {
				t.Errorf("drop: %v (-want +got):\n%s", err, diff)
			}
			if left, err := s.Len(t.Context()); left != 0 || err != nil {
				t.Errorf("%d windows left, %v", left, err)
			}
		})
	}
}
