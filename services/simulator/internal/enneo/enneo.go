// Package enneo simulates the part of Enneo's own API ("Mind") that enneo-bridge uses.
//
// Confirmed by Enneo's documentation: base path, bearer token, GET /contract/{id} and its answer to an unknown id (HTTP 200
// with "contract_not_found"), GET /contract/search and that it answers an array with the single best match or an empty
// one, GET /customer/byCustomerId, byContractId and search, POST /customer/invalidateCache as a form, the webhook targets,
// GET /health, and which properties of a contract and customer are mandatory.
//
// Ours, for want of a source: PUT and DELETE of contracts and customers, and the answers to all writes; "customer_not_found";
// that the webhook targets need no token (a wrong one is refused) and that any JSON object is taken there; all bodies that
// say what is wrong; how the best match is found; that an unauthorised request is answered 401.
//
// It has no limit of requests: faults do that. It does not read from an ERP by itself.
package enneo

import (
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	"github.com/enneo-ai/enneo-bridge/services/simulator/internal/exchange"
	"github.com/enneo-ai/enneo-bridge/services/simulator/internal/journal"
)

// Options of the simulated Enneo.
type Options struct {
	// Token is the bearer token that it expects.
	Token   string
	Store   *Store
	Journal *journal.Journal
	Now     func() time.Time
	// GoneAt is the revision with which a key went from the ERP, 0 if it did not: what a justified delete stands for.
	GoneAt func(simclient.Ref) int64
}

// status is the envelope of everything that is no contract or customer.
type status struct {
	Success bool   `json:"success"`
	Code    string `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
	// Field is the property at fault.
	Field string `json:"field,omitempty"`
	ID    string `json:"id,omitempty"`
}

// System returns the simulated Enneo.
func System(o Options) exchange.System {
	s := &system{o}
	byID := func(kind key.Kind) func(*exchange.Call) []simclient.Ref { return exchange.TextRef(kind, 0) }
	return exchange.System{
		Name: simclient.Enneo, Prefix: "/enneo/api/mind",
		Authorized: func(r *http.Request) bool {
			return exchange.SameSecret(r.Header.Get("Authorization"), "Bearer "+o.Token)
		},
		Refused: func(*exchange.Call) exchange.Answer {
			return refuse(http.StatusUnauthorized, "unauthorized", "the token is missing or wrong", "")
		},
		Unknown: func(_ *exchange.Call, code int) exchange.Answer {
			return refuse(code, "not_found", "there is no such operation", "")
		},
		Failed: func(_ *exchange.Call, code int) exchange.Answer {
			return refuse(code, "internal_error", "the request could not be processed", "")
		},
		Operations: []exchange.Operation{
			{Name: "put_contract", Method: http.MethodPut, Pattern: "/contract/{id}", Refs: byID(key.Contract), Write: true, Handle: s.put},
			{Name: "delete_contract", Method: http.MethodDelete, Pattern: "/contract/{id}", Refs: byID(key.Contract), Write: true, Handle: s.delete},
			{Name: "put_customer", Method: http.MethodPut, Pattern: "/customer/{id}", Refs: byID(key.Customer), Write: true, Handle: s.put},
			{Name: "delete_customer", Method: http.MethodDelete, Pattern: "/customer/{id}", Refs: byID(key.Customer), Write: true, Handle: s.delete},
			{Name: "invalidate_cache", Method: http.MethodPost, Pattern: "/customer/invalidateCache", Refs: formRefs, RefsInBody: true, Write: true, Handle: s.invalidate},
			{Name: "webhook_powercloud", Method: http.MethodPost, Pattern: "/webhook/powercloud", Refs: webhookRefs, RefsInBody: true, Write: true, Open: true, Handle: s.webhook},
			{Name: "webhook_lynqtech", Method: http.MethodPost, Pattern: "/webhook/lynqtech", Refs: webhookRefs, RefsInBody: true, Write: true, Open: true, Handle: s.webhook},
			{Name: "search_contract", Method: http.MethodGet, Pattern: "/contract/search", Handle: s.searchContract},
			{Name: "get_contract", Method: http.MethodGet, Pattern: "/contract/{id}", Refs: byID(key.Contract), Handle: s.get},
			{Name: "search_customer", Method: http.MethodGet, Pattern: "/customer/search", Handle: s.searchCustomer},
			{Name: "get_customer", Method: http.MethodGet, Pattern: "/customer/byCustomerId/{id}", Refs: byID(key.Customer), Handle: s.get},
			{Name: "get_customer_by_contract", Method: http.MethodGet, Pattern: "/customer/byContractId/{id}", Refs: byID(key.Contract), Handle: s.customerOf},
			{Name: "health", Method: http.MethodGet, Pattern: "/health", Open: true, Handle: func(*exchange.Call) exchange.Answer {
				return exchange.JSON(http.StatusOK, status{Success: true})
			}},
		},
	}
}

type system struct{ Options }

// put creates or replaces what is under a key.
func (s *system) put(c *exchange.Call) exchange.Answer {
	ref := c.Refs[0]
	body, revision, problem := check(ref, c.Body)
	if problem != nil {
		return *problem
	}
	c.Revision = revision
	existed, regression := s.Store.write(ref, body, revision, s.note("put", ref, revision, body))
	c.Regression = regression
	code := http.StatusCreated
	if existed {
		code = http.StatusOK
	}
	return exchange.JSON(code, status{Success: true, ID: s.answerID(c)})
}

// answerID is the id that an answer names: another one under the fault "wrong_id".
func (s *system) answerID(c *exchange.Call) string {
	id := c.Refs[0].ID
	if c.WrongID {
		id = "not-" + id
	}
	return id
}

// delete removes what is under a key; it succeeds as well if there is nothing.
func (s *system) delete(c *exchange.Call) exchange.Answer {
	ref := c.Refs[0]
	// A delete brings no revision. If the ERP has no such key any more, it stands for the revision with which the key went:
	// a put of an older one after it is as wrong as after a newer put.
	existed, _ := s.Store.write(ref, nil, s.GoneAt(ref), s.note("delete", ref, 0, nil))
	answer := status{Success: true, ID: s.answerID(c)}
	if !existed {
		answer.Code = notFound(ref.Kind)
	}
	return exchange.JSON(http.StatusOK, answer)
}

// invalidate takes note that the cache of a contract, a customer or both is to be dropped.
func (s *system) invalidate(c *exchange.Call) exchange.Answer {
	mediaType, _, err := mime.ParseMediaType(c.Request.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/x-www-form-urlencoded" {
		return refuse(http.StatusUnsupportedMediaType, "invalid_request", "the body must be form-encoded", "")
	}
	if len(c.Refs) == 0 {
		return refuse(http.StatusBadRequest, "invalid_request", "name a contractId or a customerId", "contractId")
	}
	for _, ref := range c.Refs {
		s.note("invalidate_cache", ref, 0, nil)()
	}
	return exchange.JSON(http.StatusOK, status{Success: true})
}

// webhook takes a notification, whatever it says.
func (s *system) webhook(c *exchange.Call) exchange.Answer {
	if c.Request.Header.Get("Authorization") != "" && !exchange.SameSecret(c.Request.Header.Get("Authorization"), "Bearer "+s.Token) {
		return refuse(http.StatusUnauthorized, "unauthorized", "the token is wrong", "")
	}
	var body map[string]json.RawMessage
	if json.Unmarshal(c.Body, &body) != nil || body == nil {
		return refuse(http.StatusBadRequest, "invalid_request", "the body must be a JSON object", "")
	}
	for _, ref := range c.Refs {
		s.note("webhook", ref, 0, c.Body)()
	}
	return exchange.JSON(http.StatusOK, status{Success: true})
}

// get answers with what is under a key.
func (s *system) get(c *exchange.Call) exchange.Answer {
	ref := c.Refs[0]
	if c.WrongID {
		s.Store.each(ref.Kind, func(other simclient.Ref, _ json.RawMessage) bool {
			if other.ID != c.Refs[0].ID {
				ref = other
				return false
			}
			return true
		})
	}
	body := s.Store.Get(ref)
	if body == nil {
		return exchange.JSON(http.StatusOK, status{Success: true, Code: notFound(ref.Kind)})
	}
	if c.Query.Get("includeRawData") != "true" {
		body = without(body, "rawData")
	}
	return exchange.JSON(http.StatusOK, body)
}

func notFound(kind key.Kind) string { return string(kind) + "_not_found" }

// note returns a function that writes down a write.
func (s *system) note(operation string, ref simclient.Ref, revision int64, body []byte) func() {
	return func() {
		s.Journal.AppendWrite(simclient.Write{
			Operation: operation, Kind: ref.Kind, ID: ref.ID, Revision: revision, AtNS: s.Now().UnixNano(), Body: body,
		})
	}
}

func formRefs(c *exchange.Call) []simclient.Ref {
	form, err := url.ParseQuery(string(c.Body))
	if err != nil {
		return nil
	}
	var refs []simclient.Ref
	if id := form.Get("contractId"); id != "" {
		refs = append(refs, simclient.Ref{Kind: key.Contract, ID: id})
	}
	if id := form.Get("customerId"); id != "" {
		refs = append(refs, simclient.Ref{Kind: key.Customer, ID: id})
	}
	return refs
}

func refuse(code int, word, message, field string) exchange.Answer {
	return exchange.JSON(code, status{Code: word, Message: message, Field: field})
}
