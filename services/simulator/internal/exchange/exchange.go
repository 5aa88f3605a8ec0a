// Package exchange is what the simulated systems have in common: it takes a request, applies the faults that are in force,
// lets the system do its work, and writes the journal.
//
// A request counts as over, and stands in the journal, before the first byte of its answer leaves: whoever has read an
// answer may send the next request at once without overlapping, and finds the entry. A server that works goes on working
// when its client has gone away; that is what makes abandoned requests dangerous, so they last as long here.
//
// # Concurrency
//
// A Handler serves requests concurrently; what is shared is safe for that.
package exchange

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	"github.com/enneo-ai/enneo-bridge/services/simulator/internal/faultplan"
	"github.com/enneo-ai/enneo-bridge/services/simulator/internal/journal"
	"github.com/enneo-ai/enneo-bridge/services/simulator/internal/route"
)

// MaxBody is the largest body of a request to a simulated system, in bytes.
const MaxBody = 1 << 20

// System is one simulated system.
type System struct {
	// Name is one of simclient.Systems.
	Name string
	// Prefix is the path below which its operations lie.
	Prefix     string
	Operations []Operation
	// Authorized tells whether the request carries the right credentials.
	Authorized func(*http.Request) bool
	// Refused, Unknown and Failed are its answers to wrong credentials, to a path it does not have (404 or 405) and under
	// the fault "failure".
	Refused func(*Call) Answer
	Unknown func(c *Call, status int) Answer
	Failed  func(c *Call, status int) Answer
}

// Operation is one call that a system offers.
type Operation struct {
	// Name is its word in the journal.
	Name string
	// Method and Pattern are as in route.Table, below the system's prefix.
	Method, Pattern string
	// Refs finds what the call is about. For a Write it is asked before the body is read, unless RefsInBody.
	Refs       func(*Call) []simclient.Ref
	RefsInBody bool
	// Write: no two of these may be in progress for one key.
	Write bool
	// Open: no credentials are needed.
	Open bool
	// Handle does the work.
	Handle func(*Call) Answer
}

// Call is a request on its way through a system.
type Call struct {
	Request *http.Request
	Query   url.Values
	// Texts are what stands in place of the braces of the pattern.
	Texts []string
	Body  []byte
	Refs  []simclient.Ref
	// Lag and WrongID are faults that only the system itself can act out.
	Lag     time.Duration
	WrongID bool
	// Revision and Regression are set by the system, for the journal.
	Revision   int64
	Regression bool
}

// Shared is what all systems of a simulator use together.
type Shared struct {
	Journal  *journal.Journal
	Faults   *faultplan.Plan
	Inflight *Inflight
	Now      func() time.Time
	// Closing is closed when nothing may wait any longer.
	Closing <-chan struct{}
}

// Handler serves one system.
type Handler struct {
	shared Shared
	system System
	table  route.Table[*Operation]
}

// New returns the handler of a system.
func New(shared Shared, system System) *Handler {
	h := &Handler{shared: shared, system: system}
	for i := range system.Operations {
		o := &h.system.Operations[i]
		h.table.Add(o.Method, o.Pattern, o)
	}
	return h
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{Handler: h, call: &Call{Request: r, Query: r.URL.Query()}}
	x.entry = simclient.Entry{System: h.system.Name, Operation: "unknown", Method: r.Method, StartNS: h.shared.Now().UnixNano()}
	operation, texts, found, pathKnown := h.table.Match(r.Method, strings.TrimPrefix(r.URL.EscapedPath(), h.system.Prefix))
	if !found {
		status := http.StatusNotFound
		if pathKnown {
			status = http.StatusMethodNotAllowed
		}
		x.finish(w, h.system.Unknown(x.call, status), nil)
		return
	}
	x.operation, x.call.Texts, x.entry.Operation = operation, texts, operation.Name
	x.run(w)
}

// exchange is one request and its answer.
type exchange struct {
	*Handler
	call      *Call
	operation *Operation
	entry     simclient.Entry
	work      *Work
}

func (x *exchange) run(w http.ResponseWriter) {
	if !x.operation.RefsInBody {
		x.begin()
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, x.call.Request.Body, MaxBody))
	if err != nil {
		x.finish(w, Text(http.StatusRequestEntityTooLarge, "text/plain", "the body cannot be read, or exceeds 1 MiB"), nil)
		return
	}
	x.call.Body = body
	if x.operation.RefsInBody {
		x.begin()
	}
	faults := x.shared.Faults.For(&faultplan.Request{
		System: x.system.Name, Operation: x.operation.Name, Method: x.call.Request.Method,
		Path: x.call.Request.URL.Path, Refs: x.call.Refs,
	})
	x.entry.Faults = faults.Actions
	x.pass(faults.Before)
	if faults.Instead != nil {
		x.finish(w, Answer{}, faults.Instead)
		return
	}
	x.call.Lag, x.call.WrongID = faults.Lag, faults.WrongID
	answer := x.process()
	x.pass(faults.After)
	x.finish(w, answer, faults.Mangle)
}

// begin notes what the request is about, and that a write has begun.
func (x *exchange) begin() {
	if x.operation.Refs != nil {
		x.call.Refs = x.operation.Refs(x.call)
	}
	if x.operation.Write {
		x.work = x.shared.Inflight.Begin(x.call.Refs)
	}
}

func (x *exchange) pass(waits []faultplan.Wait) {
	for _, wait := range waits {
		x.shared.Faults.Pass(wait, x.shared.Closing)
	}
}

func (x *exchange) process() Answer {
	if !x.operation.Open && !x.system.Authorized(x.call.Request) {
		return x.system.Refused(x.call)
	}
	return x.operation.Handle(x.call)
}

// finish ends the work, writes the journal and sends the answer as the fault has it.
func (x *exchange) finish(w http.ResponseWriter, answer Answer, f *simclient.Fault) {
	answer, send := x.mangle(answer, f)
	gone := x.call.Request.Context()
	if f != nil && f.Action == simclient.Hang {
		select {
		case <-gone.Done():
		case <-x.shared.Closing:
		}
	}
	overlap := x.work.End(&x.entry)
	x.entry.EndNS = x.shared.Now().UnixNano()
	x.entry.Abandoned = gone.Err() != nil
	x.entry.Status = answer.Status
	x.entry.Revision, x.entry.Regression = x.call.Revision, x.call.Regression
	if len(x.call.Refs) > 0 {
		first := x.call.Refs[0]
		x.entry.Kind, x.entry.ID, x.entry.More = first.Kind, first.ID, x.call.Refs[1:]
	}
	x.shared.Journal.Append(x.entry, overlap)
	send(w, answer)
}
