// Package lynqtech simulates the part of LynqTech's interface that enneo-bridge reads.
//
// Confirmed by public sources, for neighbouring services or for a published sample service in its house style only:
// /v1/customer and /v1/customer/find?firstName=&lastName=&email=; lists as {"pagination":{"limit","offset","totalRows"},
// "items"}; an empty list rather than 404; errors as {"message","code","request_id"}; the header X-Request-ID.
//
// Ours, for want of a source: the header X-Api-Key; the path /v1/contract/{id}; all property names and statuses of contracts
// and customers; ids that are no UUIDs; the property revision, which is there for tests.
package lynqtech

import (
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	"github.com/enneo-ai/enneo-bridge/services/simulator/internal/directory"
	"github.com/enneo-ai/enneo-bridge/services/simulator/internal/exchange"
)

type address struct {
	Street      string `json:"street"`
	HouseNumber string `json:"houseNumber"`
	Zip         string `json:"zip"`
	City        string `json:"city"`
}

type party struct {
	Business        bool               `json:"business"`
	FirstName       simclient.Optional `json:"firstName"`
	LastName        simclient.Optional `json:"lastName"`
	Company         simclient.Optional `json:"company"`
	Email           simclient.Optional `json:"email"`
	Phone           simclient.Optional `json:"phone"`
	DeliveryAddress address            `json:"deliveryAddress"`
	BillingAddress  *address           `json:"billingAddress"`
}

type contract struct {
	ID         string `json:"id"`
	CustomerID string `json:"customerId"`
	party
	Status         string             `json:"status"`
	Energy         string             `json:"energy"`
	MeterNumber    string             `json:"meterNumber"`
	IBAN           string             `json:"iban"`
	MonthlyDeposit float64            `json:"monthlyDeposit"`
	StartDate      string             `json:"startDate"`
	EndDate        simclient.Optional `json:"endDate"`
	Consumption    int                `json:"consumption"`
	ProductName    string             `json:"productName"`
	ProductCode    string             `json:"productCode"`
	Revision       int64              `json:"revision"`
}

type customer struct {
	ID string `json:"id"`
	party
	ContractIDs []string `json:"contractIds"`
	Revision    int64    `json:"revision"`
}

type pagination struct {
	Limit     int `json:"limit"`
	Offset    int `json:"offset"`
	TotalRows int `json:"totalRows"`
}

type list struct {
	Pagination pagination `json:"pagination"`
	Items      []any      `json:"items"`
}

type problem struct {
	Message   string `json:"message"`
	Code      string `json:"code"`
	RequestID string `json:"request_id"`
}

// System returns the simulated LynqTech over the directory; it expects the API key.
func System(d *directory.Directory, apiKey string) exchange.System {
	s := &system{directory: d}
	return exchange.System{
		Name: simclient.LynqTech, Prefix: "/lynqtech",
		Authorized: func(r *http.Request) bool { return exchange.SameSecret(r.Header.Get("X-Api-Key"), apiKey) },
		Refused: func(c *exchange.Call) exchange.Answer {
			return s.refuse(c, http.StatusUnauthorized, "UNAUTHORIZED", "the API key is missing or wrong")
		},
		Unknown: func(c *exchange.Call, status int) exchange.Answer {
			return s.refuse(c, status, "NOT_SUPPORTED", "there is no such operation")
		},
		Failed: func(c *exchange.Call, status int) exchange.Answer {
			return s.refuse(c, status, "INTERNAL_ERROR", "the request could not be processed")
		},
		Operations: []exchange.Operation{
			{
				Name: "find_customers", Method: http.MethodGet, Pattern: "/v1/customer/find",
				Handle: s.find,
			},
			{
				Name: "get_contract", Method: http.MethodGet, Pattern: "/v1/contract/{id}",
				Refs: exchange.TextRef(key.Contract, 0), Handle: s.contract,
			},
			{
				Name: "get_customer", Method: http.MethodGet, Pattern: "/v1/customer/{id}",
				Refs: exchange.TextRef(key.Customer, 0), Handle: s.customer,
			},
		},
	}
}

type system struct {
	directory *directory.Directory
	requests  atomic.Uint64
}

func (s *system) contract(c *exchange.Call) exchange.Answer {
	found, ok := s.directory.ServeContract(c.Texts[0], c.Lag, c.WrongID)
	if !ok {
		return s.refuse(c, http.StatusNotFound, "NOT_FOUND", "there is no contract of this id")
	}
	c.Revision = found.Revision
	return s.answer(c, exchange.Object(contractOf(&found), found.Override))
}

func (s *system) customer(c *exchange.Call) exchange.Answer {
	found, ok := s.directory.ServeCustomer(c.Texts[0], c.Lag, c.WrongID)
	if !ok {
		return s.refuse(c, http.StatusNotFound, "NOT_FOUND", "there is no customer of this id")
	}
	c.Revision = found.Revision
	return s.answer(c, exchange.Object(customerOf(&found), found.Override))
}

func (s *system) find(c *exchange.Call) exchange.Answer {
	search := directory.Attributes{Firstname: c.Query.Get("firstName"), Lastname: c.Query.Get("lastName"), Email: c.Query.Get("email")}
	limit, offset := number(c.Query.Get("limit"), 20, 100), number(c.Query.Get("offset"), 0, 1<<30)
	result := list{Pagination: pagination{Limit: limit, Offset: offset}, Items: []any{}}
	if search.IsZero() {
		return s.refuse(c, http.StatusBadRequest, "MISSING_PARAMETER", "name at least one of firstName, lastName, email")
	}
	all := s.directory.Customers(directory.Page{Lag: c.Lag}, search.Customer).Items
	result.Pagination.TotalRows = len(all)
	for _, item := range all[min(offset, len(all)):min(offset+limit, len(all))] {
		result.Items = append(result.Items, exchange.Object(customerOf(&item.Value), item.Value.Override))
	}
	return s.answer(c, result)
}

// number reads a parameter that is at least 0 and at most most; what is none becomes the default.
func number(text string, otherwise, most int) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return otherwise
	}
	return min(n, most)
}

func (s *system) answer(c *exchange.Call, value any) exchange.Answer {
	answer := exchange.JSON(http.StatusOK, value)
	answer.Header["X-Request-ID"] = []string{s.requestID(c)}
	return answer
}

func (s *system) refuse(c *exchange.Call, status int, code, message string) exchange.Answer {
	id := s.requestID(c)
	answer := exchange.JSON(status, problem{Message: message, Code: code, RequestID: id})
	answer.Header["X-Request-ID"] = []string{id}
	return answer
}

// requestID is the caller's, or a new one.
func (s *system) requestID(c *exchange.Call) string {
	if id := c.Request.Header.Get("X-Request-ID"); id != "" {
		return id
	}
	return fmt.Sprintf("00000000-0000-4000-8000-%012x", s.requests.Add(1))
}

// Status is LynqTech's word for a status.
func Status(id int) string {
	switch id {
	case 1000, 3000:
		return "PENDING"
	case simclient.StatusActive:
		return "ACTIVE"
	case 6000:
		return "CANCELLED"
	case 7000:
		return "ENDED"
	default:
		return "STATUS_" + strconv.Itoa(id)
	}
}

func contractOf(c *simclient.Contract) contract {
	energy := "electricity"
	if c.EnergyTypeID == simclient.Gas {
		energy = "gas"
	}
	return contract{
		ID: c.ID, CustomerID: c.CustomerID, party: partyOf(&c.Party, &c.Addresses), Status: Status(c.StatusID), Energy: energy,
		MeterNumber: c.CounterNumber, IBAN: c.IBAN, MonthlyDeposit: c.MonthlyDeposit, StartDate: c.StartDate, EndDate: c.EndDate,
		Consumption: c.Consumption, ProductName: c.ProductName, ProductCode: c.ProductCode, Revision: c.Revision,
	}
}

func customerOf(c *simclient.Customer) customer {
	return customer{ID: c.ID, party: partyOf(&c.Party, &c.Addresses), ContractIDs: c.ContractIDs, Revision: c.Revision}
}

func partyOf(p *simclient.Party, a *simclient.Addresses) party {
	result := party{
		Business: p.Business, FirstName: p.Firstname, LastName: p.Lastname, Company: p.Company, Email: p.Email, Phone: p.Phone,
		DeliveryAddress: address{Street: a.DeliveryStreet, HouseNumber: a.DeliveryHouseNumber, Zip: a.DeliveryZip, City: a.DeliveryCity},
	}
	if a.BillingStreet != "" {
		result.BillingAddress = &address{
			Street: string(a.BillingStreet), HouseNumber: string(a.BillingHouseNumber), Zip: string(a.BillingZip), City: string(a.BillingCity),
		}
	}
	return result
}
