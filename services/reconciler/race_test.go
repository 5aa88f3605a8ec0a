package reconciler

import (
	"context"
	"io"
	"testing"

	"github.com/enneo-ai/enneo-bridge/libs/app"
	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
	"github.com/enneo-ai/enneo-bridge/libs/source"
)

// steps gives a run whose steps the test takes itself, without lease.
func (w *world) steps(take func(ctx context.Context, r *run)) {
	w.t.Helper()
	err := app.Run(w.t.Context(), "reconciler", config.Map(w.environment(nil)), io.Discard, nil, func(ctx context.Context, env *app.Env) error {
		var cfg Config
		if err := config.Load(ctx, env.Lookuper, &cfg); err != nil {
			return err
		}
		sources, err := cfg.Windows.Sources(ctx, env, source.Need{ERP: true})
		if err != nil {
			return err
		}
		s, err := open(ctx, env, &cfg, Options{}, sources)
		if err != nil {
			return err
		}
		defer s.close()
		_, epoch, err := s.pipeline.Log.ReconciliationDue(ctx)
		if err != nil {
			return err
		}
		take(ctx, &run{
			service: s, source: sources[0], client: s.clients[testSource], quota: s.quotas[testSource],
			logger: env.Logger, epoch: epoch, mode: Full,
		})
		return nil
	})
	w.must(err)
}

// page is the first page of contracts, decided on and not yet carried over.
func (w *world) page(ctx context.Context, r *run) ([]*work, *horizon) {
	w.t.Helper()
	h, err := r.horizon(ctx)
	w.must(err)
	shown, err := r.fetch(ctx, profile.ListAll, profile.Args{"limit": "10"})
	w.must(err)
	all, err := r.look(ctx, r.items(ctx, shown))
	w.must(err)
	for _, one := range all {
		one.decision = decide(&one.item, &one.known, h, rules{mode: Full})
	}
	return all, h
}

func TestAnEventAfterTheLookIsNotCovered(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 10)
	w.steps(func(ctx context.Context, r *run) {
		all, h := w.page(ctx, r)
		var first, second *work
		for _, one := range all {
			if one.key == contract(w.contracts[0]) {
				first = one
			}
			if one.key == contract(w.contracts[1]) {
				second = one
			}
		}
		// One webhook comes before the run's own event, and one after it.
		before := w.event(first.key)
		w.must(r.append(ctx, all))
		if first.class != classLive || first.last.Position.Covers(before) && first.store {
			t.Errorf("an event in between has not stopped the run: %+v", first.decision)
		}
		after := w.event(second.key)
		for _, one := range all {
			w.must(r.keep(ctx, one, h))
		}
		w.must(r.pass(ctx, all))
		for _, one := range []struct {
			*work
			at position.Position
		}{{first, before}, {second, after}} {
			last, _, err := w.log.Last(ctx, one.key)
			w.must(err)
			if s := w.snapshot(one.key); s.Revision != 0 || last.Position != one.at {
				t.Errorf("the page was stored for %s, or its newest event %v is not that of the webhook, %v", one.key, last.Position, one.at)
			}
		}
		if n := w.ready(); n != 8 {
			t.Errorf("%d tickets, want those of the 8 others", n)
		}
	})
}

func TestARepeatedAppendIsOneEvent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 10)
	w.steps(func(ctx context.Context, r *run) {
		all, h := w.page(ctx, r)
		w.must(r.append(ctx, all))
		// As after an answer that got lost: again, with what was known before.
		for _, one := range all {
			one.last, one.decision = eventlog.Last{}, decide(&one.item, &one.known, h, rules{mode: Full})
		}
		w.must(r.append(ctx, all))
		for _, one := range all {
			if one.class != classLive || one.store {
				t.Errorf("%s: %+v, want it left to the event that is there", one.key, one.decision)
			}
		}
		if w.events() != 10 {
			t.Errorf("%d events of 10 keys", w.events())
		}
	})
}
