package openkeys

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/ce"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/record"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

const (
	// DefaultStoreEvery is how often the watermark is written.
	DefaultStoreEvery = 10 * time.Second

	// lookupBatch is how many keys may be read from the log, while catching up, before it is looked up whether they are
	// settled; lookupsAtOnce of them at a time.
	lookupBatch   = 1024
	lookupsAtOnce = 32

	settledPrefix = "$KV." + bus.BucketSettled + "."
	eventPrefix   = "erp.event."
)

// errReopened says that a record of SETTLED was removed by hand, or the bucket was recreated or set back, so what was settled may be open again.
var errReopened = errors.New("a record of what is settled was removed, or all of them were set back")

// Tracker keeps a Book up to date. Make one with New.
type Tracker struct {
	bus        *bus.Bus
	log        *eventlog.Log
	ledger     *ledger.Ledger
	rules      Rules
	storeEvery time.Duration
	logger     *slog.Logger

	// book is nil until it has caught up.
	book atomic.Pointer[Book]
	// followed is the revision of SETTLED up to which the book follows it.
	followed atomic.Uint64
}

// New makes a tracker. storeEvery 0 means DefaultStoreEvery.
func New(b *bus.Bus, log *eventlog.Log, settled *ledger.Ledger, rules Rules, storeEvery time.Duration, logger *slog.Logger) *Tracker {
	if storeEvery <= 0 {
		storeEvery = DefaultStoreEvery
	}
	return &Tracker{bus: b, log: log, ledger: settled, rules: rules, storeEvery: storeEvery, logger: logger}
}

// Book is what is known, nil while it is not known yet: at the start, and in a new log epoch.
func (t *Tracker) Book() *Book { return t.book.Load() }

// Run follows the log and what is settled until ctx ends, then writes the watermark a last time. It returns ErrDisplaced
// when another process has written it.
func (t *Tracker) Run(ctx context.Context) error {
	defer t.book.Store(nil)
	anew := false
	for ctx.Err() == nil {
		epoch, changed := t.log.Changed()
		err := t.follow(ctx, epoch, changed, anew)
		t.book.Store(nil)
		anew = errors.Is(err, errReopened)
		switch {
		case errors.Is(err, ErrDisplaced):
			return err
		case err != nil && ctx.Err() == nil:
			t.logger.WarnContext(ctx, "following the open keys was interrupted", "error", err.Error())
			select {
			case <-ctx.Done():
			case <-time.After(feedPause):
			}
		}
	}
	return nil
}

// follow follows the log in one epoch, until that changes, ctx ends or something fails.
func (t *Tracker) follow(ctx context.Context, epoch uint64, changed <-chan struct{}, anew bool) error {
	bucket, err := record.Open[bridgev1.Watermark](ctx, t.bus.JetStream(), bus.BucketBridge)
	if err != nil {
		return err
	}
	f := &following{Tracker: t, marks: &marks{bucket: bucket, bus: t.bus}, changed: changed}
	from, err := f.marks.load(ctx, epoch, anew)
	if err != nil {
		return err
	}
	// Records that were removed before everything is read anew are simply not there.
	f.scratch = from.GetSequence() == 0 && from.GetSettledRevision() == 0
	f.book = newBook(epoch, from.GetSequence(), totalsOf(from.GetTotals()), t.rules)
	t.followed.Store(from.GetSettledRevision())

	group, ctx := errgroup.WithContext(ctx)
	defer func() { _ = group.Wait() }() // The feeds return nothing.
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	f.events, f.settled = make(chan item, feedBatch), make(chan item, feedBatch)
	group.Go(func() error {
		(&feed{
			js: t.bus.JetStream(), stream: bus.StreamEvents, filter: eventPrefix + ">", headersOnly: true, logger: t.logger,
		}).run(ctx, from.GetSequence()+1, f.events)
		return nil
	})
	if done, err := f.catchUp(ctx); err != nil || done {
		return err
	}
	group.Go(func() error {
		(&feed{js: t.bus.JetStream(), stream: bus.KVStream(bus.BucketSettled), filter: settledPrefix + ">", logger: t.logger}).
			run(ctx, from.GetSettledRevision()+1, f.settled)
		return nil
	})
	return f.run(ctx)
}

// following is the work of a Tracker in one epoch. It belongs to one goroutine.
type following struct {
	*Tracker
	book            *Book
	marks           *marks
	events, settled chan item
	changed         <-chan struct{}
	// scratch: nothing was known at the beginning.
	scratch bool
	// opened are keys whose settlement has not been looked up yet.
	opened []string
}

// catchUp reads the log to its end and looks up what is settled of it. What happens after that is told by the feeds.
func (f *following) catchUp(ctx context.Context) (done bool, err error) {
	for {
		select {
		case <-ctx.Done():
			return true, nil
		case <-f.changed:
			return true, nil
		case i := <-f.events:
			if i.msg == nil {
				return false, f.lookUp(ctx)
			}
			if f.accept(i) {
				f.opened = append(f.opened, keyOf(i.msg))
			}
			if len(f.opened) >= lookupBatch {
				if err := f.lookUp(ctx); err != nil {
					return false, err
				}
			}
		}
	}
}

func keyOf(msg jetstream.Msg) string { return strings.TrimPrefix(msg.Subject(), eventPrefix) }

func (f *following) accept(i item) (opened bool) {
	return f.book.accept(Event{Key: keyOf(i.msg), Sequence: i.sequence, At: i.at, Origin: eventlog.OriginOf(i.msg.Headers())})
}

// lookUp settles the opened keys as far as they are settled already.
func (f *following) lookUp(ctx context.Context) error {
	entries := make([]ledger.Entry, len(f.opened))
	// The group's context ends with the group; what follows needs one that goes on.
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(lookupsAtOnce)
	for i, key := range f.opened {
		group.Go(func() (err error) {
			entries[i], err = f.ledger.Get(within, key)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i, key := range f.opened {
		if entries[i].Revision == 0 {
			continue
		}
		if err := f.settle(ctx, key, settlementOf(entries[i])); err != nil {
			return err
		}
	}
	f.opened = f.opened[:0]
	return nil
}

// settle notes a settlement, with the help of the log where it falls between merged events.
func (f *following) settle(ctx context.Context, key string, s Settlement) error {
	unclear := f.book.settle(key, s)
	if unclear == nil {
		return nil
	}
	events, err := f.between(ctx, key, *unclear)
	if err != nil {
		return err
	}
	f.book.split(key, *unclear, events)
	// What is unclear still is no longer in the log, and stays open until something newer settles it.
	f.book.settle(key, s)
	return nil
}

// between reads the events of a key in a part of the log.
func (f *following) between(ctx context.Context, key string, c cut) ([]Event, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out := make(chan item, 1)
	go (&feed{
		js: f.bus.JetStream(), stream: bus.StreamEvents, filter: eventPrefix + key, headersOnly: true, logger: f.logger,
	}).run(ctx, c.first, out)
	var events []Event
	for {
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("read the events of a key: %w", ctx.Err())
		case i := <-out:
			if i.msg == nil || i.sequence > c.last {
				return events, nil
			}
			events = append(events, Event{Key: key, Sequence: i.sequence, At: i.at, Origin: eventlog.OriginOf(i.msg.Headers())})
			if i.sequence == c.last {
				return events, nil
			}
		}
	}
}

// run follows both feeds, and writes the watermark now and then.
func (f *following) run(ctx context.Context) error {
	store := time.NewTimer(f.pause())
	defer store.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			// The next one need not read what is known.
			return f.storeWhole(ctx, time.Second)
		case <-f.changed:
			return nil
		case i := <-f.events:
			if i.msg != nil {
				f.accept(i)
			}
		case i := <-f.settled:
			err = f.note(ctx, i)
		case <-store.C:
			err = f.storeWhole(ctx, requestTimeout)
			store.Reset(f.pause())
		}
		if err != nil {
			return err
		}
	}
}

// note notes what the ledger says.
func (f *following) note(ctx context.Context, i item) error {
	if i.msg == nil {
		f.Tracker.book.Store(f.book)
		return nil
	}
	if err := f.noteRecord(ctx, i); err != nil {
		return err
	}
	f.followed.Store(i.sequence)
	return nil
}

func (f *following) noteRecord(ctx context.Context, i item) error {
	if len(i.msg.Data()) == 0 {
		// The mark that a removal leaves.
		if f.scratch && f.Tracker.book.Load() == nil {
			return nil
		}
		return errReopened
	}
	key := strings.TrimPrefix(i.msg.Subject(), settledPrefix)
	var s bridgev1.Settlement
	if err := ce.UnmarshalData(i.msg.Data(), &s); err != nil {
		f.logger.ErrorContext(ctx, "record of what is settled cannot be read, its key counts as open", "error", err.Error())
		return nil
	}
	return f.settle(ctx, key, settlementOf(ledger.Entry{Value: &s, Revision: i.sequence, StoredAt: i.at}))
}

func (f *following) pause() time.Duration {
	return f.storeEvery - rand.N(f.storeEvery/4+1) //nolint:gosec // Spreads load, protects nothing.
}

// store moves the watermark. While not everything is known, what looks settled may be owed a delivery.
func (f *following) store(ctx context.Context) error {
	stream, err := f.bus.JetStream().Stream(ctx, bus.StreamEvents)
	if err != nil {
		return fmt.Errorf("look at the event log: %w", err)
	}
	f.book.expire(stream.CachedInfo().State.FirstSeq)
	f.book.checkpoint()
	if f.Tracker.book.Load() == nil {
		return nil
	}
	return f.marks.store(ctx, f.book, f.followed.Load())
}

// storeWhole stores although ctx may end: a write that is given up on its way could still arrive, and displace whoever
// leads by then.
func (f *following) storeWhole(ctx context.Context, within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), within)
	defer cancel()
	return f.store(ctx)
}
