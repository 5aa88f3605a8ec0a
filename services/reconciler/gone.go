package reconciler

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/failpoint"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
	"github.com/enneo-ai/enneo-bridge/services/reconciler/internal/spool"
)

// compare pages through everything of one kind and then looks for what is known and was not listed.
func (r *run) compare(ctx context.Context, op profile.Operation) (err error) {
	l, _ := r.source.Profile.Listing(op)
	listed, err := spool.NewSet(r.cfg.TempDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, listed.Close()) }()
	var first *horizon
	err = r.pages(ctx, op, time.Time{}, func(ctx context.Context, items []item, h *horizon) error {
		if first == nil {
			first = h
		}
		for _, it := range items {
			// What cannot be mapped is there all the same.
			if it.key.Kind == l.Kind && !it.removed {
				if err := listed.Add(it.key.String()); err != nil {
					return err
				}
			}
		}
		return r.apply(ctx, items, h)
	})
	if err != nil {
		return err
	}
	if err := listed.Freeze(); err != nil {
		return err
	}
	if first == nil {
		return nil // Nothing was read, not even an empty page.
	}
	return r.missing(ctx, l.Kind, listed, first)
}

// missing appends an event for what Enneo may have and the listing did not show. The ERP is asked for each of them, twice,
// before anything is deleted.
func (r *run) missing(ctx context.Context, kind key.Kind, listed *spool.Set, h *horizon) (err error) {
	missing, err := spool.NewList(r.cfg.TempDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, missing.Close()) }()
	known := 0
	err = r.pipeline.Ledger.EachLike(ctx, r.source.Name+"."+string(kind)+".*", func(name string, e ledger.Entry) error {
		if !inEnneo(e.Value) {
			return nil
		}
		known++
		if in, err := listed.Contains(name); err != nil || in {
			return err
		}
		// It may have come into being since the listing was asked for.
		if e.Value.GetCovered().GetEpoch() == h.end.Epoch && e.Value.GetCovered().GetSequence() > h.end.Sequence {
			return nil
		}
		return missing.Add(name)
	})
	if err != nil {
		return err
	}
	if n := missing.Len(); n > r.cfg.GoneMin && float64(n) > r.cfg.GoneShare*float64(known) && !r.opts.AllowGone {
		r.logger.ErrorContext(ctx, "a comparison misses too much, so nothing is told gone", "kind", string(kind), "missing", n, "known", known)
		if !r.opts.DryRun {
			return fmt.Errorf("%d of %d %ss that are known are missing: %w", n, known, kind, ErrTooManyGone)
		}
	}
	return missing.Chunks(chunkSize, func(names []string) error { return r.tellGone(ctx, names, h) })
}

// tellGone appends the events.
func (r *run) tellGone(ctx context.Context, names []string, h *horizon) error {
	if err := r.await(ctx); err != nil {
		return err
	}
	items := make([]item, 0, len(names))
	for _, name := range names {
		if k, err := key.Parse(name); err == nil {
			items = append(items, item{key: k, removed: true})
		}
	}
	all, err := r.look(ctx, items)
	if err != nil {
		return err
	}
	for _, w := range all {
		w.decision = decide(&w.item, &w.known, h, rules{mode: r.mode})
		r.differs(w)
	}
	if !r.opts.DryRun {
		if err := r.append(ctx, all); err != nil {
			return err
		}
		failpoint.Hit("reconciler.gone.appended")
	}
	r.tally(func(t *Tally) {
		for _, w := range all {
			if w.class == classGone {
				t.Gone++
			}
		}
	})
	r.metrics.items(ctx, r.source.Name, all)
	return nil
}
