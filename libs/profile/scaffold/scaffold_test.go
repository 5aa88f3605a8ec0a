package scaffold_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/enneo-ai/enneo-bridge/libs/enneo"
	"github.com/enneo-ai/enneo-bridge/libs/jsonptr"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
	"github.com/enneo-ai/enneo-bridge/libs/profile/scaffold"
)

// draft drafts and loads; a draft that does not load fails the test.
func draft(t testing.TB, s scaffold.Samples) (*profile.Profile, string) {
	t.Helper()
	if s.Name == "" {
		s.Name = "test"
	}
	text, err := scaffold.Draft(s)
	if err != nil {
		t.Fatal(err)
	}
	p, err := profile.Parse("draft.yaml", text)
	if err != nil {
		t.Fatalf("the draft does not load: %v\n%s", err, text)
	}
	return p, string(text)
}

func TestFieldsAreFoundByTheirNames(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, answer, want string }{
		{
			"flat English names", `{"contractNumber":"C1","customer_no":7,"isBusiness":false,"givenName":"Ada","surname":"Byron","postalCode":"04109","city":"Leipzig","streetName":"Allee","houseNo":3,"mobile":"+49"}`,
			`{"business":false,"company":null,"customerId":"7","deliveryAddress":"Allee 3, 04109 Leipzig","firstname":"Ada","id":"C1","lastname":"Byron","phone":"+49","zip":"04109"}`,
		},
		{
			"flat German names with a prefix", `{"VertragsNr":1,"KundenNr":2,"Firmenname":"Muster GmbH","LieferStrasse":"Weg 1","LieferPLZ":"1","LieferOrt":"Ort","RechnungStrasse":"Gasse 2","RechnungPLZ":"2","RechnungOrt":"Dorf"}`,
			`{"billingAddress":"Gasse 2, 2 Dorf","business":true,"company":"Muster GmbH","customerId":"2","deliveryAddress":"Weg 1, 1 Ort","id":"1","lastname":null,"zip":"1"}`,
		},
		{
			"objects for what belongs together", `{"data":[{"id":"9","customer":{"id":"8","type":"B2B","companyName":"Ada Ltd"},"meter":{"number":"M1"},"deliveryAddress":"Weg 1, Ort","monthlyDeposit":12.10}]}`,
			`{"business":true,"company":"Ada Ltd","counterNumber":"M1","customerId":"8","deliveryAddress":"Weg 1, Ort","id":"9","lastname":null,"monthlyDeposit":12.10}`,
		},
		{
			"words of CEL and quotes as names", `{"id":"1","customerId":"2","business":0,"in":{"last name":"A"},"l\"'\n":"x","vor'name":"Ada"}`,
			`{"business":false,"company":null,"customerId":"2","firstname":"Ada","id":"1","lastname":"A"}`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p, text := draft(t, scaffold.Samples{Contract: []byte(tc.answer)})
			i := p.Inspect(key.Contract, "", 200, []byte(tc.answer))
			got, err := enneo.Canonical(i.Body)
			if err != nil {
				t.Fatal(err)
			}
			if i.Err != nil || got != tc.want {
				t.Errorf("the draft's mapping yields (%v)\n%s, want\n%s\n%s", i.Err, got, tc.want, text)
			}
		})
	}
}

func TestWhatIsNotFoundIsMarkedAndReported(t *testing.T) {
	t.Parallel()
	answer := []byte(`{"color":"red"}`)
	p, text := draft(t, scaffold.Samples{Contract: answer})
	if got := strings.Count(text, "# NOT FOUND. Mandatory: "); got != 5 {
		t.Errorf("%d fields are marked as not found, want the 5 mandatory ones:\n%s", got, text)
	}
	i := p.Inspect(key.Contract, "", 200, answer)
	if want := "contract.id is missing; contract.customerId is missing; contract.business is missing"; strings.Join(i.Missing, "; ") != want {
		t.Errorf("missing are %v, want %s", i.Missing, want)
	}
}

func TestTheIdOfTheSampleIsFoundInTheWebhookWhateverItsName(t *testing.T) {
	t.Parallel()
	samples := scaffold.Samples{
		Contract: []byte(`{"vertragsnummer":"V-1","kundennummer":22}`),
		Webhook:  []byte(`{"who":{"x/~y":22},"contractNote":"n","what":["V-1"],"event":"changed"}`),
	}
	// A customer that is named has to be read.
	if _, text := draft(t, samples); !strings.Contains(text, `customer_ids: [] # Once there is a get_customer: ["/who/x~1~0y"]`) {
		t.Errorf("without a read for customers the draft is\n%s", text)
	}
	samples.Customer = []byte(`{"kundennummer":22,"vertraege":["V-1"]}`)
	p, _ := draft(t, samples)
	doc, err := jsonptr.Decode([]byte(`{"who":{"x/~y":23},"what":["V-2","V-3"],"event":"e"}`))
	if err != nil {
		t.Fatal(err)
	}
	found, by := p.IdentifyOrigin(doc)
	if strings.Join(found.CustomerIDs, " ") != "23" || by.CustomerIDs != "/who/x~1~0y" || found.ChangeType != "e" {
		t.Errorf("identified %+v by %+v, want the customer 23 at /who/x~1~0y", found, by)
	}
}

// TestAListOfContractsThatIsMissingDoesNotDeleteTheCustomer: an empty list would.
func TestAListOfContractsThatIsMissingDoesNotDeleteTheCustomer(t *testing.T) {
	t.Parallel()
	customer := `{"kundennummer":"K","nachname":"A","gewerbe":false,"vertraege":[{"vertragsnummer":"V"}]}`
	p, text := draft(t, scaffold.Samples{Contract: []byte(`{"vertragsnummer":"V"}`), Customer: []byte(customer)})
	if i := p.Inspect(key.Customer, "K", 200, []byte(customer)); i.Err != nil || len(i.Mapped.ContractIDs) != 1 {
		t.Errorf("the sample itself yields %+v\n%s", i, text)
	}
	for _, list := range []string{"", `,"vertraege":null`, `,"vertraege":[{}]`} {
		answer := `{"kundennummer":"K","nachname":"A","gewerbe":false` + list + `}`
		if i := p.Inspect(key.Customer, "K", 200, []byte(answer)); i.Mapped.Gone || i.Err == nil {
			t.Errorf("%s is gone: %t, %v; want an error", answer, i.Mapped.Gone, i.Err)
		}
	}
}

func TestSamplesThatCannotBeUsedAreRefused(t *testing.T) {
	t.Parallel()
	object := []byte(`{"id":1}`)
	for _, tc := range []struct {
		name    string
		samples scaffold.Samples
		want    error
		text    string
	}{
		{"no object", scaffold.Samples{Name: "x", Contract: []byte(`[1]`)}, scaffold.ErrNoObject, "answer with a contract"},
		{"a customer that is no object", scaffold.Samples{Name: "x", Contract: object, Customer: []byte(`"a"`)}, scaffold.ErrNoObject, "answer with a customer"},
		{"a name with capitals", scaffold.Samples{Name: "X", Contract: object}, scaffold.ErrName, "name"},
		{"a path without id", scaffold.Samples{Name: "x", Contract: object, ContractPath: "/c"}, scaffold.ErrPath, "path"},
		{"a path with quotes", scaffold.Samples{Name: "x", Contract: object, CustomerPath: "/c'/{id}"}, scaffold.ErrPath, "path"},
	} {
		if _, err := scaffold.Draft(tc.samples); !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.text) {
			t.Errorf("%s: %v, want %v of %s", tc.name, err, tc.want, tc.text)
		}
	}
	for name, samples := range map[string]scaffold.Samples{
		"answer with a contract: ": {Name: "x", Contract: []byte(`{`)},
		"webhook: ":                {Name: "x", Contract: object, Webhook: []byte(`{} {}`)},
		"is longer than ":          {Name: "x", Contract: make([]byte, profile.MaxAnswer+1)},
	} {
		if _, err := scaffold.Draft(samples); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v, want an error with %q", err, name)
		}
	}
}

// FuzzDraft: whatever the samples are, the draft loads, and is the same each time.
func FuzzDraft(f *testing.F) {
	f.Add([]byte(`{"data":{"id":1,"a":{"b":[{"c":"1,5"}]}}}`), []byte(`{"id":"1","contracts":[{"id":1}]}`), []byte(`{"contractId":"1"}`))
	f.Add([]byte("{\"a\\nb: #\\u2028'\\\"\\u0000\":{\"name\":\"x\"},\"status\":\"aktiv\\n\"}"), []byte(`{}`), []byte(`[{"a~/b":1}]`))
	f.Add([]byte(`{"kundentyp":"privat","sparte":"gas\n","abschlag":"1,5","straße":"a","ort":"b","null":{"true":1}}`), []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, contract, customer, webhook []byte) {
		samples := scaffold.Samples{Name: "x", Contract: contract, Customer: customer, Webhook: webhook}
		text, err := scaffold.Draft(samples)
		if err != nil {
			return
		}
		if len(text) > profile.MaxFile {
			return
		}
		if _, err := profile.Parse("draft.yaml", text); err != nil {
			t.Fatalf("the draft does not load: %v\n%s", err, text)
		}
		again, err := scaffold.Draft(samples)
		if err != nil || string(again) != string(text) {
			t.Fatalf("a second draft differs (%v)", err)
		}
		if !json.Valid(contract) {
			t.Fatal("a draft was made of what is no JSON")
		}
	})
}
