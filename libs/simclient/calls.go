package simclient

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/enneo-ai/enneo-bridge/libs/key"
)

// Change changes contracts and customers of the simulated ERPs and returns their new revisions.
func (c *Client) Change(ctx context.Context, change Change) ([]Revision, error) {
	var answer Revisions
	err := c.do(ctx, http.MethodPost, "/change", nil, change, &answer)
	return answer.Revisions, err
}

// Contract returns a contract of the simulated ERPs.
func (c *Client) Contract(ctx context.Context, id string) (Contract, error) {
	var answer Contract
	err := c.do(ctx, http.MethodGet, entityPath(key.Contract, id), nil, nil, &answer)
	return answer, err
}

// Customer returns a customer of the simulated ERPs.
func (c *Client) Customer(ctx context.Context, id string) (Customer, error) {
	var answer Customer
	err := c.do(ctx, http.MethodGet, entityPath(key.Customer, id), nil, nil, &answer)
	return answer, err
}

// PutContract creates or replaces a contract and enters it at its customer, who is created if need be.
func (c *Client) PutContract(ctx context.Context, contract Contract) ([]Revision, error) {
	var answer Revisions
	err := c.do(ctx, http.MethodPut, entityPath(key.Contract, contract.ID), nil, contract, &answer)
	return answer.Revisions, err
}

// PutCustomer creates or replaces a customer.
func (c *Client) PutCustomer(ctx context.Context, customer Customer) ([]Revision, error) {
	var answer Revisions
	err := c.do(ctx, http.MethodPut, entityPath(key.Customer, customer.ID), nil, customer, &answer)
	return answer.Revisions, err
}

// Delete removes a contract (and its mention at its customer) or a customer from the simulated ERPs.
func (c *Client) Delete(ctx context.Context, ref Ref) ([]Revision, error) {
	var answer Revisions
	err := c.do(ctx, http.MethodDelete, entityPath(ref.Kind, ref.ID), nil, nil, &answer)
	return answer.Revisions, err
}

// IDs lists the ids of a kind in the order of their creation; limit 0 means all from offset on.
func (c *Client) IDs(ctx context.Context, kind key.Kind, offset, limit int) ([]string, error) {
	query := url.Values{"offset": {strconv.Itoa(offset)}, "limit": {strconv.Itoa(limit)}}
	var answer IDs
	err := c.do(ctx, http.MethodGet, "/"+string(kind)+"s", query, nil, &answer)
	return answer.IDs, err
}

// Generate adds contracts with their customers and returns the ids of the contracts.
func (c *Client) Generate(ctx context.Context, generate Generate) ([]string, error) {
	var answer IDs
	err := c.do(ctx, http.MethodPost, "/generate", nil, generate, &answer)
	return answer.IDs, err
}

// AddFault adds a rule and returns it with its id.
func (c *Client) AddFault(ctx context.Context, fault Fault) (Fault, error) {
	var answer Fault
	err := c.do(ctx, http.MethodPost, "/faults", nil, fault, &answer)
	return answer, err
}

// Faults lists the rules, also those whose count is used up.
func (c *Client) Faults(ctx context.Context) ([]FaultState, error) {
	var answer []FaultState
	err := c.do(ctx, http.MethodGet, "/faults", nil, nil, &answer)
	return answer, err
}

// ClearFault removes a rule; requests that it holds go on.
func (c *Client) ClearFault(ctx context.Context, id string) error {
	return c.do(ctx, http.MethodDelete, "/faults/"+url.PathEscape(id), nil, nil, nil)
}

// ClearFaults removes the rules of a system, or all of them if system is empty; requests that they hold go on.
func (c *Client) ClearFaults(ctx context.Context, system string) error {
	return c.do(ctx, http.MethodDelete, "/faults", url.Values{"system": {system}}, nil, nil)
}

// Release lets held requests go.
func (c *Client) Release(ctx context.Context, release Release) error {
	return c.do(ctx, http.MethodPost, "/release", nil, release, nil)
}

// AwaitHeld blocks until the rule holds at least n requests, and returns how many it holds.
func (c *Client) AwaitHeld(ctx context.Context, fault string, n int) (int, error) {
	var answer Count
	query := url.Values{"fault": {fault}, "atLeast": {strconv.Itoa(n)}}
	err := c.do(ctx, http.MethodGet, "/held", query, nil, &answer)
	return answer.Count, err
}

// AwaitRequests blocks until the journal holds at least n entries that the query selects, and returns how many it holds.
func (c *Client) AwaitRequests(ctx context.Context, query JournalQuery, n int) (int, error) {
	values := query.values()
	values.Set("atLeast", strconv.Itoa(n))
	var answer Count
	err := c.do(ctx, http.MethodGet, "/await", values, nil, &answer)
	return answer.Count, err
}

// EachEntry calls each with every entry of the journal that the query selects, in order, until it returns an error. The
// journal is streamed, so that its size does not matter.
func (c *Client) EachEntry(ctx context.Context, query JournalQuery, each func(Entry) error) error {
	return stream(ctx, c, "/journal", query.values(), each)
}

// Journal returns the entries that the query selects.
func (c *Client) Journal(ctx context.Context, query JournalQuery) ([]Entry, error) {
	var entries []Entry
	err := c.EachEntry(ctx, query, func(e Entry) error {
		entries = append(entries, e)
		return nil
	})
	return entries, err
}

// ResetJournal empties the journal and the list of writes and sets all counts of the summary to zero. What Enneo holds stays.
func (c *Client) ResetJournal(ctx context.Context) error {
	return c.do(ctx, http.MethodDelete, "/journal", nil, nil, nil)
}

// Writes returns what the simulated Enneo has written for a key, in order; a zero Ref means all keys.
func (c *Client) Writes(ctx context.Context, ref Ref) ([]Write, error) {
	var writes []Write
	query := url.Values{"kind": {string(ref.Kind)}, "id": {ref.ID}}
	err := stream(ctx, c, "/writes", query, func(w Write) error {
		writes = append(writes, w)
		return nil
	})
	return writes, err
}

// Summary returns the counts of all requests.
func (c *Client) Summary(ctx context.Context) (Summary, error) {
	var answer Summary
	err := c.do(ctx, http.MethodGet, "/summary", nil, nil, &answer)
	return answer, err
}

// Compare compares the end states of the ERP and Enneo.
func (c *Client) Compare(ctx context.Context, query CompareQuery) (Comparison, error) {
	values := url.Values{"system": {query.System}, "kind": {string(query.Kind)}, "enneoId": {query.EnneoID}}
	if query.Limit > 0 {
		values.Set("limit", strconv.Itoa(query.Limit))
	}
	var answer Comparison
	err := c.do(ctx, http.MethodGet, "/compare", values, nil, &answer)
	return answer, err
}

// Reset returns the simulator to the state after its start: generated data, no faults, empty journal, empty Enneo.
func (c *Client) Reset(ctx context.Context) error {
	return c.do(ctx, http.MethodPost, "/reset", nil, nil, nil)
}

func entityPath(kind key.Kind, id string) string {
	return "/" + string(kind) + "s/" + url.PathEscape(id)
}

func (q JournalQuery) values() url.Values {
	values := url.Values{
		"system": {q.System}, "operation": {q.Operation}, "kind": {string(q.Kind)}, "id": {q.ID},
		"since": {strconv.FormatInt(q.Since, 10)}, "limit": {strconv.Itoa(q.Limit)},
	}
	if q.Overlapped {
		values.Set("overlapped", "true")
	}
	if q.Regression {
		values.Set("regression", "true")
	}
	return values
}
