// Package endstate compares what the simulated Enneo holds with what the simulated ERPs hold.
//
// It is independent of the profiles that enneo-bridge maps with: what Enneo should hold is computed from the directory by
// the simulator's own rules. Names of properties are reported, values never.
package endstate

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	"github.com/enneo-ai/enneo-bridge/services/simulator/internal/directory"
	"github.com/enneo-ai/enneo-bridge/services/simulator/internal/enneo"
	"github.com/enneo-ai/enneo-bridge/services/simulator/internal/generic"
	"github.com/enneo-ai/enneo-bridge/services/simulator/internal/lynqtech"
)

// demanded are the properties that Enneo must hold as the ERP has them: the mandatory and the recommended ones. All others
// are compared if Enneo has them.
var demanded = map[key.Kind][]string{
	key.Contract: {"id", "customerId", "business", "lastname", "company", "firstname", "email", "phone", "deliveryAddress", "billingAddress", "zip"},
	key.Customer: {"id", "business", "lastname", "company", "firstname", "email", "phone", "deliveryAddress", "billingAddress", "contractIds"},
}

// defaultLimit bounds the list of mismatches unless the query says otherwise.
const defaultLimit = 1000

// comparison is one run of Compare.
type comparison struct {
	directory *directory.Directory
	store     *enneo.Store
	query     simclient.CompareQuery
	before    string // what stands before the id in Enneo's ids
	after     string
}

// Compare compares all keys that Enneo was told of or that control has changed.
func Compare(d *directory.Directory, store *enneo.Store, query simclient.CompareQuery) (simclient.Comparison, error) {
	if query.System == "" {
		query.System = simclient.Generic
	}
	if query.EnneoID == "" {
		query.EnneoID = "{id}"
	}
	if query.Limit <= 0 {
		query.Limit = defaultLimit
	}
	before, after, found := strings.Cut(query.EnneoID, "{id}")
	switch {
	case !found:
		return simclient.Comparison{}, fmt.Errorf("the template of Enneo's ids needs {id}")
	case !slices.Contains([]string{simclient.Powercloud, simclient.LynqTech, simclient.Generic}, query.System):
		return simclient.Comparison{}, fmt.Errorf("system must be powercloud, lynqtech or generic")
	case query.Kind != "" && query.Kind != key.Contract && query.Kind != key.Customer:
		return simclient.Comparison{}, fmt.Errorf("kind must be contract or customer")
	}
	c := &comparison{directory: d, store: store, query: query, before: before, after: after}
	return c.run(), nil
}

func (c *comparison) run() simclient.Comparison {
	result := simclient.Comparison{Mismatches: []simclient.Mismatch{}}
	for _, ref := range c.refs() {
		result.Compared++
		mismatch, differs := c.compare(ref)
		if !differs {
			continue
		}
		result.Mismatched++
		if len(result.Mismatches) < c.query.Limit {
			result.Mismatches = append(result.Mismatches, mismatch)
		}
	}
	return result
}

// refs lists the keys to compare by their ids in the ERP, each once.
func (c *comparison) refs() []simclient.Ref {
	refs := c.directory.Touched()
	for _, ref := range c.store.Told() {
		id, fits := strings.CutPrefix(ref.ID, c.before)
		id, ends := strings.CutSuffix(id, c.after)
		if fits && ends { // else it belongs to another source
			refs = append(refs, simclient.Ref{Kind: ref.Kind, ID: id})
		}
	}
	slices.SortFunc(refs, func(a, b simclient.Ref) int { return strings.Compare(string(a.Kind)+a.ID, string(b.Kind)+b.ID) })
	return slices.DeleteFunc(slices.Compact(refs), func(r simclient.Ref) bool { return c.query.Kind != "" && c.query.Kind != r.Kind })
}

func (c *comparison) compare(ref simclient.Ref) (simclient.Mismatch, bool) {
	mismatch := simclient.Mismatch{Ref: ref}
	want := c.expected(ref)
	has := fieldsOf(c.store.Get(simclient.Ref{Kind: ref.Kind, ID: c.before + ref.ID + c.after}))
	switch {
	case want == nil && has == nil:
		return mismatch, false
	case want == nil:
		mismatch.Problem = simclient.GoneInERP
	case has == nil:
		mismatch.Problem = simclient.MissingInEnneo
	default:
		mismatch.Problem = simclient.Different
		for name, value := range want {
			other, present := has[name]
			if !present && !slices.Contains(demanded[ref.Kind], name) {
				continue
			}
			if name == "billingAddress" && value == nil && same(other, want["deliveryAddress"]) {
				continue // null says the same
			}
			if !same(value, other) {
				mismatch.Fields = append(mismatch.Fields, name)
			}
		}
		slices.Sort(mismatch.Fields)
		return mismatch, len(mismatch.Fields) > 0
	}
	return mismatch, true
}

// expected is what Enneo should hold; nil for nothing.
func (c *comparison) expected(ref simclient.Ref) map[string]any {
	if ref.Kind == key.Customer {
		return c.expectedCustomer(ref.ID)
	}
	contract, found := c.directory.Contract(ref.ID, 0)
	if !found {
		return nil
	}
	fields := fieldsOf(encode(generic.ContractOf(&contract)))
	c.mapID(fields, "id")
	c.mapID(fields, "customerId")
	if c.query.System != simclient.Generic {
		// Their profiles know few statuses, and which is not ours to say; the code is kept as it was delivered.
		delete(fields, "status")
	}
	if c.query.System == simclient.LynqTech {
		fields["statusCode"] = lynqtech.Status(contract.StatusID)
		delete(fields, "statusCodeTitle")
		delete(fields, "energyTypeId")
	}
	return fields
}

func (c *comparison) expectedCustomer(id string) map[string]any {
	customer, found := c.directory.Customer(id, 0)
	if !found || len(customer.ContractIDs) == 0 {
		return nil // Enneo takes no customer without a contract
	}
	fields := fieldsOf(encode(generic.CustomerOf(&customer)))
	c.mapID(fields, "id")
	ids, _ := fields["contractIds"].([]any)
	for i, id := range ids {
		ids[i] = c.before + plain(id) + c.after
	}
	return fields
}

func (c *comparison) mapID(fields map[string]any, name string) {
	fields[name] = c.before + plain(fields[name]) + c.after
}

func encode(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("simulator: encode %T: %v", value, err)) // it holds texts and numbers only
	}
	return text
}

// fieldsOf are the properties of an object; nil for none.
func fieldsOf(body []byte) map[string]any {
	decoder := json.NewDecoder(strings.NewReader(string(body)))
	decoder.UseNumber()
	var fields map[string]any
	if decoder.Decode(&fields) != nil {
		return nil
	}
	return fields
}

// same tells whether two values mean the same: numbers may come as texts, lists are compared as sets, missing is null.
func same(a, b any) bool {
	listA, isA := a.([]any)
	listB, isB := b.([]any)
	if isA && isB {
		return slices.Equal(texts(listA), texts(listB))
	}
	if a == nil || b == nil || isA != isB {
		return a == nil && b == nil
	}
	textA, textB := plain(a), plain(b)
	if textA == textB {
		return true
	}
	_, numberA := a.(json.Number)
	_, numberB := b.(json.Number)
	if !numberA && !numberB {
		return false // "1" and "1.0" are different texts
	}
	x, errX := strconv.ParseFloat(textA, 64)
	y, errY := strconv.ParseFloat(textB, 64)
	return errX == nil && errY == nil && x == y
}

func texts(list []any) []string {
	result := make([]string, 0, len(list))
	for _, value := range list {
		result = append(result, plain(value))
	}
	slices.Sort(result)
	return slices.Compact(result)
}

func plain(value any) string { return fmt.Sprint(value) }
