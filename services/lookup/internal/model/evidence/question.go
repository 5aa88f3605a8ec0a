package evidence

import (
	"strings"

	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/model/german"
)

// maxNames bounds how many words of a name are looked at.
const maxNames = 6

// Given are the attributes of a question as they came; empty is not given.
type Given struct {
	ContractID, CustomerID             string
	Firstname, Lastname, Fullname      string
	Phone, Company, Email, MeterNumber string
	Address, PostalCode, City          string
	Custom                             map[string]string
}

// Question is what somebody asks for, in the forms that can be compared.
type Question struct {
	Given

	Contract, Customer string
	Meter, Email       string
	Phones             []string
	First, Last        []string
	// Whole are the words of a name of which is not known what is the last name.
	Whole   []string
	Company german.Company
	Address german.Address
	// ContractKnown, CustomerKnown and MeterKnown tell that a record has exactly what was given, so that it is no typing error.
	ContractKnown, CustomerKnown, MeterKnown bool
	// ContractExact and CustomerExact tell that it was found as it was given, to the letter: what only looks like it is another one.
	ContractExact, CustomerExact bool
	// KnownFirst are the first names among the words given that somebody has.
	KnownFirst map[string]bool
	// StreetKnown tells that there is a street of just this name in that place.
	StreetKnown bool
}

// Ask reads what was given.
func Ask(g Given) *Question {
	q := &Question{
		Given: g, Contract: german.Joined(g.ContractID), Customer: german.Joined(g.CustomerID), Meter: german.Meter(g.MeterNumber),
		Email: german.Email(g.Email), Phones: german.Phones(g.Phone), Company: german.ParseCompany(g.Company),
		Address: german.ParseAddress(g.Address), KnownFirst: map[string]bool{},
	}
	q.First, q.Last = names(g.Firstname), names(g.Lastname)
	switch {
	case len(q.Last) == 0 && len(q.First) == 0:
		q.Whole = names(g.Fullname)
		if last, first, ok := strings.Cut(g.Fullname, ","); ok && len(names(last)) > 0 && len(names(first)) > 0 {
			q.First, q.Last, q.Whole = names(first), names(last), nil
		}
	case len(q.First) == 0 && len(q.Last) > 1:
		q.Last, q.Whole = nil, q.Last
	case len(q.Last) == 0 && len(q.First) > 1:
		q.First, q.Whole = nil, q.First
	}
	if zip := german.Zip(g.PostalCode); zip != "" {
		q.Address.Zip = zip
	}
	if city := german.City(g.City); city != "" {
		q.Address.City = city
	}
	return q
}

func names(s string) []string {
	all := german.Name(s)
	return all[:min(len(all), maxNames)]
}

// Names are all words of the name that was given.
func (q *Question) Names() []string {
	var all []string
	all = append(all, q.First...)
	all = append(all, q.Last...)
	return append(all, q.Whole...)
}

// ByID tells whether something was given that names a contract or customer by number.
func (q *Question) ByID() bool {
	return q.Contract != "" || q.Customer != "" || q.Meter != "" || q.GivenID()
}

// GivenID tells whether an id was given, of which nothing may be left when it is folded.
func (q *Question) GivenID() bool { return q.ContractID != "" || q.CustomerID != "" }
