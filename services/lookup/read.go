package lookup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/fault"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/pipeline"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/libs/source"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/feed"
	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/live"
	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/model"
)

// origin says where an answer comes from.
type origin string

const (
	fromERP   origin = "live"  // read now
	fromCache origin = "cache" // read in the ERP a moment ago, and nothing has changed since
	fromModel origin = "model" // what is known, and it is up to date
	fromStale origin = "stale" // what is known, and it may be out of date
)

// lookTimeout bounds the questions to NATS of one call: what is known locally is an answer as well.
const lookTimeout = time.Second

// Errors of a read; test with errors.Is.
var (
	errNotFound  = errors.New("there is none")
	errAmbiguous = errors.New("several sources have this id")
)

// unavailableError says that the ERP cannot be asked and nothing is known.
type unavailableError struct{ fault *fault.Fault }

// Error implements error. It holds no id.
func (e *unavailableError) Error() string {
	return "nothing is known, and the ERP did not answer: " + e.fault.Error()
}

// erpSource is one source as it is asked.
type erpSource struct {
	*source.Source
	// reader is nil in mode model.
	reader *live.Reader
}

// structure is a contract or customer in Enneo's structure.
type structure struct {
	key    key.Key
	body   string
	origin origin
	asOf   time.Time
}

// finder answers the four calls.
type finder struct {
	mode      Mode
	sources   []*erpSource
	snapshots *pipeline.Snapshots
	log       *eventlog.Log
	feed      *feed.Feed
	metrics   *metrics
	logger    *slog.Logger
}

// candidate is a key that may be meant by an id of Enneo.
type candidate struct {
	source *erpSource
	key    key.Key
}

// candidates are the keys that have the id in Enneo: one, unless the templates of several sources fit.
func (f *finder) candidates(kind key.Kind, enneoID string) []candidate {
	var found []candidate
	for _, s := range f.sources {
		if id, ok := s.IDFromEnneo(enneoID); ok {
			found = append(found, candidate{source: s, key: key.Key{Source: s.Name, Kind: kind, ID: id}})
		}
	}
	return found
}

// one reads what has this id in Enneo. The ERP is waited for until then.
func (f *finder) one(ctx context.Context, kind key.Kind, enneoID string, until time.Time) (structure, error) {
	var found []structure
	var failed error
	for _, c := range f.candidates(kind, enneoID) {
		s, err := f.read(ctx, c, until)
		switch {
		case err == nil:
			found = append(found, s)
		case !errors.Is(err, errNotFound):
			failed = err
		}
	}
	switch {
	case len(found) > 1:
		// The operator has said that this does not happen (ENNEO_IDS_DISJOINT).
		return structure{}, errAmbiguous
	case len(found) == 1:
		return found[0], nil
	case failed != nil:
		return structure{}, failed
	}
	return structure{}, errNotFound
}

// view is what is known of a key.
type view struct {
	state live.State
	snap  *bridgev1.Snapshot
	// current: the snapshot covers everything that was told of the key.
	current bool
}

// look finds out what is known of a key. The log comes last: what it says is covered by a read that begins afterwards.
func (f *finder) look(ctx context.Context, k key.Key) (view, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	entry, err := f.snapshots.Get(ctx, k.String())
	if err != nil {
		return view{}, err
	}
	last, found, err := f.log.Last(ctx, k)
	if err != nil {
		return view{}, err
	}
	epoch, err := f.log.Epoch(ctx)
	if err != nil {
		return view{}, err
	}
	v := view{state: live.State{Last: last, Revision: entry.Revision}, snap: entry.Value}
	v.current = current(entry.Value, last, found, epoch)
	return v, nil
}

// current tells whether a snapshot covers the newest event of its key. One whose events have left the log by their age does, in the
// epoch in which they were there.
func current(s *bridgev1.Snapshot, last eventlog.Last, found bool, epoch uint64) bool {
	covers := position.FromProto(s.GetCovers())
	if covers.IsZero() || covers.Epoch != epoch {
		return false
	}
	if !found {
		return true
	}
	if covers == last.Position && s.GetCoversLogTime() != nil {
		return s.GetCoversLogTime().AsTime().Equal(last.At)
	}
	return covers.Covers(last.Position)
}

// read reads one key as the mode says.
func (f *finder) read(ctx context.Context, c candidate, until time.Time) (structure, error) {
	v, err := f.look(ctx, c.key)
	if err != nil {
		f.logger.WarnContext(ctx, "cannot look at what is known of a key", "source", c.key.Source, "error", err.Error())
		return f.blind(ctx, c, until)
	}
	if !c.source.asks(c.key.Kind) || f.mode == Auto && v.current {
		return c.known(v, errNotFound)
	}
	answer, err := c.ask(ctx, v.state, until)
	if err != nil {
		f.metrics.fellBack(ctx, c.key.Source, fault.Of(err))
		return c.known(v, &unavailableError{fault: fault.Of(err)})
	}
	// Enneo may have been told of a newer read meanwhile: what it asks for then must not be answered with this one.
	if now, err := f.snapshotNow(ctx, c.key); err == nil && now.state.Revision != v.state.Revision &&
		position.FromProto(now.snap.GetCovers()).Compare(answer.State.Last.Position) > 0 {
		now.current = true
		return c.known(now, errNotFound)
	}
	return c.answered(answer)
}

// snapshotNow is the newest snapshot.
func (f *finder) snapshotNow(ctx context.Context, k key.Key) (view, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	entry, err := f.snapshots.Get(ctx, k.String())
	return view{state: live.State{Revision: entry.Revision}, snap: entry.Value}, err
}

// blind reads a key while NATS is away: in the ERP, or else in the read model.
func (f *finder) blind(ctx context.Context, c candidate, until time.Time) (structure, error) {
	missing := &fault.Fault{Scope: fault.Target, Reason: "nats_away", Err: errors.New("NATS does not answer")}
	if c.source.asks(c.key.Kind) {
		answer, err := c.ask(ctx, live.State{}, until)
		if err == nil {
			return c.answered(answer)
		}
		missing = fault.Of(err)
		f.metrics.fellBack(ctx, c.key.Source, missing)
	}
	var entry model.Entry
	var found bool
	err := f.feed.Use(func(m *model.Model) (err error) {
		entry, found, err = m.Get(ctx, c.key.Kind, c.source.EnneoIDFor(c.key.ID))
		return err // It is only looked at here.
	})
	if err != nil || !found || entry.Key != c.key {
		return structure{}, &unavailableError{fault: missing}
	}
	return structure{key: c.key, body: entry.Body, origin: fromStale, asOf: entry.ReadAt}, nil
}

// asks tells whether the ERP can be asked for a kind.
func (s *erpSource) asks(kind key.Kind) bool { return s.reader != nil && s.reader.ERP.Supports(kind) }

// ask reads the key in the ERP.
func (c *candidate) ask(ctx context.Context, s live.State, until time.Time) (live.Answer, error) {
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	return c.source.reader.Get(ctx, c.key, s) // It is a fault already.
}

// answered is an answer of the ERP.
func (c *candidate) answered(a live.Answer) (structure, error) {
	if a.Gone {
		return structure{}, errNotFound
	}
	body, err := feed.Body(c.source.Source, a.Body)
	if err != nil {
		return structure{}, fmt.Errorf("answer a question: %w", err)
	}
	s := structure{key: c.key, body: body, origin: fromERP, asOf: a.Began}
	if a.Cached {
		s.origin = fromCache
	}
	return s, nil
}

// known is what the snapshot says; if there is none, otherwise says why not.
func (c *candidate) known(v view, otherwise error) (structure, error) {
	covers := position.FromProto(v.snap.GetCovers())
	switch {
	case covers.IsZero():
		// Never read, or looked for once and not found.
		return structure{}, otherwise
	case v.snap.GetGone() || v.snap.GetBody() == "":
		return structure{}, errNotFound
	}
	entry, err := feed.EntryOf(c.source.Source, c.key, v.snap)
	if err != nil {
		return structure{}, fmt.Errorf("answer a question: %w", err)
	}
	s := structure{key: c.key, body: entry.Body, origin: fromStale, asOf: entry.ReadAt}
	if v.current {
		s.origin = fromModel
	}
	return s, nil
}
