package profile

import (
	"errors"
	"fmt"

	"github.com/enneo-ai/enneo-bridge/libs/fault"
)

// Page is one page of a search or list.
type Page struct {
	// ContractIDs and CustomerIDs are identifiers alone, since what they stand for is read by itself.
	ContractIDs, CustomerIDs []string
	// Items are what a listing shows as a whole, if the profile says where.
	Items []Item
	// Rows is how many entries of what the list is about the answer has, with those that are invalid or stand twice: by so
	// many the next page is further on where the ERP pages by offset.
	Rows int
	// Total is how many items all pages have, 0 if the answer does not say.
	Total int
	// Next is the cursor of the next page, empty after the last one and where the ERP pages by offset.
	Next string
	// Invalid is as in Identified.
	Invalid []string
}

// ReadPage reads the answer to Search or to one of the lists. An error is a *fault.Fault, or ErrUnsupported.
func (p *Profile) ReadPage(op Operation, status int, body []byte) (Page, error) {
	o := p.operations[op]
	if o == nil || len(o.contractIDs)+len(o.customerIDs)+len(o.listing.items) == 0 {
		return Page{}, fmt.Errorf("%s of profile %s: %w", op, p.name, ErrUnsupported)
	}
	doc, gone, err := p.read(status, body)
	if err != nil {
		return Page{}, err
	}
	if gone {
		return Page{}, &fault.Fault{Scope: fault.Target, Reason: ReasonWrongRoute, Status: status, Err: errors.New("the ERP does not know this operation")}
	}
	var found Identified
	var page Page
	page.ContractIDs, _ = found.ids("contract id", doc, o.contractIDs)
	page.CustomerIDs, _ = found.ids("customer id", doc, o.customerIDs)
	page.Next, _ = found.label("next cursor", doc, o.next)
	page.Items = p.items(op, &found, doc, status)
	page.Rows, page.Total = o.rows(doc), o.listing.count(doc)
	page.Invalid = found.Invalid
	return page, nil
}
