package evidence_test

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/model/evidence"
)

func candidate(t interface{ Fatal(args ...any) }, id string, properties map[string]any) *evidence.Candidate {
	properties["id"], properties["customerId"] = id, "K-"+id
	body, err := json.Marshal(properties)
	if err != nil {
		t.Fatal(err)
	}
	r, err := evidence.Read(string(body))
	if err != nil {
		t.Fatal(err)
	}
	return &evidence.Candidate{Contract: r, EnneoID: id, EnneoCustomerID: "K-" + id}
}

// TestEqualsAreNeverDecided judges the same contract twice, whatever is asked.
func TestEqualsAreNeverDecided(t *testing.T) {
	t.Parallel()
	some := rapid.SampledFrom([]string{"", "Ostermann", "Brandstätter", "Horst-Kohl-Str. 15a, 12157 Berlin", "a@web.example", "+49 30 1234567", "1EMH0012345678"})
	rapid.Check(t, func(t *rapid.T) {
		p := map[string]any{
			"firstname": some.Draw(t, "firstname"), "lastname": some.Draw(t, "lastname"), "company": some.Draw(t, "company"), "email": some.Draw(t, "email"),
			"phone": some.Draw(t, "phone"), "deliveryAddress": some.Draw(t, "address"), "counterNumber": some.Draw(t, "meter"),
		}
		q := evidence.Ask(evidence.Given{
			Firstname: some.Draw(t, "given firstname"), Lastname: some.Draw(t, "given lastname"), Company: some.Draw(t, "given company"),
			Email: some.Draw(t, "given email"), Phone: some.Draw(t, "given phone"), Address: some.Draw(t, "given address"), MeterNumber: some.Draw(t, "given meter"),
		})
		one, two := q.Judge(candidate(t, "1", p)), q.Judge(candidate(t, "2", p))
		if v := evidence.Decide([]*evidence.Verdict{one, two}, nil); v != nil {
			t.Fatalf("named %s of two equals by %s", v.Candidate.EnneoID, v.By)
		}
		if v := evidence.Decide([]*evidence.Verdict{one}, nil); (v != nil) != (one.By != "") {
			t.Fatalf("one alone is named by %q: %t", one.By, v != nil)
		}
	})
}

// TestARecordAgreesWithItself asks with what a record says, of people whose names and addresses are as they should be.
func TestARecordAgreesWithItself(t *testing.T) {
	t.Parallel()
	name := rapid.StringMatching(`[A-ZÄÖÜ][a-zäöüß]{3,9}`)
	rapid.Check(t, func(t *rapid.T) {
		first, last := name.Draw(t, "first"), name.Draw(t, "last")
		address := name.Draw(t, "street") + rapid.SampledFrom([]string{"straße", "str.", "weg", " Allee"}).Draw(t, "form") + " " +
			rapid.StringMatching(`[1-9][0-9]{0,2}[a-d]?`).Draw(t, "house") + ", " + rapid.StringMatching(`[0-9]{5}`).Draw(t, "zip") + " " + name.Draw(t, "city")
		c := candidate(t, "1", map[string]any{"firstname": first, "lastname": last, "deliveryAddress": address})
		v := evidence.Ask(evidence.Given{Firstname: first, Lastname: last, Address: address}).Judge(c)
		if v.By != evidence.ByNameAddress || !v.Exact() {
			t.Fatalf("%s %s, %s: named by %q, exact %t", first, last, address, v.By, v.Exact())
		}
	})
}

func TestReadTakesWhatErpsWrite(t *testing.T) {
	t.Parallel()
	r, err := evidence.Read(`{"id":4711,"customerId":12,"phone":4930123456789,"counterNumber":12345678,"email":null,"deliveryAddress":{"street":"x"},"zip":1067}`)
	if err != nil {
		t.Fatal(err)
	}
	if r.ID != "4711" || r.CustomerID != "12" || r.Meter != "12345678" || len(r.Phones) != 1 || len(r.Emails) != 0 || r.Delivery.Street != "" {
		t.Errorf("numbers are not read as texts: id %q, customer %q, meter %q", r.ID, r.CustomerID, r.Meter)
	}
	for _, bad := range []string{"", "[]", "1", `"x"`, "{"} {
		if _, err := evidence.Read(bad); err == nil {
			t.Errorf("%q is taken for a structure", bad)
		}
	}
	if value, ok := r.Property("zip"); !ok || value != "1067" {
		t.Errorf("the property is %q", value)
	}
}

func FuzzJudge(f *testing.F) {
	f.Add(`{"lastname":"Ostermann","deliveryAddress":"Lange Str. 3, 12157 Berlin"}`, "Ostermann", "Lange Straße 3, 12157 Berlin")
	f.Add(`{"company":"GmbH","counterNumber":[1],"zip":{}}`, "\xff", strings.Repeat("ä", 2000))
	f.Fuzz(func(t *testing.T, body, a, b string) {
		r, err := evidence.Read(body)
		if err != nil {
			return
		}
		c := &evidence.Candidate{Contract: r, Customer: r, EnneoID: r.ID, EnneoCustomerID: r.CustomerID}
		for _, given := range []evidence.Given{
			{ContractID: a, CustomerID: b},
			{MeterNumber: a, Email: b, Phone: a},
			{Firstname: a, Lastname: b, Address: b},
			{Fullname: a, Address: b, PostalCode: a, City: b},
			{Company: a, Address: b, Custom: map[string]string{a: b}},
		} {
			v := evidence.Ask(given).Judge(c)
			if got := evidence.Decide([]*evidence.Verdict{v}, nil); got != nil && got.By == "" {
				t.Error("a contract is named by no rule")
			}
		}
	})
}
