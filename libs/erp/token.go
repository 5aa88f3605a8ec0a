package erp

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/enneo-ai/enneo-bridge/libs/fault"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
	"github.com/enneo-ai/enneo-bridge/libs/source"
)

// renewEarly is how long before its end a token is renewed, so that none ends on its way to the ERP.
const renewEarly = time.Minute

// tokens keeps the access token of the scheme oauth2. One renewal is under way at a time; whoever needs a token meanwhile
// waits for it.
type tokens struct {
	config clientcredentials.Config
	// ctx carries the HTTP client, as the library wants it. It is never done: a renewal serves all who wait for it, so it
	// is bounded by the client's timeout and not by the one who happened to ask first.
	ctx context.Context //nolint:containedctx // see above

	mu     sync.Mutex
	source oauth2.TokenSource
	last   string // the token that was given out last
}

// newTokens returns nil for a source with another scheme.
func newTokens(src *source.Source, client *http.Client) *tokens {
	if src.Auth != profile.OAuth2 || src.TokenURL == nil {
		return nil
	}
	secret := src.APIPassword
	if !secret.IsSet() {
		secret = src.APIKey
	}
	t := &tokens{
		config: clientcredentials.Config{
			ClientID: src.APIUser, ClientSecret: secret.Reveal(), TokenURL: src.TokenURL.String(), Scopes: src.TokenScopes,
		},
		ctx: context.WithValue(context.Background(), oauth2.HTTPClient, &http.Client{
			Transport: client.Transport, CheckRedirect: client.CheckRedirect, Timeout: src.Timeout,
		}),
	}
	t.source = t.fresh()
	return t
}

// token returns a token that does not end within a minute. The error is a *fault.Fault, which concerns the whole ERP.
func (t *tokens) token() (string, error) {
	t.mu.Lock()
	src := t.source
	t.mu.Unlock()
	token, err := src.Token()
	if err != nil {
		return "", tokenFault(err)
	}
	t.mu.Lock()
	t.last = token.AccessToken
	t.mu.Unlock()
	return token.AccessToken, nil
}

// forget makes the next call get a new token, because the ERP refuses this one. One that was renewed meanwhile stays.
func (t *tokens) forget(refused string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last == refused {
		t.source = t.fresh()
	}
}

// fresh has no token yet.
func (t *tokens) fresh() oauth2.TokenSource {
	return oauth2.ReuseTokenSourceWithExpiry(nil, t.config.TokenSource(t.ctx), renewEarly)
}

// tokenFault classifies the failure to get a token. The library's own text quotes the answer, so it stays out.
func tokenFault(err error) *fault.Fault {
	f := &fault.Fault{Scope: fault.Target, Reason: ReasonNetwork, Err: errors.New("the token endpoint cannot be reached")}
	var refusal *oauth2.RetrieveError
	var failed *url.Error
	switch {
	case errors.As(err, &refusal) && refusal.Response != nil:
		f.Status, f.Answer = refusal.Response.StatusCode, "token endpoint: "+errorWord(refusal.ErrorCode)
		f.RetryAfter = fault.ParseRetryAfter(refusal.Response.Header.Get("Retry-After"), time.Now())
		switch {
		case f.Status == http.StatusTooManyRequests:
			f.Reason, f.Err = ReasonRateLimited, errors.New("the token endpoint asks for fewer requests")
		case f.Status >= http.StatusInternalServerError:
			f.Reason, f.Err = ReasonUnavailable, errors.New("the token endpoint cannot answer now")
		default:
			f.Reason, f.Err = ReasonUnauthorized, errors.New("the token endpoint refuses the client; see API_USER, API_PASSWORD, TOKEN_URL and TOKEN_SCOPES")
		}
	case errors.As(err, &failed) && failed.Timeout():
		f.Reason, f.Err = ReasonTimeout, errors.New("the token endpoint did not answer in time")
	case errors.As(err, &failed):
		if shown(failed.Err) {
			f.Err = failed.Err
		}
	default:
		f.Reason, f.Err = ReasonUnauthorized, errors.New("the token endpoint's answer holds no access token")
	}
	return f
}

// errorWord is an error code of a token endpoint, if it is one of RFC 6749, section 5.2: anything else could be anything.
func errorWord(code string) string {
	switch code {
	case "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope":
		return code
	default:
		return "no error code of OAuth 2.0"
	}
}
