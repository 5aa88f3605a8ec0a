package simulator

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// FuzzRequests sends any body to any operation that takes one: none may panic or answer 5xx.
func FuzzRequests(f *testing.F) {
	paths := []struct{ method, path string }{
		{http.MethodPut, "/enneo/api/mind/contract/1"},
		{http.MethodPut, "/enneo/api/mind/customer/1"},
		{http.MethodPost, "/enneo/api/mind/customer/invalidateCache"},
		{http.MethodPost, "/enneo/api/mind/webhook/powercloud"},
		{http.MethodPost, "/control/change"},
		{http.MethodPut, "/control/contracts/1"},
		{http.MethodPut, "/control/customers/1"},
		{http.MethodPost, "/control/faults"},
		{http.MethodPost, "/control/release"},
	}
	for i := range paths {
		f.Add(uint8(i), contractBody("1", `,"revision":"7"`))
		f.Add(uint8(i), `{"contracts":["VN-100001"],"patch":{"override":{"id":null}}}`)
		f.Add(uint8(i), `{"data":[{"contractIds":[1,{"id":"2"},[[3]]]}],"contract":{"id":{}}}`)
		f.Add(uint8(i), "contractId=%zz&customerId=1")
		f.Add(uint8(i), `{"system":"control","action":"status","status":503}`)
	}
	options := DefaultOptions()
	options.Contracts, options.JournalEntries, options.Writes = 5, 10, 10
	f.Fuzz(func(t *testing.T, which uint8, body string) {
		sim := New(options)
		target := paths[int(which)%len(paths)]
		send := func(method, path, token string) {
			request := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
			request.Header.Set("Authorization", "Bearer "+token)
			request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			answer := httptest.NewRecorder()
			sim.Handler().ServeHTTP(answer, request)
			if answer.Code >= 500 {
				t.Errorf("%s %s with %q is answered %d %s", method, path, body, answer.Code, answer.Body)
			}
		}
		send(target.method, target.path, options.EnneoToken.Reveal())
		if target.path != "/control/faults" { // else it may rightly be disturbed
			send(http.MethodGet, "/generic/contracts", options.GenericToken.Reveal())
		}
	})
}
