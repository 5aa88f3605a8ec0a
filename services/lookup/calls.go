package lookup

import (
	"context"
	"strings"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/model"
)

// contract answers call A.
func (a *api) contract(ctx context.Context, input map[string]string, until time.Time) (reply, error) {
	return a.byID(ctx, key.Contract, input, fieldContractID, until)
}

// customer answers call B.
func (a *api) customer(ctx context.Context, input map[string]string, until time.Time) (reply, error) {
	return a.byID(ctx, key.Customer, input, fieldCustomerID, until)
}

func (a *api) byID(ctx context.Context, kind key.Kind, input map[string]string, field string, until time.Time) (reply, error) {
	enneoID, err := id(input, field)
	if err != nil {
		return reply{}, err
	}
	s, err := a.finder.one(ctx, kind, enneoID, until)
	if err != nil {
		return reply{}, err
	}
	return reply{body: []byte(s.body), origin: s.origin, asOf: s.asOf, result: resultFound}, nil
}

// identified is the answer to call C.
type identified struct {
	ContractID string  `json:"contractId"`
	CustomerID string  `json:"customerId"`
	Level      *int    `json:"customerLegitimation,omitempty"`
	Message    *string `json:"customerLegitimationMessage,omitempty"`
}

// contractSearch answers call C. Nobody is the answer {}: to a search that fits none or several, and to a ticket that has found
// nobody too often, so that whoever guesses does not learn which of these it is.
func (a *api) contractSearch(ctx context.Context, input map[string]string, until time.Time) (reply, error) {
	attributes, given, err := attributes(input)
	if err != nil {
		return reply{}, err
	}
	ticket := input[fieldTicketID]
	if ticket == "" && a.tickets != nil {
		return reply{}, wrongInput("%s: is missing; Enneo gives it with every search by attributes, and failed searches are limited by it (LOOKUP_TICKET_ATTEMPTS).", fieldTicketID)
	}
	succeeded, allowed := a.tickets.Begin(ctx, ticket)
	if !allowed {
		a.metrics.limited.Add(ctx, 1)
		a.logger.WarnContext(ctx, "a ticket has found nobody too often and is not searched for any more")
		return reply{body: []byte("{}"), origin: fromModel, result: resultLimited, limited: true}, nil
	}
	m, found, err := a.finder.identify(ctx, &attributes, until)
	if err != nil {
		// Nothing was guessed: it was not answered.
		succeeded(ctx)
		return reply{}, err
	}
	if !found {
		return reply{body: []byte("{}"), origin: m.origin, asOf: m.asOf, result: resultNone}, nil
	}
	succeeded(ctx)
	answer := identified{ContractID: m.contractID, CustomerID: m.customerID}
	if level, message, ok := a.rules.Of(given, m.contract); ok {
		answer.Level = &level
		if message != "" {
			answer.Message = &message
		}
	}
	return reply{body: encode(answer), origin: m.origin, asOf: m.asOf, result: resultFound}, nil
}

// customerID is an element of the answer to call D.
type customerID struct {
	ID string `json:"id"`
}

// customerSearch answers call D.
func (a *api) customerSearch(ctx context.Context, input map[string]string, until time.Time) (reply, error) {
	limit, offset, err := pageOf(input)
	if err != nil {
		return reply{}, err
	}
	q := strings.TrimSpace(input[fieldQ])
	list := []customerID{}
	if q == "" {
		// As one types: nothing is typed yet.
		return reply{body: encode(list), origin: fromModel, result: resultNone}, nil
	}
	ids, from, err := a.finder.search(ctx, q, min(limit, model.PageSize), offset, until)
	if err != nil {
		return reply{}, err
	}
	result := resultNone
	for _, id := range ids {
		list = append(list, customerID{ID: id})
		result = resultFound
	}
	return reply{body: encode(list), origin: from, result: result}, nil
}
