package model_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/model"
)

func open(t *testing.T) *model.Model {
	t.Helper()
	m, err := model.Open(t.Context(), model.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// entry is a record whose body has the properties.
func entry(t *testing.T, kind key.Kind, id string, sequence uint64, properties map[string]any) model.Entry {
	t.Helper()
	k, err := key.New("erp", kind, id)
	if err != nil {
		t.Fatal(err)
	}
	e := model.Entry{Key: k, EnneoID: id, Covers: position.Position{Epoch: 1, Sequence: sequence}}
	if properties == nil {
		return e
	}
	properties["id"] = id
	text, err := json.Marshal(properties)
	if err != nil {
		t.Fatal(err)
	}
	e.Body = string(text)
	return e
}

func apply(t *testing.T, m *model.Model, entries ...model.Entry) {
	t.Helper()
	if err := m.Apply(t.Context(), entries); err != nil {
		t.Fatal(err)
	}
}

type properties = map[string]any

// town are contracts that are hard to tell apart.
func town(t *testing.T) *model.Model {
	t.Helper()
	m := open(t)
	person := func(id, customer, first, last, address string, more properties) model.Entry {
		p := properties{
			"customerId": customer, "business": false, "firstname": first, "lastname": last, "company": nil, "deliveryAddress": address,
		}
		for name, value := range more {
			p[name] = value
		}
		return entry(t, key.Contract, id, 1, p)
	}
	firm := func(id, customer, name, address string) model.Entry {
		return entry(t, key.Contract, id, 1, properties{"customerId": customer, "business": true, "lastname": nil, "company": name, "deliveryAddress": address})
	}
	const home, other = "Horst-Kohl-Str. 15a, 12157 Berlin", "Lange Straße 3, 12157 Berlin"
	apply(
		t, m,
		person("VN-1", "K-1", "Jürgen", "Müßig", home, properties{"email": "j.muessig@web.example", "phone": "+49 30 1234567", "counterNumber": "1EMH0012345678"}),
		person("VN-2", "K-2", "Martin", "Grünwald", home, properties{"email": "familie@web.example", "phone": "030 7654321"}),
		person("VN-3", "K-3", "Petra", "Grünwald", home, properties{"email": "familie@web.example"}),
		// Father and son.
		person("VN-4", "K-4", "Karl", "Ostermann", other, nil),
		person("VN-5", "K-5", "Karl", "Ostermann", other, nil),
		// One customer, electricity and gas, and a flat in another town.
		person("VN-6", "K-6", "Ute", "Brandstätter", other, properties{"email": "ute@web.example", "counterNumber": "EL-4711-001", "energy": "electricity"}),
		person("VN-7", "K-6", "Ute", "Brandstätter", other, properties{"email": "ute@web.example", "counterNumber": "GA-4711-002", "energy": "gas"}),
		person("VN-8", "K-6", "Ute", "Brandstätter", "Seeweg 9, 24103 Kiel", properties{"email": "ute@web.example", "billingAddress": other}),
		firm("VN-9", "K-9", "Bäckerei Öhlschläger GmbH & Co. KG", "Hauptstraße 1, 60311 Frankfurt am Main"),
		firm("VN-10", "K-10", "Öhlschläger AG", "Hauptstraße 1, 60311 Frankfurt am Main"),
		entry(t, key.Customer, "K-1", 1, properties{"business": false, "firstname": "Jürgen", "lastname": "Müßig", "company": nil, "phone": "0171 5556677", "contractIds": []string{"VN-1"}}),
	)
	return m
}

func TestFindNamesExactlyOneContractOrNone(t *testing.T) {
	t.Parallel()
	m := town(t)
	tests := []struct {
		name  string
		given model.Attributes
		want  string
		by    string
	}{
		{"nothing given", model.Attributes{}, "", ""},
		{"contract id", model.Attributes{ContractID: "VN-1"}, "VN-1", "contract_id"},
		{"contract id, written differently", model.Attributes{ContractID: "vn 1"}, "VN-1", "contract_id"},
		{"contract id of somebody else's postal code", model.Attributes{ContractID: "VN-1", PostalCode: "12159"}, "", ""},
		{"contract id and postal code", model.Attributes{ContractID: "VN-1", PostalCode: "D-12157"}, "VN-1", "contract_id"},
		{"contract id and another last name", model.Attributes{ContractID: "VN-1", Lastname: "Schulze"}, "", ""},
		{"contract id and the first name of somebody in the family", model.Attributes{ContractID: "VN-1", Firstname: "Gerda", Lastname: "Müssig"}, "VN-1", "contract_id"},
		{"contract id and customer id that differ", model.Attributes{ContractID: "VN-1", CustomerID: "K-2"}, "", ""},
		{"contract id that nobody has", model.Attributes{ContractID: "VN-99"}, "", ""},
		{"unknown contract id, though the e-mail address is known", model.Attributes{ContractID: "XY-778899", Email: "j.muessig@web.example"}, "", ""},
		{"customer id with one contract", model.Attributes{CustomerID: "K-1"}, "VN-1", "customer_id"},
		{"customer id with several contracts", model.Attributes{CustomerID: "K-6"}, "", ""},
		{"customer id with several contracts and an address", model.Attributes{CustomerID: "K-6", Address: "Seeweg 9, 24103 Kiel"}, "VN-8", "customer_id"},
		{"customer id with several contracts and a property", model.Attributes{CustomerID: "K-6", Custom: map[string]string{"energy": "gas"}}, "VN-7", "customer_id"},
		{"meter number in groups", model.Attributes{MeterNumber: "1 emh 00 1234 5678"}, "VN-1", "meter_number"},
		{"meter number of one of several contracts", model.Attributes{CustomerID: "K-6", MeterNumber: "ga4711002"}, "VN-7", "meter_number"},
		{"short meter number", model.Attributes{MeterNumber: "1"}, "", ""},
		{"e-mail address", model.Attributes{Email: "J.Muessig@WEB.example"}, "VN-1", "email"},
		{"e-mail address of two", model.Attributes{Email: "familie@web.example"}, "", ""},
		{"e-mail address of two, and a name", model.Attributes{Email: "familie@web.example", Firstname: "Petra", Lastname: "Grünwald"}, "VN-3", "email"},
		{"e-mail address and another name", model.Attributes{Email: "j.muessig@web.example", Firstname: "Anna", Lastname: "Schulze"}, "", ""},
		{"telephone number", model.Attributes{Phone: "0049 (0)30 / 1234-567"}, "VN-1", "phone"},
		{"telephone number of the customer", model.Attributes{Phone: "+491715556677"}, "VN-1", "phone"},
		{"telephone number without its area code", model.Attributes{Phone: "1234567"}, "", ""},
		{"e-mail address of one, telephone number of another", model.Attributes{Email: "j.muessig@web.example", Phone: "030 7654321"}, "", ""},
		{"name alone", model.Attributes{Firstname: "Jürgen", Lastname: "Müßig"}, "", ""},
		{"name and postal code", model.Attributes{Firstname: "Jürgen", Lastname: "Müßig", PostalCode: "12157"}, "", ""},
		{"address alone", model.Attributes{Address: "Horst-Kohl-Str. 15a, 12157 Berlin"}, "", ""},
		{"name and address", model.Attributes{Firstname: "Jürgen", Lastname: "Müßig", Address: "Horst-Kohl-Str. 15a, 12157 Berlin"}, "VN-1", "name_address"},
		{"name and address, misspelt", model.Attributes{Firstname: "Juergen", Lastname: "Mussig", Address: "Horst Kohl Straße 15 A", PostalCode: "12157", City: "Berlin"}, "VN-1", "name_address"},
		{"name and address, two typing errors", model.Attributes{Firstname: "Jürgen", Lastname: "Müsig", Address: "Horst-Kohk-Str. 15a, 12157 Berlin"}, "VN-1", "name_address"},
		{"first and last name swapped", model.Attributes{Firstname: "Müßig", Lastname: "Jürgen", Address: "Horst-Kohl-Str. 15a, 12157 Berlin"}, "VN-1", "name_address"},
		{"whole name", model.Attributes{Fullname: "Herr Jürgen Müßig", Address: "Horst-Kohl-Str. 15a, Berlin"}, "VN-1", "name_address"},
		{"another house number", model.Attributes{Firstname: "Jürgen", Lastname: "Müßig", Address: "Horst-Kohl-Str. 15b, 12157 Berlin"}, "", ""},
		{"last name of a couple", model.Attributes{Lastname: "Grünwald", Address: "Horst-Kohl-Str. 15a, 12157 Berlin"}, "", ""},
		{"one of a couple", model.Attributes{Firstname: "Martin", Lastname: "Grünwald", Address: "Horst-Kohl-Str. 15a, 12157 Berlin"}, "VN-2", "name_address"},
		{"their daughter, who is no customer", model.Attributes{Firstname: "Martina", Lastname: "Grünwald", Address: "Horst-Kohl-Str. 15a, 12157 Berlin"}, "", ""},
		{"father or son", model.Attributes{Firstname: "Karl", Lastname: "Ostermann", Address: "Lange Straße 3, 12157 Berlin"}, "", ""},
		{"father by his number", model.Attributes{ContractID: "VN-4", Firstname: "Karl", Lastname: "Ostermann", Address: "Lange Straße 3, 12157 Berlin"}, "VN-4", "contract_id"},
		{"several contracts at one address", model.Attributes{Firstname: "Ute", Lastname: "Brandstaetter", Address: "Lange Str. 3, 12157 Berlin"}, "", ""},
		{"company without its legal form", model.Attributes{Company: "Baeckerei Oehlschlaeger", Address: "Hauptstr. 1, 60311 Frankfurt"}, "VN-9", "name_address"},
		{"company with another legal form", model.Attributes{Company: "Öhlschläger GmbH", Address: "Hauptstr. 1, 60311 Frankfurt"}, "", ""},
		{"company in another town", model.Attributes{Company: "Öhlschläger AG", Address: "Hauptstr. 1", City: "Kassel"}, "", ""},
		{"unknown attribute", model.Attributes{ContractID: "VN-1", Custom: map[string]string{"shoeSize": "43"}}, "VN-1", "contract_id"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, ok, err := m.Find(t.Context(), test.given)
			if err != nil {
				t.Fatal(err)
			}
			if got.ContractID != test.want || ok != (test.want != "") || got.By != test.by {
				t.Errorf("found %q by %q (%t), want %q by %q", got.ContractID, got.By, ok, test.want, test.by)
			}
		})
	}
}

func TestSearchFindsCustomersAsOneTypes(t *testing.T) {
	t.Parallel()
	m := town(t)
	tests := []struct {
		q    string
		want []string
	}{
		{"VN-1", []string{"K-1"}},
		{"K-6", []string{"K-6"}},
		{"müßig", []string{"K-1"}},
		{"muessig", []string{"K-1"}},
		{"Muss", []string{"K-1"}},
		{"jürgen mü", []string{"K-1"}},
		{"mü jür", []string{"K-1"}},
		{"Müsig", []string{"K-1"}},
		{"j.muessig@w", []string{"K-1"}},
		{"familie@web.example", []string{"K-2", "K-3"}},
		{"1emh00123", []string{"K-1"}},
		{"1 EMH 00 1234 5678", []string{"K-1"}},
		{"12345678", []string{"K-1"}},
		{"030 1234", []string{"K-1"}},
		{"Grünwald Horst-Kohl-Straße 15a", []string{"K-2", "K-3"}},
		{"öhlschläger frankfurt ag", []string{"K-10"}},
		{"brandstatter kiel", []string{"K-6"}},
		{"ostermann", []string{"K-4", "K-5"}},
		{"", nil},
		{"\x00\xff*\"'() NEAR OR AND", nil},
		{"müller", nil},
	}
	for _, test := range tests {
		got, err := m.Search(t.Context(), test.q, 10, 0)
		if err != nil {
			t.Fatal(err)
		}
		if len(test.want) == 0 && len(got) == 0 {
			continue
		}
		if len(got) < len(test.want) || !cmp.Equal(got[:len(test.want)], test.want) {
			t.Errorf("%q finds %q, want %q first", test.q, got, test.want)
		}
	}
}

func TestPagesOfASearchFollowEachOther(t *testing.T) {
	t.Parallel()
	m := open(t)
	var entries []model.Entry
	for i := range 25 {
		entries = append(entries, entry(t, key.Contract, fmt.Sprintf("VN-%03d", i), 1, properties{"customerId": fmt.Sprintf("K-%03d", i), "lastname": "Ostermann"}))
	}
	apply(t, m, entries...)
	seen := map[string]bool{}
	for offset := 0; ; offset += 10 {
		got, err := m.Search(t.Context(), "ostermann", 100, offset)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range got {
			if seen[id] {
				t.Errorf("%s is on two pages", id)
			}
			seen[id] = true
		}
		if len(got) < 10 {
			break
		}
	}
	if len(seen) != 25 {
		t.Errorf("the pages have %d customers, want 25", len(seen))
	}
}

func TestWhatIsGoneIsFoundNoMore(t *testing.T) {
	t.Parallel()
	m := town(t)
	apply(t, m, entry(t, key.Contract, "VN-1", 2, nil), entry(t, key.Customer, "K-1", 2, nil))
	if _, ok, err := m.Get(t.Context(), key.Contract, "VN-1"); ok || err != nil {
		t.Errorf("the contract is still there (%v)", err)
	}
	for _, a := range []model.Attributes{{ContractID: "VN-1"}, {Email: "j.muessig@web.example"}, {Phone: "+491715556677"}} {
		if _, ok, err := m.Find(t.Context(), a); ok || err != nil {
			t.Errorf("the contract is still found (%v)", err)
		}
	}
	for _, q := range []string{"VN-1", "muessig", "Müsig", "j.muessig@web.example", "1emh", "K-1"} {
		got, err := m.Search(t.Context(), q, 10, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range got {
			if id == "K-1" {
				t.Errorf("%q still finds the customer", q)
			}
		}
	}
	// An older snapshot does not bring it back.
	apply(t, m, entry(t, key.Contract, "VN-1", 1, properties{"customerId": "K-1", "lastname": "Müßig"}))
	if _, ok, err := m.Get(t.Context(), key.Contract, "VN-1"); ok || err != nil {
		t.Errorf("an older snapshot brought the contract back (%v)", err)
	}
}

func TestWhatChangedIsFoundByWhatItIsNow(t *testing.T) {
	t.Parallel()
	m := open(t)
	apply(t, m, entry(t, key.Contract, "VN-1", 1, properties{"customerId": "K-1", "lastname": "Ostermann", "email": "a@web.example"}))
	for range 2 { // Repeated, it changes nothing.
		apply(t, m, entry(t, key.Contract, "VN-1", 2, properties{"customerId": "K-2", "lastname": "Brandstätter", "email": "b@web.example"}))
	}
	for q, want := range map[string][]string{"ostermann": nil, "a@web.example": nil, "K-1": nil, "brandstaetter": {"K-2"}, "b@web.example": {"K-2"}, "K-2": {"K-2"}} {
		got, err := m.Search(t.Context(), q, 10, 0)
		if err != nil {
			t.Fatal(err)
		}
		if !cmp.Equal(got, want) {
			t.Errorf("%q finds %q, want %q", q, got, want)
		}
	}
	if contracts, customers, _ := m.Stats(); contracts != 1 || customers != 0 {
		t.Errorf("holds %d contracts and %d customers, want 1 and 0", contracts, customers)
	}
}

func TestABatchWithAMistakeLeavesNothing(t *testing.T) {
	t.Parallel()
	m := open(t)
	bad := entry(t, key.Contract, "VN-2", 1, properties{"customerId": "K-1"})
	bad.Body = "[]"
	if err := m.Apply(t.Context(), []model.Entry{entry(t, key.Contract, "VN-1", 1, properties{"customerId": "K-1", "lastname": "Ostermann"}), bad}); err == nil {
		t.Error("a body that is no object is taken")
	}
	if _, ok, err := m.Get(t.Context(), key.Contract, "VN-1"); ok || err != nil {
		t.Errorf("half of a batch is there (%v)", err)
	}
	if got, err := m.Search(t.Context(), "ostermann", 10, 0); len(got) != 0 || err != nil {
		t.Errorf("half of a batch is found: %q (%v)", got, err)
	}
}

func TestOneIdOfTwoSourcesIsNobody(t *testing.T) {
	t.Parallel()
	m := open(t)
	one := entry(t, key.Contract, "VN-1", 1, properties{"customerId": "K-1", "lastname": "Ostermann"})
	two := one
	two.Key.Source = "other"
	apply(t, m, one, two)
	if _, ok, err := m.Get(context.Background(), key.Contract, "VN-1"); ok || err != nil {
		t.Errorf("one of two is chosen (%v)", err)
	}
	if got, ok, err := m.Find(t.Context(), model.Attributes{ContractID: "VN-1"}); ok || err != nil {
		t.Errorf("found %q of two (%v)", got.ContractID, err)
	}
}
