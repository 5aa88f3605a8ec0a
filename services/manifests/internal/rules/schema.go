package rules

import (
	"embed"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"
)

//go:embed schemas/*.yaml
var schemaFiles embed.FS

// schemas are the compiled schemas of custom resources by apiVersion and kind.
type schemas map[[2]string]*jsonschema.Schema

// crd is what is read of a CustomResourceDefinition.
type crd struct {
	Spec struct {
		Group    string
		Names    struct{ Kind string }
		Versions []struct {
			Name   string
			Schema struct {
				OpenAPIV3Schema map[string]any `json:"openAPIV3Schema"`
			}
		}
	}
}

func loadSchemas() (schemas, error) {
	entries, err := schemaFiles.ReadDir("schemas")
	if err != nil {
		return nil, fmt.Errorf("list the schemas: %w", err)
	}
	loaded := schemas{}
	for _, entry := range entries {
		text, err := schemaFiles.ReadFile("schemas/" + entry.Name())
		if err != nil {
			return nil, fmt.Errorf("read a schema: %w", err)
		}
		var definition crd
		if err := yaml.Unmarshal(text, &definition); err != nil {
			return nil, fmt.Errorf("read %s: %w", entry.Name(), err)
		}
		spec := &definition.Spec
		for i := range spec.Versions {
			v := &spec.Versions[i]
			compiled, err := compile(spec.Names.Kind+"."+v.Name, v.Schema.OpenAPIV3Schema)
			if err != nil {
				return nil, fmt.Errorf("compile %s: %w", entry.Name(), err)
			}
			loaded[[2]string{spec.Group + "/" + v.Name, spec.Names.Kind}] = compiled
		}
	}
	return loaded, nil
}

func compile(name string, schema map[string]any) (*jsonschema.Schema, error) {
	closeObjects(schema)
	// The API server knows metadata by itself.
	if properties, ok := schema["properties"].(map[string]any); ok {
		properties["metadata"] = map[string]any{"type": "object"}
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft4)
	if err := compiler.AddResource(name, schema); err != nil {
		return nil, fmt.Errorf("add the schema: %w", err)
	}
	compiled, err := compiler.Compile(name)
	if err != nil {
		return nil, fmt.Errorf("compile the schema: %w", err)
	}
	return compiled, nil
}

// closeObjects forbids unknown fields, which the API server would drop without a word.
func closeObjects(schema any) {
	switch v := schema.(type) {
	case map[string]any:
		_, closed := v["properties"].(map[string]any)
		_, more := v["additionalProperties"]
		open, _ := v["x-kubernetes-preserve-unknown-fields"].(bool)
		if closed && !more && !open && v["type"] == "object" {
			v["additionalProperties"] = false
		}
		for value := range maps.Values(v) {
			closeObjects(value)
		}
	case []any:
		for _, value := range v {
			closeObjects(value)
		}
	}
}

// validate tells whether there is a schema for the kind, and what it has against the object.
func (s schemas) validate(apiVersion, kind string, object map[string]any) (known bool, err error) {
	schema := s[[2]string{apiVersion, kind}]
	if schema == nil {
		return false, nil
	}
	// Numbers as the validator wants them.
	text, err := json.Marshal(object)
	if err != nil {
		return true, fmt.Errorf("encode the object: %w", err)
	}
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		return true, fmt.Errorf("decode the object: %w", err)
	}
	if err := schema.Validate(value); err != nil {
		return true, fmt.Errorf("against the schema of its project: %w", err)
	}
	return true, nil
}
