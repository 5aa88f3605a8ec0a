package reconciler

import (
	"container/heap"
	"context"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/record"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// aged is a key with the time of its last read.
type aged struct {
	name string
	read time.Time
}

// oldest keeps those whose last read is the oldest; the newest of them is at the top.
type oldest []aged

func (o oldest) Len() int           { return len(o) }
func (o oldest) Less(i, j int) bool { return o[i].read.After(o[j].read) }
func (o oldest) Swap(i, j int)      { o[i], o[j] = o[j], o[i] }
func (o *oldest) Push(x any)        { *o = append(*o, x.(aged)) } //nolint:errcheck // Only this file pushes.
func (o *oldest) Pop() any {
	last := (*o)[len(*o)-1]
	*o = (*o)[:len(*o)-1]
	return last
}

// reread appends an event for the known keys whose last read is the oldest.
func (r *run) reread(ctx context.Context) error {
	r.begin("")
	h, err := r.horizon(ctx)
	if err != nil {
		return err
	}
	var chosen oldest
	err = r.shelf.Snapshots.EachLike(ctx, r.source.Name+".*.*", func(name string, e record.Entry[bridgev1.Snapshot, *bridgev1.Snapshot]) error {
		if e.Value.GetGone() || e.Value.GetReadStartedAt() == nil {
			return nil
		}
		heap.Push(&chosen, aged{name: name, read: e.Value.GetReadStartedAt().AsTime()})
		if len(chosen) > r.cfg.Reread {
			heap.Pop(&chosen)
		}
		return nil
	})
	if err != nil {
		return err
	}
	r.listed(0, len(chosen))
	items := make([]item, 0, len(chosen))
	for _, one := range chosen {
		if k, err := key.Parse(one.name); err == nil && r.client.Supports(k.Kind) {
			items = append(items, item{key: k})
		}
	}
	for begin := 0; begin < len(items); begin += chunkSize {
		if err := r.await(ctx); err != nil {
			return err
		}
		chunk := items[begin:min(begin+chunkSize, len(items))]
		if err := r.readAgain(ctx, chunk, h); err != nil {
			return err
		}
		r.listed(begin+len(chunk), len(items))
	}
	return nil
}

// readAgain appends an event for each key that none is on its way for.
func (r *run) readAgain(ctx context.Context, items []item, h *horizon) error {
	all, err := r.look(ctx, items)
	if err != nil {
		return err
	}
	for _, w := range all {
		w.decision = decide(&w.item, &w.known, h, rules{mode: Reread})
	}
	if !r.opts.DryRun {
		if err := r.append(ctx, all); err != nil {
			return err
		}
	}
	r.tally(func(t *Tally) {
		for _, w := range all {
			t.Seen++
			t.add(w.class)
		}
	})
	r.metrics.items(ctx, r.source.Name, all)
	return nil
}
