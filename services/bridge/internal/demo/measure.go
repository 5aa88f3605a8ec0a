package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

// costs counts, per contract and customer, what the simulated systems were asked.
type costs struct {
	reads, requests map[simclient.Ref]int
	// last is when the newest request about a key had been answered by Enneo, in Unix nanoseconds.
	last map[simclient.Ref]int64
	// nameless is the number of requests that named no key.
	nameless int
}

// tell adds an entry of the journal. Whatever the ERP or Enneo were asked counts, also what was refused.
func (c *costs) tell(e *simclient.Entry) {
	refs := e.Refs()
	if len(refs) == 0 {
		c.nameless++
	}
	for _, ref := range refs {
		if e.System == simclient.Enneo {
			c.requests[ref]++
			c.last[ref] = max(c.last[ref], e.EndNS)
		} else {
			c.reads[ref]++
		}
	}
}

func readCosts(ctx context.Context, sim *simclient.Client) (*costs, error) {
	c := &costs{reads: map[simclient.Ref]int{}, requests: map[simclient.Ref]int{}, last: map[simclient.Ref]int64{}}
	err := sim.EachEntry(ctx, simclient.JournalQuery{}, func(e simclient.Entry) error {
		c.tell(&e)
		return nil
	})
	return c, err
}

// group takes what concerns the refs out of the costs.
func (c *costs) group(name string, refs []simclient.Ref) Group {
	g := Group{Name: name, Keys: len(refs)}
	g.Reads, g.Requests = take(c.reads, refs), take(c.requests, refs)
	return g
}

// stray is the number of requests that no group has taken.
func (c *costs) stray() int {
	n := c.nameless
	for _, left := range []map[simclient.Ref]int{c.reads, c.requests} {
		for _, count := range left {
			n += count
		}
	}
	return n
}

// take removes the refs from counts and sums them up.
func take(counts map[simclient.Ref]int, refs []simclient.Ref) Tally {
	var t Tally
	for i, ref := range refs {
		n := counts[ref]
		delete(counts, ref)
		t.Sum += n
		t.Max = max(t.Max, n)
		if i == 0 || n < t.Min {
			t.Min = n
		}
	}
	return t
}

// delays is the time from the last change of each contract to the last request about it at Enneo.
func (c *costs) delays(refs []simclient.Ref, sent map[string]*sending) []time.Duration {
	var delays []time.Duration
	for _, ref := range refs {
		if s, at := sent[ref.ID], c.last[ref]; s != nil && at > 0 {
			delays = append(delays, time.Duration(at-s.lastChange.UnixNano()))
		}
	}
	return delays
}

// sending is when the webhooks of one contract went out and were answered.
type sending struct {
	posted, answered []time.Time
	lastChange       time.Time
	accepted         int
}

// pause is the longest time that may have passed between two events of the contract in the log, which each lie between
// post and answer.
func (s *sending) pause() time.Duration {
	var longest time.Duration
	byTime := func(a, b time.Time) int { return a.Compare(b) }
	posted, answered := slices.SortedFunc(slices.Values(s.posted), byTime), slices.SortedFunc(slices.Values(s.answered), byTime)
	for i := 1; i < len(posted); i++ {
		longest = max(longest, answered[i].Sub(posted[i-1]))
	}
	return longest
}

// spread is the time from the first post to the last answer.
func (s *sending) spread() time.Duration {
	if len(s.posted) == 0 {
		return 0
	}
	earliest, latest := s.posted[0], s.answered[0]
	for i := range s.posted {
		if s.posted[i].Before(earliest) {
			earliest = s.posted[i]
		}
		if s.answered[i].After(latest) {
			latest = s.answered[i]
		}
	}
	return latest.Sub(earliest)
}

// addSending notes how the webhooks of a group's contracts were sent.
func (g *Group) addSending(refs []simclient.Ref, sent map[string]*sending) {
	for _, ref := range refs {
		if s := sent[ref.ID]; s != nil {
			g.Webhooks += s.accepted
			g.Pause = max(g.Pause, s.pause())
			g.Spread = max(g.Spread, s.spread())
		}
	}
}

// enneoStatus is the status code that Enneo was given last for a contract; 0 if it was given none.
func enneoStatus(ctx context.Context, sim *simclient.Client, contract string) (int, error) {
	writes, err := sim.Writes(ctx, simclient.Ref{Kind: key.Contract, ID: contract})
	if err != nil || len(writes) == 0 || len(writes[len(writes)-1].Body) == 0 {
		return 0, err
	}
	var body struct {
		StatusCode int `json:"statusCode"`
	}
	if err := json.Unmarshal(writes[len(writes)-1].Body, &body); err != nil {
		return 0, fmt.Errorf("read what Enneo was given: %w", err)
	}
	return body.StatusCode, nil
}
