package window

import (
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/redisx/redistest"
)

// viewCases are states as the scripts pack them, see scriptCases.
var viewCases = []struct {
	name, state string
	now         int64
	want        View
	shown       State
	claimable   int64
	events      uint64
	oldest      int64
}{
	{
		"open", "1 7 1000 500 2", 1200,
		View{Position: at(1, 7), Open: Events{First: ms(1000), Due: ms(1500), Count: 2}},
		StateOpen, 1500, 2, 1000,
	},
	{
		"due", "1 7 1000 500 2", 1500,
		View{Position: at(1, 7), Open: Events{First: ms(1000), Due: ms(1500), Count: 2}},
		StateDue, 1500, 2, 1000,
	},
	{
		"due before the first event, as after a step of the clock", "1 7 1000 -5 2 -1 -", 1500,
		View{Position: at(1, 7), Open: Events{First: ms(1000), Due: ms(995), Count: 2}, Urgent: true},
		StateDue, 995, 2, 1000,
	},
	{
		"open with a trace while it cools down", "1 7 1000 500 2 1500 " + packed, 1200,
		View{Position: at(1, 7), Open: Events{First: ms(1000), Due: ms(1500), Count: 2, TraceParents: []string{sampled}}, CoolsUntil: ms(1500)},
		StateOpen, 1500, 2, 1000,
	},
	{
		"cooling", "1 7 0 0 0 1500 -", 1200, View{Position: at(1, 7), CoolsUntil: ms(1500)}, StateCooling, 1500, 0, 0,
	},
	{
		"paused", "1 7 1000 500 2 0 - 1700", 1600,
		View{Position: at(1, 7), Open: Events{First: ms(1000), Due: ms(1500), Count: 2}, PausedUntil: ms(1700)},
		StatePaused, 1700, 2, 1000,
	},
	{
		"after its pause", "1 7 1000 500 2 0 - 1700", 1700,
		View{Position: at(1, 7), Open: Events{First: ms(1000), Due: ms(1500), Count: 2}, PausedUntil: ms(1700)},
		StateDue, 1500, 2, 1000,
	},
	{
		"claimed", "1 7 0 0 0 0 - 2500 TOK 1 7 1000 500 2 " + packed, 2499,
		View{Position: at(1, 7), Claim: &Lease{
			Events: Events{First: ms(1000), Due: ms(1500), Count: 2, TraceParents: []string{sampled}}, Position: at(1, 7), Until: ms(2500),
		}},
		StateClaimed, 2500, 2, 1000,
	},
	{
		"claimed, with newer events", "1 9 1600 100 1 0 - 2500 TOK 1 7 1000 500 2 -", 2000,
		View{
			Position: at(1, 9), Open: Events{First: ms(1600), Due: ms(1700), Count: 1},
			Claim: &Lease{Events: Events{First: ms(1000), Due: ms(1500), Count: 2}, Position: at(1, 7), Until: ms(2500)},
		},
		StateClaimed, 2500, 3, 1000,
	},
	{
		"claim that is lost", "1 7 0 0 0 0 - 2500 TOK 1 7 1000 500 2 -", 2500,
		View{Position: at(1, 7), Claim: &Lease{
			Events: Events{First: ms(1000), Due: ms(1500), Count: 2}, Position: at(1, 7), Until: ms(2500),
		}},
		StateDue, 2500, 2, 1000,
	},
}

func TestAWindowIsReadAsTheScriptsPackIt(t *testing.T) {
	t.Parallel()
	for _, tc := range viewCases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, ok := parseView(keyA.String(), tc.state, ms(tc.now))
			tc.want.Key, tc.want.Now = keyA, ms(tc.now)
			if diff := cmp.Diff(tc.want, got); !ok || diff != "" {
				t.Fatalf("ok: %t (-want +got):\n%s", ok, diff)
			}
			oldest := int64(0)
			if !got.Oldest().IsZero() {
				oldest = got.Oldest().UnixMilli()
			}
			if got.State() != tc.shown || got.Claimable().UnixMilli() != tc.claimable || got.Collapsed() != tc.events || oldest != tc.oldest {
				t.Errorf("%s, claimable at %d, %d events since %d; want %s, %d, %d, %d", got.State(), got.Claimable().UnixMilli(),
					got.Collapsed(), oldest, tc.shown, tc.claimable, tc.events, tc.oldest)
			}
		})
	}
}

// The score in Redis and what a View says must be the same rule.
func TestTheViewOfEachStateAgreesWithTheSchedule(t *testing.T) {
	t.Parallel()
	for _, server := range serversAndCluster {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			rdb := server.open(t)
			s := openStore(t, rdb, 1)
			for _, c := range append(scriptCases(), steerCases()...) {
				if _, err := c.run(t.Context(), rdb, s); err != nil {
					t.Fatalf("%s: %v", c.name, err)
				}
				scores, err := dump(t.Context(), rdb)
				if err != nil {
					t.Fatal(err)
				}
				seen := 0
				scanned, err := s.Each(t.Context(), func(v *View) error {
					seen++
					// The end of a pause stays in the schedule after it is over.
					if score := ms(scores.Due[v.Key.String()]); !v.Claimable().Equal(score) && v.Claimable().After(v.Now) != score.After(v.Now) {
						t.Errorf("%s: claimable at %d, the schedule says %d", c.name, v.Claimable().UnixMilli(), score.UnixMilli())
					}
					looked, err := s.Look(t.Context(), v.Key)
					if diff := cmp.Diff(v, looked); err != nil || diff != "" {
						t.Errorf("%s: Look differs from Each: %v (-each +look):\n%s", c.name, err, diff)
					}
					return err
				})
				if err != nil || seen != len(scores.Windows) || scanned != (Scanned{}) {
					t.Errorf("%s: %d of %d windows, %+v, %v", c.name, seen, len(scores.Windows), scanned, err)
				}
			}
		})
	}
}

func TestEveryWindowOfEveryShardIsVisited(t *testing.T) {
	t.Parallel()
	for _, server := range serversAndCluster {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			rdb := server.open(t)
			const n = 5000
			items := make([]Arm, n)
			want := map[string]bool{}
			for i := range n {
				items[i] = Arm{Key: contract(t, strconv.Itoa(i)), Position: at(1, uint64(i+1)), Quiet: time.Hour, MaxWait: time.Hour}
				want[items[i].Key.String()] = true
			}
			if _, err := openStore(t, rdb, 8).Arm(t.Context(), items); err != nil {
				t.Fatal(err)
			}
			s, err := Attach(t.Context(), rdb)
			if err != nil || s.Shards() != 8 {
				t.Fatalf("Attach: %v", err)
			}
			if err := rdb.HSet(t.Context(), windowsKey(3), "nonsense", "1 2 3 4 5").Err(); err != nil {
				t.Fatal(err)
			}
			got := map[string]bool{}
			scanned, err := s.Each(t.Context(), func(v *View) error {
				got[v.Key.String()] = true
				return nil
			})
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("visited: %v (-want +got):\n%s", err, diff)
			}
			if scanned != (Scanned{Unreadable: 1, Emptied: 8}) {
				t.Errorf("scanned %+v, want the foreign entry, and that no shard was filled yet", scanned)
			}
			stop := errors.New("stop")
			if _, err := s.Each(t.Context(), func(*View) error { return stop }); !errors.Is(err, stop) {
				t.Errorf("Each = %v, want the error of visit", err)
			}
		})
	}
}

func TestAttachChangesNothingAndSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	if _, err := Attach(t.Context(), server.Client); !errors.Is(err, ErrNoWindows) {
		t.Errorf("Attach to an empty Redis: %v, want ErrNoWindows", err)
	}
	if n, err := server.Client.DBSize(t.Context()).Result(); n != 0 || err != nil {
		t.Errorf("Attach left %d keys, %v", n, err)
	}
	for _, count := range []string{"x", "0", strconv.Itoa(MaxShards + 1)} {
		server.Client.Set(t.Context(), countKey, count, 0)
		if _, err := Attach(t.Context(), server.Client); err == nil || errors.Is(err, ErrNoWindows) {
			t.Errorf("Attach with %s shards: %v, want another error", count, err)
		}
	}
	server.Kill(t)
	if _, err := Attach(t.Context(), server.Client); err == nil || errors.Is(err, ErrNoWindows) {
		t.Errorf("Attach without Redis: %v, want another error", err)
	}
}

func TestLookTellsAWindowWithoutAPlaceInTheSchedule(t *testing.T) {
	t.Parallel()
	rdb := redistest.Open(t)
	s := openStore(t, rdb, 1)
	if v, err := s.Look(t.Context(), keyA); v != nil || err != nil {
		t.Errorf("no window: %+v, %v", v, err)
	}
	if _, err := s.Arm(t.Context(), []Arm{{Key: keyA, Position: at(1, 1), Quiet: time.Hour, MaxWait: time.Hour}}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []bool{false, true} {
		if v, err := s.Look(t.Context(), keyA); err != nil || v == nil || v.Unscheduled != want {
			t.Errorf("got %+v, %v; want unscheduled: %t", v, err, want)
		}
		rdb.Del(t.Context(), dueKey(0))
	}
}

func FuzzViewOfAState(f *testing.F) {
	for _, tc := range viewCases {
		f.Add(tc.state)
	}
	for _, state := range []string{"", "1 2 3 4", "1 2 x 4 5", "1 2 3 4 5 6 - 7 TOK", "-1 2 3 4 5", "9007199254740992 1 1 1 1", "1 1 1 1 1e3", "nan 1 1 1 1"} {
		f.Add(state)
	}
	f.Fuzz(func(t *testing.T, state string) {
		v, ok := parseView(keyA.String(), state, ms(1000))
		if !ok {
			return
		}
		if max(v.Position.Epoch, v.Position.Sequence, v.Open.Count) > maxNumber {
			t.Errorf("%q is read as %+v, beyond what a script writes", state, v)
		}
		if v.State() == StateClaimed && v.Claim == nil {
			t.Errorf("%q is claimed without a claim", state)
		}
		_ = fmt.Sprint(v.Claimable(), v.Oldest(), v.Collapsed())
	})
}
