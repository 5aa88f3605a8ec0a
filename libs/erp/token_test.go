package erp_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/enneo-ai/enneo-bridge/libs/erp"
	"github.com/enneo-ai/enneo-bridge/libs/fault"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
	"github.com/enneo-ai/enneo-bridge/libs/source"
)

// tokenServer gives out numbered tokens with a life of seconds; given counts them.
func tokenServer(t *testing.T, seconds int) (endpoint *url.URL, given *atomic.Int32) {
	t.Helper()
	given = &atomic.Int32{}
	return serveTokens(t, func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "api" || password != secret || r.FormValue("grant_type") != "client_credentials" {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error":"invalid_client"}`)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":"token-%d","token_type":"bearer","expires_in":%d}`, given.Add(1), seconds)
	}), given
}

func serveTokens(t *testing.T, handler http.HandlerFunc) *url.URL {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	endpoint, err := url.Parse(server.URL + "/token")
	if err != nil {
		t.Fatal(err)
	}
	return endpoint
}

// oauthSource is a source of the scheme oauth2 at an ERP with the handler.
func oauthSource(t *testing.T, endpoint *url.URL, handler http.HandlerFunc) *source.Source {
	t.Helper()
	src := newSource(t, "generic", handler)
	src.Auth, src.APIPassword, src.TokenURL = profile.OAuth2, secret, endpoint
	return src
}

// get reads a contract and returns an error that t.Error can show.
func get(ctx context.Context, c *erp.Client) error {
	_, err := c.Get(ctx, key.Contract, "1")
	return err
}

func TestATokenServesUntilAMinuteBeforeItsEnd(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name          string
		seconds, want int
	}{
		{"an hour", 3600, 1},
		{"less than the minute of the renewal", 59, 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			endpoint, given := tokenServer(t, tc.seconds)
			c := newClient(t, oauthSource(t, endpoint, func(w http.ResponseWriter, r *http.Request) {
				if want := fmt.Sprintf("Bearer token-%d", given.Load()); r.Header.Get("Authorization") != want {
					t.Errorf("Authorization %q, want %q", r.Header.Get("Authorization"), want)
				}
				fmt.Fprint(w, contract)
			}))
			for range 3 {
				if err := get(t.Context(), c); err != nil {
					t.Fatal(err)
				}
			}
			if n := int(given.Load()); n != tc.want {
				t.Errorf("%d tokens for 3 requests, want %d", n, tc.want)
			}
		})
	}
}

func TestOneRenewalIsUnderWayAtATime(t *testing.T) {
	t.Parallel()
	endpoint, given := tokenServer(t, 3600)
	src := oauthSource(t, endpoint, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, contract) })
	src.Concurrency = 20
	c := newClient(t, src)
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if err := get(t.Context(), c); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if n := given.Load(); n != 1 {
		t.Errorf("%d tokens for 20 requests at once, want 1", n)
	}
}

func TestARefusedTokenIsNotUsedAgain(t *testing.T) {
	t.Parallel()
	endpoint, given := tokenServer(t, 3600)
	c := newClient(t, oauthSource(t, endpoint, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer token-1" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, contract)
	}))
	checkFault(t, get(t.Context(), c), fault.Fault{Scope: fault.Target, Reason: erp.ReasonUnauthorized, Status: http.StatusUnauthorized})
	for range 2 {
		if err := get(t.Context(), c); err != nil {
			t.Error(err)
		}
	}
	if n := given.Load(); n != 2 {
		t.Errorf("%d tokens, want 2", n)
	}
}

func TestATokenEndpointInTroubleConcernsTheWholeERP(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		handler http.HandlerFunc
		want    fault.Fault
	}{
		{"it refuses the client", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error":"invalid_client","error_description":"`+secret+`"}`)
		}, fault.Fault{Scope: fault.Target, Reason: erp.ReasonUnauthorized, Status: http.StatusUnauthorized}},
		{
			"it is overloaded", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
			fault.Fault{Scope: fault.Target, Reason: erp.ReasonUnavailable, Status: http.StatusServiceUnavailable},
		},
		{
			"it limits", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) },
			fault.Fault{Scope: fault.Target, Reason: erp.ReasonRateLimited, Status: http.StatusTooManyRequests},
		},
		{
			"it answers HTML", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>"+secret) },
			fault.Fault{Scope: fault.Target, Reason: erp.ReasonUnauthorized},
		},
		{
			"it hangs up", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			fault.Fault{Scope: fault.Target, Reason: erp.ReasonNetwork},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, oauthSource(t, serveTokens(t, tc.handler), func(http.ResponseWriter, *http.Request) {
				t.Error("the ERP was asked without a token")
			}))
			err := get(t.Context(), c)
			checkFault(t, err, tc.want)
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("the error %q quotes the endpoint", err)
			}
		})
	}
}
