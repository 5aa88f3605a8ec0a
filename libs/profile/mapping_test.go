package profile_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/enneo-ai/enneo-bridge/libs/enneo"
	"github.com/enneo-ai/enneo-bridge/libs/fault"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
)

func TestMapTellsWhatIsGone(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, profile string
		kind          key.Kind
		status        int
		body          string
		want          bool
	}{
		{"404 with JSON", "powercloud", key.Contract, 404, `{"success":false}`, true},
		{"404 with the code not_found", "powercloud", key.Contract, 404, `{"success":false,"error":{"code":"not_found"}}`, true},
		{"404 of lynqtech", "lynqtech", key.Contract, 404, `{"message":"none","code":"NOT_FOUND"}`, true},
		{"404 of lynqtech without code", "lynqtech", key.Contract, 404, `{"message":"none"}`, true},
		{"404 without a body", "powercloud", key.Contract, 404, ``, true},
		{"404 without a body", "generic", key.Contract, 404, ``, true},
		{"404 with plain text", "generic", key.Contract, 404, `not found`, true},
		{"410", "generic", key.Customer, 410, `{}`, true},
		{"200 with the code not_found", "powercloud", key.Contract, 200, `{"success":false,"error":{"code":"not_found"}}`, true},
		{"200 with the error code not_found", "powercloud", key.Contract, 200, `{"success":"false","errorCode":"not_found"}`, true},
		{"a customer without contracts", "generic", key.Customer, 200, `{"id":"1","business":false,"lastname":"A","contractIds":[]}`, true},
		{"a contract of a customer without contracts", "generic", key.Contract, 200, `{"id":"1","customerId":"2","business":false,"lastname":"A","contractIds":[]}`, false},
		{"a success that mentions not_found", "powercloud", key.Contract, 200, `{"success":true,"errorCode":"not_found","data":{"id":"1","customerId":"2","business":false,"lastname":"A"}}`, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			mapped, err := load(t, tc.profile).Map(tc.kind, "1", tc.status, []byte(tc.body))
			if err != nil || mapped.Gone != tc.want {
				t.Fatalf("Map = gone %t, %v; want gone %t", mapped.Gone, err, tc.want)
			}
			if mapped.Gone && mapped.Body != nil {
				t.Errorf("gone, with the body %v", mapped.Body)
			}
		})
	}
}

func TestMapFaults(t *testing.T) {
	t.Parallel()
	const valid = `"customerId":"2","business":false,"lastname":"Secretname"`
	passing := func(scope fault.Scope, reason string) fault.Fault { return fault.Fault{Scope: scope, Reason: reason} }
	wrongID := fault.Fault{Scope: fault.Key, Reason: profile.ReasonWrongID, Field: "contract.id"}
	permanent := func(reason, field string) fault.Fault {
		return fault.Fault{Scope: fault.Key, Permanent: true, Reason: reason, Field: field}
	}
	for _, tc := range []struct {
		name, profile string
		kind          key.Kind
		status        int
		body          string
		want          fault.Fault
	}{
		{"success false", "powercloud", key.Contract, 200, `{"success":false,"message":"Secretname"}`, passing(fault.Key, profile.ReasonUnsuccessful)},
		{"success absent", "powercloud", key.Contract, 200, `{"data":{"id":"1",` + valid + `}}`, passing(fault.Key, profile.ReasonUnsuccessful)},
		{"an answer that is a list", "powercloud", key.Contract, 200, `[]`, passing(fault.Key, profile.ReasonUnsuccessful)},
		{"a wrong hash is not gone", "powercloud", key.Contract, 404, `{"success":false,"error":{"code":"unknown_instance"}}`, passing(fault.Target, profile.ReasonWrongRoute)},
		{"a wrong path is not gone", "lynqtech", key.Contract, 404, `{"message":"none","code":"NOT_SUPPORTED"}`, passing(fault.Target, profile.ReasonWrongRoute)},
		{"a page", "generic", key.Contract, 200, "\n<!DOCTYPE html>", passing(fault.Target, profile.ReasonNotJSON)},
		{"a page with 404 is not gone", "generic", key.Contract, 404, "<html>", passing(fault.Target, profile.ReasonNotJSON)},
		{"a page after a byte order mark", "generic", key.Contract, 404, "\ufeff<html>", passing(fault.Target, profile.ReasonNotJSON)},
		{"plain text", "generic", key.Contract, 200, "Secretname", passing(fault.Target, profile.ReasonNotJSON)},
		{"two documents", "generic", key.Contract, 200, `{} {}`, passing(fault.Target, profile.ReasonNotJSON)},
		{"nothing", "generic", key.Contract, 200, "", passing(fault.Target, profile.ReasonTruncated)},
		{"cut off", "generic", key.Contract, 200, `{"id":"1","lastname":"Secret`, passing(fault.Target, profile.ReasonTruncated)},
		{"too long", "generic", key.Contract, 200, strings.Repeat(" ", profile.MaxAnswer+1), permanent(profile.ReasonTooLarge, "")},
		{"bytes that are not UTF-8", "generic", key.Contract, 200, "{\"id\":\"1\",\"lastname\":\"M\xfcller\"}", permanent(enneo.ReasonUnmappable, "")},
		{"a refusal", "generic", key.Contract, 422, `{"message":"Secretname"}`, permanent(profile.ReasonRefused, "")},
		{"a refusal in plain text", "generic", key.Contract, 400, `bad id`, permanent(profile.ReasonRefused, "")},
		{"no object", "generic", key.Contract, 200, `[{"id":"1"}]`, permanent(enneo.ReasonUnmappable, "data")},
		{"another contract", "generic", key.Contract, 200, `{"id":"11",` + valid + `}`, wrongID},
		{"another contract, with mistakes", "generic", key.Contract, 200, `{"id":"11","monthlyDeposit":"Secretname"}`, wrongID},
		{"an id with leading zeros is another one", "generic", key.Contract, 200, `{"id":"01",` + valid + `}`, wrongID},
		{"no id", "generic", key.Contract, 200, `{` + valid + `}`, permanent(enneo.ReasonUnmappable, "contract.id")},
		{"an id that is an object", "generic", key.Contract, 200, `{"id":{"a":1},` + valid + `}`, permanent(enneo.ReasonUnmappable, "contract.id")},
		{"no last name", "generic", key.Contract, 200, `{"id":1,"customerId":2,"business":false}`, permanent(enneo.ReasonUnmappable, "contract.lastname")},
		{"a customer without a list of contracts", "generic", key.Customer, 200, `{"id":1,"business":false,"lastname":"A"}`, permanent(enneo.ReasonUnmappable, "customer.contractIds")},
		{"a customer with null for a contract", "generic", key.Customer, 200, `{"id":1,"business":false,"lastname":"A","contractIds":[null]}`, permanent(enneo.ReasonUnmappable, "customer.contractIds")},
		{"a number that is none", "generic", key.Contract, 200, `{"id":1,` + valid + `,"monthlyDeposit":"Secretname"}`, permanent(enneo.ReasonUnmappable, "contract.monthlyDeposit")},
		{"a date that is none", "generic", key.Contract, 200, `{"id":1,` + valid + `,"startDate":"2024/02/01"}`, permanent(enneo.ReasonUnmappable, "contract.startDate")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := load(t, tc.profile).Map(tc.kind, "1", tc.status, []byte(tc.body))
			f, ok := errors.AsType[*fault.Fault](err)
			if !ok {
				t.Fatalf("got %v, want a fault", err)
			}
			if f.Scope != tc.want.Scope || f.Permanent != tc.want.Permanent || f.Reason != tc.want.Reason || f.Field != tc.want.Field || f.Status != tc.status {
				t.Errorf("fault = %+v, want %+v with status %d", *f, tc.want, tc.status)
			}
			if text := err.Error() + f.Answer; strings.Contains(text, "Secret") {
				t.Errorf("the fault shows what the answer holds: %s", text)
			}
		})
	}
}

// evaluate maps one optional field with the expression and returns its value.
// Without the field the value is an empty struct.
func evaluate(t *testing.T, expression, data string) (any, error) {
	t.Helper()
	p, err := profile.Parse("test.yaml", []byte(minimal("x: '"+strings.ReplaceAll(expression, "'", "''")+"'")))
	if err != nil {
		t.Fatal(err)
	}
	mapped, err := p.Map(key.Contract, "1", 200, []byte(`{"id":"1","customerId":"2","business":false,"lastname":"A","d":`+data+`}`))
	value, given := mapped.Body["x"]
	if !given {
		return struct{}{}, err
	}
	return value, err
}

func TestFunctions(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ expression, data, want string }{
		{`text(data.d)`, `"00123"`, `"00123"`},
		{`text(data.d)`, `123`, `"123"`},
		{`text(data.d)`, `1.23e2`, `"123"`},
		{`text(data.d)`, `123456789012345678901234567890`, `"123456789012345678901234567890"`},
		{`text(data.d)`, `-9223372036854775808`, `"-9223372036854775808"`},
		{`text(data.d)`, `18446744073709551615`, `"18446744073709551615"`},
		{`text(data.d)`, `" "`, `null`},
		{`text(data.d)`, `null`, `null`},
		{`text(data.missing)`, `1`, `null`},
		{`text(data.?missing.?deeper)`, `1`, `null`},
		{`text(data.d.deeper)`, `null`, `null`},
		{`text(data.d)`, `true`, `error`},
		{`text(data.d)`, `1e400`, `"1e400"`},
		{`data.?missing`, `1`, `{}`},
		{`data.?missing.?deeper`, `1`, `{}`},
		{`data.?d`, `null`, `null`},
		{`data.missing`, `1`, `null`},
		{`data.d`, `{"a":[1,2.5,"x",null,true]}`, `{"a":[1,2.5,"x",null,true]}`},
		{`data.d`, `1e30`, `1e30`},
		{`texts(data.d)`, `["a",1]`, `["a","1"]`},
		{`texts(data.d)`, `["a",{}]`, `error`},
		{`texts(data.d)`, `null`, `null`},
		{`texts(data.d)`, `"a"`, `error`},
		{`number(data.d)`, `"12.5"`, `12.5`},
		{`number(data.d)`, `" 12 "`, `12`},
		{`number(data.d)`, `""`, `null`},
		{`number(data.d)`, `"12,5"`, `error`},
		{`number(data.d)`, `"0x1F"`, `error`},
		{`number(data.d)`, `"true"`, `error`},
		{`number(data.d)`, `"123456789012345678901"`, `error`},
		{`boolean(data.d)`, `"TRUE"`, `true`},
		{`boolean(data.d)`, `0`, `false`},
		{`boolean(data.d)`, `2`, `error`},
		{`boolean(data.d)`, `"yes"`, `error`},
		{`unix(data.d)`, `"2024-02-29"`, `1709164800`},
		{`unix(data.d)`, `"2024-02-29T01:00:00+01:00"`, `1709164800`},
		{`unix(data.d)`, `1709164800`, `1709164800`},
		{`unix(data.d)`, `"0000-00-00 00:00:00"`, `null`},
		{`unix(data.d)`, `"2024-02-30"`, `error`},
		{`unix(data.d)`, `"29.02.2024"`, `1709164800`},
		{`unix(data.d)`, `"30.02.2024"`, `error`},
		{`unix(data.d)`, `1.5`, `error`},
		{`first([data.?missing, null, data.d])`, `"x"`, `"x"`},
		{`first([data.?missing])`, `1`, `null`},
		{`first(data.d)`, `"text"`, `error`},
		{`join_nonempty([data.?missing, data.d, " ", "b "], "-")`, `1`, `"1-b"`},
		{`join_nonempty([data.?missing], ", ")`, `1`, `null`},
		{`join_nonempty([data.d], ", ")`, `{}`, `error`},
		{`lookup({"1": "one"}, data.d)`, `1`, `"one"`},
		{`lookup({"1": "one"}, data.d)`, `"2"`, `null`},
		{`lookup({"1": "one"}, data.?missing)`, `1`, `null`},
		{`status(data.d)`, `5000`, `"active"`},
		{`status(data.d)`, `"5001"`, `"unknown"`},
		{`status(data.d)`, `null`, `null`},
		{`data.d + 1`, `"x"`, `error`},
		{`1.0 / 0.0`, `1`, `error`},
		{`timestamp("2024-01-01T00:00:00Z")`, `1`, `error`},
		{`{1: 2}`, `1`, `error`},
		{`int(data.d)`, `"Secretname"`, `error`},
	} {
		t.Run(tc.expression+" of "+tc.data[:min(len(tc.data), 40)], func(t *testing.T) {
			t.Parallel()
			value, err := evaluate(t, tc.expression, tc.data)
			got := "error"
			if err == nil {
				if got, err = enneo.Canonical(map[string]any{"x": value}); err != nil {
					t.Fatal(err)
				}
				got = strings.TrimSuffix(strings.TrimPrefix(got, `{"x":`), `}`)
			} else {
				f := fault.Of(err)
				if f.Field != "contract.x" || f.Reason != enneo.ReasonUnmappable || !strings.Contains(err.Error(), "test.yaml:") || strings.Contains(err.Error(), "Secret") {
					t.Errorf("fault = %v", err)
				}
			}
			if got != tc.want {
				t.Errorf("got %s (%v), want %s", got, err, tc.want)
			}
		})
	}
}

func FuzzMap(f *testing.F) {
	profiles := map[string]*profile.Profile{}
	for _, name := range profile.Builtin() {
		profiles[name] = load(f, name)
		for _, kind := range []bool{true, false} {
			f.Add(name, kind, "1", 200, []byte(`{"success":true,"data":{"data":{"id":1,"customerId":"2","business":false,"lastname":"A","contractIds":["1"]}}}`))
			f.Add(name, kind, "1", 404, []byte(`<html>`))
			f.Add(name, kind, "1", 200, []byte(`{"id":"1","customerId":1e9,"business":"1","company":"ü","startDate":"2024-01-01","monthlyDeposit":1e999}`))
		}
	}
	f.Fuzz(func(t *testing.T, name string, contract bool, id string, status int, body []byte) {
		p := profiles[name]
		if p == nil {
			return
		}
		kind, validate := key.Customer, enneo.ValidateCustomer
		if contract {
			kind, validate = key.Contract, enneo.ValidateContract
		}
		mapped, err := p.Map(kind, id, status, body)
		if err != nil {
			if _, ok := errors.AsType[*fault.Fault](err); !ok {
				t.Fatalf("not a fault: %v", err)
			}
			return
		}
		if mapped.Gone {
			return
		}
		if mapped.ID != id {
			t.Fatalf("asked for %q, got %q", id, mapped.ID)
		}
		if err := validate(mapped.Body); err != nil {
			t.Fatalf("the mapped body is not valid: %v", err)
		}
		if _, err := enneo.Canonical(mapped.Body); err != nil {
			t.Fatalf("the mapped body is not JSON: %v", err)
		}
	})
}
