package window

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/libs/redisx/redistest"
)

// The model test plays random histories (history_test.go) on the real scripts. After each step it compares all state in
// Redis with a second implementation of the rules (reference_test.go), and checks what must hold whatever the
// implementation (invariants_test.go): nothing armed is ever lost, and no two leases overlap. What Redis itself loses must
// come back from the log (emptied_test.go).

var historyCount = flag.Int("histories", 10_000, "random histories that are played on the real server")

// player plays one history.
type player struct {
	rdb       redis.UniversalClient
	store     *Store
	clock     fakeClock
	h         history
	reference reference
	invariants
	modelLog
	epoch, sequence uint64
	last            []Arm
	claims          []Window
	// seen is what Redis held after the last step, unchanged tells that it must still hold it after this one.
	seen      contents
	unchanged bool
}

// play returns the first violation of a rule in the history. It leaves its clock in the store.
func play(ctx context.Context, rdb redis.UniversalClient, s *Store, h history) error {
	if err := redistest.FlushAll(ctx, rdb); err != nil {
		return fmt.Errorf("empty redis: %w", err)
	}
	p := &player{
		rdb: rdb, store: s, h: h, epoch: 1,
		reference:  reference{windows: map[key.Key]*refWindow{}},
		invariants: invariants{held: map[key.Key]position.Position{}, oldest: map[key.Key]int64{}},
		modelLog:   modelLog{newest: map[key.Key]position.Position{}, settled: map[key.Key]position.Position{}},
		seen:       reference{}.contents(),
	}
	p.clock.ms.Store(modelStart)
	s.now = p.clock.text
	for i, step := range h.Steps {
		if err := p.step(ctx, step); err != nil {
			return fmt.Errorf("step %d (%s at %s): %w", i, step.Kind, p.clock.text(), err)
		}
		if err := p.compare(ctx, step.Kind); err != nil {
			return fmt.Errorf("after step %d (%s at %s): %w", i, step.Kind, p.clock.text(), err)
		}
	}
	return p.drain(ctx)
}

func (p *player) now() int64 { return p.clock.ms.Load() }

func (p *player) step(ctx context.Context, s step) error {
	p.unchanged = false
	switch s.Kind {
	case stepArm:
		p.last = nil
		for _, item := range s.Items {
			p.sequence++
			a := p.event(modelKey(item.Key), at(p.epoch, max(1, p.sequence-min(p.sequence-1, item.Back))))
			a.Urgent = item.Urgent
			if item.Traced {
				a.TraceParent = fmt.Sprintf("00-0af7651916cd43dd8448eb211c80319c-%08x%08x-01", p.epoch, p.sequence)
			}
			p.last = append(p.last, a)
			p.append(a)
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
		p.tick(s.MS)
	case stepCrash:
		if s.Published {
			for _, w := range p.living() {
				p.flush(w)
			}
		}
		p.tick(modelLease)
		_, err := p.claim(ctx, modelKeys)
		return err
	case stepEpoch:
		p.epoch, p.sequence = p.epoch+1, 0
	case stepEmpty:
		return p.empty(ctx, s.Restarted)
	case stepRefill:
		return p.refill(ctx, s.Refill)
	}
	return nil
}

// event is an event of the key as the history configures it.
func (p *player) event(k key.Key, at position.Position) Arm {
	i := int(k.ID[0] - 'A')
	return Arm{
		Key: k, Position: at,
		Quiet: time.Duration(p.h.Quiet[i]) * time.Millisecond, MaxWait: time.Duration(p.h.MaxWait[i]) * time.Millisecond,
	}
}

func (p *player) tick(ms int64) { p.ticked(p.clock.ms.Add(ms)) }

func (p *player) arm(ctx context.Context, items []Arm) error {
	if len(items) == 0 {
		return nil
	}
	result, err := p.store.Arm(ctx, items)
	if err != nil {
		return err
	}
	var want []Outcome
	p.unchanged = true
	for i, item := range items {
		_, isOpen := p.seen.Windows[item.Key.String()]
		if err := p.armed(item, result.Outcomes[i], isOpen, p.now()); err != nil {
			return err
		}
		want = append(want, p.reference.arm(item, p.now()))
		p.unchanged = p.unchanged && result.Outcomes[i] == Unchanged
	}
	if !slices.Equal(want, result.Outcomes) {
		return fmt.Errorf("outcomes %v, want %v", result.Outcomes, want)
	}
	return p.checkAnswer(result.Emptied, result.Hints)
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
	return len(claimed.Windows), p.checkAnswer(claimed.Emptied, hints)
}

// complete flushes what was claimed, and completes the claim.
func (p *player) complete(ctx context.Context, w Window) error {
	p.flush(w)
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
	if err := p.released(w, settled.Completions[0], p.now(), p.now()+pause); err != nil {
		return err
	}
	return p.checkHints(settled.Hints)
}

// checkAnswer checks what an answer says about the shard.
func (p *player) checkAnswer(emptied bool, hints []Hint) error {
	if err := p.told(emptied); err != nil {
		return err
	}
	return p.checkHints(hints)
}

// checkHints compares what an answer says about the next window with the schedule of the reference.
func (p *player) checkHints(got []Hint) error {
	var want []Hint
	if at, ok := p.reference.earliest(); ok {
		want = next(max(0, at-p.now()))
	}
	if !slices.Equal(want, got) {
		return fmt.Errorf("hints %v, want %v", got, want)
	}
	return nil
}

// compare checks all state in Redis against the reference, and the schedule against the invariants.
func (p *player) compare(ctx context.Context, kind stepKind) error {
	if kind == stepClock || kind == stepEpoch {
		return nil // Redis was not asked for anything
	}
	got, err := dump(ctx, p.rdb)
	if err != nil {
		return err
	}
	if p.unchanged && !got.equal(p.seen) {
		return fmt.Errorf("duplicates changed something (-before +after):\n%s", cmp.Diff(p.seen, got))
	}
	if want := p.reference.contents(); !got.equal(want) {
		return fmt.Errorf("state (-want +got):\n%s", cmp.Diff(want, got))
	}
	p.seen = got
	for i := range modelKeys {
		k := modelKey(i)
		if err := p.scheduled(k, got.Due[k.String()], p.h.MaxWait[i]); err != nil {
			return err
		}
	}
	return nil
}

func (c contents) equal(d contents) bool {
	return maps.Equal(c.Windows, d.Windows) && maps.Equal(c.Due, d.Due)
}

// drain refills if Redis was emptied and flushes everything that is left; then nothing may be owed or left over.
func (p *player) drain(ctx context.Context) error {
	if err := p.refill(ctx, modelRefill{}); err != nil {
		return fmt.Errorf("drain: %w", err)
	}
	for range 20 {
		p.tick(drainStep)
		n, err := p.claim(ctx, modelKeys)
		if err != nil {
			return fmt.Errorf("drain: %w", err)
		}
		for _, w := range p.claims[len(p.claims)-n:] {
			if err := p.complete(ctx, w); err != nil {
				return fmt.Errorf("drain: %w", err)
			}
		}
		if n > 0 {
			continue
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

// TestRandomHistoriesKeepTheRules plays -histories on real servers, one for each processor, and fewer on the others. They
// are drawn in rounds of -rapid.checks; a history that fails is made as short as it can be, and shown with the flags that
// play it again.
func TestRandomHistoriesKeepTheRules(t *testing.T) {
	t.Parallel()
	parts := runtime.GOMAXPROCS(0)
	few := max(1, *historyCount/100)
	for part := range parts {
		playMany(t, "redis "+strconv.Itoa(part), redistest.Open, (*historyCount+parts-1)/parts)
	}
	playMany(t, "miniredis", redistest.Miniredis, few)
	playMany(t, "cluster", redistest.Cluster, few)
}

func playMany(t *testing.T, name string, open func(testing.TB) redis.UniversalClient, count int) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		checks, err := strconv.Atoi(flag.Lookup("rapid.checks").Value.String())
		if err != nil {
			t.Fatalf("-rapid.checks: %v", err)
		}
		rdb := open(t)
		s := openStore(t, rdb, 1)
		for round := range (count + checks - 1) / checks {
			if !t.Run(strconv.Itoa(round), rapid.MakeCheck(func(rt *rapid.T) {
				h := histories.Draw(rt, "history")
				if err := play(t.Context(), rdb, s, h); err != nil {
					rt.Fatal(err)
				}
			})) {
				return
			}
		}
	})
}
