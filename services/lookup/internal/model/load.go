package model

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/model/evidence"
)

// list is a list for json_each in SQL, which takes any number of values with one statement.
func list[T any](values []T) string {
	text, err := json.Marshal(values)
	if err != nil {
		panic(err) // Numbers can be marshalled.
	}
	return string(text)
}

func splitWords(folded string) []string { return strings.Fields(folded) }

// candidates loads the contracts that were found, those of the customers that were found, and the customers of all of them.
func (f *finding) candidates(ctx context.Context) ([]*evidence.Candidate, error) {
	if len(f.found) == 0 {
		return nil, nil
	}
	docs := slices.Sorted(maps.Keys(f.found))
	// A contract is found by its customer's record as well, if that says more than the contract does.
	customers, err := f.ownersWith(ctx, docs)
	if err != nil {
		return nil, err
	}
	for _, owner := range customers {
		more, cut, err := f.documents(ctx, maxFound, `SELECT doc FROM record WHERE owner = ? AND kind = 1 AND body <> ''`, owner)
		if err != nil {
			return nil, err
		}
		for _, doc := range more {
			f.found[doc] = true
		}
		if cut {
			// Which of the rules it was found by is not known; all of them that are not by contract.
			for _, by := range []string{evidence.ByEmail, evidence.ByPhone, evidence.ByNameAddress} {
				f.cut[by] = f.cut[by] || f.given(by)
			}
		}
	}
	return f.load(ctx, slices.Sorted(maps.Keys(f.found)))
}

// given tells whether a rule's attribute was given.
func (f *finding) given(by string) bool {
	switch by {
	case evidence.ByEmail:
		return f.q.Email != ""
	case evidence.ByPhone:
		return len(f.q.Phones) > 0
	default:
		return f.q.Address.Street != ""
	}
}

// ownersWith are the owners of those documents that are customers.
func (f *finding) ownersWith(ctx context.Context, docs []uint32) ([]uint32, error) {
	owners, _, err := f.documents(
		ctx, len(docs), `SELECT DISTINCT owner FROM record WHERE kind = 2 AND body <> '' AND doc IN (SELECT value FROM json_each(?))`, list(docs),
	)
	return owners, err
}

// load reads contracts and their customers.
func (f *finding) load(ctx context.Context, docs []uint32) ([]*evidence.Candidate, error) {
	rows, err := f.store.query(
		ctx,
		`SELECT record.enneo_id, record.owner, record.body, customer.enneo_id FROM record JOIN customer ON customer.no = record.owner
		 WHERE record.kind = 1 AND record.body <> '' AND record.doc IN (SELECT value FROM json_each(?))`,
		list(docs),
	)
	if err != nil {
		return nil, fmt.Errorf("read contracts: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var all []*evidence.Candidate
	byOwner := map[uint32][]*evidence.Candidate{}
	for rows.Next() {
		var owner uint32
		var body string
		c := &evidence.Candidate{}
		if err := rows.Scan(&c.EnneoID, &owner, &body, &c.EnneoCustomerID); err != nil {
			return nil, fmt.Errorf("read contracts: %w", err)
		}
		if c.Contract, err = evidence.Read(body); err != nil {
			return nil, err
		}
		all = append(all, c)
		byOwner[owner] = append(byOwner[owner], c)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read contracts: %w", err)
	}
	return all, f.loadCustomers(ctx, byOwner)
}

func (f *finding) loadCustomers(ctx context.Context, byOwner map[uint32][]*evidence.Candidate) error {
	rows, err := f.store.query(
		ctx, `SELECT owner, body FROM record WHERE kind = 2 AND body <> '' AND owner IN (SELECT value FROM json_each(?))`,
		list(slices.Sorted(maps.Keys(byOwner))),
	)
	if err != nil {
		return fmt.Errorf("read customers: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var owner uint32
		var body string
		if err := rows.Scan(&owner, &body); err != nil {
			return fmt.Errorf("read customers: %w", err)
		}
		customer, err := evidence.Read(body)
		if err != nil {
			return err
		}
		for _, c := range byOwner[owner] {
			c.Customer = customer
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read customers: %w", err)
	}
	return nil
}
