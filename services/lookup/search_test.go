package lookup

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/canary"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

// person gives a contract of the ERP a holder who is not to be found anywhere else.
func (w *world) person(id string, p canary.Person) {
	w.t.Helper()
	c, err := w.sim.Contract(w.t.Context(), id)
	w.must(err)
	c.Business, c.Firstname, c.Lastname, c.Company = false, simclient.Optional(p.Firstname), simclient.Optional(p.Lastname), ""
	c.Email, c.Phone, c.CounterNumber = simclient.Optional(p.Email), simclient.Optional(p.Phone), p.Meter
	c.DeliveryStreet, c.DeliveryHouseNumber, c.DeliveryZip, c.DeliveryCity = p.Street, p.HouseNumber, p.Zip, p.City
	_, err = w.sim.PutContract(w.t.Context(), c)
	w.must(err)
	holder, err := w.sim.Customer(w.t.Context(), c.CustomerID)
	w.must(err)
	holder.Party, holder.Addresses = c.Party, c.Addresses
	_, err = w.sim.PutCustomer(w.t.Context(), holder)
	w.must(err)
}

// single is the n-th contract in the ERP that is its customer's only one.
func (w *world) single(n int) string {
	w.t.Helper()
	counts := map[string]int{}
	holders := make([]string, len(w.contracts))
	for i, id := range w.contracts {
		holders[i] = w.holderOf(id)
		counts[holders[i]]++
	}
	for i, id := range w.contracts {
		if counts[holders[i]] > 1 {
			continue
		}
		if n--; n < 0 {
			return id
		}
	}
	w.t.Fatal("the simulator has too few such contracts")
	return ""
}

// holderOf is the id of a contract's customer.
func (w *world) holderOf(id string) string {
	w.t.Helper()
	c, err := w.sim.Contract(w.t.Context(), id)
	w.must(err)
	return c.CustomerID
}

// search is call C.
func (r *replica) search(t testing.TB, attributes map[string]any) result {
	t.Helper()
	body, err := json.Marshal(attributes)
	r.w.must(err)
	return r.call(t, http.MethodPost, "/v1/contract/search", string(body))
}

// by are searches that mean a person.
func by(id string, p canary.Person) map[string]map[string]any {
	return map[string]map[string]any{
		"contract id":       {"contractId": id},
		"meter number":      {"meterNumber": strings.ToLower(p.Meter)},
		"e-mail":            {"email": strings.ToUpper(p.Email)},
		"phone":             {"phone": "0" + p.Phone[3:], "lastname": p.Lastname},
		"name and address":  {"firstname": p.Firstname, "lastname": p.Lastname, "address": p.Street + " " + p.HouseNumber, "postalCode": p.Zip},
		"number and others": {"contractId": id, "lastname": p.Lastname, "postalCode": 12157, "tarif": "x"},
	}
}

func TestAttributesMeanOneContractInTheModel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, p := w.single(0), canary.NewPerson(31)
	w.person(id, p)
	holder := w.holderOf(id)
	for _, other := range w.contracts[:10] {
		w.carried(contract(other))
	}
	w.carried(customer(holder))
	r := w.start(map[string]string{"LOOKUP_MODE": "model"})
	w.forget()
	want := fmt.Sprintf(`{"contractId":%q,"customerId":%q}`, id, holder)
	for name, attributes := range by(id, p) {
		attributes["ticketId"] = 1
		got := r.search(t, attributes)
		got.expect(t, http.StatusOK, fromModel, want)
		if got.header.Get("Age") == "" {
			t.Errorf("%s: the answer has no age", name)
		}
	}
	for name, attributes := range map[string]map[string]any{
		"nobody":             {"email": canary.NewPerson(32).Email},
		"another's postcode": {"firstname": p.Firstname, "lastname": p.Lastname, "postalCode": "99999", "city": "Elsewhere"},
		"a name alone":       {"lastname": "Nobody-at-all"},
	} {
		attributes["ticketId"] = 2
		if got := r.search(t, attributes); got.status != http.StatusOK || got.body != "{}" {
			t.Errorf("%s: %d, somebody: %t", name, got.status, got.body != "{}")
		}
	}
	if n := w.reads("list_contracts", "") + w.reads("get_contract", ""); n != 0 {
		t.Errorf("the ERP was asked %d times", n)
	}
}

func TestAttributesMeanOneContractInTheERP(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, p := w.single(0), canary.NewPerson(33)
	w.person(id, p)
	want := fmt.Sprintf(`{"contractId":%q,"customerId":%q}`, id, w.holderOf(id))
	for _, mode := range []Mode{Live, Auto} {
		r := w.start(map[string]string{"LOOKUP_MODE": string(mode)})
		searches := by(id, p)
		// The simulated ERP compares texts as they are.
		searches["meter number"], searches["e-mail"] = map[string]any{"meterNumber": p.Meter}, map[string]any{"email": p.Email}
		searches["phone"] = map[string]any{"phone": p.Phone}
		searches["customer id"] = map[string]any{"customerId": w.holderOf(id), "lastname": p.Lastname, "meterNumber": p.Meter}
		for name, attributes := range searches {
			attributes["ticketId"] = "t"
			if got := r.search(t, attributes); got.status != http.StatusOK || got.body != want || got.origin() == string(fromStale) {
				t.Errorf("mode %s, %s: %d from %s, the wanted one: %t", mode, name, got.status, got.origin(), got.body == want)
			}
		}
		if got := r.search(t, map[string]any{"ticketId": "t", "email": canary.NewPerson(34).Email}); got.body != "{}" || got.origin() != string(fromERP) {
			t.Errorf("mode %s: nobody is answered with somebody: %t, from %s", mode, got.body != "{}", got.origin())
		}
	}
}

func TestTwoThatFitEquallyWellAreNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := canary.NewPerson(35)
	for _, id := range w.contracts[:2] {
		w.person(id, p)
		w.carried(contract(id))
	}
	for _, mode := range []Mode{Live, Model, Auto} {
		r := w.start(map[string]string{"LOOKUP_MODE": string(mode)})
		if got := r.search(t, map[string]any{"ticketId": "t", "email": p.Email}); got.status != http.StatusOK || got.body != "{}" {
			t.Errorf("mode %s: %d, somebody: %t", mode, got.status, got.body != "{}")
		}
	}
}

func TestASearchIsAnsweredFromTheModelWhileTheERPIsAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, p := w.single(0), canary.NewPerson(36)
	w.person(id, p)
	holder := w.holderOf(id)
	w.carried(contract(id), customer(holder))
	r := w.start(map[string]string{"LOOKUP_MODE": "live"})
	_, err := w.sim.AddFault(t.Context(), simclient.Fault{System: simclient.Generic, Action: simclient.Reset})
	w.must(err)
	got := r.search(t, map[string]any{"ticketId": "t", "email": p.Email})
	got.expect(t, http.StatusOK, fromStale, fmt.Sprintf(`{"contractId":%q,"customerId":%q}`, id, holder))
	got = r.typed(t, p.Lastname)
	got.expect(t, http.StatusOK, fromStale, fmt.Sprintf(`[{"id":%q}]`, holder))
}

// typed is call D.
func (r *replica) typed(t testing.TB, q string) result {
	t.Helper()
	return r.call(t, http.MethodGet, "/v1/customer/search?q="+url.QueryEscape(q), "")
}

func TestWhatAnAgentTypesFindsCustomers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, p := w.single(0), canary.NewPerson(37)
	w.person(id, p)
	holder := w.holderOf(id)
	want := fmt.Sprintf(`[{"id":%q}]`, holder)
	// Live: nothing is known here, and the ERP has a search.
	live := w.start(map[string]string{"LOOKUP_MODE": "live"})
	got := live.typed(t, p.Lastname)
	got.expect(t, http.StatusOK, fromERP, want)
	auto := w.start(map[string]string{"LOOKUP_MODE": "auto"})
	got = auto.typed(t, p.Lastname)
	got.expect(t, http.StatusOK, fromERP, want)
	w.carried(contract(id), customer(holder))
	got = auto.typed(t, p.Lastname)
	got.expect(t, http.StatusOK, fromModel, want)
	r := w.start(map[string]string{"LOOKUP_MODE": "model"})
	for _, q := range []string{p.Lastname, p.Email, id, holder, p.Firstname + " " + p.Lastname} {
		got = r.call(t, http.MethodPost, "/v1/customer/search", fmt.Sprintf(`{"q":%q,"limit":10,"offset":"0"}`, q))
		got.expect(t, http.StatusOK, fromModel, want)
	}
	got = r.typed(t, "  ")
	got.expect(t, http.StatusOK, fromModel, "[]")
	got = r.call(t, http.MethodGet, "/v1/customer/search?q=x&limit=0", "")
	got.expect(t, http.StatusOK, fromModel, "[]")
}

func TestNoMoreThanTenCustomersAreAnswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := canary.NewPerson(38)
	holders := map[string]bool{}
	var keys []key.Key
	for _, id := range w.contracts {
		w.person(id, p)
		holder := w.holderOf(id)
		if !holders[holder] {
			keys = append(keys, customer(holder))
		}
		holders[holder] = true
		keys = append(keys, contract(id))
	}
	w.carried(keys...)
	live := w.start(map[string]string{"LOOKUP_MODE": "live"})
	if got := live.typed(t, p.Lastname); strings.Count(got.body, `"id"`) != 10 {
		t.Errorf("the first page of an ERP has %d customers", strings.Count(got.body, `"id"`))
	}
	r := w.start(map[string]string{"LOOKUP_MODE": "model"})
	found := map[string]bool{}
	for offset := 0; ; offset += 10 {
		got := r.call(t, http.MethodPost, "/v1/customer/search", fmt.Sprintf(`{"q":%q,"limit":500,"offset":%d}`, p.Lastname, offset))
		var page []customerID
		w.must(json.Unmarshal([]byte(got.body), &page))
		if len(page) > 10 {
			t.Fatalf("%d customers on a page", len(page))
		}
		for _, one := range page {
			found[one.ID] = true
		}
		if len(page) == 0 {
			break
		}
	}
	if diff := cmp.Diff(holders, found); diff != "" {
		t.Errorf("the pages together differ (-want +got):\n%s", diff)
	}
}

func TestWhatWasJustStoredIsFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, other := w.start(map[string]string{"LOOKUP_MODE": "model"}), w.start(map[string]string{"LOOKUP_MODE": "model"})
	for i := range 8 {
		id, p := w.single(i), canary.NewPerson(100+i)
		w.person(id, p)
		holder := w.holderOf(id)
		w.carried(contract(id), customer(holder))
		for _, r := range []*replica{one, other} {
			got := r.search(t, map[string]any{"ticketId": id, "email": p.Email})
			got.expect(t, http.StatusOK, fromModel, fmt.Sprintf(`{"contractId":%q,"customerId":%q}`, id, holder))
			got = r.typed(t, p.Email)
			got.expect(t, http.StatusOK, fromModel, fmt.Sprintf(`[{"id":%q}]`, holder))
		}
	}
}

func TestASourceWithoutASearchIsSearchedInTheModel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, p := w.single(0), canary.NewPerson(39)
	w.person(id, p)
	holder := w.holderOf(id)
	options := map[string]string{
		"LOOKUP_MODE": "live", "SOURCE_ERP_PROFILE": "powercloud", "SOURCE_ERP_HOST": w.sim.URL(simclient.Powercloud), "SOURCE_ERP_AUTH": "header",
	}
	w.carried(contract(id), customer(holder))
	r := w.start(options)
	got := r.search(t, map[string]any{"ticketId": "t", "email": p.Email})
	got.expect(t, http.StatusOK, fromModel, fmt.Sprintf(`{"contractId":%q,"customerId":%q}`, id, holder))
	got = r.typed(t, p.Lastname)
	got.expect(t, http.StatusOK, fromModel, fmt.Sprintf(`[{"id":%q}]`, holder))
}

func TestOfTwoSourcesBothAreSearched(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, p := w.single(0), canary.NewPerson(40)
	w.person(id, p)
	holder := w.holderOf(id)
	// The one without a search has the person in the model, the other one has nobody.
	w.carried(contract(id), customer(holder))
	r := w.start(map[string]string{
		"LOOKUP_MODE": "live", "SOURCES": "erp,other", "SOURCE_OTHER_ENNEO_ID": "O-{id}", "SOURCE_ERP_ENNEO_ID": "E-{id}",
		"SOURCE_ERP_PROFILE": "powercloud", "SOURCE_ERP_HOST": w.sim.URL(simclient.Powercloud), "SOURCE_ERP_AUTH": "context_basic",
		"SOURCE_ERP_API_USER": "u", "SOURCE_ERP_HASH": canary.InstanceHash, "SOURCE_ERP_API_PASSWORD": "p", "SOURCE_OTHER_PROFILE": "generic",
		"SOURCE_OTHER_HOST": w.sim.URL(simclient.Generic), "SOURCE_OTHER_API_KEY": w.environment(nil)["SOURCE_ERP_API_KEY"],
	})
	bustest.Eventually(t, "both are found", func() bool {
		got := r.typed(t, p.Lastname)
		return got.body == fmt.Sprintf(`[{"id":"O-%s"},{"id":"E-%s"}]`, holder, holder)
	})
	// The same person in both is nobody.
	if got := r.search(t, map[string]any{"ticketId": "t", "email": p.Email}); got.body != "{}" {
		t.Errorf("of the same person in two sources one was chosen")
	}
}
