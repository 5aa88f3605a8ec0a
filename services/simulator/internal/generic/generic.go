// Package generic simulates an ERP whose interface speaks Enneo's own property names.
//
// Confirmed by Enneo's documentation: the names of the properties and what they hold (docs.enneo.ai, read 2026-11).
//
// Ours: paths, bearer token, paging and errors, which are those that enneo-bridge proposes to whoever builds such an
// interface; the statuses other than "active"; in lists the properties changedAt and deleted; the property revision, which
// is there for tests.
package generic

import (
	"net/http"
	"strconv"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	"github.com/enneo-ai/enneo-bridge/services/simulator/internal/directory"
	"github.com/enneo-ai/enneo-bridge/services/simulator/internal/exchange"
)

// Lists hold so many items unless limit says otherwise, and at most so many.
const (
	defaultLimit = 100
	maxLimit     = 1000
)

type list struct {
	Items []any `json:"items"`
	// NextCursor is null on the last page.
	NextCursor simclient.Optional `json:"nextCursor"`
	// Total is the number of items on all pages; only a list of everything says it.
	Total int `json:"total,omitempty"`
}

type listedContract struct {
	Contract
	ChangedAt time.Time `json:"changedAt"`
	Deleted   bool      `json:"deleted,omitempty"`
}

type listedCustomer struct {
	Customer
	ChangedAt time.Time `json:"changedAt"`
	Deleted   bool      `json:"deleted,omitempty"`
}

// System returns the simulated ERP over the directory; it expects the bearer token.
func System(d *directory.Directory, token string) exchange.System {
	s := &system{directory: d}
	return exchange.System{
		Name: simclient.Generic, Prefix: "/generic",
		Authorized: func(r *http.Request) bool { return exchange.SameSecret(r.Header.Get("Authorization"), "Bearer "+token) },
		Refused: func(*exchange.Call) exchange.Answer {
			return refuse(http.StatusUnauthorized, "the token is missing or wrong")
		},
		Unknown: func(_ *exchange.Call, status int) exchange.Answer {
			return refuse(status, "there is no such operation")
		},
		Failed: func(_ *exchange.Call, status int) exchange.Answer {
			return refuse(status, "the request could not be processed")
		},
		Operations: []exchange.Operation{
			{Name: "list_contracts", Method: http.MethodGet, Pattern: "/contracts", Handle: s.contracts},
			{Name: "list_customers", Method: http.MethodGet, Pattern: "/customers", Handle: s.customers},
			{
				Name: "get_contract", Method: http.MethodGet, Pattern: "/contracts/{id}",
				Refs: exchange.TextRef(key.Contract, 0), Handle: s.contract,
			},
			{
				Name: "get_customer", Method: http.MethodGet, Pattern: "/customers/{id}",
				Refs: exchange.TextRef(key.Customer, 0), Handle: s.customer,
			},
		},
	}
}

type system struct {
	directory *directory.Directory
}

func (s *system) contract(c *exchange.Call) exchange.Answer {
	found, ok := s.directory.ServeContract(c.Texts[0], c.Lag, c.WrongID)
	if !ok {
		return refuse(http.StatusNotFound, "there is no contract of this id")
	}
	c.Revision = found.Revision
	return exchange.JSON(http.StatusOK, exchange.Object(ContractOf(&found), found.Override))
}

func (s *system) customer(c *exchange.Call) exchange.Answer {
	found, ok := s.directory.ServeCustomer(c.Texts[0], c.Lag, c.WrongID)
	if !ok {
		return refuse(http.StatusNotFound, "there is no customer of this id")
	}
	c.Revision = found.Revision
	return exchange.JSON(http.StatusOK, exchange.Object(CustomerOf(&found), found.Override))
}

func (s *system) contracts(c *exchange.Call) exchange.Answer {
	page, search, problem := query(c)
	if problem != "" {
		return refuse(http.StatusBadRequest, problem)
	}
	contracts, _ := s.directory.Count()
	return respond(s.directory.Contracts(page, search.Contract), total(contracts, page, search), func(i *directory.Item[simclient.Contract]) any {
		return exchange.Object(listedContract{ContractOf(&i.Value), i.ChangedAt, i.Gone}, i.Value.Override)
	})
}

func (s *system) customers(c *exchange.Call) exchange.Answer {
	page, search, problem := query(c)
	if problem != "" {
		return refuse(http.StatusBadRequest, problem)
	}
	_, customers := s.directory.Count()
	return respond(s.directory.Customers(page, search.Customer), total(customers, page, search), func(i *directory.Item[simclient.Customer]) any {
		return exchange.Object(listedCustomer{CustomerOf(&i.Value), i.ChangedAt, i.Gone}, i.Value.Override)
	})
}

// query reads the parameters of a list; problem says what is wrong with them.
func query(c *exchange.Call) (page directory.Page, search directory.Attributes, problem string) {
	q := c.Query
	page = directory.Page{Limit: defaultLimit, Lag: c.Lag}
	search = directory.Attributes{
		ContractID: q.Get("contractId"), CustomerID: q.Get("customerId"), Firstname: q.Get("firstname"), Lastname: q.Get("lastname"),
		Company: q.Get("company"), Email: q.Get("email"), Phone: q.Get("phone"), MeterNumber: q.Get("meterNumber"),
		Address: q.Get("address"), PostalCode: q.Get("postalCode"), City: q.Get("city"), Q: q.Get("q"),
	}
	if text := q.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return page, search, "limit must be a number from 1 on"
		}
		page.Limit = min(n, maxLimit)
	}
	if text := q.Get("changedSince"); text != "" {
		since, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return page, search, "changedSince must be a time such as 2006-01-02T15:04:05Z"
		}
		page.Since = since
	}
	if text := q.Get("cursor"); text != "" {
		after, err := strconv.ParseInt(text, 36, 64)
		if err != nil || after < 0 {
			return page, search, "cursor must be a nextCursor of an answer"
		}
		page.After = after
	}
	return page, search, ""
}

// total is what a list says about its length: that of everything is known.
func total(live int, page directory.Page, search directory.Attributes) int {
	if !page.Since.IsZero() || !search.IsZero() {
		return 0
	}
	return live
}

func respond[T any](found directory.List[T], total int, item func(*directory.Item[T]) any) exchange.Answer {
	result := list{Items: make([]any, 0, len(found.Items)), Total: total}
	for i := range found.Items {
		result.Items = append(result.Items, item(&found.Items[i]))
	}
	if found.More {
		result.NextCursor = simclient.Optional(strconv.FormatInt(found.Last, 36))
	}
	return exchange.JSON(http.StatusOK, result)
}

func refuse(status int, message string) exchange.Answer {
	return exchange.JSON(status, map[string]string{"error": message})
}
