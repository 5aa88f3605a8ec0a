// Package directory holds the contracts and customers that the simulated ERPs serve: one set of data, of which each ERP is
// a view. It generates realistic data, keeps a revision per record, and remembers older states for a minute, so that an
// ERP can lag behind.
//
// # Concurrency
//
// A Directory is safe for concurrent use. What it returns is a copy whose slices and maps nobody changes.
package directory

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

// ErrUnknown says that there is no such contract or customer.
var ErrUnknown = errors.New("no such contract or customer")

// Directory is the data. Use New.
type Directory struct {
	settings Settings
	now      func() time.Time

	mu        sync.RWMutex
	generator *generator
	contracts *shelf[simclient.Contract]
	customers *shelf[simclient.Customer]
	changes   int64 // numbers the changes
}

// New returns a directory with generated data.
func New(s Settings, now func() time.Time) *Directory {
	d := &Directory{settings: s, now: now}
	d.Reset()
	return d
}

// Reset replaces everything by what was generated at the start.
func (d *Directory) Reset() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.generator = newGenerator(d.settings)
	d.contracts = newShelf(func(c *simclient.Contract, revision int64) { c.Revision = revision })
	d.customers = newShelf(func(c *simclient.Customer, revision int64) { c.Revision = revision })
	d.changes = 0
	// No lag shows a time before the data that the simulator started with.
	d.generate(d.settings.Contracts, time.Time{}, false)
}

// Generate adds n contracts with their customers and returns the ids of the contracts.
func (d *Directory) Generate(n int) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.generate(n, d.now(), true)
}

func (d *Directory) generate(n int, at time.Time, touched bool) []string {
	ids := make([]string, 0, n)
	for len(ids) < n {
		customer, contracts := d.generator.customer(n - len(ids))
		if d.taken(&customer) {
			continue // somebody has put a record under one of the next ids
		}
		d.customers.put(customer.ID, customer, false, at, d.number(), touched)
		for i := range contracts {
			ids = append(ids, contracts[i].ID)
			d.contracts.put(contracts[i].ID, contracts[i], false, at, d.number(), touched)
		}
	}
	return ids
}

func (d *Directory) taken(c *simclient.Customer) bool {
	return d.customers.get(c.ID) != nil ||
		slices.ContainsFunc(c.ContractIDs, func(id string) bool { return d.contracts.get(id) != nil })
}

// Hostile adds a contract and a customer for each of simclient.HostileIDs that is not there, and returns those ids.
func (d *Directory) Hostile() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	ids := []string{}
	for _, id := range simclient.HostileIDs() {
		if d.contracts.get(id) != nil || d.customers.get(id) != nil {
			continue
		}
		customer, _ := d.generator.customer(0)
		customer.ID, customer.ContractIDs = id, []string{id}
		now := d.now()
		d.customers.put(id, customer, false, now, d.number(), true)
		d.contracts.put(id, d.generator.contract(id, &customer, 0), false, now, d.number(), true)
		ids = append(ids, id)
	}
	return ids
}

func (d *Directory) number() int64 {
	d.changes++
	return d.changes
}

// Contract is the contract as it was lag ago.
func (d *Directory) Contract(id string, lag time.Duration) (simclient.Contract, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return read(d.contracts, id, d.now().Add(-lag))
}

// Customer is the customer as it was lag ago.
func (d *Directory) Customer(id string, lag time.Duration) (simclient.Customer, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return read(d.customers, id, d.now().Add(-lag))
}

func read[T any](s *shelf[T], id string, then time.Time) (value T, found bool) {
	r := s.records[id]
	if r == nil {
		return value, false
	}
	v := r.at(then)
	if v == nil || v.gone {
		return value, false
	}
	return v.value, true
}

// otherContract is some contract that is not the one of that id; false if there is none.
func (d *Directory) otherContract(id string) (simclient.Contract, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return other(d.contracts, id)
}

// otherCustomer is otherContract for customers.
func (d *Directory) otherCustomer(id string) (simclient.Customer, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return other(d.customers, id)
}

func other[T any](s *shelf[T], id string) (value T, found bool) {
	for _, candidate := range s.order {
		if v := s.get(candidate); candidate != id && !v.gone {
			return v.value, true
		}
	}
	return value, false
}

// GoneAt is the revision with which a record went, 0 if it is there or never was.
func (d *Directory) GoneAt(ref simclient.Ref) int64 {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if ref.Kind == key.Contract {
		return goneAt(d.contracts, ref.ID)
	}
	return goneAt(d.customers, ref.ID)
}

func goneAt[T any](s *shelf[T], id string) int64 {
	if v := s.get(id); v != nil && v.gone {
		return v.revision
	}
	return 0
}

// IDs lists the ids of a kind that are there, in the order of their creation; a limit of 0 means all.
func (d *Directory) IDs(kind key.Kind, offset, limit int) []string {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if kind == key.Contract {
		return ids(d.contracts, offset, limit)
	}
	return ids(d.customers, offset, limit)
}

func ids[T any](s *shelf[T], offset, limit int) []string {
	list := []string{}
	for _, id := range s.order {
		if s.get(id).gone {
			continue
		}
		if offset--; offset >= 0 {
			continue
		}
		if list = append(list, id); len(list) == limit {
			break
		}
	}
	return list
}

// Count is the number of contracts and customers.
func (d *Directory) Count() (contracts, customers int) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.contracts.live, d.customers.live
}

// Touched lists what control has changed since the start or reset, also what is gone.
func (d *Directory) Touched() []simclient.Ref {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return append(touched(d.contracts, key.Contract), touched(d.customers, key.Customer)...)
}

func touched[T any](s *shelf[T], kind key.Kind) []simclient.Ref {
	var refs []simclient.Ref
	for _, id := range s.order {
		if s.records[id].touched {
			refs = append(refs, simclient.Ref{Kind: kind, ID: id})
		}
	}
	return refs
}
