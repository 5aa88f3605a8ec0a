// Package model is the read model that calls A to D of Enneo's real-time contract search are answered from: a projection of the newest
// snapshots of all contracts and customers, which each process builds for itself and throws away.
//
// Bodies and numbers (ids, meters, e-mail addresses, telephone numbers) are in an embedded SQLite database on disk, the words of names and
// addresses in memory (package words). What a contract has to agree in to be named by call C is decided by package evidence, from
// the bodies of the few that the indexes find.
//
// # Concurrency
//
// A Model is safe for concurrent use. Apply calls take turns; readers never wait for them longer than the memory index takes to change,
// and see all of a batch or nothing of it, except that for a moment a record that is new may not be found by its name yet. When Apply has
// returned, what it stored is found, and what it removed is not, by any call that begins then.
package model

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/model/words"
)

// Model is a read model.
type Model struct {
	log   *slog.Logger
	store *store
	words *words.Index
	// applying is held while a batch is written.
	applying sync.Mutex
	// unscrubbed tells that something deleted may still stand in the write-ahead log. Guarded by applying.
	unscrubbed bool
	// grown tells that the writer's page cache is full of what building read and wrote. Guarded by applying.
	grown  bool
	owners owners

	contracts, customers atomic.Int64
}

// Open makes a new, empty model. Its files are removed by Close; those of a process that was killed by the next Open in the folder.
func Open(ctx context.Context, o Options) (*Model, error) {
	s, err := openStore(ctx, o.Dir)
	if err != nil {
		return nil, err
	}
	log := o.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Model{log: log, store: s, words: words.New()}, nil
}

// Close closes the model and removes its files. Nothing may use it meanwhile or afterwards.
func (m *Model) Close() error { return m.store.close() }

// Get returns the record that Enneo knows by this id; false if there is none, or if several sources have one.
func (m *Model) Get(ctx context.Context, kind key.Kind, enneoID string) (Entry, bool, error) {
	rows, err := m.store.query(
		ctx,
		`SELECT source, id, epoch, sequence, read_at, body FROM record WHERE enneo_id = ? AND kind = ? AND body <> '' LIMIT 2`, enneoID, kindNumber(kind))
	if err != nil {
		return Entry{}, false, fmt.Errorf("read a record: %w", err)
	}
	defer func() { _ = rows.Close() }()
	e, found := Entry{EnneoID: enneoID}, 0
	for rows.Next() {
		var epoch, sequence, readAt int64
		if err := rows.Scan(&e.Key.Source, &e.Key.ID, &epoch, &sequence, &readAt, &e.Body); err != nil {
			return Entry{}, false, fmt.Errorf("read a record: %w", err)
		}
		e.Key.Kind, e.Covers, e.ReadAt = kind, positionOf(epoch, sequence), timeOf(readAt)
		found++
	}
	if err := rows.Err(); err != nil {
		return Entry{}, false, fmt.Errorf("read a record: %w", err)
	}
	if found != 1 {
		return Entry{}, false, nil
	}
	return e, true, nil
}

// Stats tells how many contracts and customers the model holds, and how large the store is on disk.
func (m *Model) Stats() (contracts, customers int, bytes int64) {
	return int(m.contracts.Load()), int(m.customers.Load()), m.store.size()
}

// kindNumber is how a kind stands in the store, and in the queries.
func kindNumber(kind key.Kind) int {
	if kind == key.Contract {
		return 1
	}
	return 2
}

func positionOf(epoch, sequence int64) position.Position {
	return position.Position{Epoch: uint64(epoch), Sequence: uint64(sequence)}
}

// timeOf is a time in nanoseconds since 1970; 0 is none.
func timeOf(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}

// nanosecondsOf is the inverse of timeOf.
func nanosecondsOf(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// none tells whether an error says that there is no such row.
func none(err error) bool { return errors.Is(err, sql.ErrNoRows) }

// owners are the customers, by their numbers in the store, that documents belong to.
type owners struct {
	mu  sync.RWMutex
	all []uint32
}

// set notes whom a document belongs to.
func (o *owners) set(changes map[uint32]uint32) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for doc, owner := range changes {
		for int(doc) >= len(o.all) {
			o.all = append(o.all, make([]uint32, max(1024, len(o.all)/4))...)
		}
		o.all[doc] = owner
	}
}

// of returns the owners of documents, in the same order; 0 is nobody.
func (o *owners) of(docs []uint32) []uint32 {
	o.mu.RLock()
	defer o.mu.RUnlock()
	found := make([]uint32, len(docs))
	for i, doc := range docs {
		if int(doc) < len(o.all) {
			found[i] = o.all[doc]
		}
	}
	return found
}
