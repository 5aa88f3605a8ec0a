package profile

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/enneo-ai/enneo-bridge/libs/jsonptr"
)

// Operation is something an ERP can be asked for.
type Operation string

// The operations that a profile may have.
const (
	GetContract Operation = "get_contract"
	GetCustomer Operation = "get_customer"
	Search      Operation = "search"
	ListChanged Operation = "list_changed"
	ListAll     Operation = "list_all"

	ListChangedCustomers Operation = "list_changed_customers"
	ListAllCustomers     Operation = "list_all_customers"
)

// Errors of Request; test with errors.Is.
var (
	ErrUnsupported = errors.New("the profile does not have this operation")
	ErrPathID      = errors.New("the ids . and .. cannot stand in a path")
)

// Args are the arguments of an operation: "id" and "hash" for reads; for search Enneo's attributes ("email",
// "meterNumber", …); for lists "since" (RFC 3339), "limit", "offset", "cursor". An empty one counts as not given.
type Args map[string]string

// Request is a request as the profile describes it, without host and credentials.
type Request struct {
	Method string
	// Target is the escaped path with the query, beginning with /.
	Target string
	// Body is a JSON object, nil for none.
	Body []byte
	// Context is the context of the scheme ContextBasic.
	Context string
}

type operation struct {
	method      string
	path, query string // The template, split at the first question mark.
	json        map[string]string
	context     string
	params      map[string]string
	contractIDs []jsonptr.Pointer
	customerIDs []jsonptr.Pointer
	next        []jsonptr.Pointer
	listing     listing
	confirmed   bool
}

func methods() []string { return []string{http.MethodGet, http.MethodPost} }

// call is how the operation is called, for people: its templates with the ERP's parameters.
func (o *operation) call() string {
	text := o.method + " " + o.path
	parameters := slices.Sorted(maps.Values(o.params))
	if o.query != "" {
		parameters = slices.Insert(parameters, 0, o.query)
	}
	if len(parameters) > 0 {
		text += "?" + strings.Join(parameters, "&")
	}
	if len(o.json) > 0 {
		text += " with " + strings.Join(slices.Sorted(maps.Keys(o.json)), ", ")
	}
	return text
}

var placeholder = regexp.MustCompile(`\{[^{}]*\}`)

// Supports tells whether the profile has the operation.
func (p *Profile) Supports(op Operation) bool { return p.operations[op] != nil }

// Takes tells whether the operation has a parameter for the argument; one without is left out of a request.
func (p *Profile) Takes(op Operation, arg string) bool {
	o := p.operations[op]
	return o != nil && o.params[arg] != ""
}

// NeedsHash tells whether some operation has {hash}.
func (p *Profile) NeedsHash() bool {
	for _, o := range p.operations {
		if strings.Contains(o.path, "{hash}") || strings.Contains(o.query, "{hash}") {
			return true
		}
	}
	return false
}

// Request fills the operation's templates. Every argument is escaped for the place where it stands.
func (p *Profile) Request(op Operation, args Args) (Request, error) {
	o := p.operations[op]
	if o == nil {
		return Request{}, fmt.Errorf("%s of profile %s: %w", op, p.name, ErrUnsupported)
	}
	r := Request{Method: o.method, Context: o.context}
	if r.Context == "" {
		r.Context = p.auth.Context
	}
	for segment := range strings.SplitSeq(strings.TrimPrefix(o.path, "/"), "/") {
		if segment == "{hash}" && args["hash"] == "" {
			continue
		}
		filled := fill(segment, args, url.PathEscape)
		// A server would walk up on these even if they were escaped, and answer for something else.
		if filled == "." || filled == ".." {
			return Request{}, ErrPathID
		}
		r.Target += "/" + filled
	}
	query := []string{}
	if o.query != "" {
		query = append(query, fill(o.query, args, url.QueryEscape))
	}
	for _, name := range slices.Sorted(maps.Keys(o.params)) {
		if args[name] != "" {
			query = append(query, url.QueryEscape(o.params[name])+"="+url.QueryEscape(args[name]))
		}
	}
	if len(query) > 0 {
		r.Target += "?" + strings.Join(query, "&")
	}
	if len(o.json) > 0 {
		members := make(map[string]string, len(o.json))
		for name, template := range o.json {
			members[name] = fill(template, args, func(s string) string { return s })
		}
		var err error
		if r.Body, err = json.Marshal(members); err != nil {
			return Request{}, fmt.Errorf("write request body: %w", err)
		}
	}
	return r, nil
}

func fill(template string, args Args, escape func(string) string) string {
	return placeholder.ReplaceAllStringFunc(template, func(name string) string { return escape(args[name[1:len(name)-1]]) })
}

func (c *compiler) operations(raw *schema) map[Operation]*operation {
	all := map[Operation]*operation{}
	for op, o := range map[Operation]*operationSchema{
		GetContract: raw.Operations.GetContract, GetCustomer: raw.Operations.GetCustomer,
		Search: raw.Operations.Search, ListChanged: raw.Operations.ListChanged, ListAll: raw.Operations.ListAll,
		ListChangedCustomers: raw.Operations.ListChangedCustomers, ListAllCustomers: raw.Operations.ListAllCustomers,
	} {
		if o != nil {
			all[op] = c.operation(op, o)
		}
	}
	if all[GetContract] == nil {
		c.fail(0, "operations.get_contract", "is missing; without it nothing can be read")
	}
	return all
}

func (c *compiler) operation(op Operation, raw *operationSchema) *operation {
	name := "operations." + string(op)
	o := &operation{
		method:      raw.Method.value,
		context:     raw.Context.value,
		json:        map[string]string{},
		params:      map[string]string{},
		contractIDs: c.pointers(name+".contract_ids", raw.ContractIDs),
		customerIDs: c.pointers(name+".customer_ids", raw.CustomerIDs),
		next:        c.pointers(name+".next", raw.Next),
		listing:     c.listing(op, raw),
		confirmed:   raw.Confirmed,
	}
	o.path, o.query, _ = strings.Cut(raw.Path.value, "?")
	if o.method == "" {
		o.method = http.MethodGet
	}
	if !slices.Contains(methods(), o.method) {
		c.fail(raw.Method.line, name+".method", "must be GET or POST")
	}
	if u, err := url.Parse(placeholder.ReplaceAllString(raw.Path.value, "x")); err != nil || !strings.HasPrefix(o.path, "/") || u.Host != "" || u.Fragment != "" {
		c.fail(raw.Path.line, name+".path", "must be an absolute path, with a query if need be")
	}
	c.placeholders(name+".path", raw.Path)
	for member, template := range raw.JSON {
		c.placeholders(name+".json."+member, template)
		o.json[member] = template.value
	}
	if len(raw.JSON) > 0 && o.method != http.MethodPost {
		c.fail(raw.Path.line, name+".json", "needs method POST")
	}
	for arg, param := range raw.Query {
		if param.value == "" {
			c.fail(param.line, name+".query."+arg, "must name the ERP's parameter")
		}
		o.params[arg] = param.value
	}
	isGet := op == GetContract || op == GetCustomer
	hasID := strings.Contains(raw.Path.value, "{id}") || slices.ContainsFunc(slices.Collect(maps.Values(o.json)), func(s string) bool { return strings.Contains(s, "{id}") })
	switch {
	case isGet && !hasID:
		c.fail(raw.Path.line, name+".path", "must contain {id}")
	case isGet && (len(o.params)+len(o.contractIDs)+len(o.customerIDs)+len(o.next) > 0):
		c.fail(raw.Path.line, name, "query, contract_ids, customer_ids and next are for search and lists only")
	case !isGet && hasID:
		c.fail(raw.Path.line, name, "{id} is for reads of one contract or customer only")
	case !isGet && len(o.contractIDs)+len(o.customerIDs)+len(o.listing.items) == 0:
		c.fail(raw.Path.line, name, "needs contract_ids or customer_ids, to read its answer")
	}
	return o
}

func (c *compiler) placeholders(field string, t text) {
	for _, name := range placeholder.FindAllString(t.value, -1) {
		if name != "{id}" && name != "{hash}" {
			c.fail(t.line, field, "unknown placeholder %s; there are {id} and {hash}", name)
		}
	}
	if strings.ContainsAny(placeholder.ReplaceAllString(t.value, ""), "{}") {
		c.fail(t.line, field, "a brace is left open")
	}
}
