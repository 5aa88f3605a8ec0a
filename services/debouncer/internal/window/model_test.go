package window

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/position"
)

// The model test plays random histories on the real scripts. After each step it compares all state in Redis with a second
// implementation of the rules (reference_test.go), and checks what must hold whatever the implementation (invariants,
// below): nothing armed is ever lost, and no two leases overlap.

const modelKeys = 2

// stepKind is what happens in one step of a history.
type stepKind string

const (
	stepArm      stepKind = "arm"
	stepRedo     stepKind = "redeliver" // the newest batch once more
	stepClaim    stepKind = "claim"
	stepComplete stepKind = "complete" // any claim ever made, also a lost one
	stepRelease  stepKind = "release"
	stepClock    stepKind = "clock"
	stepEpoch    stepKind = "epoch" // the log begins anew
	stepCrash    stepKind = "crash" // claims are left alone until their leases end, and made again by another
)

// step is one step.
type step struct {
	Kind  stepKind
	Items []modelItem // of arm
	Limit int         // of claim
	Which int         // of complete and release: which of the claims made, counted from the newest
	MS    int64       // of clock: how far it goes; of release: the pause
}

// modelItem is one event. Back > 0 makes it arrive out of order, that many positions behind the newest.
type modelItem struct {
	Key    int
	Back   uint64
	Urgent bool
	Traced bool
}

// history is a test case: the periods of each key, and what happens.
type history struct {
	Quiet, MaxWait [modelKeys]int64
	Steps          []step
}

const (
	modelLease = 20
	// drainStep is longer than every period and lease of a history.
	drainStep = 1000
)

// histories draws from small numbers, so that boundaries are hit often.
var histories = rapid.Custom(func(t *rapid.T) history {
	var h history
	for i := range modelKeys {
		h.Quiet[i] = rapid.SampledFrom([]int64{0, 5, 10}).Draw(t, "quiet")
		h.MaxWait[i] = rapid.SampledFrom([]int64{10, 25, 40}).Draw(t, "max wait")
	}
	item := rapid.Custom(func(t *rapid.T) modelItem {
		return modelItem{
			Key:    rapid.IntRange(0, modelKeys-1).Draw(t, "key"),
			Back:   rapid.SampledFrom([]uint64{0, 0, 0, 1, 2}).Draw(t, "back"),
			Urgent: rapid.SampledFrom([]bool{false, false, false, true}).Draw(t, "urgent"),
			Traced: rapid.Bool().Draw(t, "traced"),
		}
	})
	kinds := []stepKind{
		stepArm, stepArm, stepArm, stepArm, stepRedo, stepClaim, stepClaim, stepClaim, stepComplete, stepComplete, stepRelease,
		stepClock, stepClock, stepClock, stepEpoch, stepCrash,
	}
	h.Steps = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
		s := step{Kind: rapid.SampledFrom(kinds).Draw(t, "kind")}
		switch s.Kind {
		case stepArm:
			s.Items = rapid.SliceOfN(item, 1, 3).Draw(t, "items")
		case stepClaim:
			s.Limit = rapid.IntRange(1, modelKeys).Draw(t, "limit")
		case stepComplete:
			s.Which = rapid.SampledFrom([]int{0, 0, 0, 1, 1, 2, 3}).Draw(t, "which")
		case stepRelease:
			s.Which = rapid.SampledFrom([]int{0, 0, 0, 1, 1, 2, 3}).Draw(t, "which")
			s.MS = rapid.SampledFrom([]int64{0, 1, 15}).Draw(t, "pause")
		case stepClock:
			s.MS = rapid.SampledFrom([]int64{1, 4, 5, 6, 9, 10, 15, 19, 20, 21, 25, 40}).Draw(t, "ms")
		case stepRedo, stepEpoch, stepCrash: // nothing to draw
		}
		return s
	}), 5, 60).Draw(t, "steps")
	return h
})

// player plays one history.
type player struct {
	rdb       redis.UniversalClient
	store     *Store
	clock     fakeClock
	h         history
	reference reference
	invariants
	epoch, sequence uint64
	last            []Arm
	claims          []Window
}

// play returns the first violation of a rule in the history.
func play(ctx context.Context, rdb redis.UniversalClient, s *Store, h history) error {
	if err := rdb.Del(ctx, windowsKey(0), dueKey(0)).Err(); err != nil {
		return fmt.Errorf("empty redis: %w", err)
	}
	p := &player{
		rdb: rdb, store: s, h: h, epoch: 1, reference: reference{windows: map[key.Key]*refWindow{}},
		invariants: invariants{held: map[key.Key]position.Position{}, oldest: map[key.Key]int64{}},
	}
	p.clock.ms.Store(1000)
	s.now = p.clock.text
	for i, step := range h.Steps {
		if err := p.step(ctx, step); err != nil {
			return fmt.Errorf("step %d (%s at %s): %w", i, step.Kind, p.clock.text(), err)
		}
		if err := p.compare(ctx); err != nil {
			return fmt.Errorf("after step %d (%s at %s): %w", i, step.Kind, p.clock.text(), err)
		}
	}
	return p.drain(ctx)
}

func (p *player) now() int64 { return p.clock.ms.Load() }

func (p *player) step(ctx context.Context, s step) error {
	switch s.Kind {
	case stepArm:
		p.last = nil
		for _, item := range s.Items {
			p.sequence++
			a := Arm{
				Key: modelKey(item.Key), Position: at(p.epoch, max(1, p.sequence-min(p.sequence-1, item.Back))), Urgent: item.Urgent,
				Quiet: time.Duration(p.h.Quiet[item.Key]) * time.Millisecond, MaxWait: time.Duration(p.h.MaxWait[item.Key]) * time.Millisecond,
			}
			if item.Traced {
				a.TraceParent = fmt.Sprintf("00-0af7651916cd43dd8448eb211c80319c-%016x-01", p.sequence)
			}
			p.last = append(p.last, a)
		}
		return p.arm(ctx, p.last)
	case stepRedo:
		return p.arm(ctx, p.last)
	case stepClaim:
		_, err := p.claim(ctx, s.Limit)
		return err
	case stepComplete:
		if s.Which < len(p.claims) {
			return p.complete(ctx, p.claims[len(p.claims)-1-s.Which])
		}
	case stepRelease:
		if s.Which < len(p.claims) {
			return p.release(ctx, p.claims[len(p.claims)-1-s.Which], s.MS)
		}
	case stepClock:
		p.clock.ms.Add(s.MS)
	case stepCrash:
		p.clock.ms.Add(modelLease)
		_, err := p.claim(ctx, modelKeys)
		return err
	case stepEpoch:
		p.epoch, p.sequence = p.epoch+1, 0
	}
	return nil
}

func (p *player) arm(ctx context.Context, items []Arm) error {
	if len(items) == 0 {
		return nil
	}
	before, err := dump(ctx, p.rdb)
	if err != nil {
		return err
	}
	result, err := p.store.Arm(ctx, items)
	if err != nil {
		return err
	}
	var want []Outcome
	changed := false
	for i, item := range items {
		_, isOpen := before.Windows[item.Key.String()]
		if err := p.armed(item, result.Outcomes[i], isOpen, p.now()); err != nil {
			return err
		}
		want = append(want, p.reference.arm(item, p.now()))
		changed = changed || result.Outcomes[i] != Unchanged
	}
	if diff := cmp.Diff(want, result.Outcomes); diff != "" {
		return fmt.Errorf("outcomes (-want +got):\n%s", diff)
	}
	after, err := dump(ctx, p.rdb)
	if err != nil {
		return err
	}
	if diff := cmp.Diff(before, after); !changed && diff != "" {
		return fmt.Errorf("duplicates changed something (-before +after):\n%s", diff)
	}
	return p.checkHints(result.Hints)
}

func (p *player) claim(ctx context.Context, limit int) (int, error) {
	claimed, err := p.store.Claim(ctx, 0, limit, modelLease*time.Millisecond)
	if err != nil {
		return 0, err
	}
	token := ""
	for i := range claimed.Windows {
		w := claimed.Windows[i]
		token = w.token
		if err := p.claimed(w, p.now()); err != nil {
			return 0, err
		}
		p.claims = append(p.claims, w)
	}
	want := p.reference.claim(limit, token, p.now(), modelLease)
	if diff := cmp.Diff(want, claimed.Windows, cmp.AllowUnexported(Window{})); diff != "" {
		return 0, fmt.Errorf("claimed windows (-want +got):\n%s", diff)
	}
	if claimed.Orphans != 0 {
		return 0, fmt.Errorf("%d orphans", claimed.Orphans)
	}
	var hints []Hint
	if claimed.HasNext {
		hints = []Hint{{In: claimed.Next}}
	}
	return len(claimed.Windows), p.checkHints(hints)
}

func (p *player) complete(ctx context.Context, w Window) error {
	settled, err := p.store.Complete(ctx, []Window{w})
	if err != nil {
		return err
	}
	if want := p.reference.complete(w, p.now()); settled.Completions[0] != want {
		return fmt.Errorf("complete %s: got %d, want %d", w.Key, settled.Completions[0], want)
	}
	if err := p.completed(w, settled.Completions[0]); err != nil {
		return err
	}
	return p.checkHints(settled.Hints)
}

func (p *player) release(ctx context.Context, w Window, pause int64) error {
	settled, err := p.store.Release(ctx, []Window{w}, time.Duration(pause)*time.Millisecond)
	if err != nil {
		return err
	}
	if want := p.reference.release(w, pause, p.now()); settled.Completions[0] != want {
		return fmt.Errorf("release %s: got %d, want %d", w.Key, settled.Completions[0], want)
	}
	if err := p.released(w, settled.Completions[0], p.now()+pause); err != nil {
		return err
	}
	return p.checkHints(settled.Hints)
}

// checkHints compares what an answer says about the next window with the schedule of the reference.
func (p *player) checkHints(got []Hint) error {
	var want []Hint
	if at, ok := p.reference.earliest(); ok {
		want = next(max(0, at-p.now()))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		return fmt.Errorf("hints (-want +got):\n%s", diff)
	}
	return nil
}

// compare checks all state in Redis against the reference, and the schedule against the invariants.
func (p *player) compare(ctx context.Context) error {
	got, err := dump(ctx, p.rdb)
	if err != nil {
		return err
	}
	if diff := cmp.Diff(p.reference.contents(), got); diff != "" {
		return fmt.Errorf("state (-want +got):\n%s", diff)
	}
	for i := range modelKeys {
		k := modelKey(i)
		if err := p.scheduled(k, got.Due[k.String()], p.h.MaxWait[i]); err != nil {
			return err
		}
	}
	return nil
}

// drain flushes everything that is left, and then nothing may be owed or left over.
func (p *player) drain(ctx context.Context) error {
	for range 20 {
		p.clock.ms.Add(drainStep)
		n, err := p.claim(ctx, modelKeys)
		if err != nil {
			return fmt.Errorf("drain: %w", err)
		}
		for _, w := range p.claims[len(p.claims)-n:] {
			if err := p.complete(ctx, w); err != nil {
				return fmt.Errorf("drain: %w", err)
			}
		}
		left, err := dump(ctx, p.rdb)
		if err != nil {
			return err
		}
		if len(left.Windows)+len(left.Due) == 0 {
			return p.drained()
		}
	}
	return fmt.Errorf("windows are left after twenty rounds of draining")
}

func modelKey(i int) key.Key {
	return key.Key{Source: "pc", Kind: key.Contract, ID: string(rune('A' + i))}
}

// TestRandomHistoriesKeepTheRules plays -rapid.checks histories (100 by default), three times over on the real server.
func TestRandomHistoriesKeepTheRules(t *testing.T) {
	t.Parallel()
	for _, server := range serversAndCluster {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			rdb := server.open(t)
			s := openStore(t, rdb, 1)
			rounds := []string{"first", "second", "third"}
			if server.name != "redis" {
				rounds = rounds[:1]
			}
			for _, name := range rounds {
				t.Run(name, rapid.MakeCheck(func(rt *rapid.T) {
					h := histories.Draw(rt, "history")
					if err := play(t.Context(), rdb, s, h); err != nil {
						rt.Fatal(err)
					}
				}))
			}
		})
	}
}
