package profile_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/fault"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
)

// withLists is the minimal profile with operations.
func withLists(t testing.TB, operations string) *profile.Profile {
	t.Helper()
	p, err := profile.Parse("p.yaml", []byte(strings.Replace(minimal(""), "gone:", operations+"gone:", 1)))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const idsAlone = `  list_changed:
    path: /c
    contract_ids: [/items/*/id]
    next: [/nextCursor]
  list_all:
    path: /c
    contract_ids: [/items/*/id]
`

func TestAPageOfIDs(t *testing.T) {
	t.Parallel()
	p := withLists(t, idsAlone)
	page, err := p.ReadPage(profile.ListChanged, 200, []byte(`{"items":[{"id":"1"},{"id":12345678901234567890},{"id":1.5}],"nextCursor":"abc"}`))
	if err != nil {
		t.Fatal(err)
	}
	want := profile.Page{ContractIDs: []string{"1", "12345678901234567890"}, Rows: 3, Next: "abc", Invalid: []string{"contract id at /items/*/id is a decimal number"}}
	if diff := cmp.Diff(want, page); diff != "" {
		t.Errorf("page (-want +got):\n%s", diff)
	}
	if page, err = p.ReadPage(profile.ListAll, 200, []byte(`{"items":[]}`)); err != nil || len(page.ContractIDs) != 0 || page.Next != "" {
		t.Errorf("an empty page = %+v, %v", page, err)
	}
	for _, status := range []int{404, 422} {
		if _, err := p.ReadPage(profile.ListAll, status, []byte(`{}`)); err == nil {
			t.Errorf("HTTP %d was taken for an empty page", status)
		}
	}
	if _, err := p.ReadPage(profile.GetContract, 200, []byte(`{}`)); !errors.Is(err, profile.ErrUnsupported) {
		t.Errorf("a page of a read = %v, want %v", err, profile.ErrUnsupported)
	}
}

// party is what the generic profile demands of every contract and customer.
const party = `"business":false,"lastname":"Muster","company":null`

func TestAPageOfWholeContracts(t *testing.T) {
	t.Parallel()
	page, err := load(t, "generic").ReadPage(profile.ListChanged, 200, []byte(`{"nextCursor":null,"total":7,"items":[
		{"id":"1","customerId":"k",`+party+`,"status":"active"},
		{"id":"2","customerId":"k",`+party+`},
		{"id":"3","customerId":"k","deleted":true},
		{"id":"4","business":false},
		{"customerId":"k"}, 5,
		{"id":"2","customerId":"m",`+party+`}]}`))
	if err != nil {
		t.Fatal(err)
	}
	type shown struct {
		ID, Customer string
		Removed      bool
		Reason       string
	}
	got := []shown{}
	for _, item := range page.Items {
		if item.Kind != key.Contract {
			t.Errorf("item %s is a %s", item.ID, item.Kind)
		}
		one := shown{ID: item.ID, Customer: item.Mapped.CustomerID, Removed: item.Removed}
		if item.Err != nil {
			one.Reason = fault.Of(item.Err).Reason
		}
		got = append(got, one)
	}
	want := []shown{{ID: "1", Customer: "k"}, {ID: "2", Customer: "m"}, {ID: "3", Removed: true}, {ID: "4", Reason: "unmappable"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("items, each id as it was shown last (-want +got):\n%s", diff)
	}
	if len(page.Invalid) != 2 || page.Next != "" || page.Total != 0 {
		t.Errorf("invalid %q, next %q, total %d; the list of changes says no total", page.Invalid, page.Next, page.Total)
	}
	status, _ := page.Items[0].Mapped.Body["status"].(string)
	if status != "active" {
		t.Errorf("status %q, want what a read would give", status)
	}
}

func TestAPageOfWholeCustomers(t *testing.T) {
	t.Parallel()
	page, err := load(t, "generic").ReadPage(profile.ListAllCustomers, 200,
		[]byte(`{"nextCursor":"x","total":7,"items":[{"id":"k",`+party+`,"contractIds":["1"]},{"id":"l",`+party+`,"contractIds":[]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Items) != 2 || page.Items[0].Kind != key.Customer || len(page.Items[0].Mapped.ContractIDs) != 1 || !page.Items[1].Mapped.Gone {
		t.Errorf("items %+v, want a customer with a contract and one that counts as gone", page.Items)
	}
	if page.Total != 7 || page.Next != "x" {
		t.Errorf("total %d, next %q", page.Total, page.Next)
	}
}

func TestListingsSayWhatTheyShow(t *testing.T) {
	t.Parallel()
	p := withLists(t, idsAlone+"  search:\n    path: /s\n    contract_ids: [/i]\n"+
		"  list_all_customers:\n    path: /k\n    query: {offset: o}\n    customer_ids: [/i]\n")
	for op, want := range map[profile.Operation]profile.Listing{
		profile.ListAll:          {Kind: key.Contract},
		profile.ListAllCustomers: {Kind: key.Customer, Offset: true},
	} {
		if got, ok := p.Listing(op); !ok || got != want {
			t.Errorf("%s lists %+v, %t; want %+v", op, got, ok, want)
		}
	}
	if got, ok := load(t, "generic").Listing(profile.ListAll); !ok || got != (profile.Listing{Kind: key.Contract, Whole: true, LivePages: true}) {
		t.Errorf("generic lists %+v", got)
	}
	for _, op := range []profile.Operation{profile.Search, profile.GetContract, profile.ListChangedCustomers} {
		if _, ok := p.Listing(op); ok {
			t.Errorf("%s is taken for a listing", op)
		}
	}
}

func FuzzReadPage(f *testing.F) {
	p := load(f, "generic")
	f.Add([]byte(`{"items":[{"id":"1","customerId":"k",` + party + `},{"id":2,"deleted":"true"},null,[]],"nextCursor":1,"total":"7"}`))
	f.Add([]byte(`{"items":{"id":{"id":1}},"total":-1}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, op := range []profile.Operation{profile.ListChanged, profile.ListAllCustomers} {
			page, err := p.ReadPage(op, 200, body)
			if err != nil {
				if _, ok := errors.AsType[*fault.Fault](err); !ok {
					t.Fatalf("no fault: %v", err)
				}
				continue
			}
			seen := map[string]bool{}
			for _, item := range page.Items {
				if !key.ValidID(item.ID) || seen[item.ID] {
					t.Fatalf("an id is invalid or stands twice")
				}
				seen[item.ID] = true
				if item.Err == nil && !item.Removed && !item.Mapped.Gone && item.Mapped.ID != item.ID {
					t.Fatalf("an item holds another id than its own")
				}
			}
		}
	})
}
