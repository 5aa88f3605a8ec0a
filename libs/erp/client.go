// Package erp reads contracts and customers out of a connected ERP, as its profile describes it.
//
// # Guarantees
//
// A Client has at most source.Concurrency connections, and no other limits: what all replicas together may ask is divided by
// package quota, since whoever waits here would hold a ticket meanwhile. It
// never retries, but for what net/http does itself on a connection that the ERP had closed: an error is a *fault.Fault that says what is to happen next. Answers are bounded in time and, after
// decompression, in size. Credentials go to the source's own scheme and host only. Neither errors nor spans hold
// credentials, ids, URLs or anything out of an answer but its structure.
//
// A Client is safe for concurrent use.
package erp

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/enneo-ai/enneo-bridge/libs/fault"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
	"github.com/enneo-ai/enneo-bridge/libs/source"
)

const (
	// maxRedirects is how many redirects within the same host are followed.
	maxRedirects = 5
	// idleTimeout is shorter than what common servers and load balancers keep a connection (60 s and more), so that we
	// rarely send on one that they are just closing.
	idleTimeout = 45 * time.Second
)

// Client reads one source.
type Client struct {
	source *source.Source
	http   *http.Client
	tokens *tokens // of the scheme oauth2, else nil
	limit  int64
	tracer trace.Tracer
	now    func() time.Time
}

// Option changes a Client.
type Option func(*Client)

// WithResponseLimit bounds answers to n bytes instead of profile.MaxAnswer, which it cannot exceed.
func WithResponseLimit(n int64) Option {
	return func(c *Client) { c.limit = min(n, profile.MaxAnswer) }
}

// WithTracerProvider records each request as a span. The span names the operation and the host; the URL stays out of it,
// since a Powercloud URL holds the hash of the instance, and others may hold the API key.
func WithTracerProvider(p trace.TracerProvider) Option {
	return func(c *Client) { c.tracer = p.Tracer("github.com/enneo-ai/enneo-bridge/libs/erp") }
}

// WithClock replaces the clock that dates in Retry-After are compared with.
func WithClock(now func() time.Time) Option {
	return func(c *Client) { c.now = now }
}

// New makes a client with connections of its own. The source must have been loaded with source.Need.ERP.
func New(src *source.Source, opts ...Option) *Client {
	c := &Client{
		source: src,
		http:   &http.Client{Transport: transport(src), CheckRedirect: sameHost},
		limit:  profile.MaxAnswer,
		tracer: noop.NewTracerProvider().Tracer(""),
		now:    time.Now,
	}
	c.tokens = newTokens(src, c.http)
	for _, opt := range opts {
		opt(c)
	}
	return c
}

func transport(src *source.Source) *http.Transport {
	return &http.Transport{
		TLSClientConfig:        &tls.Config{RootCAs: src.RootCAs, MinVersion: tls.VersionTLS12},
		Proxy:                  http.ProxyFromEnvironment,
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    src.Concurrency,
		MaxConnsPerHost:        src.Concurrency,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

// errRedirect stops a redirect to another scheme or host, to which the credentials would go as well.
var errRedirect = errors.New("redirect to another scheme or host, or too many redirects")

func sameHost(req *http.Request, via []*http.Request) error {
	first := via[0].URL
	if len(via) > maxRedirects || req.URL.Scheme != first.Scheme || req.URL.Host != first.Host || req.Method != via[0].Method {
		return errRedirect
	}
	return nil
}

// CloseIdle closes the connections that are not in use.
func (c *Client) CloseIdle() { c.http.CloseIdleConnections() }

// ProfileRef names the profile with its version and content.
func (c *Client) ProfileRef() string { return c.source.Profile.Ref() }

// Supports tells whether the ERP has a read for contracts or customers.
func (c *Client) Supports(kind key.Kind) bool { return c.source.Profile.Supports(readOf(kind)) }

func readOf(kind key.Kind) profile.Operation {
	if kind == key.Customer {
		return profile.GetCustomer
	}
	return profile.GetContract
}

// Get reads one contract or customer. The error is a *fault.Fault.
func (c *Client) Get(ctx context.Context, kind key.Kind, id string) (profile.Mapped, error) {
	a, err := c.call(ctx, readOf(kind), profile.Args{"id": id})
	if err != nil {
		return profile.Mapped{}, err
	}
	mapped, err := c.source.Profile.Map(kind, id, a.status, a.body)
	return mapped, a.explain(err)
}

// List reads one page of profile.Search, profile.ListChanged or profile.ListAll. The error is a *fault.Fault.
func (c *Client) List(ctx context.Context, op profile.Operation, args profile.Args) (profile.Page, error) {
	a, err := c.call(ctx, op, args)
	if err != nil {
		return profile.Page{}, err
	}
	page, err := c.source.Profile.ReadPage(op, a.status, a.body)
	return page, a.explain(err)
}

// call sends one request and returns any answer that concerns the key and not the whole ERP.
func (c *Client) call(ctx context.Context, op profile.Operation, args profile.Args) (answer, error) {
	ctx, span := c.tracer.Start(ctx, "erp "+string(op), c.spanOptions(op)...)
	defer span.End()
	a, err := c.send(ctx, op, args)
	endSpan(span, a.status, err)
	return a, err
}

func (c *Client) send(ctx context.Context, op profile.Operation, args profile.Args) (answer, error) {
	within, cancel := context.WithTimeout(ctx, c.source.Timeout)
	defer cancel()
	req, err := c.request(within, op, args)
	if f, ok := errors.AsType[*fault.Fault](err); ok {
		return answer{}, f
	}
	if err != nil {
		return answer{}, unsendable(err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, failure(ctx, within, err)
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, mediaType: mediaType(resp.Header.Get("Content-Type"))}
	a.body, err = io.ReadAll(io.LimitReader(resp.Body, c.limit+1))
	if a.status == http.StatusUnauthorized && c.tokens != nil {
		c.tokens.forget(strings.TrimPrefix(req.Header.Get("Authorization"), bearer))
	}
	if f := c.statusFault(resp); f != nil {
		f.Answer = a.summary()
		return a, f
	}
	switch {
	case err != nil:
		return a, failure(ctx, within, err)
	case int64(len(a.body)) > c.limit:
		return a, &fault.Fault{Permanent: true, Reason: profile.ReasonTooLarge, Status: a.status, Answer: a.summary(), Err: errors.New("the answer exceeds the limit")}
	}
	return a, nil
}

// bearer is what an Authorization header with a token begins with.
const bearer = "Bearer "

// request builds the request with the credentials. Its errors hold neither. One that is a *fault.Fault says that no access
// token was to be had.
func (c *Client) request(ctx context.Context, op profile.Operation, args profile.Args) (*http.Request, error) {
	withHash := profile.Args{"hash": c.source.Hash.Reveal()}
	for name, value := range args {
		withHash[name] = value
	}
	r, err := c.source.Profile.Request(op, withHash)
	if err != nil {
		return nil, err
	}
	if c.source.Host == nil {
		return nil, errors.New("the source has no host")
	}
	target, err := url.Parse(c.source.Host.Scheme + "://" + c.source.Host.Host + strings.TrimSuffix(c.source.Host.EscapedPath(), "/") + r.Target)
	if err != nil {
		return nil, errors.New("the path of the profile's operation is not valid with these arguments")
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, target.String(), bytes.NewReader(r.Body))
	if err != nil {
		return nil, errors.New("the request cannot be built")
	}
	req.Header.Set("Accept", c.source.Profile.Accept())
	req.Header.Set("User-Agent", "enneo-bridge")
	if r.Body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, c.authenticate(req, r.Context)
}

// authenticate adds the credentials by the source's scheme.
func (c *Client) authenticate(req *http.Request, operationContext string) error {
	auth, apiKey := c.source.Profile.Auth(), c.source.APIKey.Reveal()
	password := c.source.APIPassword.Reveal()
	if password == "" {
		password = apiKey
	}
	switch c.source.Auth {
	case profile.ContextBasic:
		req.SetBasicAuth(operationContext+"#"+c.source.APIUser, password)
	case profile.Basic:
		req.SetBasicAuth(c.source.APIUser, password)
	case profile.Header:
		req.Header.Set(auth.Header, apiKey)
	case profile.Bearer:
		req.Header.Set("Authorization", bearer+apiKey)
	case profile.OAuth2:
		if c.tokens == nil {
			return errors.New("the source has no token endpoint")
		}
		token, err := c.tokens.token()
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", bearer+token)
	case profile.Query:
		addition := url.QueryEscape(auth.Query) + "=" + url.QueryEscape(apiKey)
		if req.URL.RawQuery != "" {
			addition = "&" + addition
		}
		req.URL.RawQuery += addition
	default:
		return errors.New("the source has no authentication scheme")
	}
	return nil
}
