package lookup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/fault"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/model"
)

const (
	// contractsPerCustomer is how many contracts an ERP is asked for to find one customer, and maxListed how many at most.
	contractsPerCustomer = 4
	maxListed            = 500
)

// search finds customers by what an agent types, best first. The ERP is waited for until then.
func (f *finder) search(ctx context.Context, q string, limit, offset int, until time.Time) (ids []string, from origin, err error) {
	if limit == 0 {
		return nil, fromModel, nil
	}
	if f.mode != Live {
		ids, from, err = f.searchModel(ctx, q, limit, offset)
		if f.mode == Model || err == nil && (len(ids) > 0 || offset > 0) {
			return ids, from, err
		}
	}
	found, failed := f.searchERP(ctx, q, limit, offset, until)
	if failed == nil {
		return found, fromERP, nil
	}
	if f.mode == Live {
		ids, from, err = f.searchModel(ctx, q, limit, offset)
	}
	if !errors.Is(failed, errUnsupported) {
		from = fromStale
	}
	return ids, from, err
}

func (f *finder) searchModel(ctx context.Context, q string, limit, offset int) (ids []string, from origin, err error) {
	from = f.modelOrigin(ctx)
	err = f.feed.Use(func(projection *model.Model) (err error) {
		ids, err = projection.Search(ctx, q, limit, offset)
		return err // It is below.
	})
	if err != nil {
		return nil, from, fmt.Errorf("search the read model: %w", err)
	}
	return ids, from, nil
}

// searchERP asks every ERP whose search takes a free text. For the other sources the read model adds what it finds.
func (f *finder) searchERP(ctx context.Context, q string, limit, offset int, until time.Time) ([]string, error) {
	var ids []string
	asked, others := 0, 0
	for _, s := range f.sources {
		if s.reader == nil || !s.Profile.Takes(profile.Search, fieldQ) {
			others++
			continue
		}
		asked++
		// From the first one on, since the pages of several sources follow each other here.
		page, err := s.search(ctx, profile.Args{fieldQ: q, fieldLimit: fmt.Sprint(min(contractsPerCustomer*(offset+limit), maxListed))}, until)
		if err != nil {
			f.metrics.fellBack(ctx, s.Name, fault.Of(err))
			return nil, err
		}
		found, err := f.customersIn(ctx, s, &page, offset+limit, until)
		if err != nil {
			return nil, err
		}
		ids = append(ids, found...)
	}
	if asked == 0 {
		return nil, errUnsupported
	}
	if others > 0 {
		found, _, err := f.searchModel(ctx, q, offset+limit, 0)
		if err != nil {
			return nil, err
		}
		ids = append(ids, found...)
	}
	ids = unique(ids)
	return ids[min(offset, len(ids)):min(offset+limit, len(ids))], nil
}

// customersIn are the customers on a page, those of its contracts if it shows contracts alone.
func (f *finder) customersIn(ctx context.Context, s *erpSource, page *profile.Page, most int, until time.Time) ([]string, error) {
	var ids []string
	for _, id := range page.CustomerIDs {
		ids = append(ids, s.EnneoIDFor(id))
	}
	if len(ids) > 0 {
		return ids, nil
	}
	for _, id := range page.ContractIDs[:min(len(page.ContractIDs), most, maxCandidates)] {
		contract, err := f.one(ctx, key.Contract, s.EnneoIDFor(id), until)
		if errors.Is(err, errNotFound) {
			continue
		}
		m := match{structure: contract}
		if err := errors.Join(err, m.decode()); err != nil {
			return nil, err
		}
		ids = append(ids, m.customerID)
	}
	return ids, nil
}
