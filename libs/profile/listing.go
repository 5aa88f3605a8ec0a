package profile

import (
	"slices"
	"strconv"

	"github.com/enneo-ai/enneo-bridge/libs/jsonptr"
	"github.com/enneo-ai/enneo-bridge/libs/key"
)

// listing is what only lists have.
type listing struct {
	kind           key.Kind
	items, removed []jsonptr.Pointer
	total          []jsonptr.Pointer
	live           bool
}

// Item is one contract or customer as a listing shows it.
type Item struct {
	Kind key.Kind
	ID   string
	// Removed: the listing says that the ERP does not have it any more.
	Removed bool
	// Mapped is what Map would give for the same object; zero if Err is set, or if it is Removed.
	Mapped Mapped
	// Err is the *fault.Fault of an object that cannot be mapped.
	Err error
}

// Listing is how an operation lists.
type Listing struct {
	// Kind is what it lists as a whole.
	Kind key.Kind
	// Whole: it shows whole objects, not only their ids.
	Whole bool
	// LivePages: each page shows the state at its own request, otherwise maybe that at the request of the first.
	LivePages bool
	// Offset: it is paged by offset, otherwise by cursor or not at all.
	Offset bool
}

// Listing tells how an operation lists; ok is false if the profile does not have it.
func (p *Profile) Listing(op Operation) (l Listing, ok bool) {
	o := p.operations[op]
	if o == nil || o.listing.kind == "" {
		return Listing{}, false
	}
	return Listing{
		Kind: o.listing.kind, Whole: len(o.listing.items) > 0, LivePages: o.listing.live,
		Offset: len(o.next) == 0 && o.params["offset"] != "",
	}, true
}

// listing compiles what only lists have.
func (c *compiler) listing(op Operation, raw *operationSchema) listing {
	name := "operations." + string(op)
	l := listing{
		items: c.pointers(name+".items", raw.Items), removed: c.pointers(name+".removed", raw.Removed),
		total: c.pointers(name+".total", raw.Total), live: raw.LivePages,
	}
	switch op {
	case ListChanged, ListAll:
		l.kind = key.Contract
	case ListChangedCustomers, ListAllCustomers:
		l.kind = key.Customer
	default:
		if len(raw.Items)+len(raw.Removed)+len(raw.Total) > 0 || raw.LivePages {
			c.fail(raw.Path.line, name, "items, removed, total and live_pages are for lists only")
		}
	}
	if len(raw.Removed) > 0 && len(raw.Items) == 0 {
		c.fail(raw.Path.line, name+".removed", "needs items")
	}
	return l
}

// items maps what a listing shows, each id once: what is shown last counts.
func (p *Profile) items(op Operation, found *Identified, doc any, status int) []Item {
	l := p.operations[op].listing
	var all []Item
	at := map[string]int{}
	for _, pointer := range l.items {
		for _, value := range pointer.Values(doc) {
			object, ok := value.(map[string]any)
			if !ok {
				found.invalid(string(l.kind), pointer, "is no object")
				continue
			}
			item, problem := p.item(l, object, status)
			if problem != "" {
				found.invalid(string(l.kind)+" id in", pointer, problem)
				continue
			}
			if i, twice := at[item.ID]; twice {
				all[i] = item
				continue
			}
			at[item.ID] = len(all)
			all = append(all, item)
		}
	}
	return all
}

// item maps one object; problem says why it has no id.
func (p *Profile) item(l listing, object map[string]any, status int) (item Item, problem string) {
	results := p.evaluate(l.kind, object)
	item.Kind = l.kind
	if item.ID, problem = readID(bodyOf(results)["id"]); problem != "" {
		return Item{}, problem
	}
	for _, pointer := range l.removed {
		for _, value := range pointer.Values(object) {
			item.Removed = item.Removed || value == true || value == "true"
		}
	}
	if !item.Removed {
		item.Mapped, item.Err = assemble(l.kind, item.ID, status, results)
	}
	return item, ""
}

// rows is how many entries of its kind a list shows. Several pointers show the same entries in different ways, so the one that
// finds most counts: what is left out would never be listed, and what is listed twice does no harm.
func (o *operation) rows(doc any) int {
	ids, others := o.contractIDs, o.customerIDs
	if o.listing.kind == key.Customer {
		ids, others = others, ids
	}
	pointers := slices.Concat(o.listing.items, ids)
	if len(pointers) == 0 {
		pointers = others // A list of contracts that names their customers alone.
	}
	most := 0
	for _, pointer := range pointers {
		most = max(most, len(pointer.Values(doc)))
	}
	return most
}

// count is the number of items on all pages, 0 if doc does not say.
func (l listing) count(doc any) int {
	for _, pointer := range l.total {
		for _, value := range pointer.Values(doc) {
			text, problem := readScalar(value)
			if problem != "" {
				continue
			}
			if n, err := strconv.Atoi(text); err == nil && n > 0 {
				return n
			}
		}
	}
	return 0
}
