// Package mind is the client of Enneo's API ("Mind") for bringing it changes of contracts and customers, in one of three modes.
//
// Documented by Enneo: the base URL https://<instance>.enneo.ai/api/mind, the header "Authorization: Bearer <JWT>", that
// contracts and customers are created, updated and deleted by API calls, and their data structures. Not public: the paths
// and verbs of these calls, and what the webhook targets expect. Ours are defaults and configurable. Documented are the form
// POST /customer/invalidateCache and the paths of the webhook targets.
//
// # Concurrency
//
// A Client is safe for concurrent use.
package mind

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/enneo-ai/enneo-bridge/libs/fault"
	"github.com/enneo-ai/enneo-bridge/libs/key"
)

// maxAnswer bounds what is read of an answer.
const maxAnswer = 1 << 20

// Client sends to Enneo.
type Client struct {
	cfg    *Config
	token  *token
	http   *http.Client
	tracer trace.Tracer
}

// maxIdle is how many connections are kept open between requests.
const maxIdle = 64

// New makes a client. Its spans name the operation and the kind; no URL, since that ends with an id.
func New(cfg *Config, tracer trace.Tracer) *Client {
	transport := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert,errcheck // It is one, by its documentation.
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = maxIdle, maxIdle
	return &Client{cfg: cfg, token: newToken(cfg), tracer: tracer, http: &http.Client{
		Transport: transport,
		// An API does not redirect a write; following one could repeat it elsewhere, with our token.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Put creates or updates the contract or customer with Enneo's id. body is Enneo's structure as JSON text.
func (c *Client) Put(ctx context.Context, kind key.Kind, id, body string) error {
	path, err := c.path(kind, id)
	if err != nil {
		return err
	}
	return c.send(ctx, request{operation: "put", method: c.cfg.PutMethod, path: path, kind: kind, mediaType: jsonType, body: body})
}

// Delete deletes it. One that Enneo does not have is deleted already.
func (c *Client) Delete(ctx context.Context, kind key.Kind, id string) error {
	path, err := c.path(kind, id)
	if err != nil {
		return err
	}
	err = c.send(ctx, request{operation: opDelete, method: c.cfg.DeleteMethod, path: path, kind: kind})
	if f := fault.Of(err); f != nil && f.Status == http.StatusNotFound && f.Reason == reasonNotFound {
		return nil
	}
	return err
}

const (
	reasonNotFound = "not_found"
	opDelete       = "delete"
	jsonType       = "application/json"
)

// path is where Enneo has a contract or customer.
func (c *Client) path(kind key.Kind, id string) (string, error) {
	path := c.cfg.ContractPath
	if kind == key.Customer {
		path = c.cfg.CustomerPath
	}
	return pathOf(path, id)
}

// pathOf puts an id into a path.
func pathOf(template, id string) (string, error) {
	path := strings.ReplaceAll(template, "{id}", url.PathEscape(id))
	// A server would walk up on these even if they were escaped, and change something else.
	if segments := strings.Split(path, "/"); slices.Contains(segments, ".") || slices.Contains(segments, "..") {
		return "", unsendable(errors.New("the ids . and .. cannot stand in a path"))
	}
	return path, nil
}

// request is one that is about a contract or customer.
type request struct {
	operation, method, path string
	kind                    key.Kind
	mediaType, body         string
	answer                  *[]byte // of a success, if somebody wants it
}

// Contract reads a contract in Enneo; found is false if Enneo does not have it, which it says with HTTP 200 and a code (documented by
// Enneo, as the path is).
func (c *Client) Contract(ctx context.Context, id string) (body []byte, found bool, err error) {
	path, err := pathOf("/contract/{id}", id)
	if err != nil {
		return nil, false, err
	}
	if err := c.send(ctx, request{operation: "get", method: http.MethodGet, path: path, kind: key.Contract, answer: &body}); err != nil {
		return nil, false, err
	}
	var told struct {
		Code string `json:"code"`
	}
	if err := json.Unmarshal(body, &told); err != nil {
		return nil, false, &fault.Fault{Scope: fault.Target, Reason: "unreadable", Answer: shape(body), Err: errors.New("the contract is no JSON object")}
	}
	return body, told.Code != "contract_not_found", nil
}

func (c *Client) send(ctx context.Context, r request) error {
	ctx, span := c.tracer.Start(ctx, "enneo "+r.operation, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("http.request.method", r.method), attribute.String("kind", string(r.kind))))
	defer span.End()
	err := c.exchange(ctx, r)
	if f := fault.Of(err); f != nil {
		span.SetStatus(codes.Error, f.Reason)
		if f.Status == http.StatusUnauthorized {
			c.token.refused()
		}
	}
	return err
}

func (c *Client) exchange(ctx context.Context, r request) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	var payload io.Reader
	if r.body != "" {
		payload = strings.NewReader(r.body)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, strings.TrimSuffix(c.cfg.BaseURL, "/")+r.path, payload)
	if err != nil {
		return unsendable(errors.New("the id makes no valid URL"))
	}
	req.Header.Set("Authorization", "Bearer "+c.token.get(time.Now()))
	req.Header.Set("Accept", jsonType)
	if r.body != "" {
		req.Header.Set("Content-Type", r.mediaType)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return networkFault(err)
	}
	defer func() { _ = resp.Body.Close() }() // Nothing was written, so closing loses nothing.
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		f := networkFault(err)
		f.Status, f.Unknown = resp.StatusCode, true
		return f
	}
	err = judge(resp, r.operation == opDelete, answer)
	if err == nil && r.answer != nil {
		*r.answer = answer
	}
	return err
}

// unsendable is the fault of a request that cannot be built for this key.
func unsendable(err error) *fault.Fault {
	return &fault.Fault{Scope: fault.Key, Permanent: true, Reason: "no_request", Err: err}
}

// networkFault classifies a call without an answer. Only if no connection was made is it certain that nothing happened.
func networkFault(err error) *fault.Fault {
	f := &fault.Fault{Scope: fault.Target, Reason: "network", Unknown: true, Err: plainError(err)}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		f.Unknown = false
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		f.Reason = "timeout"
	}
	return f
}

// plainError drops the URL from a client's error: it ends with an id.
func plainError(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// judge classifies an answer. What concerns only this key is permanent: Enneo has understood the request and refuses it.
// Everything else concerns Enneo as a whole, or our access to it; it passes or somebody mends it, and nothing is lost meanwhile.
func judge(resp *http.Response, deleting bool, answer []byte) error {
	f := &fault.Fault{Status: resp.StatusCode, Scope: fault.Target, Reason: "unavailable", RetryAfter: fault.ParseRetryAfter(resp.Header.Get("Retry-After"), time.Now())}
	switch code := resp.StatusCode; {
	case code >= 200 && code < 300 && isPage(resp.Header, answer):
		// A page for people, of whoever stands in between, with a status that says nothing.
		f.Reason = "web_page"
	case code >= 200 && code < 300:
		return judgeBody(answer, code)
	case code == http.StatusTooManyRequests:
		f.Reason = fault.RateLimited
	case code == http.StatusUnauthorized, code == http.StatusForbidden, code == http.StatusProxyAuthRequired:
		f.Reason = "unauthorized"
	case code == http.StatusRequestTimeout, code == http.StatusBadGateway, code == http.StatusGatewayTimeout:
		// Somebody in between gave up; Enneo may still be working on it.
		f.Unknown = true
	case code == http.StatusLocked, code == http.StatusTooEarly:
	case code == http.StatusNotFound && deleting && isJSONObject(answer):
		f.Scope, f.Reason = fault.Key, reasonNotFound
	case code == http.StatusNotFound, code == http.StatusMethodNotAllowed, code >= 300 && code < 400:
		// Creating something cannot fail because it is not there: the route is wrong, for every key.
		f.Reason = "wrong_route"
	case code < 200, code >= 500:
	default:
		f.Scope, f.Permanent, f.Reason = fault.Key, true, "refused"
		f.Answer = shape(answer)
	}
	return f
}

// judgeBody recognises a failure that is told with a success status.
func judgeBody(answer []byte, status int) error {
	var told struct {
		Success *bool `json:"success"`
	}
	if json.Unmarshal(answer, &told) == nil && told.Success != nil && !*told.Success {
		return &fault.Fault{Scope: fault.Key, Permanent: true, Reason: "refused", Status: status, Answer: shape(answer), Err: errors.New("success is false")}
	}
	return nil
}

// isPage tells whether the answer is HTML, which Enneo's API does not speak.
func isPage(header http.Header, answer []byte) bool {
	mediaType, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	return err == nil && mediaType == "text/html" || bytes.HasPrefix(bytes.TrimSpace(answer), []byte("<"))
}

func isJSONObject(answer []byte) bool {
	var object map[string]json.RawMessage
	return json.Unmarshal(answer, &object) == nil
}

// plainName is what the name of a field looks like; anything else may be data used as a key, such as an id or a mail address.
var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z_]{0,39}$`)

// shape tells an answer's field names without their values, which may be personal.
func shape(answer []byte) string {
	var object map[string]json.RawMessage
	if json.Unmarshal(answer, &object) != nil {
		return fmt.Sprintf("%d bytes, not a JSON object", len(answer))
	}
	names := slices.Sorted(maps.Keys(object))
	for i, name := range names {
		if !plainName.MatchString(name) {
			names[i] = "?"
		}
	}
	const most = 20
	if len(names) > most {
		names = append(names[:most], "…")
	}
	return "JSON object with the fields " + strings.Join(names, ", ")
}
