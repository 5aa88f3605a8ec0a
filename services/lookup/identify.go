package lookup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/enneo-ai/enneo-bridge/libs/fault"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/model"
)

const (
	// maxCandidates is how many contracts an ERP may propose; of more, none is meant.
	maxCandidates = 10
	// readsAtOnce is how many candidates are read at the same time, within the source's own limits.
	readsAtOnce = 4
)

// errUnsupported says that no ERP can be searched for this; test with errors.Is.
var errUnsupported = errors.New("no ERP can be searched for this")

// match is the one contract that is meant.
type match struct {
	structure
	contractID, customerID string
	contract               map[string]any
}

// identify finds the one contract that is meant by attributes; false if there is none, or more than one. The ERP is waited for
// until then. The origin of an answer that found none is in the match as well.
func (f *finder) identify(ctx context.Context, a *model.Attributes, until time.Time) (match, bool, error) {
	var known match
	var found bool
	var err error
	if f.mode != Live {
		known, found, err = f.byModel(ctx, a)
		if f.mode == Model || err == nil && found {
			return known, found, err
		}
	}
	read, ok, failed := f.byERP(ctx, a, until)
	switch {
	case failed == nil && ok && f.mode == Auto && f.knows(ctx, &read):
		// The model has this contract and did not choose it: there is another one that is as good.
		return known, false, nil
	case failed == nil:
		return read, ok, nil
	case f.mode == Live:
		known, found, err = f.byModel(ctx, a)
	}
	if !errors.Is(failed, errUnsupported) {
		known.origin = fromStale
	}
	return known, found, err
}

// byModel finds a contract in the read model.
func (f *finder) byModel(ctx context.Context, a *model.Attributes) (match, bool, error) {
	m := match{structure: structure{origin: f.modelOrigin(ctx)}}
	var entry model.Entry
	var found bool
	err := f.feed.Use(func(projection *model.Model) error {
		one, ok, err := projection.Find(ctx, *a)
		if err != nil || !ok {
			return err // It is below.
		}
		m.contractID, m.customerID = one.ContractID, one.CustomerID
		entry, found, err = projection.Get(ctx, key.Contract, one.ContractID)
		return err // It is below.
	})
	if err != nil {
		return match{}, false, fmt.Errorf("search the read model: %w", err)
	}
	if !found {
		return match{structure: m.structure}, false, nil
	}
	m.key, m.body, m.asOf = entry.Key, entry.Body, entry.ReadAt
	return m, true, m.decode()
}

// modelOrigin waits until the model has what was settled before the call, and says what an answer of it is then.
func (f *finder) modelOrigin(ctx context.Context) origin {
	if f.feed.CatchUp(ctx) {
		return fromModel
	}
	return fromStale
}

// knows tells whether the read model has the contract.
func (f *finder) knows(ctx context.Context, m *match) bool {
	var found bool
	err := f.feed.Use(func(projection *model.Model) (err error) {
		_, found, err = projection.Get(ctx, key.Contract, m.contractID)
		return err // It is only looked at here.
	})
	return err == nil && found
}

// decode reads the ids out of the contract.
func (m *match) decode() error {
	dec := json.NewDecoder(strings.NewReader(m.body))
	dec.UseNumber()
	if err := dec.Decode(&m.contract); err != nil {
		return fmt.Errorf("read a contract: %w", err)
	}
	m.contractID, m.customerID = fmt.Sprint(m.contract["id"]), fmt.Sprint(m.contract["customerId"])
	return nil
}

// byERP lets the ERPs propose contracts, reads them and chooses by the rules of the read model. It fails if one of those that
// would have to be asked did not answer.
func (f *finder) byERP(ctx context.Context, a *model.Attributes, until time.Time) (match, bool, error) {
	if f.mode == Model {
		return match{}, false, errUnsupported
	}
	ids, err := f.proposed(ctx, a, until)
	if err != nil {
		return match{}, false, err
	}
	none := match{structure: structure{origin: fromERP, asOf: time.Now()}}
	if len(ids) == 0 || len(ids) > maxCandidates {
		return none, false, nil
	}
	contracts, err := f.all(ctx, ids, until)
	if err != nil {
		return match{}, false, err
	}
	chosen, ok, err := f.narrow(ctx, a, contracts)
	if err != nil || !ok {
		return none, false, err
	}
	m := match{structure: chosen}
	return m, true, m.decode()
}

// proposed are the ids in Enneo of the contracts that may be meant: the one that is named, those of the customer that is named, or
// what the ERPs find.
func (f *finder) proposed(ctx context.Context, a *model.Attributes, until time.Time) ([]string, error) {
	if a.ContractID != "" {
		_, err := f.one(ctx, key.Contract, a.ContractID, until)
		if !errors.Is(err, errNotFound) {
			return []string{a.ContractID}, err
		}
	}
	if a.CustomerID != "" {
		customer, err := f.one(ctx, key.Customer, a.CustomerID, until)
		if !errors.Is(err, errNotFound) {
			return contractsOf(customer.body), err
		}
	}
	return f.searched(ctx, a, until)
}

// contractsOf are the ids of a customer's contracts.
func contractsOf(body string) []string {
	var customer struct {
		ContractIDs []json.RawMessage `json:"contractIds"`
	}
	if json.Unmarshal([]byte(body), &customer) != nil {
		return nil
	}
	var ids []string
	for _, raw := range customer.ContractIDs {
		if id, ok := scalar(raw); ok && id != "" {
			ids = append(ids, id)
		}
	}
	return ids
}

// searched asks every ERP that has a search for at least one of the attributes. For the other sources the read model proposes.
func (f *finder) searched(ctx context.Context, a *model.Attributes, until time.Time) ([]string, error) {
	var ids []string
	asked, others := 0, 0
	for _, s := range f.sources {
		args := s.argsOf(a)
		if len(args) == 0 {
			others++
			continue
		}
		asked++
		args[fieldLimit] = fmt.Sprint(maxCandidates + 1)
		page, err := s.search(ctx, args, until)
		if err != nil {
			f.metrics.fellBack(ctx, s.Name, fault.Of(err))
			return nil, err
		}
		found, err := f.contractsIn(ctx, s, &page, until)
		if err != nil {
			return nil, err
		}
		ids = append(ids, found...)
	}
	if asked == 0 {
		return nil, errUnsupported
	}
	if others > 0 {
		if m, found, err := f.byModel(ctx, a); err != nil {
			return nil, err
		} else if found {
			ids = append(ids, m.contractID)
		}
	}
	return unique(ids), nil
}

// argsOf are the attributes that the ERP's search has a parameter for.
func (s *erpSource) argsOf(a *model.Attributes) profile.Args {
	args := profile.Args{}
	if s.reader == nil {
		return args
	}
	for _, name := range []string{"firstname", "lastname", "phone", "company", "email", "meterNumber", "address", "postalCode", "city"} {
		if value := *placeOf(a, name); value != "" && s.Profile.Takes(profile.Search, name) {
			args[name] = value
		}
	}
	return args
}

func (s *erpSource) search(ctx context.Context, args profile.Args, until time.Time) (profile.Page, error) {
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	return s.reader.Search(ctx, args) // It is a fault already.
}

// contractsIn are the contracts on a page, those of its customers if it shows customers alone.
func (f *finder) contractsIn(ctx context.Context, s *erpSource, page *profile.Page, until time.Time) ([]string, error) {
	var ids []string
	for _, id := range page.ContractIDs {
		ids = append(ids, s.EnneoIDFor(id))
	}
	if len(ids) > 0 || len(page.CustomerIDs) > maxCandidates {
		return ids, nil
	}
	for _, id := range page.CustomerIDs {
		customer, err := f.one(ctx, key.Customer, s.EnneoIDFor(id), until)
		if errors.Is(err, errNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		ids = append(ids, contractsOf(customer.body)...)
	}
	return ids, nil
}

func unique(ids []string) []string {
	seen := map[string]bool{}
	var kept []string
	for _, id := range ids {
		if !seen[id] {
			seen[id] = true
			kept = append(kept, id)
		}
	}
	return kept
}

// all reads the contracts; one that there is not is left out.
func (f *finder) all(ctx context.Context, ids []string, until time.Time) ([]structure, error) {
	read := make([]*structure, len(ids))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readsAtOnce)
	for i, id := range ids {
		group.Go(func() error {
			s, err := f.one(ctx, key.Contract, id, until)
			if err == nil {
				read[i] = &s
			}
			if errors.Is(err, errNotFound) {
				return nil
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err // It is one of ours.
	}
	var found []structure
	for _, s := range read {
		if s != nil {
			found = append(found, *s)
		}
	}
	return found, nil
}

// narrow chooses among contracts by the rules of the read model: in a model of these alone.
func (f *finder) narrow(ctx context.Context, a *model.Attributes, contracts []structure) (chosen structure, ok bool, err error) {
	entries := make([]model.Entry, len(contracts))
	for i := range contracts {
		s := &contracts[i]
		m := match{structure: *s}
		if err := m.decode(); err != nil {
			return structure{}, false, err
		}
		entries[i] = model.Entry{
			Key: s.key, EnneoID: m.contractID, Covers: position.Position{Epoch: 1, Sequence: 1}, ReadAt: s.asOf, Body: s.body,
		}
	}
	small, err := model.Open(ctx, model.Options{Dir: f.feed.Dir, Logger: f.logger})
	if err != nil {
		return structure{}, false, fmt.Errorf("make a model of the candidates: %w", err)
	}
	defer func() { err = errors.Join(err, small.Close()) }()
	if err := small.Apply(ctx, entries); err != nil {
		return structure{}, false, fmt.Errorf("make a model of the candidates: %w", err)
	}
	one, found, err := small.Find(ctx, *a)
	if err != nil || !found {
		return structure{}, false, err // The model says what it is about.
	}
	for i := range entries {
		if entries[i].EnneoID == one.ContractID {
			return contracts[i], true, nil
		}
	}
	return structure{}, false, nil
}
