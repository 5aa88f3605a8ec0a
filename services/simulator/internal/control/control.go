// Package control is the API by which tests, load runs and people set up the simulator and ask what happened.
//
// GET /control/ describes it; the description is made of the same table that requests are routed by. The JSON structures
// are those of package simclient, which is also its client. There is no authentication: the simulator holds made-up data.
//
// # Concurrency
//
// An API is safe for concurrent use. A change is atomic for one request; Reset is not atomic towards requests that are in
// progress at the same time.
package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/enneo-ai/enneo-bridge/libs/httpx"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/services/simulator/internal/directory"
	"github.com/enneo-ai/enneo-bridge/services/simulator/internal/enneo"
	"github.com/enneo-ai/enneo-bridge/services/simulator/internal/exchange"
	"github.com/enneo-ai/enneo-bridge/services/simulator/internal/faultplan"
	"github.com/enneo-ai/enneo-bridge/services/simulator/internal/journal"
	"github.com/enneo-ai/enneo-bridge/services/simulator/internal/route"
)

// maxBody is the largest body of a request, in bytes.
const maxBody = 16 << 20

// Prefix is the path below which the API lies.
const Prefix = "/control"

// API is the control API. Use New.
type API struct {
	Parts
	table  route.Table[*call]
	routes []*call
}

// Parts are what the API controls.
type Parts struct {
	Directory *directory.Directory
	Store     *enneo.Store
	Journal   *journal.Journal
	Faults    *faultplan.Plan
	// Systems are described on the help page.
	Systems []exchange.System
}

// call is one operation of the API: handle returns what is answered as JSON, or an error.
type call struct {
	method, pattern, help string
	handle                func(*request) (any, error)
	// stream answers by itself, instead of handle.
	stream func(http.ResponseWriter, *request) error
}

// request is a request with its parameters.
type request struct {
	*http.Request
	query url.Values
	// texts are what stands in place of the braces of the pattern.
	texts []string
}

// refusal is an error of the caller, with the status that it is answered with.
type refusal struct {
	status int
	detail string
}

func (r *refusal) Error() string { return r.detail }

func refuse(status int, format string, args ...any) error {
	return &refusal{status: status, detail: fmt.Sprintf(format, args...)}
}

// New returns the API.
func New(parts Parts) *API {
	a := &API{Parts: parts}
	a.routes = a.calls()
	for _, c := range a.routes {
		a.table.Add(c.method, c.pattern, c)
	}
	return a
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.EscapedPath(), Prefix)
	if path == "" {
		path = "/"
	}
	c, texts, found, pathKnown := a.table.Match(r.Method, path)
	if !found {
		status := http.StatusNotFound
		if pathKnown {
			status = http.StatusMethodNotAllowed
		}
		problem(w, r, refuse(status, "there is no such operation; GET %s/ lists all", Prefix))
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	in := &request{Request: r, query: r.URL.Query(), texts: texts}
	if c.stream != nil {
		if err := c.stream(w, in); err != nil {
			problem(w, r, err)
		}
		return
	}
	answer, err := c.handle(in)
	switch {
	case err != nil:
		problem(w, r, err)
	case answer == nil:
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header().Set("Content-Type", "application/json")
		// The caller has gone if this fails; there is nobody left to tell.
		_ = json.NewEncoder(w).Encode(answer)
	}
}

// problem answers with what is wrong. Everything that is no refusal and no unknown record is the caller's mistake as well:
// nothing here depends on anything but the request.
func problem(w http.ResponseWriter, r *http.Request, err error) {
	status := http.StatusBadRequest
	refused, isRefusal := errors.AsType[*refusal](err)
	switch {
	case isRefusal:
		status = refused.status
	case errors.Is(err, directory.ErrUnknown), errors.Is(err, faultplan.ErrUnknown):
		status = http.StatusNotFound
	}
	httpx.Problem(w, r, status, "control", http.StatusText(status), err.Error())
}

// decode reads a body strictly, so that a mistyped property is noticed.
func decode[T any](r *request) (T, error) {
	var value T
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&value); err != nil {
		return value, fmt.Errorf("read body: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return value, refuse(http.StatusBadRequest, "read body: something follows the JSON object")
	}
	return value, nil
}

// number reads a parameter that is a whole number from 0 on; 0 if it is not given.
func (r *request) number(name string) (int, error) {
	text := r.query.Get(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, refuse(http.StatusBadRequest, "%s must be a whole number from 0 on", name)
	}
	return n, nil
}

// kind reads a parameter that is a kind, or empty.
func (r *request) kind() (key.Kind, error) {
	kind := key.Kind(r.query.Get("kind"))
	if kind != "" && kind != key.Contract && kind != key.Customer {
		return "", refuse(http.StatusBadRequest, "kind must be contract or customer")
	}
	return kind, nil
}
