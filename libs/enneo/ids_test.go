package enneo_test

import (
	"testing"

	"github.com/enneo-ai/enneo-bridge/libs/enneo"
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
