package reconciler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"

	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/failpoint"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/libs/snapshot"
	"github.com/enneo-ai/enneo-bridge/libs/ticket"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

const (
	// chunkSize is how many keys are worked on together: an ERP may give larger pages than it was asked for.
	chunkSize = 500
	// lookers is how many keys are looked at, or stored, at the same time.
	lookers = 16
)

// work is a key with what is to be done about it.
type work struct {
	item
	known
	decision
	// covers is what the stored snapshot covers; zero if none was stored.
	covers position.Position
}

// apply does what a page needs.
func (r *run) apply(ctx context.Context, items []item, h *horizon) error {
	for chunk := range slices.Chunk(items, chunkSize) {
		all, err := r.look(ctx, chunk)
		if err != nil {
			return err
		}
		if all, err = r.decide(all, h); err != nil {
			return err
		}
		if !r.opts.DryRun {
			if err := r.carry(ctx, all, h); err != nil {
				return err
			}
		}
		r.tally(func(t *Tally) {
			t.Seen += len(chunk)
			for _, w := range all {
				t.add(w.class)
			}
		})
		r.metrics.items(ctx, r.source.Name, all)
	}
	return nil
}

// decide says what each key needs and returns those that can be carried over now. What the listing calls gone is put aside: whether
// that is too much is known at its end.
func (r *run) decide(all []*work, h *horizon) (now []*work, err error) {
	now = all[:0]
	for _, w := range all {
		w.decision = decide(&w.item, &w.known, h, rules{mode: r.mode, minAge: r.source.MinAge})
		if w.class == classGone {
			if err := r.gone.Add(w.key.String()); err != nil {
				return nil, err
			}
			continue
		}
		r.differs(w)
		now = append(now, w)
	}
	return now, nil
}

// look finds out what is known of keys. The log is asked last, so that an event in between counts as a newer one.
func (r *run) look(ctx context.Context, items []item) ([]*work, error) {
	all := make([]*work, len(items))
	for i := range items {
		all[i] = &work{item: items[i]}
	}
	err := r.each(ctx, all, func(ctx context.Context, w *work) (err error) {
		if w.settled, err = r.pipeline.Ledger.Get(ctx, w.key.String()); err != nil {
			return err
		}
		if w.snap, err = r.shelf.Snapshots.Get(ctx, w.key.String()); err != nil {
			return err
		}
		w.last, w.found, err = r.shelf.Log.Last(ctx, w.key)
		return err
	})
	return all, err
}

// each calls do for all of them, several at the same time, and repeats it for those that fail.
func (r *run) each(ctx context.Context, all []*work, do func(ctx context.Context, w *work) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(lookers)
	for _, w := range all {
		group.Go(func() error {
			return r.persist(ctx, "nats", func() error { return do(ctx, w) })
		})
	}
	return group.Wait()
}

// carry appends events, stores snapshots and passes them on, in this order: a process that dies in between has told of
// everything that it had appended. No window opens for what is stored here: an event whose snapshot is missing is covered by the
// next run, or revived by the sweeper and read like any other.
func (r *run) carry(ctx context.Context, all []*work, h *horizon) error {
	if err := r.append(ctx, all); err != nil {
		return err
	}
	failpoint.Hit("reconciler.events.appended")
	if err := r.each(ctx, all, func(ctx context.Context, w *work) error { return r.keep(ctx, w, h) }); err != nil {
		return err
	}
	failpoint.Hit("reconciler.snapshots.stored")
	if err := r.pass(ctx, all); err != nil {
		return err
	}
	failpoint.Hit("reconciler.tickets.sent")
	return nil
}

// append appends the events of all that need one, each on the condition that its key has no newer event than what is known. So
// a repetition, after an answer that got lost, is refused: that event is there, and is swept, or covered by the next run.
func (r *run) append(ctx context.Context, all []*work) error {
	var (
		pending []*work
		events  []eventlog.Event
	)
	for _, w := range all {
		if !w.event {
			continue
		}
		change := eventlog.Change{Key: w.key, Origin: bridgev1.Origin_ORIGIN_RECONCILER, ReceivedAt: time.Now()}
		if w.store {
			change.CarriedIn = r.epoch
		}
		event, err := eventlog.NewEvent(ctx, r.shelf.Propagator, change)
		if err != nil {
			return err
		}
		pending, events = append(pending, w), append(events, event.After(w.last.Position.Sequence))
	}
	return r.persist(ctx, "nats", func() error {
		acks, errs := r.shelf.Log.Append(ctx, events)
		var (
			left   []*work
			again  []eventlog.Event
			failed []error
		)
		for i, err := range errs {
			switch w := pending[i]; {
			case err == nil:
				w.last.Position.Sequence = acks[i].Sequence
			case errors.Is(err, eventlog.ErrNotLast):
				// Somebody else has told of a change, whose read shows more than the listing.
				w.decision = decision{class: classLive}
			default:
				left, again, failed = append(left, w), append(again, events[i]), append(failed, err)
			}
		}
		pending, events = left, again
		return errors.Join(failed...)
	})
}

// keep stores what the listing shows, if the key's newest event is still the one that it covers.
func (r *run) keep(ctx context.Context, w *work, h *horizon) error {
	if !w.store {
		return nil
	}
	last, found, err := r.shelf.Log.Last(ctx, w.key)
	if err != nil {
		return err
	}
	if !found || last.Position.Sequence != w.last.Position.Sequence || last.Position.Epoch != h.end.Epoch {
		return nil // A newer event, or a log that was set back: what is open is read like any other event.
	}
	next, err := snapshot.Of(last, w.mapped, h.at, r.client.ProfileRef())
	if err != nil {
		return err
	}
	if r.tells && w.key.Kind == key.Contract && r.client.Supports(key.Customer) {
		if err := r.shelf.TellCustomers(ctx, w.key, last.Position, w.snap.Value.GetCustomerId(), w.mapped); err != nil {
			return err
		}
	}
	w.covers, err = r.shelf.Store(ctx, w.key, next)
	return err
}

// pass sends a ticket to the publisher for each snapshot that was stored.
func (r *run) pass(ctx context.Context, all []*work) error {
	var msgs []*nats.Msg
	for _, w := range all {
		if w.covers.IsZero() {
			continue
		}
		msg, err := r.shelf.Ticket(ctx, ticket.Ticket{Key: w.key, Position: w.covers, Collapsed: 1})
		if err != nil {
			return err
		}
		msgs = append(msgs, msg)
	}
	// Repeated as a whole: a ticket that comes twice finds its work done.
	return r.persist(ctx, "nats", func() error {
		_, errs := r.pipeline.Bus.PublishAll(ctx, msgs)
		if err := errors.Join(errs...); err != nil {
			return fmt.Errorf("pass on to the publisher: %w", err)
		}
		return nil
	})
}

// differs tells whoever wants to know of a difference.
func (r *run) differs(w *work) {
	words := map[class]string{classNew: "new", classChanged: "changed", classGone: "gone"}
	what, ok := words[w.class]
	if r.opts.Differ == nil || !ok {
		return
	}
	d := Difference{Key: w.key, What: what}
	if w.whole && w.class == classChanged {
		d.Fields = fields(w.snap.Value.GetBody(), w.body)
	}
	r.opts.Differ(d)
}

// fields are the names of the fields in which two bodies differ.
func fields(before, after string) []string {
	var a, b map[string]any
	if json.Unmarshal([]byte(before), &a) != nil || json.Unmarshal([]byte(after), &b) != nil {
		return nil
	}
	names := map[string]bool{}
	for _, one := range []map[string]any{a, b} {
		for name := range one {
			_, inA := a[name]
			_, inB := b[name]
			if inA != inB || !reflect.DeepEqual(a[name], b[name]) {
				names[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}
