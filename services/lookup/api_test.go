package lookup

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/enneo-ai/enneo-bridge/libs/canary"
	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/source"
)

// problem fails unless an answer is a problem whose detail names what is said.
func (r result) problem(t *testing.T, status int, named string) {
	t.Helper()
	var p struct{ Title, Detail string }
	if err := json.Unmarshal([]byte(r.body), &p); err != nil || r.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("the answer %d is no problem: %v", r.status, err)
	}
	if r.status != status || !strings.Contains(p.Detail, named) {
		t.Errorf("answer = %d %q, want %d with %q", r.status, p.Detail, status, named)
	}
}

func TestOnlyWhoHasTheTokenIsAnswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := canary.Secret("lookup-before")
	r := w.start(map[string]string{"LOOKUP_TOKEN_PREVIOUS": before})
	body := fmt.Sprintf(`{"contractId":%q}`, w.contracts[0])
	const bearerAlone = "Bearer " // Without a token after the blank.
	for authorization, want := range map[string]int{
		"Bearer " + testToken: http.StatusOK, "bearer  " + testToken: http.StatusOK, "Bearer " + before: http.StatusOK,
		"": http.StatusUnauthorized, "Bearer": http.StatusUnauthorized, bearerAlone: http.StatusUnauthorized,
		"Bearer " + testToken + "x": http.StatusUnauthorized, "Basic " + testToken: http.StatusUnauthorized, testToken: http.StatusUnauthorized,
	} {
		got, err := r.try(t.Context(), http.MethodPost, "/v1/contract", body, authorization)
		w.must(err)
		if got.status != want || want == http.StatusUnauthorized && got.header.Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("answer = %d, want %d", got.status, want)
		}
	}
	if n := r.metric("bridge_lookup_previous_token_total"); n != 1 {
		t.Errorf("%v calls with the previous token were counted, want 1", n)
	}
	open := w.start(map[string]string{"LOOKUP_TOKEN": "", "LOOKUP_AUTH": "none"})
	got, err := open.try(t.Context(), http.MethodPost, "/v1/contract", body, "")
	w.must(err)
	if got.status != http.StatusOK {
		t.Errorf("without authentication the answer is %d", got.status)
	}
}

func TestAnEmptyPreviousTokenLetsNobodyIn(t *testing.T) {
	t.Parallel()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer ")
	if granted, _ := newTokens(config.Secret(testToken), "").grants(request); granted {
		t.Error("no token is taken for the previous one")
	}
}

func TestWhatIsWrongWithAnInputIsSaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.start(nil)
	long := strings.Repeat("x", 300)
	for name, tc := range map[string]struct {
		path, body string
		status     int
		named      string
	}{
		"no body":               {"/v1/contract", ``, 400, "not a JSON object"},
		"no object":             {"/v1/contract", `["VN-1"]`, 400, "not a JSON object"},
		"null":                  {"/v1/contract", `null`, 400, "not a JSON object"},
		"two objects":           {"/v1/contract", `{"contractId":"1"} {}`, 400, "follows"},
		"no id":                 {"/v1/contract", `{"customerId":"1"}`, 400, "contractId: is missing"},
		"null id":               {"/v1/contract", `{"contractId":null}`, 400, "contractId: is missing"},
		"empty id":              {"/v1/customer", `{"customerId":""}`, 400, "customerId: is missing"},
		"an object as id":       {"/v1/contract", `{"contractId":{}}`, 400, "contractId: is neither"},
		"true as id":            {"/v1/contract", `{"contractId":true}`, 400, "contractId: is neither"},
		"a long id":             {"/v1/contract", `{"contractId":"` + long[:51] + `"}`, 400, "contractId: is longer than the 50"},
		"nothing to search by":  {"/v1/contract/search", `{"ticketId":1}`, 400, "nothing to search by"},
		"no ticket":             {"/v1/contract/search", `{"email":"x"}`, 400, "ticketId: is missing"},
		"a long attribute":      {"/v1/contract/search", `{"ticketId":1,"lastname":"` + long + `"}`, 400, "lastname: is longer"},
		"a long further one":    {"/v1/contract/search", `{"ticketId":1,"geheim":"` + long + `"}`, 400, "a further field: is longer"},
		"a list of attributes":  {"/v1/contract/search", `{"ticketId":1,"lastname":["a"]}`, 400, "lastname: is neither"},
		"a null character":      {"/v1/contract/search", `{"ticketId":1,"lastname":"a\u0000"}`, 400, "lastname: is not valid"},
		"a limit that is none":  {"/v1/customer/search", `{"q":"x","limit":"many"}`, 400, "limit: is not a number"},
		"a negative offset":     {"/v1/customer/search", `{"q":"x","offset":-1}`, 400, "offset: is not a number"},
		"an offset without end": {"/v1/customer/search", `{"q":"x","offset":1000000}`, 400, "offset: is larger"},
		"a long text":           {"/v1/customer/search", `{"q":"` + long + `"}`, 400, "q: is longer"},
		"a body without end":    {"/v1/contract", `{"contractId":"` + strings.Repeat("x", maxBody) + `"}`, 413, "longer than"},
		"many fields":           {"/v1/contract/search", `{` + manyFields(maxFields+1) + `}`, 400, "more than"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := r.call(t, http.MethodPost, tc.path, tc.body)
			got.problem(t, tc.status, tc.named)
		})
	}
	got := r.call(t, http.MethodGet, "/v1/contract?contractId=1&contractId=2", "")
	got.problem(t, http.StatusBadRequest, "contractId: stands in the query 2 times")
	got = r.call(t, http.MethodGet, "/v1/contract?contractId=%ff", "")
	got.problem(t, http.StatusBadRequest, "contractId: is not valid")
}

func manyFields(n int) string {
	fields := make([]string, n)
	for i := range fields {
		fields[i] = fmt.Sprintf(`"f%d":1`, i)
	}
	return strings.Join(fields, ",")
}

func TestOtherMethodsAndPathsAreProblems(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.start(nil)
	for path, want := range map[string]int{"/v1/contract": http.StatusMethodNotAllowed, "/v1/nothing": http.StatusNotFound, "/v1/contract/": http.StatusNotFound} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, r.url+path, nil)
		w.must(err)
		response, err := http.DefaultClient.Do(request)
		w.must(err)
		w.must(response.Body.Close())
		if response.StatusCode != want || response.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("DELETE %s = %d %s", path, response.StatusCode, response.Header.Get("Content-Type"))
		}
	}
}

func TestThePageAndTheDescriptionAreThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.start(nil)
	for path, mediaType := range map[string]string{
		"/": "text/html; charset=utf-8", "/docs": "text/html; charset=utf-8", "/openapi.yaml": "application/yaml",
		"/docs/start.js": "text/javascript; charset=utf-8", "/docs/swagger-ui.css": "text/css; charset=utf-8",
		"/docs/swagger-ui-bundle.js": "text/javascript; charset=utf-8",
	} {
		for _, encoding := range []string{"gzip", "identity"} {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+path, nil)
			w.must(err)
			request.Header.Set("Accept-Encoding", encoding)
			response, err := http.DefaultClient.Do(request)
			w.must(err)
			w.must(response.Body.Close())
			if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != mediaType ||
				!strings.HasPrefix(response.Header.Get("Content-Security-Policy"), "default-src 'none'; script-src 'self';") {
				t.Errorf("%s = %d %v", path, response.StatusCode, response.Header)
			}
		}
	}
}

func TestConfigurationThatMakesNoSenseIsRefused(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"LOOKUP_TOKEN": "", "LOOKUP_MODE": "both", "LOOKUP_AUTH": "none", "LOOKUP_CACHE_TTL": "-1s", "LOOKUP_BUDGET": "1m",
		"LOOKUP_TICKET_ATTEMPTS": "-1", "LOOKUP_TICKET_WINDOW": "0s", "LOOKUP_LEGITIMATION": "30=email", "LOOKUP_LEGITIMATION_MESSAGES": "20:x",
	} {
		env := map[string]string{"LOOKUP_TOKEN": testToken, name: value}
		var cfg Config
		if err := config.Load(t.Context(), config.Map(env), &cfg); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s=%s: %v", name, value, err)
		}
	}
}

func TestInputIsReadTheSameFromBodyAndQuery(t *testing.T) {
	t.Parallel()
	query, err := fromQuery(&http.Request{URL: &url.URL{RawQuery: "ticketId=1&lastname=M%C3%BCller&limit=5&empty="}})
	if err != nil {
		t.Fatal(err)
	}
	body, err := fromJSON([]byte(`{"ticketId":1,"lastname":"Müller","limit":5,"empty":"","other":null,"deep":{"a":1}}`))
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(query) != fmt.Sprint(body) {
		t.Errorf("query %v, body %v", query, body)
	}
}

// FuzzBody holds that no body crashes the reading of inputs, that ids are valid and that errors hold nothing of it.
func FuzzBody(f *testing.F) {
	for _, seed := range []string{
		`{"contractId":"VN-00001"}`, `{"contractId":4711}`, `{"q":"John Smith","limit":10,"offset":0}`, `{"ticketId":1,"address":"Str. 1"}`,
		`{"contractId":1e99}`, `{"contractId":-0}`, `null`, `[]`, `{"a":{"b":[1,2,{}]}}`, `{"contractId":"\ud800"}`, "{\"contractId\":\"\xff\"}",
	} {
		f.Add([]byte(seed))
	}
	src := &source.Source{EnneoID: "A-{id}-b"}
	f.Fuzz(func(t *testing.T, body []byte) {
		found, err := fromJSON(body)
		if err != nil {
			if len(body) > 20 && strings.Contains(err.Error(), string(body)) {
				t.Errorf("the error quotes the body")
			}
			return
		}
		if enneoID, err := id(found, fieldContractID); err == nil {
			if erpID, ok := src.IDFromEnneo(enneoID); ok && src.EnneoIDFor(erpID) != enneoID {
				t.Errorf("%q becomes another id", enneoID)
			}
		}
		_, _, _ = attributes(found)
		if limit, offset, err := pageOf(found); err == nil && (limit < 0 || limit > 10 || offset < 0) {
			t.Errorf("a page of %d from %d", limit, offset)
		}
	})
}
