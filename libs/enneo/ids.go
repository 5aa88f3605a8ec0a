package enneo

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/enneo-ai/enneo-bridge/libs/fault"
	"github.com/enneo-ai/enneo-bridge/libs/key"
)

// WithIDs returns a contract's or customer's structure with the ids in it, its own and those of what it belongs to, as they are
// in Enneo: rename makes one of the ERP's id. Ids may be texts or integers; nothing else is touched, and no number changes its form.
func WithIDs(body string, rename func(id string) string) (string, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(body), &fields); err != nil {
		return "", fmt.Errorf("read the structure: %w", err)
	}
	for _, field := range []string{"id", "customerId"} {
		if raw, ok := fields[field]; ok {
			fields[field] = renamed(raw, rename)
		}
	}
	var contracts []json.RawMessage
	if raw, ok := fields["contractIds"]; ok && json.Unmarshal(raw, &contracts) == nil && contracts != nil {
		for i := range contracts {
			contracts[i] = renamed(contracts[i], rename)
		}
		list, err := json.Marshal(contracts)
		if err != nil {
			return "", fmt.Errorf("write the contracts' ids: %w", err)
		}
		fields["contractIds"] = list
	}
	text, err := json.Marshal(fields)
	if err != nil {
		return "", fmt.Errorf("write the structure: %w", err)
	}
	return string(text), nil
}

// renamed is an id by its new name; what is no id stays.
func renamed(raw json.RawMessage, rename func(id string) string) json.RawMessage {
	var id string
	if json.Unmarshal(raw, &id) != nil {
		id = string(raw) // An integer.
	}
	if id == "" || string(raw) == "null" {
		return raw
	}
	text, err := json.Marshal(rename(id))
	if err != nil {
		return raw // Marshalling a text does not fail.
	}
	return text
}

// ValidateText is ValidateContract or ValidateCustomer for a structure that is JSON text.
func ValidateText(kind key.Kind, body string) error {
	dec := json.NewDecoder(strings.NewReader(body))
	dec.UseNumber()
	var fields map[string]any
	if err := dec.Decode(&fields); err != nil || fields == nil {
		return &fault.Fault{Scope: fault.Key, Permanent: true, Reason: ReasonUnmappable, Err: errors.New("the structure is not a JSON object")}
	}
	if kind == key.Customer {
		return ValidateCustomer(fields)
	}
	return ValidateContract(fields)
}
