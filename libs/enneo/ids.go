package enneo

import (
	"encoding/json"
	"errors"
	"strings"
)

// errBody says that a structure is no JSON object. It does not quote it.
var errBody = errors.New("the structure is not a JSON object")

// WithIDs returns a contract or customer, as JSON text, with Enneo's ids in place of the ERP's: its own one, that of a contract's
// customer and those of a customer's contracts. rename makes one of the other. Text without any id that differs is returned as it is,
// so that an id that was an integer stays one.
func WithIDs(body string, rename func(id string) string) (string, error) {
	object, err := decode(body)
	if err != nil {
		return "", err
	}
	changed := false
	one := func(value any) any {
		id := textOf(value)
		if named := rename(id); id != "" && named != id {
			changed = true
			return named
		}
		return value
	}
	for _, field := range []string{"id", "customerId"} {
		if value, present := object[field]; present {
			object[field] = one(value)
		}
	}
	ids, _ := object["contractIds"].([]any)
	for i, id := range ids {
		ids[i] = one(id)
	}
	if !changed {
		return body, nil
	}
	return Canonical(object)
}

// Validate checks a contract, or a customer, as JSON text; see ValidateContract.
func Validate(validate func(map[string]any) error, body string) error {
	object, err := decode(body)
	if err != nil {
		return err
	}
	return validate(object)
}

func decode(body string) (map[string]any, error) {
	dec := json.NewDecoder(strings.NewReader(body))
	dec.UseNumber()
	var object map[string]any
	if err := dec.Decode(&object); err != nil || object == nil {
		return nil, errBody
	}
	return object, nil
}

// textOf is an id as text, empty for what is none.
func textOf(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	default:
		return ""
	}
}
