package enneo_test

import (
	"encoding/json"
	"errors"
	"maps"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/enneo"
	"github.com/enneo-ai/enneo-bridge/libs/fault"
)

// absent removes a field in with.
type absent struct{}

func contract() map[string]any {
	return map[string]any{"id": "VN-00001", "customerId": json.Number("4711"), "business": false, "lastname": "Muster", "company": nil}
}

func customer() map[string]any {
	return map[string]any{"id": "C-1", "business": true, "lastname": nil, "company": "Muster GmbH", "contractIds": []any{"VN-00001", json.Number("2")}}
}

func with(body, changes map[string]any) map[string]any {
	maps.Copy(body, changes)
	maps.DeleteFunc(body, func(_ string, value any) bool { return value == absent{} })
	return body
}

func TestValidateContract(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		changes map[string]any
		fields  []string // every field the error names, in order; none for a valid contract
	}{
		{"the mandatory fields suffice", nil, nil},
		{"a business needs no last name", map[string]any{"business": true, "lastname": nil, "company": "M"}, nil},
		{"any further property", map[string]any{"unpaidDebt": json.Number("1.5"), "rawData": map[string]any{}}, nil},
		{"recommended fields may be null", map[string]any{"firstname": nil, "zip": nil, "agentPreview": nil}, nil},
		{"lists of objects", map[string]any{"agentPreview": []any{map[string]any{"url": "u"}}, "erpUrls": []any{}}, nil},
		{"an id of 50 letters that take more bytes", map[string]any{"id": strings.Repeat("ü", 50)}, nil},
		{"an id of 51", map[string]any{"id": strings.Repeat("a", 51)}, []string{"id"}},
		{"an empty id", map[string]any{"id": ""}, []string{"id"}},
		{"no id", map[string]any{"id": absent{}}, []string{"id"}},
		{"a decimal id", map[string]any{"id": json.Number("1.0")}, []string{"id"}},
		{"an id with an exponent", map[string]any{"id": json.Number("1e3")}, []string{"id"}},
		{"an integer id of 51 digits", map[string]any{"id": json.Number(strings.Repeat("1", 51))}, []string{"id"}},
		{"an object as id", map[string]any{"id": map[string]any{}}, []string{"id"}},
		{"no customer", map[string]any{"customerId": nil}, []string{"customerId"}},
		{"business as text", map[string]any{"business": "false"}, []string{"business"}},
		{"no business", map[string]any{"business": nil}, []string{"business"}},
		{"a person without last name", map[string]any{"lastname": nil}, []string{"lastname"}},
		{"a person with a blank last name", map[string]any{"lastname": " "}, []string{"lastname"}},
		{"a business without company", map[string]any{"business": true}, []string{"company"}},
		{"the property itself is mandatory", map[string]any{"company": absent{}}, []string{"company"}},
		{"a last name that is a number", map[string]any{"lastname": json.Number("1")}, []string{"lastname"}},
		{"a zip that is a number", map[string]any{"zip": json.Number("12157")}, []string{"zip"}},
		{"a preview that is no list", map[string]any{"agentPreview": "x"}, []string{"agentPreview"}},
		{"a preview of texts", map[string]any{"agentPreview": []any{"x"}}, []string{"agentPreview[0]"}},
		{"everything at once", map[string]any{"id": nil, "customerId": nil, "business": nil, "phone": true}, []string{"id", "customerId", "business", "phone"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			checkFields(t, enneo.ValidateContract(with(contract(), tc.changes)), "contract.", tc.fields)
		})
	}
}

func TestValidateCustomer(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		changes map[string]any
		fields  []string
	}{
		{"the mandatory fields suffice", nil, nil},
		{"no contracts", map[string]any{"contractIds": []any{}}, []string{"contractIds"}},
		{"contracts missing", map[string]any{"contractIds": absent{}}, []string{"contractIds"}},
		{"contracts as text", map[string]any{"contractIds": "1,2"}, []string{"contractIds"}},
		{"one contract is no id", map[string]any{"contractIds": []any{"1", nil}}, []string{"contractIds[1]"}},
		{"a business without company", map[string]any{"company": nil}, []string{"company"}},
		{"a mail address that is an object", map[string]any{"email": map[string]any{}}, []string{"email"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			checkFields(t, enneo.ValidateCustomer(with(customer(), tc.changes)), "customer.", tc.fields)
		})
	}
}

func checkFields(t *testing.T, err error, prefix string, fields []string) {
	t.Helper()
	if len(fields) == 0 {
		if err != nil {
			t.Fatalf("valid, but %v", err)
		}
		return
	}
	f, ok := errors.AsType[*fault.Fault](err)
	if !ok {
		t.Fatalf("got %v, want a fault", err)
	}
	var named []string
	for part := range strings.SplitSeq(f.Err.Error(), "; ") {
		name, _, _ := strings.Cut(part, " ")
		named = append(named, strings.TrimPrefix(name, prefix))
	}
	if diff := cmp.Diff(fields, named); diff != "" {
		t.Errorf("fields named (-want +got):\n%s", diff)
	}
	if f.Scope != fault.Key || !f.Permanent || f.Reason != enneo.ReasonUnmappable || f.Field != prefix+fields[0] {
		t.Errorf("fault = %+v", f)
	}
	if strings.Contains(err.Error(), "Muster") {
		t.Errorf("the error shows personal data: %v", err)
	}
}

func TestCanonicalIsTheSameForEqualContent(t *testing.T) {
	t.Parallel()
	body := map[string]any{
		"z": json.Number("12345678901234567890"), "a": "<b>&ü", "m": map[string]any{"y": nil, "x": []any{true, json.Number("1.50")}},
	}
	const want = `{"a":"<b>&ü","m":{"x":[true,1.50],"y":null},"z":12345678901234567890}`
	for range 20 {
		got, err := enneo.Canonical(body)
		if err != nil || got != want {
			t.Fatalf("Canonical = %s, %v; want %s", got, err, want)
		}
	}
	if _, err := enneo.Canonical(map[string]any{"a": math.NaN()}); err == nil {
		t.Error("Canonical wrote a value that JSON does not have")
	}
}

func TestContentHashKeepsTheBordersOfItsParts(t *testing.T) {
	t.Parallel()
	seen := map[string][]string{}
	for _, parts := range [][]string{{}, {""}, {"", ""}, {"ab", "c"}, {"a", "bc"}, {"abc"}, {"1:a"}, {"a", ""}} {
		hash := enneo.ContentHash(parts...)
		if len(hash) != 64 {
			t.Errorf("ContentHash(%q) = %q, want 64 hexadecimal digits", parts, hash)
		}
		if other, ok := seen[hash]; ok {
			t.Errorf("%q and %q have one hash", parts, other)
		}
		seen[hash] = parts
	}
	const want = "facdde7abf1eac5b"
	if got := enneo.ContentHash("a", "b")[:16]; got != want {
		t.Errorf("ContentHash(a, b) begins with %s, want %s: hashes that are stored would not match any more", got, want)
	}
}
