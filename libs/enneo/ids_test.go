package enneo_test

import (
	"encoding/json"
	"testing"

	"github.com/enneo-ai/enneo-bridge/libs/enneo"
)

func TestIDsAreRenamedWhereverTheyStand(t *testing.T) {
	t.Parallel()
	north := func(id string) string { return "n-" + id }
	same := func(id string) string { return id }
	for name, c := range map[string]struct {
		body   string
		rename func(string) string
		want   string
	}{
		"a contract":            {`{"id":"1","customerId":"2","iban":"1"}`, north, `{"customerId":"n-2","iban":"1","id":"n-1"}`},
		"a customer":            {`{"id":"1","contractIds":["2","3"]}`, north, `{"contractIds":["n-2","n-3"],"id":"n-1"}`},
		"integers":              {`{"id":1,"customerId":2,"contractIds":[3]}`, north, `{"contractIds":["n-3"],"customerId":"n-2","id":"n-1"}`},
		"not what is no id":     {`{"id":null,"customerId":true,"contractIds":"x","customer":{"id":"1"}}`, north, `{"id":null,"customerId":true,"contractIds":"x","customer":{"id":"1"}}`},
		"not what is not there": {`{"lastname":"a"}`, north, `{"lastname":"a"}`},
		"nothing, byte by byte": {`{ "id": 1, "customerId": "<2>" }`, same, `{ "id": 1, "customerId": "<2>" }`},
	} {
		if got, err := enneo.WithIDs(c.body, c.rename); err != nil || got != c.want {
			t.Errorf("%s: %s, %v; want %s", name, got, err, c.want)
		}
	}
	for _, body := range []string{"", "null", "[]", "{", `"x"`} {
		if _, err := enneo.WithIDs(body, north); err == nil {
			t.Errorf("%q passes for a structure", body)
		}
	}
}

func FuzzWithIDs(f *testing.F) {
	f.Add(`{"id":"1","customerId":2,"contractIds":["3",4,null]}`)
	f.Add(`{"id":{"id":"1"},"contractIds":{}}`)
	f.Add(`[1]`)
	f.Fuzz(func(t *testing.T, body string) {
		if got, err := enneo.WithIDs(body, func(id string) string { return id }); err == nil && got != body {
			t.Errorf("%q became %q though every id is the same", body, got)
		}
		if got, err := enneo.WithIDs(body, func(id string) string { return "n-" + id }); err == nil && got != body && !json.Valid([]byte(got)) {
			t.Errorf("%q became %q, which is not JSON", body, got)
		}
	})
}
