package directory

import (
	"slices"
	"strings"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

// Page asks for a part of a list, in the order of changes.
type Page struct {
	// After is the Last of the page before; 0 begins.
	After int64
	// Limit is the largest number of items.
	Limit int
	// Since leaves out what changed before, unless it is zero. With it, records that are gone are listed as well.
	Since time.Time
	// Lag shows the records as they were so long ago.
	Lag time.Duration
}

// Item is a record in a list.
type Item[T any] struct {
	Value T
	// Gone: the record was deleted; Value is its last state.
	Gone      bool
	ChangedAt time.Time
}

// List is a page of records.
type List[T any] struct {
	Items []Item[T]
	Last  int64
	// More: there is at least one more page.
	More bool
}

// Contracts lists contracts that accept lets pass; a nil accept lets all pass.
func (d *Directory) Contracts(page Page, accept func(*simclient.Contract) bool) List[simclient.Contract] {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return list(d.contracts, page, accept, d.now())
}

// Customers lists customers that accept lets pass; a nil accept lets all pass.
func (d *Directory) Customers(page Page, accept func(*simclient.Customer) bool) List[simclient.Customer] {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return list(d.customers, page, accept, d.now())
}

func list[T any](s *shelf[T], page Page, accept func(*T) bool, now time.Time) List[T] {
	versions, last, more := s.after(page.After, page.Limit, func(v *version[T]) bool {
		if v.gone && page.Since.IsZero() || v.at.Before(page.Since) {
			return false
		}
		return accept == nil || accept(&v.value)
	}, now.Add(-page.Lag))
	result := List[T]{Last: last, More: more, Items: make([]Item[T], 0, len(versions))}
	for _, v := range versions {
		result.Items = append(result.Items, Item[T]{Value: v.value, Gone: v.gone, ChangedAt: v.at})
	}
	return result
}

// Attributes is a search: every attribute that is set must fit, without regard to case. Names, company and address fit if they contain
// the text; the others if they are equal to it.
type Attributes struct {
	ContractID, CustomerID, Firstname, Lastname, Company, Email, Phone, MeterNumber, Address, PostalCode, City string
	// Q is free text: each of its words must occur in an id, a name, the company or the e-mail address.
	Q string
}

// IsZero tells whether nothing is searched for.
func (a Attributes) IsZero() bool { return a == Attributes{} }

// Contract tells whether the contract fits.
func (a Attributes) Contract(c *simclient.Contract) bool {
	return equal(a.ContractID, c.ID) && equal(a.CustomerID, c.CustomerID) && equal(a.MeterNumber, c.CounterNumber) &&
		a.party(&c.Party, &c.Addresses) && a.words(&c.Party, c.ID, c.CustomerID)
}

// Customer tells whether the customer fits.
func (a Attributes) Customer(c *simclient.Customer) bool {
	return (a.ContractID == "" || slices.Contains(c.ContractIDs, a.ContractID)) && equal(a.CustomerID, c.ID) && a.MeterNumber == "" &&
		a.party(&c.Party, &c.Addresses) && a.words(&c.Party, append(slices.Clone(c.ContractIDs), c.ID)...)
}

func (a Attributes) party(p *simclient.Party, at *simclient.Addresses) bool {
	return contains(a.Firstname, string(p.Firstname)) && contains(a.Lastname, string(p.Lastname)) && contains(a.Company, string(p.Company)) &&
		equal(a.Email, string(p.Email)) && equal(a.Phone, string(p.Phone)) &&
		contains(a.Address, at.Delivery()) && equal(a.PostalCode, at.DeliveryZip) && equal(a.City, at.DeliveryCity)
}

func (a Attributes) words(p *simclient.Party, ids ...string) bool {
	if a.Q == "" {
		return true
	}
	text := strings.Join(append(ids, string(p.Firstname), string(p.Lastname), string(p.Company), string(p.Email)), "\n")
	for word := range strings.FieldsSeq(a.Q) {
		if !contains(word, text) {
			return false
		}
	}
	return true
}

func equal(want, text string) bool { return want == "" || strings.EqualFold(want, text) }

func contains(want, text string) bool {
	return want == "" || strings.Contains(strings.ToLower(text), strings.ToLower(want))
}
