package faultplan

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

func plan(t *testing.T, faults ...simclient.Fault) *Plan {
	t.Helper()
	p := New(1)
	for _, f := range faults {
		f.System = simclient.Generic
		if _, err := p.Add(f); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func next(p *Plan) Disturbance { return p.For(&Request{System: simclient.Generic}) }

func TestRulesApplyInOrder(t *testing.T) {
	t.Parallel()
	const status, delay, hold, reset, truncate = simclient.Status, simclient.Delay, simclient.Hold, simclient.Reset, simclient.Truncate
	for name, c := range map[string]struct {
		faults []simclient.Fault
		want   []simclient.Action
	}{
		"waits add up":                {[]simclient.Fault{{Action: delay, Delay: 1}, {Action: hold}, {Action: delay, Delay: 1, Phase: simclient.After}}, []simclient.Action{delay, hold, delay}},
		"the first end wins":          {[]simclient.Fault{{Action: reset}, {Action: status, Status: 500}}, []simclient.Action{reset}},
		"a wait behind the end":       {[]simclient.Fault{{Action: reset}, {Action: hold}}, []simclient.Action{reset}},
		"before comes first":          {[]simclient.Fault{{Action: truncate}, {Action: reset, Phase: simclient.After}, {Action: hold}}, []simclient.Action{hold, truncate}},
		"an end spares what is later": {[]simclient.Fault{{Action: truncate}, {Action: simclient.WrongID}, {Action: reset}}, []simclient.Action{reset}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := plan(t, c.faults...)
			d := next(p)
			if diff := cmp.Diff(c.want, d.Actions); diff != "" {
				t.Errorf("actions differ (-want +got):\n%s", diff)
			}
			applied := 0
			for _, f := range p.List() {
				applied += f.Applied
			}
			if applied != len(c.want) {
				t.Errorf("%d rules count as applied, want %d", applied, len(c.want))
			}
		})
	}
}

func TestCountIsExactUnderLoad(t *testing.T) {
	t.Parallel()
	p := plan(t, simclient.Fault{Action: simclient.Reset, Count: 17})
	var wait sync.WaitGroup
	var applied atomic.Int64
	for range 8 {
		wait.Go(func() {
			for range 100 {
				if next(p).Instead != nil {
					applied.Add(1)
				}
			}
		})
	}
	wait.Wait()
	if n := applied.Load(); n != 17 {
		t.Errorf("the rule was applied %d times, want 17", n)
	}
}

func TestProbabilityFollowsTheSeed(t *testing.T) {
	t.Parallel()
	draw := func(seed uint64) (hits []bool) {
		p := New(seed)
		if _, err := p.Add(simclient.Fault{System: simclient.Generic, Action: simclient.Reset, Probability: 0.25}); err != nil {
			t.Fatal(err)
		}
		for range 1000 {
			hits = append(hits, next(p).Instead != nil)
		}
		return hits
	}
	first := draw(1)
	n := 0
	for _, hit := range first {
		if hit {
			n++
		}
	}
	if n < 200 || n > 300 {
		t.Errorf("%d of 1000 requests were disturbed, want about 250", n)
	}
	if !cmp.Equal(first, draw(1)) {
		t.Error("the same seed disturbs other requests")
	}
	if cmp.Equal(first, draw(2)) {
		t.Error("another seed disturbs the same requests")
	}
}

func TestIDsAreGivenAroundThoseThatAreTaken(t *testing.T) {
	t.Parallel()
	p := plan(t, simclient.Fault{ID: "f-1", Action: simclient.Reset}, simclient.Fault{Action: simclient.Reset}, simclient.Fault{Action: simclient.Reset})
	var ids []string
	for _, f := range p.List() {
		ids = append(ids, f.ID)
	}
	if diff := cmp.Diff([]string{"f-1", "f-2", "f-3"}, ids); diff != "" {
		t.Errorf("ids differ (-want +got):\n%s", diff)
	}
}

func TestAHoldThatEndedHoldsNothing(t *testing.T) {
	t.Parallel()
	p := plan(t, simclient.Fault{ID: "h", Action: simclient.Hold})
	decided := next(p)
	if err := p.Release(simclient.Release{Fault: "h"}); err != nil {
		t.Fatal(err)
	}
	p.Pass(decided.Before[0], nil) // decided before the release, arrives after it
	if err := p.Clear("h"); !errors.Is(err, ErrUnknown) {
		t.Errorf("clearing a released rule returned %v, want ErrUnknown", err)
	}
}

func TestAwaitHeldEndsWithItsContext(t *testing.T) {
	t.Parallel()
	p := plan(t, simclient.Fault{ID: "h", Action: simclient.Hold})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.AwaitHeld(ctx, "h", 1); !errors.Is(err, context.Canceled) {
		t.Errorf("AwaitHeld returned %v, want context.Canceled", err)
	}
}
