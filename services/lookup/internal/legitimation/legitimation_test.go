package legitimation_test

import (
	"testing"

	"github.com/enneo-ai/enneo-bridge/libs/canary"
	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/legitimation"
)

func TestTheHighestLevelThatIsReachedCounts(t *testing.T) {
	t.Parallel()
	p := canary.NewPerson(1)
	rules, err := legitimation.Parse(
		[]string{"10=", "20=contractId+postalCode", "20=lastname+address+postalCode", "20=phone+lastname", "12=!email", "20=meterNumber+city"},
		map[string]string{"20": "enough is known"})
	if err != nil {
		t.Fatal(err)
	}
	contract := map[string]any{
		"id": "VN-1", "lastname": "Müller-Weiß", "email": p.Email, "phone": p.Phone, "counterNumber": "1 EMH00 1234-5678",
		"deliveryAddress": "Horst-Kohl-Straße 15a, 12157 Berlin", "billingAddress": nil, "zip": "12157",
	}
	withoutMail := map[string]any{"id": "VN-2", "lastname": "Adam", "email": nil}
	for name, tc := range map[string]struct {
		given    map[string]string
		contract map[string]any
		level    int
	}{
		"number and postcode":                {map[string]string{"contractId": "VN-1", "postalCode": "12157"}, contract, 20},
		"number and another postcode":        {map[string]string{"contractId": "VN-1", "postalCode": "12159"}, contract, 10},
		"name and address with tolerance":    {map[string]string{"lastname": "Mueller Weiss", "address": "Horst Kohl Str. 15 A", "postalCode": "12157"}, contract, 20},
		"another street":                     {map[string]string{"lastname": "Müller-Weiß", "address": "Hauptstr. 1", "postalCode": "12157"}, contract, 10},
		"the place instead of the street":    {map[string]string{"lastname": "Müller-Weiß", "address": "12157 Berlin", "postalCode": "12157"}, contract, 10},
		"phone in another form":              {map[string]string{"lastname": "müller-weiss", "phone": "0049 " + p.Phone[3:]}, contract, 20},
		"meter and city of the address":      {map[string]string{"meterNumber": "1EMH0012345678", "city": "berlin"}, contract, 20},
		"nothing that a rule asks for":       {map[string]string{"lastname": "Müller-Weiß"}, contract, 10},
		"a contract without an e-mail":       {map[string]string{"lastname": "Adam"}, withoutMail, 12},
		"a phone that the contract has not":  {map[string]string{"lastname": "Adam", "phone": p.Phone}, withoutMail, 12},
		"an empty attribute is not given":    {map[string]string{"contractId": "VN-1", "postalCode": ""}, contract, 10},
		"what cannot be read agrees in none": {map[string]string{"phone": "?", "lastname": "Adam"}, map[string]any{"lastname": "Adam", "phone": "?", "email": "x"}, 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			level, message, ok := rules.Of(tc.given, tc.contract)
			if !ok || level != tc.level || (message != "") != (level == 20) {
				t.Errorf("level = %d %q %t, want %d", level, message, ok, tc.level)
			}
		})
	}
}

func TestWithoutARuleThatIsMetEnneoDecides(t *testing.T) {
	t.Parallel()
	rules, err := legitimation.Parse([]string{"20=contractId"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []*legitimation.Rules{nil, {}, rules} {
		if level, _, ok := r.Of(map[string]string{"lastname": "Adam"}, map[string]any{"id": "VN-1"}); ok {
			t.Errorf("level = %d, want none", level)
		}
	}
}

func TestRulesThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	for _, rule := range []string{"20", "=email", "x=email", "-1=email", "30=email", "20=email+", "20=!"} {
		if _, err := legitimation.Parse([]string{rule}, nil); err == nil {
			t.Errorf("%q is taken", rule)
		}
	}
	if _, err := legitimation.Parse([]string{"20=email"}, map[string]string{"10": "x"}); err == nil {
		t.Error("a message for a level without a rule is taken")
	}
}
