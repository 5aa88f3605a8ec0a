package control

import (
	"net/http"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	"github.com/enneo-ai/enneo-bridge/services/simulator/internal/endstate"
)

// calls lists everything that the API offers.
func (a *API) calls() []*call {
	return []*call{
		{method: http.MethodGet, pattern: "/", help: "this page", stream: a.help},

		{method: http.MethodPost, pattern: "/change", handle: a.change, help: `change records in the ERPs: {"contracts":[id],"customers":[id],"statusId":6000,"patch":{property:value}}; answers the new revisions`},
		{method: http.MethodPost, pattern: "/generate", handle: a.generate, help: `add contracts with customers: {"contracts":n,"hostile":true}; hostile adds records with unpleasant ids`},
		{method: http.MethodGet, pattern: "/contracts", handle: a.ids(key.Contract), help: "ids of the contracts; ?offset=&limit="},
		{method: http.MethodGet, pattern: "/contracts/{id}", handle: a.contract, help: "a contract as the ERPs hold it"},
		{method: http.MethodPut, pattern: "/contracts/{id}", handle: a.putContract, help: `create or replace a contract; "override" puts properties into the ERPs' answers as they are`},
		{method: http.MethodDelete, pattern: "/contracts/{id}", handle: a.remove(key.Contract), help: "delete a contract in the ERPs, and its mention at its customer"},
		{method: http.MethodGet, pattern: "/customers", handle: a.ids(key.Customer), help: "ids of the customers; ?offset=&limit="},
		{method: http.MethodGet, pattern: "/customers/{id}", handle: a.customer, help: "a customer as the ERPs hold it"},
		{method: http.MethodPut, pattern: "/customers/{id}", handle: a.putCustomer, help: "create or replace a customer"},
		{method: http.MethodDelete, pattern: "/customers/{id}", handle: a.remove(key.Customer), help: "delete a customer in the ERPs"},

		{method: http.MethodPost, pattern: "/faults", handle: a.addFault, help: "add a rule that disturbs requests; see below"},
		{method: http.MethodGet, pattern: "/faults", handle: a.faults, help: "the rules, how often each was applied, and how many requests it holds"},
		{method: http.MethodDelete, pattern: "/faults", handle: a.clearFaults, help: "remove the rules of ?system=, or all; held requests go on"},
		{method: http.MethodDelete, pattern: "/faults/{id}", handle: a.clearFault, help: "remove one rule; held requests go on"},
		{method: http.MethodPost, pattern: "/release", handle: a.release, help: `let held requests go: {"fault":id,"requests":n}; without fault: of all rules; without requests: all, and the rule ends`},
		{method: http.MethodGet, pattern: "/held", handle: a.held, help: "wait until ?fault= holds ?atLeast= requests"},

		{method: http.MethodGet, pattern: "/journal", stream: a.journal, help: "every request, one JSON object a line; ?system=&operation=&kind=&id=&since=(sequence)&limit=&overlapped=true&regression=true"},
		{method: http.MethodDelete, pattern: "/journal", handle: a.resetJournal, help: "empty the journal and the writes, and count from zero"},
		{method: http.MethodGet, pattern: "/await", handle: a.await, help: "wait until the journal holds ?atLeast= entries; parameters as for the journal"},
		{method: http.MethodGet, pattern: "/writes", stream: a.writes, help: "what Enneo has written, in order and with content, one JSON object a line; ?kind=&id="},
		{method: http.MethodGet, pattern: "/summary", handle: a.summary, help: "counts by system, operation, status and id; overlaps; regressions"},
		{method: http.MethodGet, pattern: "/compare", handle: a.compare, help: "how Enneo's end state differs from the ERP's, for all keys that Enneo was told of or that changed; ?system=generic&kind=&enneoId={id}&limit="},
		{method: http.MethodPost, pattern: "/reset", handle: a.reset, help: "back to the state after the start: generated data, no faults, empty journal, empty Enneo"},
	}
}

func (a *API) change(r *request) (any, error) {
	change, err := decode[simclient.Change](r)
	if err != nil {
		return nil, err
	}
	if len(change.Contracts)+len(change.Customers) == 0 {
		return nil, refuse(http.StatusBadRequest, "name at least one id in contracts or customers")
	}
	revisions, err := a.Directory.Change(change)
	return simclient.Revisions{Revisions: revisions}, err
}

func (a *API) generate(r *request) (any, error) {
	generate, err := decode[simclient.Generate](r)
	if err != nil {
		return nil, err
	}
	if generate.Contracts < 0 || generate.Contracts > maxGenerated {
		return nil, refuse(http.StatusBadRequest, "contracts must be between 0 and %d", maxGenerated)
	}
	ids := a.Directory.Generate(generate.Contracts)
	if generate.Hostile {
		ids = append(ids, a.Directory.Hostile()...)
	}
	return simclient.IDs{IDs: ids}, nil
}

// maxGenerated bounds one request for more contracts.
const maxGenerated = 1_000_000

func (a *API) ids(kind key.Kind) func(*request) (any, error) {
	return func(r *request) (any, error) {
		offset, err := r.number("offset")
		if err != nil {
			return nil, err
		}
		limit, err := r.number("limit")
		return simclient.IDs{IDs: a.Directory.IDs(kind, offset, limit)}, err
	}
}

func (a *API) contract(r *request) (any, error) {
	contract, found := a.Directory.Contract(r.texts[0], 0)
	if !found {
		return nil, refuse(http.StatusNotFound, "there is no such contract")
	}
	return contract, nil
}

func (a *API) customer(r *request) (any, error) {
	customer, found := a.Directory.Customer(r.texts[0], 0)
	if !found {
		return nil, refuse(http.StatusNotFound, "there is no such customer")
	}
	return customer, nil
}

func (a *API) putContract(r *request) (any, error) {
	contract, err := decode[simclient.Contract](r)
	switch {
	case err != nil:
		return nil, err
	case contract.CustomerID == "":
		return nil, refuse(http.StatusBadRequest, "a contract needs a customerId")
	case contract.ID != "" && contract.ID != r.texts[0]:
		return nil, refuse(http.StatusBadRequest, "the id must be that of the path")
	}
	contract.ID = r.texts[0]
	return simclient.Revisions{Revisions: a.Directory.PutContract(contract)}, nil
}

func (a *API) putCustomer(r *request) (any, error) {
	customer, err := decode[simclient.Customer](r)
	switch {
	case err != nil:
		return nil, err
	case customer.ID != "" && customer.ID != r.texts[0]:
		return nil, refuse(http.StatusBadRequest, "the id must be that of the path")
	}
	customer.ID = r.texts[0]
	return simclient.Revisions{Revisions: a.Directory.PutCustomer(customer)}, nil
}

func (a *API) remove(kind key.Kind) func(*request) (any, error) {
	return func(r *request) (any, error) {
		revisions, err := a.Directory.Delete(simclient.Ref{Kind: kind, ID: r.texts[0]})
		return simclient.Revisions{Revisions: revisions}, err
	}
}

func (a *API) addFault(r *request) (any, error) {
	fault, err := decode[simclient.Fault](r)
	if err != nil {
		return nil, err
	}
	return a.Faults.Add(fault)
}

func (a *API) faults(*request) (any, error) { return a.Faults.List(), nil }

func (a *API) clearFaults(r *request) (any, error) {
	a.Faults.ClearSystem(r.query.Get("system"))
	return nil, nil
}

func (a *API) clearFault(r *request) (any, error) { return nil, a.Faults.Clear(r.texts[0]) }

func (a *API) release(r *request) (any, error) {
	release, err := decode[simclient.Release](r)
	if err != nil {
		return nil, err
	}
	return nil, a.Faults.Release(release)
}

func (a *API) held(r *request) (any, error) {
	n, err := r.number("atLeast")
	if err != nil {
		return nil, err
	}
	held, err := a.Faults.AwaitHeld(r.Context(), r.query.Get("fault"), n)
	return simclient.Count{Count: held}, err
}

func (a *API) summary(*request) (any, error) {
	summary := a.Journal.Summary()
	summary.Contracts, summary.Customers = a.Directory.Count()
	return summary, nil
}

func (a *API) compare(r *request) (any, error) {
	kind, err := r.kind()
	if err != nil {
		return nil, err
	}
	limit, err := r.number("limit")
	if err != nil {
		return nil, err
	}
	return endstate.Compare(a.Directory, a.Store, simclient.CompareQuery{
		System: r.query.Get("system"), Kind: kind, EnneoID: r.query.Get("enneoId"), Limit: limit,
	})
}

func (a *API) resetJournal(*request) (any, error) {
	a.Journal.Reset()
	return nil, nil
}

func (a *API) reset(*request) (any, error) {
	// The faults first: what they hold ends up in the old state.
	a.Faults.ClearSystem("")
	a.Directory.Reset()
	a.Store.Reset()
	a.Journal.Reset()
	return nil, nil
}
