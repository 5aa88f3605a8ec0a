package profile

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

	"github.com/enneo-ai/enneo-bridge/libs/enneo"
	"github.com/enneo-ai/enneo-bridge/libs/fault"
	"github.com/enneo-ai/enneo-bridge/libs/jsonptr"
	"github.com/enneo-ai/enneo-bridge/libs/key"
)

// MaxAnswer is the longest answer of an ERP in bytes that Map and ReadPage take.
const MaxAnswer = 4 << 20

// Reasons of the faults that Map and ReadPage return, besides enneo.ReasonUnmappable.
const (
	ReasonTooLarge     = "too_large"
	ReasonTruncated    = "truncated"
	ReasonNotJSON      = "not_json"
	ReasonRefused      = "refused"
	ReasonWrongRoute   = "wrong_route"
	ReasonUnsuccessful = "unsuccessful"
	ReasonWrongID      = "wrong_id"
)

type expression struct {
	program cel.Program
	text    string
	at      string // file:line
}

type field struct {
	name string
	*expression
}

// Mapped is an answer of the ERP in Enneo's structure.
type Mapped struct {
	// Gone: the ERP says that it has the key no more; or a customer that has no contracts left, which Enneo does not take.
	// All else is empty then.
	Gone bool
	// Body is a contract or customer that package enneo found valid.
	Body map[string]any
	// ID is the id, equal to the one asked for.
	ID string
	// CustomerID is a contract's customer.
	CustomerID string
	// ContractIDs are a customer's contracts.
	ContractIDs []string
}

// Map turns the ERP's answer to a read of the contract or customer id into Enneo's structure. An error is a *fault.Fault
// that says what is to happen; its text and its fields hold nothing out of the answer.
func (p *Profile) Map(kind key.Kind, id string, status int, body []byte) (Mapped, error) {
	doc, gone, err := p.read(status, body)
	if err != nil || gone {
		return Mapped{Gone: gone}, err
	}
	data, err := p.locate(doc, status)
	if err != nil {
		return Mapped{}, err
	}
	return assemble(kind, id, status, p.evaluate(kind, data.object))
}

// assemble makes the structure out of the fields' values.
func assemble(kind key.Kind, wanted string, status int, results []Result) (Mapped, error) {
	mapped := Mapped{Body: bodyOf(results)}
	// Another contract's answer is told first: what else is wrong with it does not concern this key.
	mapped.ID, _ = readID(mapped.Body["id"])
	if mapped.ID != "" && mapped.ID != wanted {
		return Mapped{}, &fault.Fault{Reason: ReasonWrongID, Field: string(kind) + ".id", Status: status, Err: errors.New("the ERP answered with another id than it was asked for")}
	}
	for _, result := range results {
		if result.Err != nil {
			return Mapped{}, unmappable(string(kind)+"."+result.Name, status, result.Err)
		}
	}
	return mapped.validated(kind, status)
}

// validated checks the body by Enneo's rules and takes the ids of related keys out of it.
func (m Mapped) validated(kind key.Kind, status int) (Mapped, error) {
	ids, isList := m.Body["contractIds"].([]any)
	if kind == key.Customer && m.ID != "" && isList && len(ids) == 0 {
		return Mapped{Gone: true}, nil
	}
	if err := validate(kind, m.Body); err != nil {
		f := fault.Of(err)
		f.Status = status
		return Mapped{}, f
	}
	m.CustomerID, _ = readID(m.Body["customerId"])
	for _, value := range ids {
		id, _ := readID(value)
		m.ContractIDs = append(m.ContractIDs, id)
	}
	return m, nil
}

func validate(kind key.Kind, body map[string]any) error {
	if kind == key.Customer {
		return enneo.ValidateCustomer(body)
	}
	return enneo.ValidateContract(body)
}

// read decodes an answer and applies the predicates: gone is final, otherwise doc (with literal numbers) is an answer that
// the ERP calls a success.
func (p *Profile) read(status int, body []byte) (doc any, gone bool, err error) {
	ok := status >= http.StatusOK && status < http.StatusMultipleChoices
	doc, failure := decodeAnswer(body)
	if failure != nil {
		failure.Status = status
		// A page instead of an answer comes from something in front of the ERP, whatever its status; all else that an ERP
		// sends along with an error status may be any text.
		if ok || failure.Reason != ReasonNotJSON && failure.Reason != ReasonTruncated || isPage(body) {
			return nil, false, failure
		}
		doc = nil
	}
	vars := map[string]any{"status": int64(status), "body": toCEL(doc)}
	switch {
	case p.gone.holds(vars):
		return nil, true, nil
	case status == http.StatusNotFound:
		// Not even "gone": host, path or hash is wrong, which is the same for every key.
		return nil, false, &fault.Fault{Scope: fault.Target, Reason: ReasonWrongRoute, Status: status, Err: errors.New("the ERP does not know what it was asked")}
	case !ok:
		return nil, false, &fault.Fault{Permanent: true, Reason: ReasonRefused, Status: status, Err: errors.New("the ERP refuses this read")}
	case p.success != nil && !p.success.holds(vars):
		return nil, false, &fault.Fault{Reason: ReasonUnsuccessful, Status: status, Err: errors.New("the ERP says that the read failed")}
	}
	return doc, false, nil
}

func decodeAnswer(body []byte) (any, *fault.Fault) {
	if len(body) > MaxAnswer {
		return nil, &fault.Fault{Permanent: true, Reason: ReasonTooLarge, Err: errors.New("the answer is longer than 4 MiB")}
	}
	if isPage(body) {
		return nil, &fault.Fault{Scope: fault.Target, Reason: ReasonNotJSON, Err: errors.New("the answer is a page (HTML or XML)")}
	}
	doc, err := jsonptr.Decode(bytes.TrimPrefix(body, []byte("\ufeff")))
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, &fault.Fault{Scope: fault.Target, Reason: ReasonTruncated, Err: errors.New("the answer ends too early")}
	case err != nil:
		return nil, &fault.Fault{Scope: fault.Target, Reason: ReasonNotJSON, Err: errors.New("the answer is not JSON")}
	case !utf8.Valid(body):
		// encoding/json would replace the bytes silently, and Enneo would show garbled names.
		return nil, &fault.Fault{Permanent: true, Reason: enneo.ReasonUnmappable, Err: errors.New("the answer is not valid UTF-8")}
	}
	return doc, nil
}

func isPage(body []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(bytes.TrimPrefix(body, []byte("\ufeff")), " \t\r\n"), []byte("<"))
}

// locatedData is the contract or customer in an answer.
type locatedData struct {
	pointer string
	object  map[string]any
}

func (p *Profile) locate(doc any, status int) (locatedData, error) {
	for _, pointer := range p.data {
		for _, value := range pointer.Values(doc) {
			if object, ok := value.(map[string]any); ok {
				return locatedData{pointer: pointer.String(), object: object}, nil
			}
		}
	}
	return locatedData{}, unmappable("data", status, errors.New("no pointer in the profile's data finds an object"))
}

// Result is what one field of a mapping yields.
type Result struct {
	// Name is Enneo's name of the field.
	Name string
	// Expression is the mapping's CEL, and At its file and line.
	Expression, At string
	// Value is the JSON value. It is passed on only if it is Given: a missing optional is not.
	Value any
	Given bool
	// Err says why the expression has no value. It holds nothing out of the answer.
	Err error
}

// evaluate runs every expression of the mapping, in the order of the fields' names.
func (p *Profile) evaluate(kind key.Kind, object map[string]any) []Result {
	vars := map[string]any{"data": toCEL(object), exactData: toExact(object)}
	results := make([]Result, 0, len(p.mapping[kind]))
	for _, f := range p.mapping[kind] {
		r := Result{Name: f.name, Expression: f.text, At: f.at}
		r.Value, r.Given, r.Err = f.eval(vars)
		results = append(results, r)
	}
	return results
}

func bodyOf(results []Result) map[string]any {
	body := make(map[string]any, len(results))
	for _, r := range results {
		if r.Given {
			body[r.Name] = r.Value
		}
	}
	return body
}

// holds tells whether the predicate is true; one that cannot be evaluated on this answer is not.
func (e *expression) holds(vars map[string]any) bool {
	result, _, err := e.program.Eval(vars)
	return err == nil && result == types.True
}

// eval is the expression's value as JSON, null if it reads something that is missing. A result that is itself a missing
// optional, as of data.?x, is not given: the field is passed on only by an ERP that has it. An error holds no value.
func (e *expression) eval(vars map[string]any) (value any, given bool, err error) {
	result, _, err := e.program.Eval(vars)
	if err == nil {
		if optional, ok := result.(*types.Optional); ok && !optional.HasValue() {
			return nil, false, nil
		}
		if value, err = fromCEL(result); err == nil {
			return value, true, nil
		}
	}
	if strings.HasPrefix(err.Error(), "no such key") {
		return nil, true, nil
	}
	if known, ok := errors.AsType[helperError](err); ok {
		return nil, false, errors.New("what the expression at " + e.at + " finds " + known.Error())
	}
	problem := "cannot be evaluated on this answer"
	switch text := err.Error(); {
	case strings.HasPrefix(text, "no such overload"):
		problem = "does not fit the types in this answer"
	case strings.Contains(text, "cost limit"):
		problem = "exceeds the cost limit on this answer"
	}
	return nil, false, errors.New("the expression at " + e.at + " " + problem)
}

func unmappable(field string, status int, err error) *fault.Fault {
	return &fault.Fault{Permanent: true, Reason: enneo.ReasonUnmappable, Field: field, Status: status, Err: err}
}
