package enneo_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/enneo-ai/enneo-bridge/libs/enneo"
	"github.com/enneo-ai/enneo-bridge/libs/fault"
	"github.com/enneo-ai/enneo-bridge/libs/key"
)

func TestIDsAreThoseOfEnneoEverywhereInAStructure(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, body, want string }{
		{"a contract", `{"customerId":"7","id":"1","monthlyDeposit":12.10}`, `{"customerId":"pc-7","id":"pc-1","monthlyDeposit":12.10}`},
		{"a customer", `{"contractIds":["1","2"],"id":"7"}`, `{"contractIds":["pc-1","pc-2"],"id":"pc-7"}`},
		{"integers", `{"contractIds":[1],"id":90071992547409931}`, `{"contractIds":["pc-1"],"id":"pc-90071992547409931"}`},
		{"null", `{"contractIds":null,"customerId":null,"id":"1"}`, `{"contractIds":null,"customerId":null,"id":"pc-1"}`},
		{"other ids", `{"id":"1","orderId":"9","productId":3}`, `{"id":"pc-1","orderId":"9","productId":3}`},
	} {
		got, err := enneo.WithIDs(tc.body, func(id string) string { return "pc-" + id })
		if err != nil || got != tc.want {
			t.Errorf("%s: %s, %v; want %s", tc.name, got, err, tc.want)
		}
	}
	if _, err := enneo.WithIDs(`[1]`, func(id string) string { return id }); err == nil {
		t.Error("what is no structure has no error")
	}
}

func TestAStructureWhoseIDHasBecomeTooLongIsRefused(t *testing.T) {
	t.Parallel()
	contract := func(id string) string {
		return `{"id":"` + id + `","customerId":2,"business":false,"lastname":"A","company":null}`
	}
	longest := strings.Repeat("ä", key.MaxIDLength)
	for name, c := range map[string]struct {
		kind        key.Kind
		body, field string
	}{
		"the longest id":            {key.Contract, contract(longest), ""},
		"one character more":        {key.Contract, contract(longest + "a"), "contract.id"},
		"a customer's contract":     {key.Customer, `{"id":1,"business":false,"lastname":"A","company":null,"contractIds":["` + longest + `a"]}`, "customer.contractIds[0]"},
		"a contract for a customer": {key.Customer, contract("1"), "customer.contractIds"},
	} {
		f := fault.Of(enneo.ValidateText(c.kind, c.body))
		if c.field == "" && f != nil || c.field != "" && (f == nil || f.Field != c.field || !f.Permanent) {
			t.Errorf("%s: %v, want a fault of %q", name, f, c.field)
		}
	}
	for _, body := range []string{"", "null", "[]", "{"} {
		if f := fault.Of(enneo.ValidateText(key.Contract, body)); f == nil || !f.Permanent {
			t.Errorf("%q passes for a structure: %v", body, f)
		}
	}
}

func FuzzWithIDs(f *testing.F) {
	f.Add(`{"id":"1","customerId":2,"contractIds":["3",4,null]}`)
	f.Add(`{"id":{"id":"1"},"contractIds":{}}`)
	f.Add(`[1]`)
	f.Fuzz(func(t *testing.T, body string) {
		if got, err := enneo.WithIDs(body, func(id string) string { return "n-" + id }); err == nil && !json.Valid([]byte(got)) {
			t.Errorf("%q became %q, which is not JSON", body, got)
		}
		_ = enneo.ValidateText(key.Contract, body)
	})
}
