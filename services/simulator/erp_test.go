package simulator

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

func TestPowercloudServesRecordsInItsEnvelope(t *testing.T) {
	t.Parallel()
	f := start(t)
	want, err := f.control.Contract(t.Context(), "VN-100001")
	if err != nil {
		t.Fatal(err)
	}
	body := f.call(http.MethodGet, f.powercloud("getContractById", "VN-100001"), "").object(t)
	if at(t, body, "success") != true {
		t.Errorf("success is %v", at(t, body, "success"))
	}
	encoded, _ := json.Marshal(at(t, body, "data", "data"))
	var got simclient.Contract
	if err := json.Unmarshal(encoded, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("data.data differs from the directory (-want +got):\n%s", diff)
	}
	names := []string{
		"id", "customerId", "business", "firstname", "lastname", "company", "email", "phone", "deliveryStreet", "deliveryHouseNumber", "deliveryZip",
		"deliveryCity", "billingStreet", "billingHouseNumber", "billingZip", "billingCity", "statusId", "statusTitle", "energyTypeId", "counterNumber",
		"iban", "monthlyDeposit", "startDate", "endDate", "consumption", "productName", "productCode", "revision",
	}
	inner, _ := at(t, body, "data", "data").(map[string]any)
	for _, name := range names {
		if _, present := inner[name]; !present {
			t.Errorf("data.data lacks %s", name)
		}
	}
	if len(inner) != len(names) {
		t.Errorf("data.data has %d properties, want %d", len(inner), len(names))
	}
	customer := f.call(http.MethodGet, f.powercloud("getCustomerById", want.CustomerID), "").object(t)
	if at(t, customer, "data", "data", "id") != want.CustomerID {
		t.Errorf("getCustomerById answers %v", customer)
	}
	entry := f.one(simclient.JournalQuery{System: simclient.Powercloud, Kind: key.Contract})
	if entry.Operation != "get_contract" || entry.ID != "VN-100001" || entry.Revision != 1 || entry.Status != 200 || entry.EndNS < entry.StartNS {
		t.Errorf("the journal says %+v", entry)
	}
}

func TestERPsRefuseWrongCredentials(t *testing.T) {
	t.Parallel()
	f := start(t)
	for _, path := range []string{
		f.powercloud("getContractById", "VN-100001"), lynqtechPath("contract", "VN-100001"), genericPath("contract", "VN-100001"), enneoPath("contract", "VN-100001"),
	} {
		for name, spoil := range map[string]func(*http.Request){
			"none": func(r *http.Request) { r.Header.Del("Authorization"); r.Header.Del("X-Api-Key") },
			"wrong": func(r *http.Request) {
				r.Header.Set("Authorization", "Bearer wrong")
				r.Header.Set("X-Api-Key", "wrong")
			},
			"without context": func(r *http.Request) {
				r.SetBasicAuth(f.options.PowercloudUser, f.options.PowercloudPassword.Reveal())
				r.Header.Del("X-Api-Key")
			},
		} {
			request := f.request(http.MethodGet, path, "")
			spoil(request)
			if got, err := f.send(request); err != nil || got.status != http.StatusUnauthorized {
				t.Errorf("%s with credentials %s: %d, %v; want 401", path, name, got.status, err)
			}
		}
	}
}

func TestERPsSayWhatTheyDoNotHave(t *testing.T) {
	t.Parallel()
	f := start(t)
	for name, c := range map[string]struct {
		path   string
		status int
		names  []string
		value  any
	}{
		"powercloud contract":  {f.powercloud("getContractById", "x"), 200, []string{"error", "code"}, "not_found"},
		"powercloud customer":  {f.powercloud("getCustomerById", "x"), 200, []string{"success"}, false},
		"powercloud no id":     {"/powercloud/rest:client/" + f.options.PowercloudHash + "/getContractById", 200, []string{"error", "code"}, "not_found"},
		"powercloud hash":      {strings.Replace(f.powercloud("getContractById", "VN-100001"), f.options.PowercloudHash, "f0f0", 1), 404, []string{"success"}, false},
		"powercloud context":   {strings.Replace(f.powercloud("getContractById", "VN-100001"), "rest:client", "rest:contract", 1), 404, []string{"success"}, false},
		"lynqtech contract":    {lynqtechPath("contract", "x"), 404, []string{"code"}, "NOT_FOUND"},
		"lynqtech customer":    {lynqtechPath("customer", "x"), 404, []string{"code"}, "NOT_FOUND"},
		"lynqtech path":        {"/lynqtech/v2/contract/x", 404, []string{"code"}, "NOT_SUPPORTED"},
		"lynqtech find":        {"/lynqtech/v1/customer/find", 400, []string{"code"}, "MISSING_PARAMETER"},
		"generic contract":     {genericPath("contract", "x"), 404, []string{"error"}, "there is no contract of this id"},
		"generic customer":     {genericPath("customer", "x"), 404, []string{"error"}, "there is no customer of this id"},
		"generic limit":        {"/generic/contracts?limit=0", 400, []string{"error"}, "limit must be a number from 1 on"},
		"generic cursor":       {"/generic/contracts?cursor=-1", 400, []string{"error"}, "cursor must be a nextCursor of an answer"},
		"generic changedSince": {"/generic/customers?changedSince=now", 400, []string{"error"}, "changedSince must be a time such as 2006-01-02T15:04:05Z"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := f.call(http.MethodGet, c.path, "")
			if value := at(t, got.object(t), c.names...); got.status != c.status || value != c.value {
				t.Errorf("answer is %d %v; want %d %v", got.status, value, c.status, c.value)
			}
		})
	}
	if got := f.call(http.MethodPost, genericPath("contract", "VN-100001"), ""); got.status != http.StatusMethodNotAllowed {
		t.Errorf("POST to a contract is answered %d, want 405", got.status)
	}
}

func TestLynqTechSpeaksItsHouseStyle(t *testing.T) {
	t.Parallel()
	f := start(t)
	want, err := f.control.Contract(t.Context(), "VN-100001")
	if err != nil {
		t.Fatal(err)
	}
	contract := f.call(http.MethodGet, lynqtechPath("contract", want.ID), "").object(t)
	if at(t, contract, "meterNumber") != want.CounterNumber || at(t, contract, "deliveryAddress", "zip") != want.DeliveryZip {
		t.Errorf("contract is %v", contract)
	}
	for _, id := range []string{"one", "two", "three"} {
		if _, err := f.control.PutCustomer(t.Context(), simclient.Customer{ID: id, Party: simclient.Party{Firstname: "Zoë", Lastname: "Einzigartig"}}); err != nil {
			t.Fatal(err)
		}
	}
	found := f.call(http.MethodGet, "/lynqtech/v1/customer/find?lastName=einzigartig&limit=2&offset=1", "").object(t)
	if diff := cmp.Diff(map[string]any{"limit": json.Number("2"), "offset": json.Number("1"), "totalRows": json.Number("3")}, found["pagination"]); diff != "" {
		t.Errorf("pagination differs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]any{"two", "three"}, ids(found)); diff != "" {
		t.Errorf("items differ (-want +got):\n%s", diff)
	}
	if none := f.call(http.MethodGet, "/lynqtech/v1/customer/find?email=nobody@example.com", ""); none.status != 200 || len(ids(none.object(t))) != 0 {
		t.Errorf("a search without a result is answered %d %s", none.status, none.body)
	}
	request := f.request(http.MethodGet, lynqtechPath("contract", "x"), "")
	request.Header.Set("X-Request-ID", "mine")
	refused, err := f.send(request)
	if err != nil {
		t.Fatal(err)
	}
	if refused.header.Get("X-Request-ID") != "mine" || at(t, refused.object(t), "request_id") != "mine" {
		t.Errorf("the request id is %q in the header and %v in the body", refused.header.Get("X-Request-ID"), refused.object(t)["request_id"])
	}
}

func ids(list map[string]any) []any {
	result := []any{}
	items, _ := list["items"].([]any)
	for _, item := range items {
		object, _ := item.(map[string]any)
		result = append(result, object["id"])
	}
	return result
}

func TestGenericSpeaksEnneosWords(t *testing.T) {
	t.Parallel()
	f := start(t)
	contract := simclient.Contract{
		ID: "VN-1", CustomerID: "K-1", Party: simclient.Party{Lastname: "Müller", Email: "m@example.com"},
		Addresses: simclient.Addresses{DeliveryStreet: "Horst-Kohl-Str.", DeliveryHouseNumber: "15a", DeliveryZip: "12157", DeliveryCity: "Berlin"},
		StatusID:  5000, StatusTitle: "Aktiv", EnergyTypeID: 1, CounterNumber: "1ESY0000000001", IBAN: "DE89370400440532013000",
		MonthlyDeposit: 85.5, StartDate: "2026-01-01", Consumption: 2500, ProductName: "Öko", ProductCode: "O",
	}
	if _, err := f.control.PutContract(t.Context(), contract); err != nil {
		t.Fatal(err)
	}
	got := f.call(http.MethodGet, genericPath("contract", "VN-1"), "").object(t)
	want := map[string]any{
		"id": "VN-1", "customerId": "K-1", "business": false, "firstname": nil, "lastname": "Müller", "company": nil, "email": "m@example.com", "phone": nil,
		"deliveryAddress": "Horst-Kohl-Str. 15a, 12157 Berlin", "billingAddress": nil, "zip": "12157", "status": "active", "statusCode": json.Number("5000"),
		"statusCodeTitle": "Aktiv", "energy": "electricity", "energyTypeId": json.Number("1"), "counterNumber": "1ESY0000000001", "iban": "DE89370400440532013000",
		"monthlyDeposit": json.Number("85.5"), "startDate": json.Number("1767225600"), "endDate": nil, "consumption": json.Number("2500"),
		"productName": "Öko", "productCode": "O", "revision": json.Number("1"),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("contract differs (-want +got):\n%s", diff)
	}
	customer := f.call(http.MethodGet, genericPath("customer", "K-1"), "").object(t)
	if diff := cmp.Diff([]any{"VN-1"}, customer["contractIds"]); diff != "" {
		t.Errorf("contractIds differ (-want +got):\n%s", diff)
	}
}

func TestGenericListsByCursorAndChange(t *testing.T) {
	t.Parallel()
	f := start(t)
	walk := func(query string) []any {
		var all []any
		cursor := ""
		for {
			page := f.call(http.MethodGet, "/generic/contracts?"+query+cursor, "").object(t)
			all = append(all, ids(page)...)
			next, more := page["nextCursor"].(string)
			if !more {
				return all
			}
			cursor = "&cursor=" + next
		}
	}
	if all := walk("limit=7"); len(all) != 100 {
		t.Errorf("the list of all has %d contracts, want 100", len(all))
	}
	f.change("VN-100042", 6000)
	f.change("VN-100017", 6000)
	since := url.QueryEscape(time.Now().Add(-time.Minute).Format(time.RFC3339))
	if diff := cmp.Diff([]any{"VN-100042", "VN-100017"}, walk("limit=1&changedSince="+since)); diff != "" {
		t.Errorf("changes differ (-want +got):\n%s", diff)
	}
	if _, err := f.control.Delete(t.Context(), simclient.Ref{Kind: key.Contract, ID: "VN-100042"}); err != nil {
		t.Fatal(err)
	}
	page := f.call(http.MethodGet, "/generic/contracts?changedSince="+since, "").object(t)
	items, _ := page["items"].([]any)
	if last := items[len(items)-1]; at(t, last, "id") != "VN-100042" || at(t, last, "deleted") != true {
		t.Errorf("the newest change is %v, want the delete", last)
	}
	contract, err := f.control.Contract(t.Context(), "VN-100001")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]any{"VN-100001"}, walk("meterNumber="+contract.CounterNumber)); diff != "" {
		t.Errorf("the search by meter number differs (-want +got):\n%s", diff)
	}
	customers := f.call(http.MethodGet, "/generic/customers?customerId=K-50002", "").object(t)
	if diff := cmp.Diff([]any{"K-50002"}, ids(customers)); diff != "" {
		t.Errorf("the search for a customer differs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]any{"VN-100003"}, walk("q=vn-100003")); diff != "" {
		t.Errorf("the search by free text differs (-want +got):\n%s", diff)
	}
}

func TestHostileIDsAreServedByAllERPs(t *testing.T) {
	t.Parallel()
	f := start(t)
	added, err := f.control.Generate(t.Context(), simclient.Generate{Hostile: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range simclient.HostileIDs() {
		if id != "vn-100001" && !strings.Contains(strings.Join(added, "\x01"), id) {
			t.Errorf("%q was not added", id)
		}
		for name, got := range map[string]any{
			"powercloud": at(t, f.call(http.MethodGet, f.powercloud("getContractById", id), "").object(t), "data", "data", "id"),
			"lynqtech":   at(t, f.call(http.MethodGet, lynqtechPath("contract", id), "").object(t), "id"),
			"generic":    at(t, f.call(http.MethodGet, genericPath("customer", id), "").object(t), "id"),
			"enneo":      at(t, f.call(http.MethodPut, enneoPath("contract", id), contractBody(id, "")).object(t), "id"),
		} {
			if got != id {
				t.Errorf("%s answers %q for the id %q", name, got, id)
			}
		}
		if got, err := f.control.Contract(t.Context(), id); err != nil || got.ID != id {
			t.Errorf("control answers %q, %v for the id %q", got.ID, err, id)
		}
		if entries := f.journal(simclient.JournalQuery{ID: id}); len(entries) != 4 {
			t.Errorf("the journal has %d entries for the id %q, want 4", len(entries), id)
		}
	}
}

func TestOverridesReachEveryERP(t *testing.T) {
	t.Parallel()
	f := start(t)
	patch := json.RawMessage(`{"override":{"business":"yes","id":4711,"extra":{"a":[1]}}}`)
	if _, err := f.control.Change(t.Context(), simclient.Change{Contracts: []string{"VN-100001"}, Patch: patch}); err != nil {
		t.Fatal(err)
	}
	for name, object := range map[string]any{
		"powercloud": at(t, f.call(http.MethodGet, f.powercloud("getContractById", "VN-100001"), "").object(t), "data", "data"),
		"lynqtech":   any(f.call(http.MethodGet, lynqtechPath("contract", "VN-100001"), "").object(t)),
		"generic":    any(f.call(http.MethodGet, genericPath("contract", "VN-100001"), "").object(t)),
	} {
		if at(t, object, "business") != "yes" || at(t, object, "id") != json.Number("4711") || at(t, object, "extra") == nil || at(t, object, "override") != nil {
			t.Errorf("%s answers %v", name, object)
		}
	}
}
