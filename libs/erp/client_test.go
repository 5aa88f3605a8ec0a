package erp_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/enneo-ai/enneo-bridge/libs/erp"
	"github.com/enneo-ai/enneo-bridge/libs/fault"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
	"github.com/enneo-ai/enneo-bridge/libs/source"
)

const (
	contract = `{"id":"1","customerId":"2","business":false,"lastname":"Mustermann","company":null}`
	secret   = "topsecret"
)

// newSource is a source of the profile at a server with the handler.
func newSource(t *testing.T, profileName string, handler http.Handler) *source.Source {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	p, err := profile.Load(profileName)
	if err != nil {
		t.Fatal(err)
	}
	host, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return &source.Source{
		Name: "erp", Profile: p, Host: host, Auth: p.Auth().Default, APIKey: secret, APIUser: "api", Hash: "0123abcd",
		Rate: 1000, Concurrency: 4, Timeout: 30 * time.Second,
	}
}

func newClient(t *testing.T, src *source.Source, opts ...erp.Option) *erp.Client {
	t.Helper()
	c := erp.New(src, opts...)
	t.Cleanup(c.CloseIdle)
	return c
}

func TestRequestsCarryTheCredentials(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, profile string
		scheme        profile.Scheme
		prefix        string
		kind          key.Kind
		want          string // request line
		header, value string
	}{
		{"context basic", "powercloud", profile.ContextBasic, "", key.Contract, "GET /rest:client/0123abcd/getContractById?id=a%2Fb", "Authorization", "Basic Y2xpZW50I2FwaTp0b3BzZWNyZXQ="},
		{"a customer", "powercloud", profile.ContextBasic, "", key.Customer, "GET /rest:client/0123abcd/getCustomerById?id=a%2Fb", "Accept", "text/json"},
		{"header", "powercloud", profile.Header, "", key.Contract, "GET /rest:client/0123abcd/getContractById?id=a%2Fb", "X-Api-Key", secret},
		{"query", "powercloud", profile.Query, "", key.Contract, "GET /rest:client/0123abcd/getContractById?id=a%2Fb&apiKey=topsecret", "Authorization", ""},
		{"query without other arguments", "generic", profile.Query, "", key.Contract, "GET /contracts/a%2Fb?apiKey=topsecret", "Authorization", ""},
		{"bearer", "generic", profile.Bearer, "", key.Contract, "GET /contracts/a%2Fb", "Authorization", "Bearer topsecret"},
		{"basic", "lynqtech", profile.Basic, "", key.Contract, "GET /v1/contract/a%2Fb", "Authorization", "Basic YXBpOnRvcHNlY3JldA=="},
		{"a path prefix", "generic", profile.Bearer, "/api%2Fv1/", key.Customer, "GET /api%2Fv1/customers/a%2Fb", "Accept", "application/json"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := make(chan *http.Request, 1)
			src := newSource(t, tc.profile, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				got <- r
				w.WriteHeader(http.StatusNotFound)
			}))
			src.Auth = tc.scheme
			var err error
			if src.Host, err = url.Parse(src.Host.String() + tc.prefix); err != nil {
				t.Fatal(err)
			}
			mapped, err := newClient(t, src).Get(t.Context(), tc.kind, "a/b")
			if err != nil || !mapped.Gone {
				t.Fatalf("Get = %+v, %v", mapped, err)
			}
			r := <-got
			if line := r.Method + " " + r.RequestURI; line != tc.want {
				t.Errorf("request %s, want %s", line, tc.want)
			}
			if value := r.Header.Get(tc.header); value != tc.value {
				t.Errorf("%s: %s, want %s", tc.header, value, tc.value)
			}
		})
	}
}

func TestARedirectWithinTheHostIsFollowedWithTheCredentials(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.Handle("/contracts/1", http.RedirectHandler("/new", http.StatusFound))
	mux.HandleFunc("/new", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+secret {
			w.WriteHeader(http.StatusUnauthorized)
		}
		fmt.Fprint(w, contract)
	})
	mapped, err := newClient(t, newSource(t, "generic", mux)).Get(t.Context(), key.Contract, "1")
	if err != nil || mapped.ID != "1" || mapped.CustomerID != "2" {
		t.Errorf("Get = %+v, %v", mapped, err)
	}
}

func TestCredentialsNeverReachAnotherHost(t *testing.T) {
	t.Parallel()
	var reached atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	t.Cleanup(other.Close)
	src := newSource(t, "powercloud", http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	src.APIPassword = secret
	src.TokenURL, _ = tokenServer(t, 3600)
	for _, scheme := range src.Profile.Auth().Schemes {
		src.Auth = scheme
		_, err := newClient(t, src).Get(t.Context(), key.Contract, "1")
		checkFault(t, err, fault.Fault{Scope: fault.Target, Reason: erp.ReasonRedirect})
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("the other host got %d requests", n)
	}
}

func TestWhatCannotBeAskedIsNotSent(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	count := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests.Add(1) })
	_, err := newClient(t, newSource(t, "generic", count)).Get(t.Context(), key.Contract, "..")
	checkFault(t, err, fault.Fault{Permanent: true, Reason: erp.ReasonNoRequest})
	_, err = newClient(t, newSource(t, "powercloud", count)).List(t.Context(), profile.ListChanged, nil)
	checkFault(t, err, fault.Fault{Permanent: true, Reason: erp.ReasonUnsupported})
	withoutHost := newSource(t, "generic", count)
	withoutHost.Host = nil
	_, err = newClient(t, withoutHost).Get(t.Context(), key.Contract, "1")
	checkFault(t, err, fault.Fault{Permanent: true, Reason: erp.ReasonNoRequest})
	if n := requests.Load(); n != 0 {
		t.Errorf("%d requests", n)
	}
}

func TestListReadsAPage(t *testing.T) {
	t.Parallel()
	src := newSource(t, "generic", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"items":[{"id":%q,"customerId":"2","business":false,"lastname":"Mustermann","company":null}],"nextCursor":"n2"}`, r.URL.Query().Get("changedSince"))
	}))
	page, err := newClient(t, src).List(t.Context(), profile.ListChanged, profile.Args{"since": "2026-01-01T00:00:00Z"})
	if err != nil || len(page.Items) != 1 || page.Items[0].ID != "2026-01-01T00:00:00Z" || page.Items[0].Err != nil || page.Next != "n2" {
		t.Errorf("page %+v, %v", page, err)
	}
}

func TestSpansHoldNeitherURLNorSecrets(t *testing.T) {
	t.Parallel()
	recorder := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
	src := newSource(t, "powercloud", answers(503, contract))
	src.Auth = profile.Query
	_, err := newClient(t, src, erp.WithTracerProvider(provider)).Get(t.Context(), key.Contract, "00123")
	checkFault(t, err, fault.Fault{Scope: fault.Target, Reason: erp.ReasonUnavailable, Status: 503})
	spans := recorder.Ended()
	if len(spans) != 1 || spans[0].Name() != "erp get_contract" || spans[0].Status().Code != codes.Error || spans[0].Status().Description != erp.ReasonUnavailable {
		t.Fatalf("spans %+v", spans)
	}
	text := fmt.Sprint(spans[0].Attributes())
	for _, hidden := range []string{secret, "0123abcd", "00123", "getContractById"} {
		if strings.Contains(text, hidden) {
			t.Errorf("the span shows %s: %s", hidden, text)
		}
	}
}

func TestAccessors(t *testing.T) {
	t.Parallel()
	src := newSource(t, "powercloud", answers(200, ""))
	c := newClient(t, src)
	if c.ProfileRef() != src.Profile.Ref() || !c.Supports(key.Contract) || !c.Supports(key.Customer) {
		t.Errorf("ref %s, contract %t, customer %t", c.ProfileRef(), c.Supports(key.Contract), c.Supports(key.Customer))
	}
}
