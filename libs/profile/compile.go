package profile

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"golang.org/x/net/http/httpguts"

	"github.com/enneo-ai/enneo-bridge/libs/jsonptr"
	"github.com/enneo-ai/enneo-bridge/libs/key"
)

// mandatory are the fields that a mapping must have, as reference of Enneo's structures (package enneo) demands them.
var mandatory = map[key.Kind][]string{
	key.Contract: {"id", "customerId", "business", "lastname", "company"},
	key.Customer: {"id", "business", "lastname", "company", "contractIds"},
}

var (
	namePattern    = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)
	versionPattern = regexp.MustCompile(`^[A-Za-z0-9._-]{1,32}$`)
	fieldPattern   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)
)

// compiler turns a schema into a Profile and collects every mistake on the way.
type compiler struct {
	file string
	errs []error
}

// fail notes a mistake; line 0 stands for a field that is absent.
func (c *compiler) fail(line int, field, format string, args ...any) {
	at := c.file
	if line > 0 {
		at = fmt.Sprintf("%s:%d", c.file, line)
	}
	c.errs = append(c.errs, fmt.Errorf("%s: %s: %w", at, field, fmt.Errorf(format, args...)))
}

func (c *compiler) profile(raw *schema) *Profile {
	if !namePattern.MatchString(raw.Name.value) {
		c.fail(raw.Name.line, "name", "must be 1 to 32 of a-z, 0-9 and -, beginning with a letter")
	}
	if !versionPattern.MatchString(raw.Version.value) {
		c.fail(raw.Version.line, "version", "must be 1 to 32 letters, digits, dots, - or _")
	}
	p := &Profile{
		name:        raw.Name.value,
		version:     raw.Version.value,
		description: raw.Description.value,
		accept:      raw.Accept.value,
		auth:        c.auth(raw),
		operations:  c.operations(raw),
		data:        c.pointers("data", raw.Data),
		mapping:     map[key.Kind][]field{},
	}
	if p.accept == "" {
		p.accept = "application/json"
	}
	if len(raw.Data) == 0 {
		c.fail(0, "data", "is missing; the whole answer is %q", "")
	}
	c.predicates(p, raw)
	c.mappings(p, raw)
	p.webhook = c.webhook(raw)
	return p
}

func (c *compiler) auth(raw *schema) Auth {
	a := Auth{Default: Scheme(raw.Auth.Default.value), Context: raw.Auth.Context.value, Header: raw.Auth.Header.value, Query: raw.Auth.Query.value}
	for _, s := range raw.Auth.Schemes {
		scheme := Scheme(s.value)
		switch {
		case !slices.Contains(schemes(), scheme):
			c.fail(s.line, "auth.schemes", "unknown scheme %q; there are %s", s.value, names(schemes()))
		case slices.Contains(a.Schemes, scheme):
			c.fail(s.line, "auth.schemes", "%s stands twice", s.value)
		case scheme == ContextBasic && a.Context == "":
			c.fail(s.line, "auth.context", "is missing, but the scheme context_basic needs it")
		case scheme == Header && !httpguts.ValidHeaderFieldName(a.Header):
			c.fail(s.line, "auth.header", "must be the name of a header, for the scheme header")
		case scheme == Query && a.Query == "":
			c.fail(s.line, "auth.query", "is missing, but the scheme query needs it")
		}
		a.Schemes = append(a.Schemes, scheme)
	}
	if !slices.Contains(a.Schemes, a.Default) {
		c.fail(raw.Auth.Default.line, "auth.default", "must be one of auth.schemes")
	}
	return a
}

func names(schemes []Scheme) string {
	texts := make([]string, len(schemes))
	for i, s := range schemes {
		texts[i] = string(s)
	}
	return strings.Join(texts, ", ")
}

func (c *compiler) pointers(field string, texts []text) []jsonptr.Pointer {
	pointers := make([]jsonptr.Pointer, 0, len(texts))
	for _, t := range texts {
		p, err := jsonptr.Parse(t.value)
		if err != nil {
			c.fail(t.line, field, "%w", err)
			continue
		}
		pointers = append(pointers, p)
	}
	return pointers
}

func (c *compiler) predicates(p *Profile, raw *schema) {
	env, err := predicateEnv()
	if err != nil {
		c.fail(0, "success", "%w", err)
		return
	}
	if raw.Success.value != "" {
		p.success = c.expression(env, "success", raw.Success, cel.BoolType)
	}
	if raw.Gone.value == "" {
		c.fail(0, "gone", "is missing; it decides what is deleted")
		return
	}
	p.gone = c.expression(env, "gone", raw.Gone, cel.BoolType)
}

func (c *compiler) mappings(p *Profile, raw *schema) {
	statuses := make(map[string]string, len(raw.Statuses))
	for from, to := range raw.Statuses {
		statuses[from] = to.value
	}
	env, err := mappingEnv(statuses)
	if err != nil {
		c.fail(0, "mapping", "%w", err)
		return
	}
	p.mapping[key.Contract] = c.mapping(env, key.Contract, raw.Mapping.Contract)
	if p.Supports(GetCustomer) || len(raw.Mapping.Customer) > 0 {
		p.mapping[key.Customer] = c.mapping(env, key.Customer, raw.Mapping.Customer)
	}
}

func (c *compiler) mapping(env *cel.Env, kind key.Kind, texts map[string]text) []field {
	prefix := "mapping." + string(kind) + "."
	for _, name := range mandatory[kind] {
		if _, ok := texts[name]; !ok {
			c.fail(0, prefix+name, "is missing; Enneo demands this field")
		}
	}
	fields := make([]field, 0, len(texts))
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		if !fieldPattern.MatchString(name) {
			c.fail(texts[name].line, prefix+name, "must be a name of letters, digits and _")
		}
		if e := c.expression(env, prefix+name, texts[name], nil); e != nil {
			fields = append(fields, field{name: name, expression: e})
		}
	}
	return fields
}

// expression compiles one CEL expression; want is its type, nil for any.
func (c *compiler) expression(env *cel.Env, field string, t text, want *cel.Type) *expression {
	if t.value == "" {
		c.fail(t.line, field, "the expression is empty")
		return nil
	}
	checked, issues := env.Parse(t.value)
	if issues.Err() == nil {
		if want == nil {
			passOn(checked)
		}
		checked, issues = env.Check(checked)
	}
	if issues.Err() != nil {
		for _, issue := range issues.Errors() {
			c.fail(t.line, field, "%s (at character %d of the expression)", strings.ReplaceAll(issue.Message, exactNumber, "number"), issue.Location.Column()+1)
		}
		return nil
	}
	if want != nil && !checked.OutputType().IsAssignableType(want) {
		c.fail(t.line, field, "must be %s, not %s", want, checked.OutputType())
		return nil
	}
	if err := affordable(env, checked); err != nil {
		c.fail(t.line, field, "%w", err)
		return nil
	}
	program, err := env.Program(checked, cel.CostLimit(costLimit))
	if err != nil {
		c.fail(t.line, field, "%w", err)
		return nil
	}
	return &expression{program: program, text: t.value, at: fmt.Sprintf("%s:%d", c.file, t.line)}
}

func (c *compiler) webhook(raw *schema) webhook {
	w := webhook{
		contractIDs:   c.pointers("webhook.contract_ids", raw.Webhook.ContractIDs),
		customerIDs:   c.pointers("webhook.customer_ids", raw.Webhook.CustomerIDs),
		eventID:       c.pointers("webhook.event_id", raw.Webhook.EventID),
		changeType:    c.pointers("webhook.change_type", raw.Webhook.ChangeType),
		eventIDHeader: raw.Webhook.EventIDHeader.value,
		subjectKind:   key.Kind(raw.CloudEvent.SubjectKind.value),
		confirmed:     raw.Webhook.Confirmed,
	}
	if len(w.contractIDs)+len(w.customerIDs) == 0 && w.subjectKind == "" {
		c.errs = append(c.errs, fmt.Errorf("%s: webhook: %w", c.file, errNoIdentifiers))
	}
	if h := raw.Webhook.EventIDHeader; h.value != "" && !httpguts.ValidHeaderFieldName(h.value) {
		c.fail(h.line, "webhook.event_id_header", "must be the name of a header")
	}
	if raw.Operations.GetCustomer == nil {
		const remedy = "needs operations.get_customer, since a customer that is named has to be read; add it, or leave this out"
		if len(raw.Webhook.CustomerIDs) > 0 {
			c.fail(raw.Webhook.CustomerIDs[0].line, "webhook.customer_ids", remedy)
		}
		if w.subjectKind == key.Customer {
			c.fail(raw.CloudEvent.SubjectKind.line, "cloudevent.subject_kind", remedy)
		}
	}
	if k := w.subjectKind; k != "" && k != key.Contract && k != key.Customer {
		c.fail(raw.CloudEvent.SubjectKind.line, "cloudevent.subject_kind", "must be contract or customer")
	}
	return w
}

var errNoIdentifiers = errors.New("neither contract_ids nor customer_ids nor cloudevent.subject_kind: no change could be recognised")
