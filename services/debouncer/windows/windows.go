// Package windows lets a tool of an operator look at the debounce windows of a running installation, and steer them.
//
// It changes a window only by the scripts of the debouncer itself, so debouncers may run meanwhile, in any number.
//
// # Guarantees
//
// Flush loses nothing: a window that is made due goes the way of every other one. Drop settles in the ledger first and
// removes the window only then, and only if it holds nothing newer: whatever dies in between, an event that nobody decided
// about stays open, and what was settled is not delivered. Repeating either is safe.
//
// # Concurrency
//
// A Windows is safe for concurrent use by any number of goroutines and processes.
package windows

import (
	"context"

	"github.com/redis/go-redis/v9"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/services/debouncer/internal/window"
)

// ErrNone is the error of Open when no debouncer has ever used this Redis, or it was emptied since; test with errors.Is.
var ErrNone = window.ErrNoWindows

type (
	// Window is a window as it stood in Redis at one moment.
	Window = window.View
	// Events are the events of a window that wait together.
	Events = window.Events
	// Lease is what the claim of a debouncer has taken and not completed yet.
	Lease = window.Lease
	// State says what a window waits for.
	State = window.State
	// Scanned is what Each has come across besides windows.
	Scanned = window.Scanned
	// Flushed says what became of a window that Flush was told to make due.
	Flushed = window.Hastened
)

// The states of a window, see package window.
const (
	StateOpen    = window.StateOpen
	StateDue     = window.StateDue
	StateClaimed = window.StateClaimed
	StatePaused  = window.StatePaused
	StateCooling = window.StateCooling
)

// The answers of Flush, see package window.
const (
	NoWindow = window.NoWindow
	DueNow   = window.DueNow
	DueNext  = window.DueNext
	UnderWay = window.UnderWay
	NoEvents = window.NoEvents
)

// Batch is how many keys Flush sends to Redis together at most.
const Batch = window.MaxBatch

// Windows are the windows of one installation.
type Windows struct{ store *window.Store }

// Open finds the windows of a running installation. It changes nothing in Redis.
func Open(ctx context.Context, rdb redis.UniversalClient) (*Windows, error) {
	store, err := window.Attach(ctx, rdb)
	if err != nil {
		return nil, err
	}
	return &Windows{store: store}, nil
}

// Shards is the number of parts that the windows are divided into.
func (w *Windows) Shards() int { return w.store.Shards() }

// Look reads one window as one snapshot; nil if there is none.
func (w *Windows) Look(ctx context.Context, k key.Key) (*Window, error) { return w.store.Look(ctx, k) }

// Each visits every window, in no order, until visit returns an error. It reads in small steps, so that Redis serves others
// meanwhile; of what comes or goes meanwhile some is visited, and now and then a window is visited twice. visit must not
// keep the Window.
func (w *Windows) Each(ctx context.Context, visit func(*Window) error) (Scanned, error) {
	return w.store.Each(ctx, visit)
}

// Flush makes windows due now and wakes the debouncers. A claimed one is due as soon as its claim is completed. There is one
// answer for each key, in their order.
func (w *Windows) Flush(ctx context.Context, keys []key.Key) ([]Flushed, error) {
	return w.store.Hasten(ctx, keys)
}
