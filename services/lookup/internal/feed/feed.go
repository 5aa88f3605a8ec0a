// Package feed keeps this replica's read model like the bucket CONTRACTS.
//
// # Guarantees
//
// The model is built from nothing at the start, and again if the bucket is another one than before. What is written to the bucket
// is in the model shortly after, removals as well; CatchUp waits for what was written before. After NATS was away it goes on where it
// was. A fixed number of records is held at a time while the model is built.
//
// # Concurrency
//
// A Feed is safe for concurrent use; Run runs once.
package feed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/enneo"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/pipeline"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/libs/record"
	"github.com/enneo-ai/enneo-bridge/libs/source"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/model"
)

// ErrUnavailable says that there is no model at the moment; test with errors.Is.
var ErrUnavailable = errors.New("the read model is being built")

const (
	// Pauses before following is tried again.
	firstPause = 250 * time.Millisecond
	maxPause   = 10 * time.Second
	// catchUp bounds the wait for what was written just before a call.
	catchUp = 250 * time.Millisecond
)

// errRemoved says that a record was removed by hand, which leaves no position to compare.
var errRemoved = errors.New("a record was removed from the bucket")

type revision = record.Revision[bridgev1.Snapshot, *bridgev1.Snapshot]

// Options are what a Feed is made of.
type Options struct {
	Snapshots *pipeline.Snapshots
	// Sources are those whose keys belong into the model.
	Sources []*source.Source
	// Dir is where models lie.
	Dir string
	// Changed hears of each key that has changed, in addition to the model.
	Changed func(key.Key)
	Logger  *slog.Logger
}

// Feed is a model and what keeps it like the bucket.
type Feed struct {
	Options
	sources map[string]*source.Source

	// using is held for reading while the model is used, for writing to exchange it.
	using sync.RWMutex
	model *model.Model

	mu      sync.Mutex
	built   bool
	left    uint64
	applied uint64
	// passed is a revision that nothing comes up to any more, since what had it was removed.
	passed  uint64
	lag     time.Duration
	changed chan struct{} // closed and replaced with each batch
}

// New makes a Feed without a model.
func New(o Options) *Feed {
	f := &Feed{Options: o, sources: map[string]*source.Source{}, changed: make(chan struct{})}
	for _, s := range o.Sources {
		f.sources[s.Name] = s
	}
	return f
}

// Run keeps the model until ctx ends, and removes it then.
func (f *Feed) Run(ctx context.Context) error {
	pause := firstPause
	for ctx.Err() == nil {
		began := time.Now()
		err := f.live(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // It was told to end.
		}
		f.Logger.WarnContext(ctx, "the read model begins anew", "error", cause(err).Error())
		if time.Since(began) > maxPause {
			pause = firstPause
		}
		wait(ctx, pause)
		pause = min(2*pause, maxPause)
	}
	return nil
}

// live is the life of one model.
func (f *Feed) live(ctx context.Context) error {
	m, err := model.Open(ctx, model.Options{Dir: f.Dir, Logger: f.Logger})
	if err != nil {
		return fmt.Errorf("make a read model: %w", err)
	}
	f.exchange(m)
	defer func() {
		f.exchange(nil)
		if closed := m.Close(); closed != nil {
			f.Logger.ErrorContext(ctx, "the read model's files are left behind", "error", closed.Error())
		}
	}()
	began, cursor := time.Now(), &record.Cursor{}
	pause := firstPause
	for {
		var own error // of the model, not of the way to it
		err := f.Snapshots.Follow(ctx, cursor, []string{">"}, func(batch []revision, left uint64) error {
			pause = firstPause
			own = f.apply(ctx, m, batch, left, began)
			return own
		})
		switch {
		case own != nil:
			return own
		case ctx.Err() != nil || errors.Is(err, record.ErrRecreated):
			return err // It says what it is about.
		}
		f.Logger.WarnContext(ctx, "following the snapshots has failed, the read model stays as it is", "error", err.Error())
		wait(ctx, pause)
		pause = min(2*pause, maxPause)
	}
}

// exchange takes a model into use, or out of it, after those who use the one before have finished.
func (f *Feed) exchange(m *model.Model) {
	f.using.Lock()
	defer f.using.Unlock()
	f.model = m
	f.mu.Lock()
	defer f.mu.Unlock()
	f.built, f.left, f.applied, f.passed, f.lag = false, 0, 0, 0, 0
}

// apply brings a batch into the model.
func (f *Feed) apply(ctx context.Context, m *model.Model, batch []revision, left uint64, began time.Time) error {
	entries := make([]model.Entry, 0, len(batch))
	for i := range batch {
		entry, ok, err := f.entry(ctx, &batch[i])
		if err != nil {
			return err
		}
		if ok {
			entries = append(entries, entry)
		}
	}
	if err := m.Apply(ctx, entries); err != nil {
		return fmt.Errorf("bring snapshots into the read model: %w", err)
	}
	for i := range entries {
		f.Changed(entries[i].Key)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left = left
	if len(batch) > 0 {
		last := &batch[len(batch)-1]
		f.applied = last.Revision
		if f.built { // What a new model finds was stored before it was there.
			f.lag = max(0, time.Since(last.StoredAt))
		}
	}
	if left == 0 && !f.built {
		f.built = true
		f.Logger.InfoContext(ctx, "the read model is built", "took", time.Since(began).Round(time.Millisecond).String())
	}
	close(f.changed)
	f.changed = make(chan struct{})
	return nil
}

// cause is the innermost error: what the model says around it names a key.
func cause(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// entry is a snapshot as the model wants it; false if it does not concern the model.
func (f *Feed) entry(ctx context.Context, r *revision) (model.Entry, bool, error) {
	k, err := key.Parse(r.Key)
	if err != nil {
		return model.Entry{}, false, nil //nolint:nilerr // None of ours.
	}
	src := f.sources[k.Source]
	switch {
	case src == nil:
		return model.Entry{}, false, nil
	case r.Deleted:
		return model.Entry{}, false, errRemoved
	case r.Err != nil:
		f.Logger.ErrorContext(ctx, "a snapshot cannot be read and is left out of the read model", "source", k.Source, "kind", string(k.Kind), "revision", r.Revision)
		return model.Entry{}, false, nil //nolint:nilerr // The others are worth more than an end.
	}
	entry, err := EntryOf(src, k, r.Value)
	if err != nil {
		f.Logger.ErrorContext(ctx, "a snapshot has no structure and is left out of the read model", "source", k.Source, "kind", string(k.Kind), "revision", r.Revision)
		return model.Entry{}, false, nil //nolint:nilerr // The others are worth more than an end.
	}
	return entry, true, nil
}

// EntryOf is a snapshot with Enneo's ids.
func EntryOf(src *source.Source, k key.Key, s *bridgev1.Snapshot) (model.Entry, error) {
	entry := model.Entry{Key: k, EnneoID: src.EnneoIDFor(k.ID), Covers: position.FromProto(s.GetCovers()), ReadAt: s.GetReadStartedAt().AsTime()}
	if s.GetGone() || s.GetBody() == "" {
		return entry, nil
	}
	body, err := Body(src, s.GetBody())
	if err == nil && !object(body) {
		err = errNoObject
	}
	entry.Body = body
	return entry, err
}

// errNoObject says that a body is not what a snapshot holds.
var errNoObject = errors.New("the structure is no JSON object")

// object tells whether a text is a JSON object.
func object(text string) bool {
	return strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), "{") && json.Valid([]byte(text))
}

// Body is a structure with Enneo's ids instead of the ERP's.
func Body(src *source.Source, body string) (string, error) {
	if src.EnneoIDFor("") == "" {
		return body, nil
	}
	text, err := enneo.WithIDs(body, src.EnneoIDFor)
	if err != nil {
		return "", fmt.Errorf("rename ids: %w", err)
	}
	return text, nil
}

// Use calls use with the model, which must not be kept. It returns ErrUnavailable if there is none that is complete.
func (f *Feed) Use(use func(*model.Model) error) error {
	f.using.RLock()
	defer f.using.RUnlock()
	f.mu.Lock()
	built := f.built
	f.mu.Unlock()
	if f.model == nil || !built {
		return ErrUnavailable
	}
	return use(f.model)
}

// CatchUp waits until the model has what was written to the bucket before the call, for a quarter of a second at most. It returns
// false if that is not known to be so.
func (f *Feed) CatchUp(parent context.Context) bool {
	ctx, cancel := context.WithTimeout(parent, catchUp)
	defer cancel()
	newest, err := f.Snapshots.Newest(ctx)
	if err != nil {
		return false
	}
	for {
		f.mu.Lock()
		there, quiet, changed := f.applied >= newest || f.passed >= newest, f.built && f.left == 0, f.changed
		f.mu.Unlock()
		if there {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			if quiet {
				f.passIfRemoved(parent, newest)
			}
			return false
		}
	}
}

// passIfRemoved makes sure that nobody waits for a message that has left the stream with the data of a retired source.
func (f *Feed) passIfRemoved(ctx context.Context, newest uint64) {
	ctx, cancel := context.WithTimeout(ctx, catchUp)
	defer cancel()
	if there, err := f.Snapshots.Holds(ctx, newest); err != nil || there {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.passed = max(f.passed, newest)
}

// Check is the check of readiness.
func (f *Feed) Check(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.built {
		return fmt.Errorf("%w: %d records are left", ErrUnavailable, f.left)
	}
	return nil
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
