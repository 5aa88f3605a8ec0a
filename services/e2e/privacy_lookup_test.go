package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/enneo-ai/enneo-bridge/libs/canary"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

// lookupToken is LOOKUP_TOKEN.
var lookupToken = canary.Secret("lookup")

// question is one call of lookup.
func (w *world) question(address, method, path, body, token string) (status int, answer string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, address+path, strings.NewReader(body))
	must(w.t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	must(w.t, err)
	text, err := io.ReadAll(resp.Body)
	must(w.t, errors.Join(err, resp.Body.Close()))
	return resp.StatusCode, string(text)
}

// ask asks lookup in every way, and while the ERP answers with personal data in every way it fails. What finds nobody says nothing of
// what it was asked for.
func (w *world) ask(address string) {
	w.t.Helper()
	owner, nobody := canary.NewPerson(lastOwner), canary.NewPerson(inWebhooks)
	encoded := func(p canary.Person, ticket string) string {
		body, err := json.Marshal(map[string]string{
			"ticketId": ticket, "firstname": p.Firstname, "lastname": p.Lastname, "email": p.Email, "phone": p.Phone, "meterNumber": p.Meter,
			"address": p.Street + " " + p.HouseNumber, "postalCode": p.Zip, "city": p.City, "iban": p.IBAN,
		})
		must(w.t, err)
		return string(body)
	}
	for _, tc := range []struct {
		name, method, path, body, token string
		status                          int
		holds                           string
	}{
		{"a contract", "POST", "/v1/contract", fmt.Sprintf(`{"contractId":%q}`, mainID), lookupToken, 200, owner.Lastname},
		{"a customer by query", "GET", "/v1/customer?customerId=" + customerID, "", lookupToken, 200, owner.Lastname},
		{"attributes", "POST", "/v1/contract/search", fmt.Sprintf(`{"ticketId":1,"contractId":%q}`, mainID), lookupToken, 200, mainID},
		{"a text", "GET", "/v1/customer/search?q=" + url.QueryEscape(mainID), "", lookupToken, 200, customerID},
		{"an unknown contract", "POST", "/v1/contract", fmt.Sprintf(`{"contractId":"%s-nobody"}`, mainID), lookupToken, 404, ""},
		{"a wrong token", "POST", "/v1/contract", encoded(nobody, "2"), canary.Secret("guessed"), 401, ""},
		{"data as the path", "GET", "/v1/" + nobody.Lastname + "?iban=" + nobody.IBAN, "", lookupToken, 404, ""},
		{"a body that ends too early", "POST", "/v1/contract/search", encoded(nobody, "2")[:100], lookupToken, 400, ""},
		{"data in a wrong place", "POST", "/v1/contract/search", fmt.Sprintf(`{"ticketId":1,"email":[%q],%q:1}`, nobody.Email, nobody.Lastname), lookupToken, 400, ""},
	} {
		status, answer := w.question(address, tc.method, tc.path, tc.body, tc.token)
		if status != tc.status || !strings.Contains(answer, tc.holds) {
			w.t.Errorf("%s is answered %d, want %d; the answer is the wanted one: %t", tc.name, status, tc.status, strings.Contains(answer, tc.holds))
		}
		if tc.holds == "" {
			clean(w.t, "the answer to "+tc.name, []byte(answer))
		}
	}
	for range 5 { // More than the ticket may.
		status, answer := w.question(address, "POST", "/v1/contract/search", encoded(nobody, mainID), lookupToken)
		if status != http.StatusOK || answer != "{}" {
			w.t.Errorf("a search for nobody is answered %d", status)
		}
	}
	for _, fault := range []simclient.Fault{
		{Action: simclient.Status, Status: http.StatusInternalServerError, Body: talkative(false)},
		{Action: simclient.Status, Status: http.StatusUnprocessableEntity, Body: talkative(false)},
		{Action: simclient.Status, Status: http.StatusOK, Body: talkative(true)[:200]},
		{Action: simclient.HTML, Body: "<html>" + talkative(false)},
		{Action: simclient.Truncate},
		{Action: simclient.WrongID},
		{Action: simclient.Failure, Body: talkative(false)},
	} {
		fault.System, fault.EntityID = simclient.Powercloud, mainID
		added, err := w.Sim.AddFault(w.t.Context(), fault)
		must(w.t, err)
		// What is known is the answer, whatever the ERP says.
		if status, answer := w.question(address, "POST", "/v1/contract", fmt.Sprintf(`{"contractId":%q}`, mainID), lookupToken); status != http.StatusOK || !strings.Contains(answer, owner.Lastname) {
			w.t.Errorf("while the ERP answers %s lookup answers %d", fault.Action, status)
		}
		must(w.t, w.Sim.ClearFault(w.t.Context(), added.ID))
	}
}

// readModelHoldsTheOwner makes sure that the search in the read model finds what is there.
func (w *world) readModelHoldsTheOwner(folder string) {
	w.t.Helper()
	if !bytes.Contains(contents(w.t, folder), []byte(canary.NewPerson(lastOwner).IBAN)) {
		w.t.Error("the present owner is not found in the read model: the search is wrong")
	}
}

// readModelForgets waits until nobody's data are in the files of the read model any more.
func (w *world) readModelForgets(folder string) {
	w.t.Helper()
	eventually(w.t, "the read model has forgotten everybody", func() error {
		if found := canary.Find(contents(w.t, folder)); len(found) > 0 {
			return fmt.Errorf("%d things are found, a %s among them", len(found), found[0].Kind)
		}
		return nil
	})
}
