package windows

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/services/debouncer/internal/window"
)

// ErrBeyondLog is the error of Drop for a window that holds a position which the event log does not have: the log was set
// back, and settling that position would settle events that are yet to come. Test with errors.Is.
var ErrBeyondLog = errors.New("the window holds a position beyond the newest event of its key in the log, which was set back; " +
	"the services notice that by themselves, and read every open key again")

// Dropped says how a Drop ended.
type Dropped int

const (
	// DropFailed belongs to an error. The events may be settled; repeating Drop is safe.
	DropFailed Dropped = iota
	// DropNoWindow means that the key has no window with events. Nothing changed.
	DropNoWindow
	// DropClaimed means that a debouncer is flushing the window. Nothing changed; try again when the lease has ended.
	DropClaimed
	// DropDone means that the events are settled and the window is gone.
	DropDone
	// DropNewer means that the events are settled, and that a newer one came meanwhile: it stays open in the window.
	DropNewer
	// DropOvertaken means that the events are settled, and that a debouncer has claimed the window meanwhile. Its ticket is
	// looked at and dropped, because nothing is open.
	DropOvertaken
)

// Books are where it stands what happened to a key: the truth, while windows are only a cache of it.
type Books struct {
	Log    *eventlog.Log
	Ledger *ledger.Ledger
}

// Drop decides that the open events of a key up to its window's position need not be delivered: it settles them as dropped
// for the reason given, and removes the window. It also returns the window as it was found, nil without one.
//
// What dies if the process dies here: before the ledger has it, nothing has happened. After it, the window is still there;
// its ticket is looked at and dropped, because the ledger covers its position.
func (w *Windows) Drop(ctx context.Context, books Books, k key.Key, reason string) (Dropped, *Window, error) {
	found, err := w.store.Look(ctx, k)
	switch {
	case err != nil:
		return DropFailed, nil, err
	case found == nil || found.State() == StateCooling:
		return DropNoWindow, found, nil
	case found.State() == StateClaimed:
		return DropClaimed, found, nil
	}
	if err := books.settle(ctx, k, found.Position, reason); err != nil {
		return DropFailed, found, err
	}
	dropped, err := w.remove(ctx, k, found.Position)
	return dropped, found, err
}

// settle notes in the ledger that everything of the key up to p was dropped, unless it has an outcome already. A request
// that is under way is left alone: it was read before, and what it covers beyond p counts by itself.
func (b Books) settle(ctx context.Context, k key.Key, p position.Position, reason string) error {
	last, found, err := b.Log.Last(ctx, k)
	if err != nil {
		return err
	}
	if found && !last.Position.Covers(p) {
		return ErrBeyondLog
	}
	var at time.Time // of the event at p, as far as the log still tells
	if last.Position == p {
		at = last.At
	}
	entry, err := b.Ledger.Get(ctx, k.String())
	if err != nil || ledger.Covers(entry.Value, p) {
		return err
	}
	if err := b.Ledger.Drop(ctx, k, p, at, reason); err != nil {
		return fmt.Errorf("settle the events of %s: %w", k, err)
	}
	return nil
}

// remove removes the window of a key that is settled up to p.
func (w *Windows) remove(ctx context.Context, k key.Key, p position.Position) (Dropped, error) {
	removals, err := w.store.Drop(ctx, []window.Settlement{{Key: k, Position: p}})
	if err != nil {
		return DropFailed, err
	}
	switch removals[0] {
	case window.HoldsNewer:
		return DropNewer, nil
	case window.IsClaimed:
		return DropOvertaken, nil
	case window.WasGone, window.Removed:
		return DropDone, nil
	case window.NotRemoved:
	}
	return DropFailed, fmt.Errorf("remove the window of %s: unknown answer", k)
}
