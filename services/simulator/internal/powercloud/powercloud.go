// Package powercloud simulates the part of Powercloud's interface that enneo-bridge reads.
//
// Confirmed by public sources: the shape of the URL, "/rest:{context}/{hash}/{method}" with a hash of 32 hexadecimal
// digits; HTTP Basic with the user "{context}#{API user}"; the call getContractById?id= in the context client; the
// top-level success; the meter number at data.data.counterNumber; status 5000 for active and energy type 1 for electricity.
//
// Ours, for want of a source: the call getCustomerById; all other property names and statuses; energy type 2 for gas; how
// an unknown id, wrong credentials and other failures are answered; the property revision, which is there for tests.
package powercloud

import (
	"net/http"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	"github.com/enneo-ai/enneo-bridge/services/simulator/internal/directory"
	"github.com/enneo-ai/enneo-bridge/services/simulator/internal/exchange"
)

// Credentials are what the simulated instance expects.
type Credentials struct {
	// Hash is the 32 hexadecimal digits of the instance.
	Hash string
	// User is without the context.
	User, Password string
}

// success and failure are the envelope around every answer.
type success struct {
	Success bool `json:"success"`
	Data    any  `json:"data"`
}

type failure struct {
	Success bool   `json:"success"`
	Error   reason `json:"error"`
}

type reason struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// System returns the simulated Powercloud over the directory.
func System(d *directory.Directory, credentials Credentials) exchange.System {
	s := &system{directory: d, credentials: credentials}
	return exchange.System{
		Name: simclient.Powercloud, Prefix: "/powercloud",
		Authorized: s.authorized,
		Refused: func(*exchange.Call) exchange.Answer {
			return refuse(http.StatusUnauthorized, "unauthorized", "user or password is wrong")
		},
		Unknown: func(_ *exchange.Call, status int) exchange.Answer {
			return refuse(status, "unknown_method", "there is no such method")
		},
		Failed: func(_ *exchange.Call, status int) exchange.Answer {
			return refuse(status, "internal_error", "the request could not be processed")
		},
		Operations: []exchange.Operation{
			{
				Name: "get_contract", Method: http.MethodGet, Pattern: "/rest:client/{hash}/getContractById",
				Refs: exchange.QueryRef(key.Contract, "id"), Handle: s.forInstance(s.contract),
			},
			{
				Name: "get_customer", Method: http.MethodGet, Pattern: "/rest:client/{hash}/getCustomerById",
				Refs: exchange.QueryRef(key.Customer, "id"), Handle: s.forInstance(s.customer),
			},
		},
	}
}

type system struct {
	directory   *directory.Directory
	credentials Credentials
}

func (s *system) authorized(r *http.Request) bool {
	user, password, _ := r.BasicAuth()
	return exchange.SameSecret(user+"\x00"+password, "client#"+s.credentials.User+"\x00"+s.credentials.Password)
}

// forInstance lets pass only the calls that name the hash of this instance.
func (s *system) forInstance(handle func(*exchange.Call) exchange.Answer) func(*exchange.Call) exchange.Answer {
	return func(c *exchange.Call) exchange.Answer {
		if !exchange.SameSecret(c.Texts[0], s.credentials.Hash) {
			return refuse(http.StatusNotFound, "unknown_instance", "there is no such instance")
		}
		return handle(c)
	}
}

func (s *system) contract(c *exchange.Call) exchange.Answer {
	contract, found := s.directory.ServeContract(c.Query.Get("id"), c.Lag, c.WrongID)
	if !found {
		return notFound()
	}
	c.Revision = contract.Revision
	override := contract.Override
	contract.Override = nil
	return succeed(exchange.Object(contract, override))
}

func (s *system) customer(c *exchange.Call) exchange.Answer {
	customer, found := s.directory.ServeCustomer(c.Query.Get("id"), c.Lag, c.WrongID)
	if !found {
		return notFound()
	}
	c.Revision = customer.Revision
	override := customer.Override
	customer.Override = nil
	return succeed(exchange.Object(customer, override))
}

func succeed(object any) exchange.Answer {
	return exchange.JSON(http.StatusOK, success{Success: true, Data: map[string]any{"data": object}})
}

func notFound() exchange.Answer {
	return refuse(http.StatusOK, "not_found", "there is no record of this id")
}

func refuse(status int, code, message string) exchange.Answer {
	return exchange.JSON(status, failure{Error: reason{Code: code, Message: message}})
}
