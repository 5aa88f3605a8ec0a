package model

import (
	"context"
	"fmt"

	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/model/evidence"
	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/model/german"
	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/model/words"
)

const (
	// maxFound is how many contracts are looked at that agree in one attribute.
	maxFound = 100
	// maxNeighbours is how many contracts are looked at that agree in house number, place and a name.
	maxNeighbours = 100
)

// Find answers call C: the one contract that the attributes mean; false if there is none, or if nothing tells several apart. What is enough,
// and what rules out, is described in package evidence.
func (m *Model) Find(ctx context.Context, a Attributes) (Match, bool, error) {
	q := evidence.Ask(evidence.Given(a))
	f := &finding{Model: m, q: q, found: map[uint32]bool{}, cut: map[string]bool{}}
	for _, step := range []func(context.Context) error{f.contract, f.customer, f.meter, f.email, f.phone, f.nameAndAddress} {
		if err := step(ctx); err != nil {
			return Match{}, false, err
		}
	}
	candidates, err := f.candidates(ctx)
	if err != nil {
		return Match{}, false, err
	}
	verdicts := make([]*evidence.Verdict, 0, len(candidates))
	for _, c := range candidates {
		verdicts = append(verdicts, q.Judge(c))
	}
	v := evidence.Decide(verdicts, f.cut)
	if v == nil {
		return Match{}, false, nil
	}
	return Match{ContractID: v.Candidate.EnneoID, CustomerID: v.Candidate.EnneoCustomerID, By: v.By, Exact: v.Exact()}, true, nil
}

// finding collects the documents that a question may mean.
type finding struct {
	*Model

	q     *evidence.Question
	found map[uint32]bool
	cut   map[string]bool
}

// add takes the documents that agree by a rule.
func (f *finding) add(by string, docs []uint32, more bool) {
	for _, doc := range docs {
		f.found[doc] = true
	}
	if more {
		f.cut[by] = true
	}
}

// documents runs a query for document numbers.
func (m *Model) documents(ctx context.Context, limit int, query string, args ...any) (docs []uint32, more bool, err error) {
	rows, err := m.store.query(ctx, query+" LIMIT ?", append(args, limit+1)...)
	if err != nil {
		return nil, false, fmt.Errorf("look up: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var doc uint32
		if err := rows.Scan(&doc); err != nil {
			return nil, false, fmt.Errorf("look up: %w", err)
		}
		docs = append(docs, doc)
	}
	if err := rows.Err(); err != nil {
		return nil, false, fmt.Errorf("look up: %w", err)
	}
	if len(docs) > limit {
		return docs[:limit], true, nil
	}
	return docs, false, nil
}

// numbered are the documents that have a number.
func (f *finding) numbered(ctx context.Context, by string, tag int, value string) (bool, error) {
	if value == "" {
		return false, nil
	}
	docs, more, err := f.documents(ctx, maxFound, `SELECT doc FROM number WHERE tag = ? AND value = ?`, tag, value)
	f.add(by, docs, more)
	return len(docs) > 0, err
}

func (f *finding) contract(ctx context.Context) error {
	if f.q.ContractID == "" {
		return nil
	}
	docs, more, err := f.documents(ctx, maxFound, `SELECT doc FROM record WHERE enneo_id = ? AND kind = 1 AND body <> ''`, f.q.ContractID)
	if err != nil {
		return err
	}
	f.add(evidence.ByContractID, docs, more)
	known, err := f.numbered(ctx, evidence.ByContractID, tagContract, f.q.Contract)
	f.q.ContractKnown, f.q.ContractExact = known || len(docs) > 0, len(docs) > 0
	return err
}

func (f *finding) customer(ctx context.Context) error {
	if f.q.CustomerID == "" {
		return nil
	}
	const query = `SELECT record.doc FROM customer JOIN record ON record.owner = customer.no AND record.kind = 1 AND record.body <> '' WHERE `
	docs, more, err := f.documents(ctx, maxFound, query+`customer.enneo_id = ?`, f.q.CustomerID)
	if err != nil {
		return err
	}
	f.q.CustomerKnown, f.q.CustomerExact = len(docs) > 0, len(docs) > 0
	f.add(evidence.ByCustomerID, docs, more)
	if len(docs) > 0 || f.q.Customer == "" {
		return nil
	}
	docs, more, err = f.documents(ctx, maxFound, query+`customer.folded = ?`, f.q.Customer)
	f.q.CustomerKnown = len(docs) > 0
	f.add(evidence.ByCustomerID, docs, more)
	return err
}

func (f *finding) meter(ctx context.Context) error {
	known, err := f.numbered(ctx, evidence.ByMeterNumber, tagMeter, f.q.Meter)
	f.q.MeterKnown = known
	return err
}

func (f *finding) email(ctx context.Context) error {
	_, err := f.numbered(ctx, evidence.ByEmail, tagEmail, f.q.Email)
	return err
}

func (f *finding) phone(ctx context.Context) error {
	for _, phone := range f.q.Phones {
		if _, err := f.numbered(ctx, evidence.ByPhone, tagPhone, phone); err != nil {
			return err
		}
	}
	return nil
}

// nameAndAddress finds who lives in a house of that number and has one of the names, or one like it. Who has none of them has too many
// typing errors to be meant, whatever the street.
func (f *finding) nameAndAddress(ctx context.Context) error {
	a := f.q.Address
	for _, name := range f.q.Names() {
		w := german.Skeleton(name)
		f.q.KnownFirst[name] = f.words.Count(words.Word{Field: fieldFirst, Text: w}) > 0
	}
	if a.Street == "" || a.House == "" || a.Zip == "" && a.City == "" {
		return nil
	}
	street := words.Any{Words: []words.Word{{Field: fieldStreet, Text: german.Skeleton(a.Street)}}}
	house := words.Any{Words: []words.Word{{Field: fieldHouse, Text: a.House}}}
	var place words.Any
	if a.Zip != "" {
		place.Words = []words.Word{{Field: fieldZip, Text: a.Zip}}
	} else {
		place.Words = f.city(ctx, a.City)
	}
	there, _ := f.words.All(1, place, street)
	f.q.StreetKnown = len(there) > 0
	name, err := f.names(ctx)
	if err != nil {
		return err
	}
	for _, conditions := range [][]words.Any{{place, house, name}, {street, house, name}} {
		docs, more := f.words.All(maxNeighbours, conditions...)
		f.add(evidence.ByNameAddress, docs, more)
		if a.Zip != "" {
			break // The postal code has to agree.
		}
	}
	return nil
}

// city are the words that the name of a town may be found by.
func (f *finding) city(ctx context.Context, city string) []words.Word {
	var all []words.Word
	for i, w := range splitWords(city) {
		if i > 0 {
			break // The first word is the one that nobody leaves out.
		}
		w = german.Skeleton(w)
		all = append(all, words.Word{Field: fieldCity, Text: w})
		near, err := f.near(ctx, w)
		if err != nil {
			continue // Less tolerance; what fails here fails for the names as well, and is told there.
		}
		for _, n := range near {
			all = append(all, words.Word{Field: fieldCity, Text: n})
		}
	}
	return all
}

// names are the words that one of the names given may be found by, in any order of first and last names.
func (f *finding) names(ctx context.Context) (words.Any, error) {
	var names words.Any
	for _, name := range append(f.q.Names(), f.q.Company.Words...) {
		w := german.Skeleton(name)
		near, err := f.near(ctx, w)
		if err != nil {
			return names, err
		}
		for _, text := range append(near, w) {
			for _, field := range []words.Field{fieldFirst, fieldLast, fieldCompany} {
				names.Words = append(names.Words, words.Word{Field: field, Text: text})
			}
		}
	}
	return names, nil
}

// near are the words that somebody has and that are a typing error away from a skeleton, or sound like it.
func (m *Model) near(ctx context.Context, skeleton string) ([]string, error) {
	codes := nearCodes(skeleton)
	if len(codes) == 0 {
		return nil, nil
	}
	rows, err := m.store.query(ctx, `SELECT DISTINCT word FROM near WHERE code IN (SELECT value FROM json_each(?))`, list(codes))
	if err != nil {
		return nil, fmt.Errorf("look up a word: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var near []string
	for rows.Next() {
		var w string
		if err := rows.Scan(&w); err != nil {
			return nil, fmt.Errorf("look up a word: %w", err)
		}
		if w != skeleton && german.Distance(w, skeleton, 2) <= max(1, min(german.Tolerance(w), german.Tolerance(skeleton))) {
			near = append(near, w)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("look up a word: %w", err)
	}
	return near, nil
}
