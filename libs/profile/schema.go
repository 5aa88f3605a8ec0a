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

// schema is the profile as it stands in YAML. Unknown fields are errors. The tags desc and need ("yes" for what must be
// there) are what JSONSchema and Fields say about a field; what else is demanded stands in constrain and in the compiler.
type schema struct {
	Name        text             `yaml:"name" need:"yes" desc:"The profile's name, which Ref begins with: 1 to 32 of a-z, 0-9 and -, beginning with a letter."`
	Version     text             `yaml:"version" need:"yes" desc:"The author's own version: 1 to 32 letters, digits, dots, - or _."`
	Description text             `yaml:"description" desc:"One or two sentences for people."`
	Accept      text             `yaml:"accept" desc:"Request header of that name; application/json if absent."`
	Auth        authSchema       `yaml:"auth" need:"yes" desc:"How requests are authenticated. Credentials are configuration of a source and never stand in a profile."`
	Operations  allOperations    `yaml:"operations" need:"yes" desc:"What the ERP can be asked for. An operation without an entry is unsupported."`
	Success     text             `yaml:"success" desc:"CEL over status (int, HTTP) and body. An answer with a 2xx status for which it is not true has failed; absent: it never has."`
	Gone        text             `yaml:"gone" need:"yes" desc:"CEL over status and body (null if the answer is no JSON): the ERP says that it has the contract or customer no more. What is gone is deleted in Enneo, so it must not be true for a wrong path."`
	Data        []text           `yaml:"data" need:"yes" desc:"JSON pointers into the answer; the first that finds an object is the contract or customer. The pointer \"\" is the whole answer."`
	Statuses    map[string]text  `yaml:"statuses" desc:"The ERP's status: Enneo's word for it, for the function status(x). What is not listed becomes unknown."`
	Mapping     mappingSchema    `yaml:"mapping" need:"yes" desc:"Enneo's field name: CEL over data. null stands for unknown; a missing optional (data.?x) leaves the field out."`
	Webhook     webhookSchema    `yaml:"webhook" desc:"Where identifiers stand in the ERP's webhooks. Nothing else of a webhook is used."`
	CloudEvent  cloudEventSchema `yaml:"cloudevent" desc:"How CloudEvents are read, if the ERP sends them."`
}

type authSchema struct {
	Default text   `yaml:"default" need:"yes" desc:"Scheme of a source that does not choose one and whose credentials fit it."`
	Schemes []text `yaml:"schemes" need:"yes" desc:"All schemes that a source may choose, in order of preference."`
	Context text   `yaml:"context" desc:"For context_basic: the user name is <context>#<API user>."`
	Header  text   `yaml:"header" desc:"For the scheme header: name of the header with the API key."`
	Query   text   `yaml:"query" desc:"For the scheme query: name of the query parameter with the API key."`
}

type allOperations struct {
	GetContract *operationSchema `yaml:"get_contract" need:"yes" desc:"Reads one contract by {id}."`
	GetCustomer *operationSchema `yaml:"get_customer" desc:"Reads one customer by {id}; needs mapping.customer."`
	Search      *operationSchema `yaml:"search" desc:"Finds contracts or customers by attributes."`
	ListChanged *operationSchema `yaml:"list_changed" desc:"Lists what changed since a time."`
	ListAll     *operationSchema `yaml:"list_all" desc:"Lists everything."`

	ListChangedCustomers *operationSchema `yaml:"list_changed_customers" desc:"Lists the customers that changed since a time, for an ERP that lists them apart from contracts."`
	ListAllCustomers     *operationSchema `yaml:"list_all_customers" desc:"Lists all customers, for an ERP that lists them apart from contracts."`
}

// operationSchema is one operation.
type operationSchema struct {
	Method      text            `yaml:"method" desc:"GET (if absent) or POST."`
	Path        text            `yaml:"path" need:"yes" desc:"Begins with / and may contain {id} and {hash}, and a query. A path segment that is {hash} alone is left out for a source without hash."`
	JSON        map[string]text `yaml:"json" desc:"Members of a flat JSON body (POST only), with {id} and {hash}."`
	Context     text            `yaml:"context" desc:"Replaces auth.context for this operation."`
	Query       map[string]text `yaml:"query" desc:"Search and lists only: our name of an argument (Enneo's attributes; since, limit, offset, cursor): the ERP's query parameter. Arguments that are not given are left out."`
	ContractIDs []text          `yaml:"contract_ids" desc:"Search and lists only: JSON pointers to the contract ids found."`
	CustomerIDs []text          `yaml:"customer_ids" desc:"Search and lists only: JSON pointers to the customer ids found."`
	Next        []text          `yaml:"next" desc:"Search and lists only: JSON pointers to the cursor of the next page."`
	Items       []text          `yaml:"items" desc:"Lists only: JSON pointers to objects that are each a whole contract (list_changed, list_all) or customer (the lists of customers), as the mapping expects it in data; * walks an array. What is listed like this is not read once more."`
	Removed     []text          `yaml:"removed" desc:"Lists with items only: JSON pointers into an item; if one finds true, the item is one that the ERP does not have any more."`
	Total       []text          `yaml:"total" desc:"Lists only: JSON pointers to the number of items on all pages, for the display of progress."`
	LivePages   bool            `yaml:"live_pages" desc:"Lists only: each page shows the state at its own request. If false, pages may show the state at the request of the first one."`
	Confirmed   bool            `yaml:"confirmed" desc:"Whether the ERP's maker or a public source shows that it is called like this; false for a default of ours."`
}

type mappingSchema struct {
	Contract map[string]text `yaml:"contract" need:"yes" desc:"Fields of a contract; id, customerId, business, lastname and company must be there."`
	Customer map[string]text `yaml:"customer" desc:"Fields of a customer; id, business, lastname, company and contractIds must be there."`
}

// webhookSchema: in its pointers * walks an array, and the first pointer of a list that finds a valid value counts.
type webhookSchema struct {
	ContractIDs   []text `yaml:"contract_ids" desc:"JSON pointers to contract ids; * walks an array. The first that finds a valid id counts."`
	CustomerIDs   []text `yaml:"customer_ids" desc:"The same for customer ids; needs get_customer, with which a customer is read."`
	EventID       []text `yaml:"event_id" desc:"JSON pointers to the sender's own id of the event, by which repetitions are recognised."`
	ChangeType    []text `yaml:"change_type" desc:"JSON pointers to the ERP's name of what happened, for SOURCE_<NAME>_URGENT_TYPES."`
	EventIDHeader text   `yaml:"event_id_header" desc:"Request header with the sender's event id; what it says precedes event_id."`
	Confirmed     bool   `yaml:"confirmed" desc:"Whether a public source shows these pointers; false for a default of ours."`
}

type cloudEventSchema struct {
	SubjectKind text `yaml:"subject_kind" desc:"What the subject of a CloudEvent identifies: contract or customer. Absent: nothing."`
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

// errGivenUp says that the YAML library did not survive a file.
var errGivenUp = errors.New("is not valid YAML: its parser gives up on it")

// decode reads the YAML strictly: unknown and repeated fields are errors.
func decode(file string, content []byte) (decoded *schema, err error) {
	// goccy/go-yaml 1.19.2 panics on some files that are no YAML. The service is to say which file it was, with all else that is wrong.
	defer func() {
		if recover() != nil {
			decoded, err = nil, fmt.Errorf("%s: %w", file, errGivenUp)
		}
	}()
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
