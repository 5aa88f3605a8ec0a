package simulator

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

func TestEnneoKeepsWhatItIsSent(t *testing.T) {
	t.Parallel()
	f := start(t)
	path := enneoPath("contract", "VN-1")
	unknown := f.call(http.MethodGet, path, "")
	if diff := cmp.Diff(map[string]any{"success": true, "code": "contract_not_found"}, unknown.object(t)); unknown.status != 200 || diff != "" {
		t.Errorf("an unknown contract is answered %d (-want +got):\n%s", unknown.status, diff)
	}
	if got := f.call(http.MethodPut, path, contractBody("VN-1", `,"rawData":{"a":1},"revision":3`)); got.status != http.StatusCreated {
		t.Errorf("the first put is answered %d %s", got.status, got.body)
	}
	if got := f.call(http.MethodPut, path, contractBody("VN-1", `,"rawData":{"a":1},"email":"m@example.com"`)); got.status != http.StatusOK {
		t.Errorf("the second put is answered %d %s", got.status, got.body)
	}
	if got := f.call(http.MethodGet, path, "").object(t); got["email"] != "m@example.com" || got["rawData"] != nil {
		t.Errorf("the contract is %v", got)
	}
	if got := f.call(http.MethodGet, path+"?includeRawData=true", "").object(t); got["rawData"] == nil {
		t.Errorf("the contract with raw data is %v", got)
	}
	if got := f.call(http.MethodDelete, path, "").object(t); got["success"] != true || got["code"] != nil {
		t.Errorf("the delete is answered %v", got)
	}
	if got := f.call(http.MethodDelete, path, "").object(t); got["success"] != true || got["code"] != "contract_not_found" {
		t.Errorf("the second delete is answered %v", got)
	}
	writes, err := f.control.Writes(t.Context(), simclient.Ref{Kind: key.Contract, ID: "VN-1"})
	if err != nil {
		t.Fatal(err)
	}
	operations := []string{}
	for i, w := range writes {
		operations = append(operations, w.Operation)
		if i > 0 && w.Sequence <= writes[i-1].Sequence {
			t.Errorf("write %d has the sequence %d after %d", i, w.Sequence, writes[i-1].Sequence)
		}
	}
	if diff := cmp.Diff([]string{"put", "put", "delete", "delete"}, operations); diff != "" {
		t.Errorf("writes differ (-want +got):\n%s", diff)
	}
	if writes[0].Revision != 3 || !strings.Contains(string(writes[1].Body), "m@example.com") || writes[2].Body != nil {
		t.Errorf("writes hold %+v", writes)
	}
}

func TestEnneoAnswersWithAnotherIDIfItIsToldTo(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.put("VN-1", "")
	f.put("VN-2", "")
	f.fault(simclient.Fault{System: simclient.Enneo, Action: simclient.WrongID})
	if got := f.call(http.MethodGet, enneoPath("contract", "VN-1"), "").object(t)["id"]; got != "VN-2" {
		t.Errorf("a read of VN-1 is answered with %v", got)
	}
	if got := f.call(http.MethodPut, enneoPath("contract", "VN-1"), contractBody("VN-1", "")).object(t)["id"]; got == "VN-1" {
		t.Errorf("a write of VN-1 is answered with %v", got)
	}
}

func TestEnneoRefusesWhatItsDocumentationDoes(t *testing.T) {
	t.Parallel()
	f := start(t)
	long := strings.Repeat("x", 51)
	for name, c := range map[string]struct {
		path, body string
		status     int
		field      any
	}{
		"no JSON":                       {enneoPath("contract", "1"), `{"id"`, 400, nil},
		"null":                          {enneoPath("contract", "1"), `null`, 400, nil},
		"two objects":                   {enneoPath("contract", "1"), contractBody("1", "") + "{}", 400, nil},
		"no customer":                   {enneoPath("contract", "1"), `{"id":"1","business":false,"lastname":"a","company":null}`, 422, "contract.customerId"},
		"person without a last name":    {enneoPath("contract", "1"), `{"id":"1","customerId":2,"business":false,"lastname":null,"company":null}`, 422, "contract.lastname"},
		"business without a company":    {enneoPath("contract", "1"), `{"id":"1","customerId":2,"business":true,"lastname":null,"company":null}`, 422, "contract.company"},
		"business as a text":            {enneoPath("contract", "1"), `{"id":"1","customerId":2,"business":"no","lastname":"a","company":null}`, 422, "contract.business"},
		"an id of 51 characters":        {enneoPath("contract", long), contractBody(long, ""), 422, "contract.id"},
		"another id than in the path":   {enneoPath("contract", "1"), contractBody("2", ""), 422, "contract.id"},
		"a mail address that is a list": {enneoPath("contract", "1"), contractBody("1", `,"email":[]`), 422, "contract.email"},
		"customer without contracts":    {enneoPath("customer", "1"), `{"id":1,"business":false,"lastname":"a","company":null,"contractIds":[]}`, 422, "customer.contractIds"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := f.call(http.MethodPut, c.path, c.body)
			object := got.object(t)
			if got.status != c.status || object["field"] != c.field || object["success"] != false || object["message"] == nil {
				t.Errorf("answer is %d %s; want %d and the field %v", got.status, got.body, c.status, c.field)
			}
		})
	}
	if got := f.call(http.MethodPut, enneoPath("contract", "1"), strings.Repeat(" ", 2<<20)); got.status != http.StatusRequestEntityTooLarge {
		t.Errorf("2 MiB are answered %d, want 413", got.status)
	}
	if got := f.call(http.MethodPut, enneoPath("customer", "7"), `{"id":7,"business":true,"lastname":null,"company":"A","contractIds":[1,"b"]}`); got.status != http.StatusCreated {
		t.Errorf("a customer with numbers as ids is answered %d %s", got.status, got.body)
	}
}

func TestEnneoFindsContractsAndCustomers(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.call(http.MethodPut, enneoPath("contract", "VN-1"), contractBody("VN-1", `,"zip":"12157","firstname":"Jörg"`))
	f.call(http.MethodPut, enneoPath("contract", "VN-2"), contractBody("VN-2", `,"zip":"12157","firstname":"Jörg","counterNumber":"M2"`))
	for _, id := range []string{"K-1", "K-2", "K-3"} {
		f.call(http.MethodPut, enneoPath("customer", id), `{"id":"`+id+`","business":false,"firstname":"Jörg","lastname":"Müller","company":null,"contractIds":["VN-`+id+`"]}`)
	}
	for name, c := range map[string]struct {
		path string
		want []any
	}{
		"most attributes":   {"/contract/search?lastname=müller&postalCode=12157&meterNumber=M2", []any{"VN-2"}},
		"equals":            {"/contract/search?fullname=jörg müller", []any{"VN-1"}},
		"nobody":            {"/contract/search?lastname=Schmidt", []any{}},
		"customers":         {"/customer/search?q=müller jörg", []any{"K-1", "K-2", "K-3"}},
		"a page":            {"/customer/search?q=müller&limit=1&offset=1", []any{"K-2"}},
		"customer by order": {"/customer/search?q=VN-K-3", []any{"K-3"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := f.call(http.MethodGet, "/enneo/api/mind"+strings.ReplaceAll(c.path, " ", "+"), "")
			var list []any
			if err := json.Unmarshal(got.body, &list); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, ids(map[string]any{"items": list})); diff != "" {
				t.Errorf("found (-want +got):\n%s", diff)
			}
		})
	}
	for path, want := range map[string]any{"byCustomerId/K-2": "K-2", "byContractId/VN-K-3": "K-3", "byCustomerId/x": nil, "byContractId/x": nil} {
		got := f.call(http.MethodGet, "/enneo/api/mind/customer/"+path, "")
		object := got.object(t)
		if got.status != 200 || object["id"] != want || want == nil && object["code"] != "customer_not_found" {
			t.Errorf("%s is answered %d %s", path, got.status, got.body)
		}
	}
}

func TestEnneoTakesInvalidationsAndNotifications(t *testing.T) {
	t.Parallel()
	f := start(t)
	form := func(body string) answer {
		request := f.request(http.MethodPost, "/enneo/api/mind/customer/invalidateCache", body)
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		got, err := f.send(request)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := form("contractId=VN%2F1&customerId=K-1"); got.status != 200 {
		t.Errorf("an invalidation is answered %d %s", got.status, got.body)
	}
	if got := form("customerId=K-1"); got.status != 200 {
		t.Errorf("an invalidation of a customer is answered %d %s", got.status, got.body)
	}
	if got := form(""); got.status != http.StatusBadRequest {
		t.Errorf("an invalidation of nothing is answered %d", got.status)
	}
	if got := f.call(http.MethodPost, "/enneo/api/mind/customer/invalidateCache", `{"contractId":"1"}`); got.status != http.StatusUnsupportedMediaType {
		t.Errorf("an invalidation in JSON is answered %d", got.status)
	}
	const hook = "/enneo/api/mind/webhook/powercloud"
	if got := f.call(http.MethodPost, hook, `{"contractId":"VN/1","data":[{"contract":{"id":"VN-2"}},{"customerIds":["K-1",2]}]}`); got.status != 200 {
		t.Errorf("a notification is answered %d %s", got.status, got.body)
	}
	if got := f.call(http.MethodPost, hook, `[]`); got.status != http.StatusBadRequest {
		t.Errorf("a notification that is no object is answered %d", got.status)
	}
	request := f.request(http.MethodPost, "/enneo/api/mind/webhook/lynqtech", `{"data":{"contractId":"VN-3"}}`)
	request.Header.Del("Authorization")
	if got, err := f.send(request); err != nil || got.status != 200 {
		t.Errorf("a notification without a token is answered %d, %v", got.status, err)
	}
	request = f.request(http.MethodPost, hook, `{}`)
	request.Header.Set("Authorization", "Bearer wrong")
	if got, err := f.send(request); err != nil || got.status != http.StatusUnauthorized {
		t.Errorf("a notification with a wrong token is answered %d, %v", got.status, err)
	}
	for query, want := range map[simclient.JournalQuery]int{
		{Operation: "invalidate_cache", Kind: key.Contract, ID: "VN/1"}:   1,
		{Operation: "invalidate_cache", Kind: key.Customer, ID: "K-1"}:    2,
		{Operation: "webhook_powercloud", Kind: key.Contract, ID: "VN/1"}: 1,
		{Operation: "webhook_powercloud", Kind: key.Contract, ID: "VN-2"}: 1,
		{Operation: "webhook_powercloud", Kind: key.Customer, ID: "2"}:    1,
		{Operation: "webhook_lynqtech", Kind: key.Contract, ID: "VN-3"}:   1,
		{Operation: "webhook_powercloud", Kind: key.Customer, ID: "VN-2"}: 0,
		{Operation: "webhook_powercloud", System: simclient.Generic}:      0,
	} {
		if got := len(f.journal(query)); got != want {
			t.Errorf("the journal has %d entries for %+v, want %d", got, query, want)
		}
	}
	request = f.request(http.MethodGet, "/enneo/api/mind/health", "")
	request.Header.Del("Authorization")
	if got, err := f.send(request); err != nil || got.status != 200 {
		t.Errorf("health is answered %d, %v", got.status, err)
	}
}
