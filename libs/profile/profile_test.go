package profile_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
)

// minimal is a valid profile of 25 lines, with extra as the last field of the contract's mapping.
func minimal(extra string) string {
	return `name: test
version: 3
auth:
  default: header
  schemes: [header]
  header: X-Key
operations:
  get_contract:
    path: /c/{id}
gone: status == 404
data: [""]
statuses:
  5000: active
webhook:
  contract_ids: [/id]
mapping:
  contract:
    id: text(data.id)
    customerId: text(data.customerId)
    business: boolean(data.business)
    lastname: text(data.lastname)
    company: text(data.?company)
    ` + extra + "\n"
}

func TestBuiltinProfilesLoad(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff([]string{"generic", "lynqtech", "powercloud"}, profile.Builtin()); diff != "" {
		t.Errorf("Builtin (-want +got):\n%s", diff)
	}
	for _, name := range profile.Builtin() {
		p := load(t, name)
		if p.Name() != name || p.Version() == "" || p.Description() == "" || p.Accept() == "" || !strings.HasPrefix(p.Ref(), name+"@"+p.Version()+"-") {
			t.Errorf("%s: name %q, version %q, ref %q", name, p.Name(), p.Version(), p.Ref())
		}
		if !p.Supports(profile.GetContract) || !p.Supports(profile.GetCustomer) {
			t.Errorf("%s cannot read contracts and customers", name)
		}
	}
	if p := load(t, "powercloud"); p.Supports(profile.Search) || p.Supports(profile.ListChanged) || p.Supports(profile.ListAll) {
		t.Error("powercloud offers an operation of which nothing is public")
	}
}

func TestRefChangesWithTheContent(t *testing.T) {
	t.Parallel()
	refs := map[string]bool{}
	for _, text := range []string{minimal(""), minimal("x: text(data.x)"), minimal("") + "# a comment\n"} {
		file := filepath.Join(t.TempDir(), "p.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		refs[load(t, file).Ref()] = true
		if a, b := load(t, file).Ref(), load(t, file).Ref(); a != b || !strings.HasPrefix(a, "test@3-") {
			t.Errorf("one content has the refs %s and %s", a, b)
		}
	}
	if len(refs) != 3 {
		t.Errorf("three contents have %d refs: %v", len(refs), refs)
	}
}

func TestLoadSaysWhereAProfileIsMissing(t *testing.T) {
	t.Parallel()
	if _, err := profile.Load("powercluod"); !errors.Is(err, profile.ErrUnknown) || !strings.Contains(err.Error(), "powercloud") {
		t.Errorf("Load of an unknown name = %v", err)
	}
	if _, err := profile.Load(t.TempDir()); err == nil {
		t.Error("a folder was taken for a profile")
	}
	if _, err := profile.Parse("big.yaml", make([]byte, profile.MaxFile+1)); !errors.Is(err, profile.ErrFile) {
		t.Errorf("Parse of a file that is too long = %v", err)
	}
}

func TestParseNamesFileLineAndField(t *testing.T) {
	t.Parallel()
	replace := func(old, with string) string {
		text := strings.Replace(minimal(""), old, with, 1)
		if text == minimal("") {
			t.Fatalf("the minimal profile has no %q", old)
		}
		return text
	}
	for _, tc := range []struct {
		name, text string
		want       []string
	}{
		{"an unknown field", replace("gone:", "gune:"), []string{`p.yaml:10: unknown field "gune"`}},
		{"an unknown field further in", replace("  header: X-Key", "  haeder: X-Key"), []string{`p.yaml:6: unknown field "haeder"`}},
		{"a repeated field", replace("version: 3", "version: 3\nversion: 4"), []string{"p.yaml:3: "}},
		{"no YAML", "name: [", []string{"p.yaml:1: "}},
		{"two documents", minimal("") + "---\nname: x\n", []string{"p.yaml: more than one YAML document"}},
		{"a list in place of a text", replace("name: test", "name: [a]"), []string{"p.yaml:1: must be a text"}},
		{"an undeclared name", minimal("x: dta.x"), []string{"p.yaml:23: mapping.contract.x: undeclared reference to 'dta'"}},
		{"a syntax error in an expression", minimal("x: text(data.x"), []string{"p.yaml:23: mapping.contract.x: Syntax error"}},
		{"a wrong type", minimal("x: join_nonempty([data.x], 1)"), []string{"p.yaml:23: mapping.contract.x: found no matching overload"}},
		{"a predicate that is no bool", replace("status == 404", "status"), []string{"p.yaml:10: gone: must be bool, not int"}},
		{"a mandatory field without mapping", replace("    company: text(data.?company)\n", ""), []string{"p.yaml: mapping.contract.company: is missing"}},
		{"an empty expression", replace("text(data.?company)", ""), []string{"mapping.contract.company: the expression is empty"}},
		{"customers without mapping", replace("gone:", "  get_customer:\n    path: /k/{id}\ngone:"), []string{"mapping.customer.id", "mapping.customer.contractIds"}},
		{"an unknown scheme", replace("schemes: [header]", "schemes: [heder]"), []string{`p.yaml:5: auth.schemes: unknown scheme "heder"`, "p.yaml:4: auth.default"}},
		{"a scheme without its name", replace("  header: X-Key\n", ""), []string{"auth.header: must be"}},
		{"context_basic without context", replace("schemes: [header]", "schemes: [header, context_basic]"), []string{"auth.context: is missing"}},
		{"a path without id", replace("/c/{id}", "/c"), []string{"p.yaml:9: operations.get_contract.path: must contain {id}"}},
		{"a relative path", replace("/c/{id}", "c/{id}"), []string{"operations.get_contract.path: must be an absolute path"}},
		{"a path with a host", replace("/c/{id}", "//evil.example/{id}"), []string{"operations.get_contract.path: must be an absolute path"}},
		{"an unknown placeholder", replace("/c/{id}", "/c/{id}/{key}"), []string{"unknown placeholder {key}"}},
		{"an open brace", replace("/c/{id}", "/c/{id}/{hash"), []string{"a brace is left open"}},
		{"a method that changes something", replace("path: /c/{id}", "path: /c/{id}\n    method: DELETE"), []string{"p.yaml:10: operations.get_contract.method"}},
		{"a list without ids", replace("gone:", "  list_all:\n    path: /c\ngone:"), []string{"operations.list_all: needs contract_ids"}},
		{"items of a read", replace("path: /c/{id}", "path: /c/{id}\n    items: [/i/*]"), []string{"operations.get_contract: items, removed"}},
		{"removed without items", replace("gone:", "  list_all:\n    path: /c\n    contract_ids: [/i]\n    removed: [/d]\ngone:"), []string{"operations.list_all.removed: needs items"}},
		{"no pointer", replace("[/id]", "[id]"), []string{"p.yaml:15: webhook.contract_ids: "}},
		{"nothing to identify", replace("contract_ids: [/id]", "contract_ids: []"), []string{"webhook: neither"}},
		{"customers that nothing reads", strings.Replace(minimal(""), "webhook:\n", "webhook:\n  customer_ids: [/customerId]\n", 1), []string{"webhook.customer_ids: needs operations.get_customer"}},
		{"a customer as subject that nothing reads", minimal("") + "cloudevent:\n  subject_kind: customer\n", []string{"cloudevent.subject_kind: needs operations.get_customer"}},
		{"a wrong subject", minimal("") + "cloudevent:\n  subject_kind: meter\n", []string{"cloudevent.subject_kind: must be"}},
		{"everything at once", replace("status == 404", "x") + "success: y\n", []string{"gone: undeclared", "success: undeclared"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := profile.Parse("p.yaml", []byte(tc.text))
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error lacks %q:\n%v", want, err)
				}
			}
		})
	}
	if _, err := profile.Parse("p.yaml", []byte(minimal(""))); err != nil {
		t.Errorf("the minimal profile itself: %v", err)
	}
}

func TestRequestEscapesItsArguments(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, profile string
		op            profile.Operation
		args          profile.Args
		want          string
	}{
		{"in the query", "powercloud", profile.GetContract, profile.Args{"id": "a&b=c/ü?#%", "hash": "0f"}, "/rest:client/0f/getContractById?id=a%26b%3Dc%2F%C3%BC%3F%23%25"},
		{"in the path", "generic", profile.GetContract, profile.Args{"id": "a/../b?c#d%2F ü"}, "/contracts/a%2F..%2Fb%3Fc%23d%252F%20%C3%BC"},
		{"a hash with a slash", "powercloud", profile.GetCustomer, profile.Args{"id": "1", "hash": "a/b"}, "/rest:client/a%2Fb/getCustomerById?id=1"},
		{"without a hash its segment is left out", "powercloud", profile.GetContract, profile.Args{"id": "1"}, "/rest:client/getContractById?id=1"},
		{"an id that looks like a placeholder", "generic", profile.GetContract, profile.Args{"id": "{hash}", "hash": "secret"}, "/contracts/%7Bhash%7D"},
		{"arguments that are given", "generic", profile.ListChanged, profile.Args{"since": "2026-01-01T00:00:00+01:00", "limit": "100", "cursor": ""}, "/contracts?limit=100&changedSince=2026-01-01T00%3A00%3A00%2B01%3A00"},
		{"the ERP's own parameter names", "lynqtech", profile.Search, profile.Args{"firstname": "A&B", "unknown": "x"}, "/v1/customer/find?firstName=A%26B"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r, err := load(t, tc.profile).Request(tc.op, tc.args)
			if err != nil || r.Target != tc.want || r.Method != http.MethodGet || r.Body != nil {
				t.Errorf("Request = %+v, %v; want GET %s", r, err, tc.want)
			}
		})
	}
	for _, id := range []string{".", ".."} {
		if _, err := load(t, "generic").Request(profile.GetContract, profile.Args{"id": id}); !errors.Is(err, profile.ErrPathID) {
			t.Errorf("Request with the id %q = %v, want %v", id, err, profile.ErrPathID)
		}
	}
	if _, err := load(t, "powercloud").Request(profile.Search, nil); !errors.Is(err, profile.ErrUnsupported) {
		t.Errorf("an operation that the profile lacks = %v, want %v", err, profile.ErrUnsupported)
	}
}

func TestRequestWithABody(t *testing.T) {
	t.Parallel()
	text := strings.Replace(minimal(""), "path: /c/{id}", "path: /c\n    method: POST\n    context: contract\n    json: {contract: '{id}', fixed: x}", 1)
	p, err := profile.Parse("p.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Request(profile.GetContract, profile.Args{"id": `a"b`})
	if err != nil || r.Method != http.MethodPost || r.Target != "/c" || string(r.Body) != `{"contract":"a\"b","fixed":"x"}` || r.Context != "contract" {
		t.Errorf("Request = %+v with body %s, %v", r, r.Body, err)
	}
}

func TestAccessors(t *testing.T) {
	t.Parallel()
	p := load(t, "powercloud")
	want := profile.Auth{
		Default: profile.ContextBasic, Context: "client", Header: "X-Api-Key", Query: "apiKey",
		Schemes: []profile.Scheme{profile.ContextBasic, profile.Header, profile.Bearer, profile.Basic, profile.Query, profile.OAuth2},
	}
	if diff := cmp.Diff(want, p.Auth()); diff != "" {
		t.Errorf("Auth (-want +got):\n%s", diff)
	}
	if !p.NeedsHash() || load(t, "generic").NeedsHash() {
		t.Error("only powercloud has a hash in its paths")
	}
	text := strings.Replace(minimal(""), "contract_ids: [/id]", "contract_ids: [/id]\n  event_id_header: X-Event-Id", 1)
	q, err := profile.Parse("p.yaml", []byte(text))
	if err != nil || q.EventIDHeader() != "X-Event-Id" || q.CloudEventSubjectKind() != "" || p.CloudEventSubjectKind() != key.Contract {
		t.Errorf("header %q, subject %q, %v", q.EventIDHeader(), q.CloudEventSubjectKind(), err)
	}
}

func TestASearchTakesOnlyWhatItHasAParameterFor(t *testing.T) {
	t.Parallel()
	for name, takes := range map[string]map[string]bool{
		"generic":    {"email": true, "q": true, "id": false, "nothing": false},
		"lynqtech":   {"email": true, "q": false, "phone": false},
		"powercloud": {"email": false},
	} {
		p, err := profile.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		for arg, want := range takes {
			if got := p.Takes(profile.Search, arg); got != want {
				t.Errorf("the search of %s takes %s: %t, want %t", name, arg, got, want)
			}
		}
	}
}
