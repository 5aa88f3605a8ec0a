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
func (r *run) compare(ctx context.Context, op profile.Operation) error {
	l, _ := r.source.Profile.Listing(op)
	listed, err := spool.NewSet(r.cfg.TempDir)
	if err != nil {
		return err
	}
	err = r.collect(ctx, op, time.Time{}, func(items []item) error {
		for _, it := range items {
			// What cannot be mapped is there all the same, and what is called gone is so without being missing.
			if it.key.Kind != l.Kind {
				continue
			}
			if err := listed.Add(it.key.String()); err != nil {
				return err
			}
		}
		return nil
	}, func(h *horizon) error {
		if err := listed.Freeze(); err != nil {
			return err
		}
		known, err := r.missing(ctx, l.Kind, listed, h)
		if err != nil {
			return err
		}
		return r.bury(ctx, l.Kind, known, h)
	})
	return errors.Join(err, listed.Close())
}

// differences pages through what the ERP says has changed.
func (r *run) differences(ctx context.Context, op profile.Operation, since time.Time) error {
	l, _ := r.source.Profile.Listing(op)
	return r.collect(ctx, op, since, func([]item) error { return nil }, func(h *horizon) error {
		known := 0
		if r.gone.Len() > r.cfg.GoneMin {
			var err error
			if known, err = r.known(ctx, l.Kind, func(string, ledger.Entry) error { return nil }); err != nil {
				return err
			}
		}
		return r.bury(ctx, l.Kind, known, h)
	})
}

// collect applies all pages while it puts aside what they call gone, and calls end with what was known before the first of them.
func (r *run) collect(ctx context.Context, op profile.Operation, since time.Time, each func(items []item) error, end func(h *horizon) error) (err error) {
	if r.gone, err = spool.NewList(r.cfg.TempDir); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.gone.Close()) }()
	var first *horizon
	err = r.pages(ctx, op, since, func(ctx context.Context, items []item, h *horizon) error {
		if first == nil {
			first = h
		}
		if err := each(items); err != nil {
			return err
		}
		return r.apply(ctx, items, h)
	})
	if err != nil {
		return err
	}
	return end(first)
}

// known visits what Enneo may have of one kind, and counts it.
func (r *run) known(ctx context.Context, kind key.Kind, visit func(name string, e ledger.Entry) error) (n int, err error) {
	err = r.pipeline.Ledger.EachLike(ctx, r.source.Name+"."+string(kind)+".*", func(name string, e ledger.Entry) error {
		if !inEnneo(e.Value) {
			return nil
		}
		n++
		return visit(name, e)
	})
	return n, err
}

// missing adds what Enneo may have and the listing did not show to what is gone.
func (r *run) missing(ctx context.Context, kind key.Kind, listed *spool.Set, h *horizon) (known int, err error) {
	return r.known(ctx, kind, func(name string, e ledger.Entry) error {
		if in, err := listed.Contains(name); err != nil || in {
			return err
		}
		// It may have come into being since the listing was asked for.
		if e.Value.GetCovered().GetEpoch() == h.end.Epoch && e.Value.GetCovered().GetSequence() > h.end.Sequence {
			return nil
		}
		return r.gone.Add(name)
	})
}

// bury appends an event for what is gone, unless that is too much of what is known. The ERP is asked for each of them, twice,
// before anything is deleted.
func (r *run) bury(ctx context.Context, kind key.Kind, known int, h *horizon) error {
	if n := r.gone.Len(); n > r.cfg.GoneMin && float64(n) > r.cfg.GoneShare*float64(known) && !r.opts.AllowGone {
		r.logger.ErrorContext(ctx, "a listing calls or leaves too much gone, so nothing is told gone", "kind", string(kind), "gone", n, "known", known)
		if !r.opts.DryRun {
			return fmt.Errorf("%d of %d %ss that are known are missing, or called gone: %w", n, known, kind, ErrTooManyGone)
		}
	}
	return r.gone.Chunks(chunkSize, func(names []string) error { return r.tellGone(ctx, names, h) })
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
