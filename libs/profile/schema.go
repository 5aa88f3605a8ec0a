package profile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// schema is the profile as it stands in YAML. Unknown fields are errors.
type schema struct {
	// Name is what Ref begins with: a-z, 0-9 and -.
	Name text `yaml:"name"`
	// Version is the author's own; free of @ and blanks.
	Version     text `yaml:"version"`
	Description text `yaml:"description"`
	// Accept is the request header of that name; "application/json" if absent.
	Accept text `yaml:"accept"`
	Auth   struct {
		Default text   `yaml:"default"`
		Schemes []text `yaml:"schemes"`
		Context text   `yaml:"context"`
		Header  text   `yaml:"header"`
		Query   text   `yaml:"query"`
	} `yaml:"auth"`
	// Operations: one without an entry is unsupported.
	Operations struct {
		GetContract *operationSchema `yaml:"get_contract"`
		GetCustomer *operationSchema `yaml:"get_customer"`
		Search      *operationSchema `yaml:"search"`
		ListChanged *operationSchema `yaml:"list_changed"`
		ListAll     *operationSchema `yaml:"list_all"`
	} `yaml:"operations"`
	// Success is CEL over status (int) and body; an answer 2xx for which it is not true failed. Absent: always true.
	Success text `yaml:"success"`
	// Gone is CEL over status and body: the ERP says that it has the contract or customer no more. body is null if the
	// answer is no JSON.
	Gone text `yaml:"gone"`
	// Data are JSON pointers into the answer; the first that finds an object is the contract or customer.
	Data []text `yaml:"data"`
	// Statuses translates the ERP's statuses for the function status(x); what it does not list becomes "unknown".
	Statuses map[string]text `yaml:"statuses"`
	// Mapping: Enneo's field name to CEL over data. null stands for unknown; a result that is a missing optional (data.?x)
	// leaves the field out.
	Mapping struct {
		Contract map[string]text `yaml:"contract"`
		Customer map[string]text `yaml:"customer"`
	} `yaml:"mapping"`
	Webhook struct {
		// Lists of JSON pointers, "*" walks an array; the first that finds a valid value counts.
		ContractIDs []text `yaml:"contract_ids"`
		CustomerIDs []text `yaml:"customer_ids"`
		EventID     []text `yaml:"event_id"`
		ChangeType  []text `yaml:"change_type"`
		// EventIDHeader is the request header with the sender's event id; what it says precedes EventID.
		EventIDHeader text `yaml:"event_id_header"`
	} `yaml:"webhook"`
	CloudEvent struct {
		// SubjectKind: what the subject of a CloudEvent identifies, "contract" or "customer"; absent: nothing.
		SubjectKind text `yaml:"subject_kind"`
	} `yaml:"cloudevent"`
}

// operationSchema is one operation.
type operationSchema struct {
	// Method is GET (if absent) or POST.
	Method text `yaml:"method"`
	// Path begins with / and may contain {id} and {hash}, and a query. A path segment that is {hash} alone is left out for
	// a source without hash.
	Path text `yaml:"path"`
	// JSON are the members of a flat JSON body (POST only), with {id} and {hash}.
	JSON map[string]text `yaml:"json"`
	// Context replaces auth.context for this operation.
	Context text `yaml:"context"`
	// Query (search and lists only): our name of an argument to the ERP's query parameter; arguments that are not given
	// are left out.
	Query map[string]text `yaml:"query"`
	// ContractIDs, CustomerIDs and Next (search and lists only): JSON pointers to the ids found, and to the cursor of the
	// next page.
	ContractIDs []text `yaml:"contract_ids"`
	CustomerIDs []text `yaml:"customer_ids"`
	Next        []text `yaml:"next"`
}

// text is a scalar of the file together with its line, for errors.
type text struct {
	value string
	line  int
}

// UnmarshalYAML takes every scalar as it is written.
func (t *text) UnmarshalYAML(node ast.Node) error {
	t.line = node.GetToken().Position.Line
	switch n := node.(type) {
	case *ast.NullNode:
	case *ast.StringNode:
		t.value = n.Value
	case *ast.LiteralNode:
		t.value = n.Value.Value
	case *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode:
		t.value = node.GetToken().Value
	default:
		return &yaml.SyntaxError{Message: "must be a text, not a " + strings.ToLower(node.Type().YAMLName()), Token: node.GetToken()}
	}
	t.value = strings.TrimSpace(t.value)
	return nil
}

// decode reads the YAML strictly: unknown and repeated fields are errors.
func decode(file string, content []byte) (*schema, error) {
	dec := yaml.NewDecoder(bytes.NewReader(content), yaml.Strict())
	var raw schema
	if err := dec.Decode(&raw); err != nil {
		return nil, located(file, err)
	}
	var more any
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: more than one YAML document", file)
	}
	return &raw, nil
}

// located puts file and line in front of a YAML error, instead of the excerpt that the library prints.
func located(file string, err error) error {
	if y, ok := errors.AsType[yaml.Error](err); ok && y.GetToken() != nil {
		return fmt.Errorf("%s:%d: %s", file, y.GetToken().Position.Line, y.GetMessage())
	}
	return fmt.Errorf("%s: %w", file, err)
}
