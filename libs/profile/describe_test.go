package profile_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/enneo-ai/enneo-bridge/libs/profile"
)

func compileSchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	text, err := profile.JSONSchema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("profile.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("profile.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// conforms validates a YAML text.
func conforms(t testing.TB, schema *jsonschema.Schema, text string) error {
	t.Helper()
	asJSON, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(doc)
}

func TestBuiltinProfilesConformToTheSchema(t *testing.T) {
	t.Parallel()
	schema := compileSchema(t)
	for _, name := range profile.Builtin() {
		text, err := os.ReadFile(filepath.Join("builtin", name+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		if err := conforms(t, schema, string(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !strings.HasPrefix(string(text), "# yaml-language-server: $schema=../../../docs/profile.schema.json\n") {
			t.Errorf("%s does not name its schema in the first line", name)
		}
	}
	if err := conforms(t, schema, minimal("")); err != nil {
		t.Errorf("the minimal profile: %v", err)
	}
}

func TestTheSchemaInDocsIsUpToDate(t *testing.T) {
	t.Parallel()
	want, err := profile.JSONSchema()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../docs/profile.schema.json")
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("docs/profile.schema.json differs from the program's (%v); run make generate", err)
	}
}

// TestTheSchemaRefusesWhatLoadRefuses keeps the two in step: each text is refused by both.
func TestTheSchemaRefusesWhatLoadRefuses(t *testing.T) {
	t.Parallel()
	schema := compileSchema(t)
	replace := func(old, text string) string { return strings.Replace(minimal(""), old, text, 1) }
	for _, tc := range []struct{ name, text string }{
		{"an unknown field", minimal("") + "colour: red\n"},
		{"an unknown field of an operation", replace("path: /c/{id}", "path: /c/{id}\n    colour: red")},
		{"an unknown operation", replace("get_contract:", "put_contract:")},
		{"no name", replace("name: test\n", "")},
		{"a name with capitals", replace("name: test", "name: Test")},
		{"a version with a blank", replace("version: 3", "version: 3 4")},
		{"no gone", replace("gone: status == 404\n", "")},
		{"no data", replace("data: [\"\"]\n", "")},
		{"an empty data", replace(`data: [""]`, "data: []")},
		{"an unknown scheme", replace("schemes: [header]", "schemes: [header, heder]")},
		{"a scheme twice", replace("schemes: [header]", "schemes: [header, header]")},
		{"no scheme", replace("  schemes: [header]\n", "")},
		{"a list where a text belongs", replace("gone: status == 404", "gone: [status == 404]")},
		{"a text where a list belongs", replace("data: [\"\"]", "data: {a: b}")},
		{"a method that changes something", replace("path: /c/{id}", "path: /c/{id}\n    method: DELETE")},
		{"a relative path", replace("path: /c/{id}", "path: c/{id}")},
		{"no path", replace("path: /c/{id}", "method: GET")},
		{"no pointer", replace("[/id]", "[id]")},
		{"a mandatory field without mapping", replace("    company: text(data.?company)\n", "")},
		{"a field name with a blank", minimal("'a b': text(data.a)")},
		{"customers without mapping", replace("gone:", "  get_customer:\n    path: /k/{id}\ngone:")},
		{"a wrong subject", minimal("") + "cloudevent:\n  subject_kind: meter\n"},
		{"confirmed that is neither true nor false", replace("path: /c/{id}", "path: /c/{id}\n    confirmed: perhaps")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if err := conforms(t, schema, tc.text); err == nil {
				t.Error("the schema takes it")
			}
			if _, err := profile.Parse("p.yaml", []byte(tc.text)); err == nil || !strings.HasPrefix(err.Error(), "p.yaml:") {
				t.Errorf("Parse = %v, want an error that names the file", err)
			}
		})
	}
}

func TestEveryFieldIsDescribedAndDecoded(t *testing.T) {
	t.Parallel()
	values := map[string]string{"text": "x", "list": "[/x]", "map": "{x: y}", "true-false": "true", "object": "{}"}
	for _, field := range profile.Fields() {
		if len(field.Description) < 10 || !strings.HasSuffix(field.Description, ".") {
			t.Errorf("%s has the description %q", field.Path, field.Description)
		}
		text, indent := "", ""
		path := strings.Split(strings.Replace(field.Path, "<operation>", "search", 1), ".")
		for _, step := range path[:len(path)-1] {
			text += indent + step + ":\n"
			indent += "  "
		}
		text += indent + path[len(path)-1] + ": " + values[field.Type] + "\n"
		// The rest of the profile is missing; this field and its type are known.
		if _, err := profile.Parse("p.yaml", []byte(text)); err == nil || strings.Contains(err.Error(), "unknown field") || strings.Contains(err.Error(), "must be a text, not") {
			t.Errorf("%s: %v", field.Path, err)
		}
	}
}

func TestOperationsSayHowTheyAreCalled(t *testing.T) {
	t.Parallel()
	calls := map[string]string{}
	for _, name := range profile.Builtin() {
		for _, doc := range load(t, name).Describe() {
			calls[name+" "+string(doc.Operation)] = doc.Call
			if doc.Confirmed != (name == "powercloud" && doc.Operation == profile.GetContract) {
				t.Errorf("%s of %s has confirmed = %t; a public source shows getContractById of powercloud alone", doc.Operation, name, doc.Confirmed)
			}
		}
	}
	for operation, want := range map[string]string{
		"powercloud get_contract": "GET /rest:client/{hash}/getContractById?id={id}",
		"powercloud search":       "",
		"lynqtech search":         "GET /v1/customer/find?email&firstName&lastName&limit&offset",
		"generic list_changed":    "GET /contracts?changedSince&cursor&limit",
	} {
		if got, ok := calls[operation]; !ok || got != want {
			t.Errorf("%s is called by %q, want %q", operation, got, want)
		}
	}
	if len(calls) != 21 {
		t.Errorf("%d operations are described, want 7 of each of 3 profiles", len(calls))
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(minimal("x: data.?x")))
	f.Add([]byte(minimal("x: '[1, 2].map(a, [3].map(b, a + b))'")))
	f.Add([]byte("name: &a x\nversion: *a\nmapping: {contract: {<<: *a}}"))
	for _, name := range profile.Builtin() {
		text, err := os.ReadFile(filepath.Join("builtin", name+".yaml"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := profile.Parse("p.yaml", text)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "p.yaml:") {
				t.Fatalf("the error does not name the file: %v", err)
			}
			return
		}
		if p.Name() == "" || !p.Supports(profile.GetContract) {
			t.Fatalf("a profile without name or without a way to read contracts was taken")
		}
	})
}
