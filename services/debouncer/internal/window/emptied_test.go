package window

import (
	"context"
	"errors"
	"fmt"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/libs/redisx/redistest"
)

// modelLog is what the event log and the ledger know, which outlives Redis; and what is known of the epoch marker.
type modelLog struct {
	// newest is the newest event of a key, settled the newest position that was flushed.
	newest, settled map[key.Key]position.Position
	// lost are open events that Redis has lost.
	lost []owed
	// life counts the lives of the data, 0 before the first refill of a life has begun; full tells that a refill of it has ended.
	life, lives int
	full        bool
}

func (l *modelLog) append(a Arm) {
	if !l.newest[a.Key].Covers(a.Position) {
		l.newest[a.Key] = a.Position
	}
}

// flush settles what a claim holds. It does not matter whose the claim is: a flush that comes too late counts as well.
func (l *modelLog) flush(w Window) {
	if !l.settled[w.Key].Covers(w.Position) {
		l.settled[w.Key] = w.Position
	}
}

// open are the keys with events that nobody has flushed.
func (p *player) open() []Arm {
	var items []Arm
	for i := range modelKeys {
		k := modelKey(i)
		if newest, ok := p.newest[k]; ok && !p.settled[k].Covers(newest) {
			items = append(items, p.event(k, newest))
		}
	}
	return items
}

// told checks what an answer says: emptied until a refill has ended, and never afterwards. Whoever hears that nothing was
// emptied must be able to rely on it.
func (p *player) told(emptied bool) error {
	if emptied == p.full {
		return fmt.Errorf("told emptied: %t, though the shard is complete: %t", emptied, p.full)
	}
	p.found()
	if !emptied && len(p.lost) > 0 {
		return fmt.Errorf("told that nothing is lost, but %+v is", p.lost)
	}
	return nil
}

// found takes off the list of lost events what windows hold again, and what was flushed by a claim that was lost as well.
func (p *player) found() {
	var left []owed
	for _, o := range p.lost {
		if !p.held[o.key].Covers(o.position) && !p.settled[o.key].Covers(o.position) {
			left = append(left, o)
		}
	}
	p.lost = left
}

// empty takes everything away from Redis.
func (p *player) empty(ctx context.Context, restarted bool) error {
	if err := redistest.FlushAll(ctx, p.rdb); err != nil {
		return fmt.Errorf("FLUSHALL: %w", err)
	}
	if restarted {
		if err := p.rdb.ScriptFlush(ctx).Err(); err != nil {
			return fmt.Errorf("SCRIPT FLUSH: %w", err)
		}
	}
	p.found()
	for _, o := range p.owed {
		if !p.settled[o.key].Covers(o.position) {
			p.lost = append(p.lost, o)
		}
	}
	clear(p.reference.windows)
	p.emptied()
	p.life, p.full = 0, false
	p.seen = p.reference.contents()
	return nil
}

var errReplicaDied = errors.New("the replica died")

// refill lets a replica look for what is lost, and arm it again from the log.
func (p *player) refill(ctx context.Context, r modelRefill) error {
	wasFull, life := p.full, p.begins()
	filled, err := p.store.Refill(ctx, func(ctx context.Context) error {
		items := p.open()
		if err := p.disturb(ctx, r.Before); err != nil {
			return err
		}
		if r.Fails {
			return errReplicaDied
		}
		if err := p.arm(ctx, items); err != nil {
			return err
		}
		p.unchanged = false
		return p.disturb(ctx, r.After)
	})
	if filled == wasFull {
		return fmt.Errorf("refill = %t, %w, though the shard was complete: %t", filled, err, wasFull)
	}
	var want error
	switch {
	case wasFull:
	case r.Fails:
		want = errReplicaDied
	case p.life != life:
		want = ErrEmptiedAgain
	default:
		p.full = true
	}
	if !errors.Is(err, want) {
		return fmt.Errorf("refill: got %w, want %w", err, want)
	}
	return nil
}

// begins notes that a replica looks: where no life has begun, it begins one.
func (p *player) begins() int {
	if p.life == 0 {
		p.lives++
		p.life = p.lives
	}
	return p.life
}

// disturb is what happens in the middle of a refill.
func (p *player) disturb(ctx context.Context, d disturbance) error {
	if d == emptiedAgain || d == emptiedAndBegun || d == emptiedAndDone {
		if err := p.empty(ctx, false); err != nil {
			return err
		}
	}
	switch d {
	case otherBegins, emptiedAndBegun:
		p.begins()
		if _, err := p.store.emptied(ctx); err != nil {
			return err
		}
	case otherRefills, emptiedAndDone:
		return p.refill(ctx, modelRefill{})
	case undisturbed, emptiedAgain:
	}
	return nil
}
