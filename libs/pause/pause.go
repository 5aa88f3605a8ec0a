// Package pause lets an operator stop the requests to one outside system: nothing that would cause one is pulled, and
// everything that arrives meanwhile waits where it is.
//
// # Guarantees
//
// A pause is a record in the bucket BRIDGE, so it outlives every process. A Gate reads it before it lets anything through for
// the first time, and hears of each change; while NATS is away it keeps what it knew, and nothing can be pulled then anyway.
// A request that has begun is finished. Whoever waited for a message already when a pause began still gets it, so whoever sends
// requests asks Paused once more.
//
// # Concurrency
//
// A Gate and Pauses are safe for concurrent use.
package pause

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/record"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

const (
	// Enneo is the target of every delivery.
	Enneo = "enneo"

	sourcePrefix = "source."
	recordPrefix = "pause."
	// followPause is the pause after following a record has failed.
	followPause = time.Second
)

// Source is the target of the reads of a source.
func Source(name string) string { return sourcePrefix + name }

// Pauses are the pauses of all targets.
type Pauses struct {
	records *record.Bucket[bridgev1.Pause, *bridgev1.Pause]
}

// Open opens the pauses of a connection.
func Open(ctx context.Context, b *bus.Bus) (*Pauses, error) {
	records, err := record.Open[bridgev1.Pause](ctx, b.JetStream(), bus.BucketBridge)
	if err != nil {
		return nil, err
	}
	return &Pauses{records: records}, nil
}

// Begin pauses a target from now on, for the reason given, until that time or, if it is zero, until End. It replaces a pause
// that holds already.
func (p *Pauses) Begin(ctx context.Context, target, reason string, until time.Time) error {
	_, err := p.records.Change(ctx, recordPrefix+target, func(r *bridgev1.Pause) error {
		since := r.GetSince()
		if !holds(r, time.Now()) {
			since = timestamppb.Now()
		}
		proto.Reset(r)
		r.Since, r.Reason = since, reason
		if !until.IsZero() {
			r.Until = timestamppb.New(until)
		}
		return nil
	})
	return err
}

// End ends the pause of a target. It returns false if there was none.
func (p *Pauses) End(ctx context.Context, target string) (ended bool, err error) {
	_, err = p.records.Change(ctx, recordPrefix+target, func(r *bridgev1.Pause) error {
		ended = holds(r, time.Now())
		if r.GetSince() == nil {
			return record.ErrUnchanged
		}
		proto.Reset(r)
		return nil
	})
	return ended, err
}

// Pause is one that holds.
type Pause struct {
	Target, Reason string
	Since          time.Time
	// Until is zero if the pause lasts until an operator ends it.
	Until time.Time
}

// Of returns the pause of a target, or false if it is not paused.
func (p *Pauses) Of(ctx context.Context, target string) (Pause, bool, error) {
	entry, err := p.records.Get(ctx, recordPrefix+target)
	if err != nil || !holds(entry.Value, time.Now()) {
		return Pause{}, false, err
	}
	return of(target, entry.Value), true, nil
}

func of(target string, r *bridgev1.Pause) Pause {
	one := Pause{Target: target, Reason: r.GetReason(), Since: r.GetSince().AsTime()}
	if r.GetUntil() != nil {
		one.Until = r.GetUntil().AsTime()
	}
	return one
}

func holds(r *bridgev1.Pause, now time.Time) bool {
	return r.GetSince() != nil && (r.GetUntil() == nil || now.Before(r.GetUntil().AsTime()))
}

// Gate is shut while its target is paused; it implements bus.Gate.
type Gate struct {
	target string
	pauses *Pauses
	logger *slog.Logger

	mu      sync.Mutex
	record  *bridgev1.Pause
	changed chan struct{} // closed and replaced whenever the record changes
}

// Gate makes the gate of a target as it stands now. It hears of changes while Follow runs.
func (p *Pauses) Gate(ctx context.Context, target string, logger *slog.Logger) (*Gate, error) {
	entry, err := p.records.Get(ctx, recordPrefix+target)
	if err != nil {
		return nil, fmt.Errorf("is %s paused: %w", target, err)
	}
	g := &Gate{target: target, pauses: p, logger: logger, record: &bridgev1.Pause{}, changed: make(chan struct{})}
	g.note(ctx, entry.Value)
	return g, nil
}

// Follow keeps the gate up to date until ctx ends.
func (g *Gate) Follow(ctx context.Context) error {
	for {
		err := g.pauses.records.Watch(ctx, recordPrefix+g.target, func(e record.Entry[bridgev1.Pause, *bridgev1.Pause]) {
			g.note(ctx, e.Value)
		})
		if ctx.Err() != nil {
			return nil //nolint:nilerr // It was told to end.
		}
		g.logger.WarnContext(ctx, "following a pause has failed, it goes on as it was known last", "target", g.target, "error", fmt.Sprint(err))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(followPause):
		}
	}
}

func (g *Gate) note(ctx context.Context, r *bridgev1.Pause) {
	now := time.Now()
	g.mu.Lock()
	before := holds(g.record, now)
	g.record = r
	close(g.changed)
	g.changed = make(chan struct{})
	g.mu.Unlock()
	switch after := holds(r, now); {
	case after && !before:
		g.logger.WarnContext(ctx, "paused by an operator", "target", g.target, "reason", r.GetReason())
	case before && !after:
		g.logger.InfoContext(ctx, "pause ended by an operator", "target", g.target)
	}
}

// Paused tells whether the target is paused. A nil *Gate never is.
func (g *Gate) Paused() bool {
	if g == nil {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return holds(g.record, time.Now())
}

// Enter waits until the target is not paused.
func (g *Gate) Enter(ctx context.Context) (leave func(), err error) {
	for {
		g.mu.Lock()
		r, changed := g.record, g.changed
		g.mu.Unlock()
		now := time.Now()
		if !holds(r, now) {
			return func() {}, nil
		}
		var over <-chan time.Time
		if r.GetUntil() != nil {
			timer := time.NewTimer(r.GetUntil().AsTime().Sub(now))
			defer timer.Stop()
			over = timer.C
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the end of a pause: %w", ctx.Err())
		case <-changed:
		case <-over:
		}
	}
}

// List returns the pauses that hold, for the targets given.
func (p *Pauses) List(ctx context.Context, targets []string) ([]Pause, error) {
	var all []Pause
	for _, target := range targets {
		one, found, err := p.Of(ctx, target)
		if err != nil {
			return nil, err
		}
		if found {
			all = append(all, one)
		}
	}
	return all, nil
}

// SourceOf is the source of a target; false for Enneo.
func SourceOf(target string) (string, bool) { return strings.CutPrefix(target, sourcePrefix) }
