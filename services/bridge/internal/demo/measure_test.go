package demo

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

func contract(id string) simclient.Ref { return simclient.Ref{Kind: key.Contract, ID: id} }

func TestCostsAreCountedPerKeyAndNothingIsLeftOut(t *testing.T) {
	t.Parallel()
	c := &costs{reads: map[simclient.Ref]int{}, requests: map[simclient.Ref]int{}, last: map[simclient.Ref]int64{}}
	for _, e := range []simclient.Entry{
		{System: simclient.Powercloud, Kind: key.Contract, ID: "1"},
		{System: simclient.Powercloud, Kind: key.Contract, ID: "1"},
		{System: simclient.Powercloud, Kind: key.Customer, ID: "1"},
		{System: simclient.Enneo, Kind: key.Contract, ID: "1", EndNS: 20},
		{System: simclient.Enneo, Kind: key.Contract, ID: "1", EndNS: 10},
		{System: simclient.Enneo, Kind: key.Contract, ID: "2", More: []simclient.Ref{contract("3")}},
		{System: simclient.Enneo, Operation: "health"},
	} {
		c.tell(&e)
	}
	got := c.group("contracts", []simclient.Ref{contract("1"), contract("2")})
	want := Group{Name: "contracts", Keys: 2, Reads: Tally{Sum: 2, Min: 0, Max: 2}, Requests: Tally{Sum: 3, Min: 1, Max: 2}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("group (-want +got):\n%s", diff)
	}
	// The customer's read, the request about contract 3, and the one that named nothing.
	if got := c.stray(); got != 3 {
		t.Errorf("stray = %d, want 3", got)
	}
	changed := time.Unix(0, 5)
	delays := c.delays([]simclient.Ref{contract("1"), contract("4")}, map[string]*sending{"1": {lastChange: changed}, "4": {lastChange: changed}})
	if diff := cmp.Diff([]time.Duration{15}, delays); diff != "" {
		t.Errorf("delays (-want +got):\n%s", diff)
	}
}

func TestPauseIsTheLongestThatTheEventsCanBeApart(t *testing.T) {
	t.Parallel()
	at := func(ms ...int) []time.Time {
		var times []time.Time
		for _, n := range ms {
			times = append(times, time.UnixMilli(int64(n)))
		}
		return times
	}
	// Two senders: the second post is answered before the first.
	s := &sending{posted: at(10, 0, 100), answered: at(12, 30, 150)}
	if got, want := s.pause(), 140*time.Millisecond; got != want {
		t.Errorf("pause = %s, want %s: from the post at 10 to the answer at 150", got, want)
	}
	if got, want := s.spread(), 150*time.Millisecond; got != want {
		t.Errorf("spread = %s, want %s", got, want)
	}
	if one := (&sending{posted: at(1), answered: at(9)}); one.pause() != 0 || one.spread() != 8*time.Millisecond {
		t.Errorf("of one webhook: pause %s, spread %s; want 0s, 8ms", one.pause(), one.spread())
	}
	if none := new(sending); none.pause() != 0 || none.spread() != 0 {
		t.Error("without webhooks there are a pause or a spread")
	}
}

func TestChangesAreInterleavedAndKeepTheirOrder(t *testing.T) {
	t.Parallel()
	contracts := make([]string, 200)
	for i := range contracts {
		contracts[i] = string(rune('A' + i))
	}
	const changes = 7 // more than there are statuses
	jobs := interleave(contracts, changes)
	if len(jobs) != len(contracts)*changes {
		t.Fatalf("jobs = %d, want %d", len(jobs), len(contracts)*changes)
	}
	got, last, furthest := map[string][]int{}, map[string]int{}, 0
	for i, j := range jobs {
		if before, again := last[j.contract]; again {
			furthest = max(furthest, i-before)
		}
		last[j.contract] = i
		got[j.contract] = append(got[j.contract], j.status)
	}
	want := slices.Concat(statuses, statuses[:2])
	for _, c := range contracts {
		if diff := cmp.Diff(want, got[c]); diff != "" {
			t.Fatalf("statuses of one contract (-want +got):\n%s", diff)
		}
	}
	if furthest <= 1 {
		t.Error("the changes are not interleaved")
	}
	// Twice as many on average at the most, since each change has a random place of its own; some more by chance.
	if most := 3 * underWay; furthest > most {
		t.Errorf("two changes of a contract are %d changes apart, want at most %d", furthest, most)
	}
}
