// Package contracttest is what two parties say of one interface: a table of exchanges with each outside system, as data, that the
// real client and the simulated system are both held to.
//
// The table stands in testdata, one file for each system. Each exchange has a request, the answer to it and what the client makes of
// that, and says of request and answer whether they are documented somewhere or a default of ours. Of the client, Server checks that
// it sends exactly that request; of the simulated system, Check checks that it gives that answer. So neither can be changed alone,
// and what the pipeline's tests prove against the simulator holds for the table.
//
// What the simulated ERPs have to hold for it is Given. The ERPs' records are those of made-up people.
//
// # Concurrency
//
// Exchanges do not change; everything may be used by parallel tests.
package contracttest

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/enneo-ai/enneo-bridge/libs/fault"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

// The credentials of the table.
const (
	// Hash is that of the Powercloud instance.
	Hash = "0123456789abcdef0123456789abcdef"
	// User is the API user of Powercloud, without the context.
	User = "api"
	// Secret is the password, API key or token of every system.
	Secret = "contracttest"
)

//go:embed testdata
var files embed.FS

// Exchange is one request with its answer.
type Exchange struct {
	// Name says what it is about, once per system.
	Name string `yaml:"name"`
	// After are the exchanges that come before it.
	After []string `yaml:"after"`
	// Call is what the client is asked for.
	Call    Call    `yaml:"call"`
	Request Request `yaml:"request"`
	// Disturbed is what keeps the system from answering as it otherwise does; nil for nothing.
	Disturbed *Disturbance `yaml:"disturbed"`
	Answer    Answer       `yaml:"answer"`
	// Result is what the client makes of the answer.
	Result Result `yaml:"result"`
}

// Call is what a client is asked for.
type Call struct {
	// Operation is one of package profile, or a mode of Enneo's target.
	Operation string `yaml:"operation"`
	// Kind is for Enneo; the operations of an ERP imply it.
	Kind key.Kind `yaml:"kind"`
	ID   string   `yaml:"id"`
	// Args are those of a search or list.
	Args map[string]string `yaml:"args"`
	// CustomerID, Gone and Profile (that of the source) are those of a delivery to Enneo. What an import brings is the body of the
	// request.
	CustomerID string `yaml:"customer_id"`
	Gone       bool   `yaml:"gone"`
	Profile    string `yaml:"profile"`
	// Secret and Hash are used in place of the right ones, if they are set.
	Secret string `yaml:"secret"`
	Hash   string `yaml:"hash"`
}

// Origin says where something is known from. Exactly one of the two is set.
type Origin struct {
	// Documented names the public source that shows it.
	Documented string `yaml:"documented"`
	// Ours says which part of it nobody documents.
	Ours string `yaml:"ours"`
}

// Request is what the client sends, to the last byte but for what every HTTP client sends by itself.
type Request struct {
	Origin `yaml:",inline"`
	Method string `yaml:"method"`
	// Target is the escaped path with the query.
	Target string `yaml:"target"`
	// Basic is user and password of HTTP Basic, with a colon between.
	Basic  string            `yaml:"basic"`
	Header map[string]string `yaml:"header"`
	Body   string            `yaml:"body"`
}

// Disturbance is a fault of the simulated system; see simclient.Fault.
type Disturbance struct {
	Action     simclient.Action `yaml:"action"`
	Status     int              `yaml:"status"`
	RetryAfter string           `yaml:"retryAfter"`
}

// Fault is the fault of the simulated system.
func (d *Disturbance) Fault(system string) simclient.Fault {
	return simclient.Fault{System: system, Action: d.Action, Status: d.Status, RetryAfter: d.RetryAfter}
}

// Answer is what the system answers.
type Answer struct {
	Origin `yaml:",inline"`
	Status int               `yaml:"status"`
	Header map[string]string `yaml:"header"`
	// Body is JSON, or any text if the media type is another.
	Body string `yaml:"body"`
	// Varies names the properties of which only the type counts, at any depth.
	Varies []string `yaml:"varies"`
}

// Result is what the client makes of an answer. The zero value is a success that says nothing more.
type Result struct {
	Gone bool `yaml:"gone"`
	// Body is Enneo's structure as JSON.
	Body string `yaml:"body"`
	// ContractIDs, CustomerIDs and Next are those of a page, whether it shows ids or whole records.
	ContractIDs []string `yaml:"contract_ids"`
	CustomerIDs []string `yaml:"customer_ids"`
	Next        string   `yaml:"next"`
	// Fault is nil for a success.
	Fault *Fault `yaml:"fault"`
}

// Fault is what a fault.Fault has to say; see there.
type Fault struct {
	// Scope is key or target.
	Scope      string        `yaml:"scope"`
	Permanent  bool          `yaml:"permanent"`
	Reason     string        `yaml:"reason"`
	Status     int           `yaml:"status"`
	RetryAfter time.Duration `yaml:"retry_after"`
}

// FaultOf is what an error says, nil for none.
func FaultOf(err error) *Fault {
	f := fault.Of(err)
	if f == nil {
		return nil
	}
	scope := "key"
	if f.Scope == fault.Target {
		scope = "target"
	}
	return &Fault{Scope: scope, Permanent: f.Permanent, Reason: f.Reason, Status: f.Status, RetryAfter: f.RetryAfter}
}

// Given is what the simulated ERPs hold.
type Given struct {
	Customers []simclient.Customer `json:"customers"`
	Contracts []simclient.Contract `json:"contracts"`
}

// Records reads what the simulated ERPs have to hold.
func Records(t testing.TB) Given {
	t.Helper()
	text, err := files.ReadFile("testdata/given.json")
	var given Given
	if err == nil {
		err = json.Unmarshal(text, &given)
	}
	if err != nil {
		t.Fatalf("read the records: %v", err)
	}
	return given
}

// Exchanges reads the table of a system, one of simclient.Systems, and checks that it is whole.
func Exchanges(t testing.TB, system string) []Exchange {
	t.Helper()
	text, err := files.ReadFile("testdata/" + system + ".yaml")
	if err != nil {
		t.Fatalf("read the table of %s: %v", system, err)
	}
	var table struct {
		Exchanges []Exchange `yaml:"exchanges"`
	}
	if err := yaml.UnmarshalWithOptions(text, &table, yaml.Strict()); err != nil {
		t.Fatalf("read the table of %s: %v", system, err)
	}
	if err := whole(table.Exchanges); err != nil {
		t.Fatalf("table of %s: %v", system, err)
	}
	return table.Exchanges
}

// Named is the exchange of that name.
func Named(t testing.TB, all []Exchange, name string) Exchange {
	t.Helper()
	i := slices.IndexFunc(all, func(e Exchange) bool { return e.Name == name })
	if i < 0 {
		t.Fatalf("there is no exchange %q", name)
	}
	return all[i]
}

// whole finds what is missing in a table.
func whole(all []Exchange) error {
	var errs []error
	seen := map[string]bool{}
	for _, e := range all {
		fail := func(what string) { errs = append(errs, fmt.Errorf("exchange %q: %s", e.Name, what)) }
		for what, origin := range map[string]Origin{"request": e.Request.Origin, "answer": e.Answer.Origin} {
			if (origin.Documented == "") == (origin.Ours == "") {
				fail("its " + what + " must say either documented or ours")
			}
		}
		for _, name := range e.After {
			if !seen[name] {
				fail("what comes before it must stand above it: " + name)
			}
		}
		if e.Name == "" || seen[e.Name] {
			fail("its name must be there, and once only")
		}
		if e.Request.Method == "" || !strings.HasPrefix(e.Request.Target, "/") || e.Answer.Status == 0 || e.Answer.Header["Content-Type"] == "" {
			fail("method, target, status and Content-Type must be there")
		}
		seen[e.Name] = true
	}
	if len(all) == 0 {
		errs = append(errs, errors.New("no exchange"))
	}
	return errors.Join(errs...)
}
