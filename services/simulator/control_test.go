package simulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

func TestHelpPageListsEverything(t *testing.T) {
	t.Parallel()
	f := start(t)
	for _, path := range []string{"/control/", "/control", "/"} {
		got := f.call(http.MethodGet, path, "")
		for _, want := range []string{
			"/control/change", "/control/contracts/{id}", "/control/faults", "/control/release", "/control/held", "/control/journal", "/control/await",
			"/control/writes", "/control/summary", "/control/compare", "/control/reset", "/control/generate",
			"/powercloud/rest:client/{hash}/getContractById", "/lynqtech/v1/customer/find", "/generic/contracts", "/enneo/api/mind/customer/invalidateCache",
			string(simclient.ReadLag), string(simclient.WrongID), "put_contract",
		} {
			if !strings.Contains(string(got.body), want) {
				t.Errorf("%s does not mention %s", path, want)
			}
		}
	}
}

func TestControlRefusesWhatItDoesNotUnderstand(t *testing.T) {
	t.Parallel()
	f := start(t)
	for name, c := range map[string]struct {
		method, path, body string
		status             int
	}{
		"an unknown path":              {http.MethodGet, "/control/nothing", "", 404},
		"an unknown system":            {http.MethodGet, "/sap/contract/1", "", 404},
		"an unknown method":            {http.MethodPatch, "/control/faults", "", 405},
		"a mistyped property":          {http.MethodPost, "/control/change", `{"contract":["VN-100001"]}`, 400},
		"a change of nothing":          {http.MethodPost, "/control/change", `{}`, 400},
		"a change of nobody":           {http.MethodPost, "/control/change", `{"contracts":["nobody"]}`, 404},
		"two bodies":                   {http.MethodPost, "/control/generate", `{}{}`, 400},
		"too many contracts":           {http.MethodPost, "/control/generate", `{"contracts":100000000}`, 400},
		"an unknown contract":          {http.MethodGet, "/control/contracts/nobody", "", 404},
		"an unknown customer":          {http.MethodGet, "/control/customers/nobody", "", 404},
		"a delete of nobody":           {http.MethodDelete, "/control/customers/nobody", "", 404},
		"another id":                   {http.MethodPut, "/control/contracts/a", `{"id":"b","customerId":"c"}`, 400},
		"another customer":             {http.MethodPut, "/control/customers/a", `{"id":"b"}`, 400},
		"a contract without customer":  {http.MethodPut, "/control/contracts/a", `{"id":"a"}`, 400},
		"an unknown fault":             {http.MethodDelete, "/control/faults/f-99", "", 404},
		"a duration that is none":      {http.MethodPost, "/control/faults", `{"system":"generic","action":"delay","delay":"5"}`, 400},
		"a wait for an unknown fault":  {http.MethodGet, "/control/held?fault=f-99&atLeast=1", "", 404},
		"a limit that is none":         {http.MethodGet, "/control/journal?limit=-1", "", 400},
		"a kind that is none":          {http.MethodGet, "/control/writes?kind=meter", "", 400},
		"a comparison with Enneo":      {http.MethodGet, "/control/compare?system=enneo", "", 400},
		"a template without id":        {http.MethodGet, "/control/compare?enneoId=x", "", 400},
		"a comparison of unknown kind": {http.MethodGet, "/control/compare?kind=meter", "", 400},
		"a number that is none":        {http.MethodGet, "/control/await?atLeast=x", "", 400},
		"an offset that is none":       {http.MethodGet, "/control/contracts?offset=x", "", 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := f.call(c.method, c.path, c.body)
			if detail := got.object(t)["detail"]; got.status != c.status || detail == nil || detail == "" {
				t.Errorf("answer is %d %s; want %d and a reason", got.status, got.body, c.status)
			}
		})
	}
}

func TestChangePatchesRecords(t *testing.T) {
	t.Parallel()
	f := start(t)
	revisions, err := f.control.Change(t.Context(), simclient.Change{
		Contracts: []string{"VN-100001", "VN-100002"}, Customers: []string{"K-50001"}, Patch: json.RawMessage(`{"email":"new@example.com","phone":null}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []simclient.Revision{
		{Ref: simclient.Ref{Kind: key.Contract, ID: "VN-100001"}, Revision: 2},
		{Ref: simclient.Ref{Kind: key.Contract, ID: "VN-100002"}, Revision: 2},
		{Ref: simclient.Ref{Kind: key.Customer, ID: "K-50001"}, Revision: 2},
	}
	if diff := cmp.Diff(want, revisions); diff != "" {
		t.Errorf("revisions differ (-want +got):\n%s", diff)
	}
	contract, err := f.control.Contract(t.Context(), "VN-100001")
	if err != nil || contract.Email != "new@example.com" || contract.Phone != "" || contract.Lastname == "" && !contract.Business {
		t.Errorf("the contract is %+v, %v", contract, err)
	}
	if revision := f.change("VN-100001", 4242); revision != 3 {
		t.Errorf("the revision is %d, want 3", revision)
	}
	if contract, err = f.control.Contract(t.Context(), "VN-100001"); err != nil || contract.StatusID != 4242 || contract.StatusTitle != "Status 4242" {
		t.Errorf("the status is %d %q, %v", contract.StatusID, contract.StatusTitle, err)
	}
}

func TestGenerateAndList(t *testing.T) {
	t.Parallel()
	f := start(t)
	if _, err := f.control.PutContract(t.Context(), simclient.Contract{ID: "VN-100102", CustomerID: "K-1"}); err != nil {
		t.Fatal(err)
	}
	added, err := f.control.Generate(t.Context(), simclient.Generate{Contracts: 50})
	if err != nil || len(added) != 50 {
		t.Fatalf("%d contracts were added, %v", len(added), err)
	}
	all, err := f.control.IDs(t.Context(), key.Contract, 0, 0)
	if err != nil || len(all) != 151 {
		t.Fatalf("there are %d contracts, %v", len(all), err)
	}
	page, err := f.control.IDs(t.Context(), key.Contract, 101, 3)
	if diff := cmp.Diff(added[:3], page); err != nil || diff != "" {
		t.Errorf("%v; the page differs (-want +got):\n%s", err, diff)
	}
	contract, err := f.control.Contract(t.Context(), "VN-100102")
	if err != nil || contract.CustomerID != "K-1" {
		t.Errorf("the contract that was there is %+v, %v", contract, err)
	}
	summary := f.summary()
	customers, err := f.control.IDs(t.Context(), key.Customer, 0, 0)
	if err != nil || summary.Contracts != 151 || summary.Customers != len(customers) {
		t.Errorf("the summary says %d contracts and %d customers of %d, %v", summary.Contracts, summary.Customers, len(customers), err)
	}
}

func TestJournalIsSelectedAndReset(t *testing.T) {
	t.Parallel()
	f := start(t)
	for i := range 5 {
		f.call(http.MethodGet, genericPath("contract", fmt.Sprintf("VN-10000%d", i+1)), "")
	}
	f.call(http.MethodGet, genericPath("contract", "nobody"), "")
	f.call(http.MethodGet, lynqtechPath("customer", "K-50001"), "")
	f.call(http.MethodGet, "/lynqtech/nothing", "")
	first := f.journal(simclient.JournalQuery{})[0].Sequence
	for query, want := range map[simclient.JournalQuery]int{
		{}:                                8,
		{System: simclient.LynqTech}:      2,
		{Operation: "get_contract"}:       6,
		{Operation: "unknown"}:            1,
		{Kind: key.Customer}:              1,
		{ID: "VN-100003"}:                 1,
		{Since: first + 2}:                5,
		{Limit: 3}:                        3,
		{Since: first + 6, Limit: 3}:      1,
		{ID: "K-50001", Kind: "contract"}: 0,
	} {
		if got := len(f.journal(query)); got != want {
			t.Errorf("the journal has %d entries for %+v, want %d", got, query, want)
		}
	}
	summary := f.summary()
	get := summary.Systems[simclient.Generic].Operations["get_contract"]
	if diff := cmp.Diff(map[int]int64{200: 5, 404: 1}, get.ByStatus); diff != "" || get.IDs != 6 || summary.Entries != 8 {
		t.Errorf("summary is %+v, by status (-want +got):\n%s", get, diff)
	}
	f.put("VN-1", "")
	if err := f.control.ResetJournal(t.Context()); err != nil {
		t.Fatal(err)
	}
	writes, err := f.control.Writes(t.Context(), simclient.Ref{})
	if n := len(f.journal(simclient.JournalQuery{})); n != 0 || len(writes) != 0 || err != nil || len(f.summary().Systems) != 0 {
		t.Errorf("after the reset there are %d entries and %d writes, %v", n, len(writes), err)
	}
	f.put("VN-1", "")
	if entry := f.one(simclient.JournalQuery{}); entry.Sequence <= first+8 || entry.Status != 200 {
		t.Errorf("after the reset the journal goes on with %+v, want Enneo's content kept and the sequence continued", entry)
	}
}

func TestResetForgetsEverything(t *testing.T) {
	t.Parallel()
	f := start(t)
	before, err := f.control.Contract(t.Context(), "VN-100001")
	if err != nil {
		t.Fatal(err)
	}
	f.change("VN-100001", 6000)
	f.put("VN-1", "")
	f.fault(simclient.Fault{System: simclient.Generic, Action: simclient.Status, Status: 500})
	if err := f.control.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	after, err := f.control.Contract(t.Context(), "VN-100001")
	if diff := cmp.Diff(before, after); err != nil || diff != "" {
		t.Errorf("%v; the contract differs (-before +after):\n%s", err, diff)
	}
	compared, err := f.control.Compare(t.Context(), simclient.CompareQuery{})
	if err != nil || compared.Compared != 0 {
		t.Errorf("after the reset %d keys are compared, %v", compared.Compared, err)
	}
	if got := f.call(http.MethodGet, genericPath("contract", "VN-100001"), ""); got.status != 200 {
		t.Errorf("after the reset a request is answered %d", got.status)
	}
	if got := f.call(http.MethodGet, enneoPath("contract", "VN-1"), "").object(t)["code"]; got != "contract_not_found" {
		t.Errorf("after the reset Enneo answers %v", got)
	}
}

// compare returns the mismatches as texts.
func (f *fixture) compare(query simclient.CompareQuery) (int, []string) {
	f.t.Helper()
	result, err := f.control.Compare(f.t.Context(), query)
	if err != nil {
		f.t.Fatal(err)
	}
	texts := []string{}
	for _, m := range result.Mismatches {
		texts = append(texts, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", m.Kind, m.ID, m.Problem, strings.Join(m.Fields, ","))))
	}
	if len(texts) > result.Mismatched {
		f.t.Errorf("%d mismatches are listed and %d counted", len(texts), result.Mismatched)
	}
	return result.Compared, texts
}

// copyToEnneo writes what the generic ERP shows into Enneo, with other ids if edit changes them.
func (f *fixture) copyToEnneo(kind, id string, edit func(map[string]any)) {
	f.t.Helper()
	object := f.call(http.MethodGet, genericPath(kind, id), "").object(f.t)
	if edit != nil {
		edit(object)
	}
	body, err := json.Marshal(object)
	if err != nil {
		f.t.Fatal(err)
	}
	target, _ := object["id"].(string)
	if got := f.call(http.MethodPut, enneoPath(kind, target), string(body)); got.status >= 300 {
		f.t.Fatalf("put of %s is answered %d %s", target, got.status, got.body)
	}
}

func TestCompareNamesWhatDiffers(t *testing.T) {
	t.Parallel()
	f := start(t)
	if n, got := f.compare(simclient.CompareQuery{}); n != 0 || len(got) != 0 {
		t.Errorf("at the start %d keys are compared: %v", n, got)
	}
	f.copyToEnneo("contract", "VN-100001", nil)
	f.copyToEnneo("customer", "K-50001", nil)
	if n, got := f.compare(simclient.CompareQuery{}); n != 2 || len(got) != 0 {
		t.Errorf("of %d equal keys differ %v", n, got)
	}
	f.change("VN-100001", 6000)
	f.change("VN-100002", 6000)
	f.copyToEnneo("contract", "VN-100003", func(c map[string]any) {
		c["phone"] = "+49"
		delete(c, "zip")
		delete(c, "iban")
		c["statusCode"] = "5000.5"
	})
	f.copyToEnneo("contract", "VN-100004", func(c map[string]any) { c["revision"] = "1"; delete(c, "consumption"); c["more"] = 1 })
	f.put("nobody", "")
	contract, err := f.control.Contract(t.Context(), "VN-100001")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"contract VN-100001 different revision,status,statusCode,statusCodeTitle", "contract VN-100002 missing in enneo",
		"contract VN-100003 different phone,statusCode,zip", "contract nobody gone in erp",
	}
	if contract.StatusID != 6000 {
		t.Fatalf("the status is %d", contract.StatusID)
	}
	n, got := f.compare(simclient.CompareQuery{})
	if diff := cmp.Diff(want, got); n != 6 || diff != "" {
		t.Errorf("of %d keys differ (-want +got):\n%s", n, diff)
	}
	if result, err := f.control.Compare(t.Context(), simclient.CompareQuery{Limit: 1}); err != nil || len(result.Mismatches) != 1 || result.Mismatched != 4 {
		t.Errorf("with the limit 1 the comparison is %+v, %v", result, err)
	}
	if n, got := f.compare(simclient.CompareQuery{Kind: key.Customer}); n != 1 || len(got) != 0 {
		t.Errorf("of %d customers differ %v", n, got)
	}
}

func TestCompareKnowsTemplatesAndDeletes(t *testing.T) {
	t.Parallel()
	f := start(t)
	prefixed := func(object map[string]any) {
		for _, name := range []string{"id", "customerId"} {
			if id, ok := object[name].(string); ok {
				object[name] = "pc-" + id
			}
		}
		list, _ := object["contractIds"].([]any)
		for i, id := range list {
			list[i] = fmt.Sprintf("pc-%s", id)
		}
	}
	if _, err := f.control.PutContract(t.Context(), simclient.Contract{ID: "a", CustomerID: "x", Party: simclient.Party{Lastname: "Müller"}}); err != nil {
		t.Fatal(err)
	}
	f.copyToEnneo("contract", "a", prefixed)
	f.copyToEnneo("customer", "x", prefixed)
	f.put("other-source", "")
	query := simclient.CompareQuery{EnneoID: "pc-{id}"}
	if n, got := f.compare(query); n != 2 || len(got) != 0 {
		t.Errorf("of %d keys differ %v", n, got)
	}
	if _, err := f.control.Delete(t.Context(), simclient.Ref{Kind: key.Contract, ID: "a"}); err != nil {
		t.Fatal(err)
	}
	if _, got := f.compare(query); len(got) != 2 {
		t.Errorf("after the delete differ %v, want the contract, and the customer without contracts", got)
	}
	f.call(http.MethodDelete, enneoPath("contract", "pc-a"), "")
	f.call(http.MethodDelete, enneoPath("customer", "pc-x"), "")
	if _, got := f.compare(query); len(got) != 0 {
		t.Errorf("after the delete in Enneo differ %v", got)
	}
}

func TestClientReportsRefusals(t *testing.T) {
	t.Parallel()
	f := start(t)
	_, err := f.control.Contract(t.Context(), "nobody")
	var refused *simclient.Error
	if !errors.As(err, &refused) || refused.Status != 404 || !strings.Contains(refused.Error(), "there is no such contract") {
		t.Errorf("Contract returned %v", err)
	}
	stop := errors.New("enough")
	f.call(http.MethodGet, genericPath("contract", "VN-100001"), "")
	if err := f.control.EachEntry(t.Context(), simclient.JournalQuery{}, func(simclient.Entry) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("EachEntry returned %v, want the caller's error", err)
	}
}
