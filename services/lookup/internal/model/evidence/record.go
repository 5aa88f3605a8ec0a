// Package evidence decides whether a contract is the one that a question means. It compares attribute by attribute, rules out
// what contradicts, tells whether what is left is enough to name a contract, and never chooses between equals.
//
// # What is enough
//
// One of these, in this order: the contract's id; its meter number; the customer's id; an e-mail address; a telephone number; a name together
// with street, house number and postal code or, if no postal code is given, town. A name is never enough, and neither is an address.
//
// # What rules a contract out
//
// Another contract id, customer id or meter number, unless it is one typing error away and belongs to nobody else; another postal code; clearly
// another last name or company; another value of a custom attribute that the contract has. Clearly another first name rules out as well,
// unless an id was given: who writes about the contract of somebody in the family knows its number.
// Another e-mail address, telephone number, street or town is worth less than none, and rules nothing out: people have several, and move.
//
// # Tolerance
//
// Names and addresses may have two typing errors altogether. A last name that is not exact, without a first name, is nothing. A first name
// that is another common name is no typing error, and nor is a difference in the first or last letter, or in a name of four letters: "Martin" and
// "Martina" live together, and so do "Lena" and "Lina".
//
// # Equals
//
// A contract is named if it is no worse than each other one in every attribute, and better in one.
//
// # Concurrency
//
// Everything is a pure function or a value that is not changed once made, safe for concurrent use.
package evidence

import (
	"encoding/json"
	"fmt"

	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/model/german"
)

// Record is what a contract or customer says about who and where it is.
type Record struct {
	ID, CustomerID string
	First, Last    []string
	Company        german.Company
	Emails, Phones []string
	Meter          string
	// Delivery and Billing are empty if they are not known; a billing address that is missing is the delivery address.
	Delivery, Billing german.Address
	Zip               string
	body              string
}

// structure is Enneo's structure with every property as it was written, since ERPs write numbers for texts.
type structure struct {
	ID              json.RawMessage `json:"id"`
	CustomerID      json.RawMessage `json:"customerId"`
	Firstname       json.RawMessage `json:"firstname"`
	Lastname        json.RawMessage `json:"lastname"`
	Company         json.RawMessage `json:"company"`
	Email           json.RawMessage `json:"email"`
	Phone           json.RawMessage `json:"phone"`
	DeliveryAddress json.RawMessage `json:"deliveryAddress"`
	BillingAddress  json.RawMessage `json:"billingAddress"`
	Zip             json.RawMessage `json:"zip"`
	CounterNumber   json.RawMessage `json:"counterNumber"`
	MeterNumber     json.RawMessage `json:"meterNumber"`
}

// Read takes a structure of Enneo's apart.
func Read(body string) (*Record, error) {
	var s structure
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		return nil, fmt.Errorf("read the structure: %w", err)
	}
	r := &Record{
		ID: text(s.ID), CustomerID: text(s.CustomerID), First: german.Name(text(s.Firstname)), Last: german.Name(text(s.Lastname)),
		Company: german.ParseCompany(text(s.Company)), Phones: german.Phones(text(s.Phone)),
		Meter: german.Meter(text(s.CounterNumber)), Zip: german.Zip(text(s.Zip)), body: body,
	}
	if r.Meter == "" {
		r.Meter = german.Meter(text(s.MeterNumber))
	}
	if email := german.Email(text(s.Email)); email != "" {
		r.Emails = []string{email}
	}
	r.Delivery, r.Billing = german.ParseAddress(text(s.DeliveryAddress)), german.ParseAddress(text(s.BillingAddress))
	if r.Delivery.Zip == "" {
		r.Delivery.Zip = r.Zip
	}
	return r, nil
}

// Property is a property of the structure as text; false if there is none, or if it is no single value.
func (r *Record) Property(name string) (string, bool) {
	var all map[string]json.RawMessage
	if json.Unmarshal([]byte(r.body), &all) != nil {
		return "", false
	}
	value := text(all[name])
	return value, value != ""
}

// text is a text, number or truth value as text; everything else is none.
func text(raw json.RawMessage) string {
	if len(raw) == 0 {
		return ""
	}
	switch raw[0] {
	case '"':
		var s string
		if json.Unmarshal(raw, &s) != nil {
			return ""
		}
		return s
	case '{', '[', 'n':
		return ""
	default:
		return string(raw)
	}
}
