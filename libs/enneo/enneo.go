// Package enneo holds Enneo's contract and customer structures: which fields are mandatory, of which type, and how a
// structure is written so that equal content is equal text.
//
// A structure is a JSON object (map[string]any with json.Number for numbers), since Enneo takes any further property.
// The rules are those of docs.enneo.ai, "Connecting customer data to Enneo", "Search by contract number" and "Search by
// customer number" (read 2026-11).
//
// Everything here is a pure function, safe for concurrent use.
package enneo

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/enneo-ai/enneo-bridge/libs/fault"
	"github.com/enneo-ai/enneo-bridge/libs/key"
)

// ReasonUnmappable is the reason of the faults that ValidateContract and ValidateCustomer return.
const ReasonUnmappable = "unmappable"

// ValidateContract checks the mandatory fields of a contract and the types of the recommended ones. The error is a
// permanent *fault.Fault of the key that names every field at fault, the first in its Field, and never a value.
func ValidateContract(body map[string]any) error {
	c := checker{kind: key.Contract, body: body}
	c.id("id")
	c.id("customerId")
	c.names()
	c.texts("firstname", "email", "deliveryAddress", "billingAddress", "phone", "zip")
	c.objects("agentPreview", "erpUrls")
	return c.result()
}

// ValidateCustomer is ValidateContract for a customer, which has to name at least one contract.
func ValidateCustomer(body map[string]any) error {
	c := checker{kind: key.Customer, body: body}
	c.id("id")
	c.names()
	c.contractIDs()
	c.texts("firstname", "email", "deliveryAddress", "billingAddress", "phone")
	return c.result()
}

// checker collects what is wrong with one structure.
type checker struct {
	kind  key.Kind
	body  map[string]any
	first string
	found []string
}

func (c *checker) fail(field, problem string) {
	name := string(c.kind) + "." + field
	if c.first == "" {
		c.first = name
	}
	c.found = append(c.found, name+" "+problem)
}

func (c *checker) id(field string) {
	if value := c.body[field]; value == nil {
		c.fail(field, "is missing")
	} else if !validID(value) {
		c.fail(field, "must be an integer or a text of 1 to 50 characters")
	}
}

// validID tells whether value is an id as Enneo takes it.
func validID(value any) bool {
	switch v := value.(type) {
	case string:
		return key.ValidID(v)
	case json.Number:
		return key.ValidID(v.String()) && isInteger(v)
	default:
		return false
	}
}

// isInteger tells whether the literal has digits only; 1.0 and 1e3 are decimals, whatever their value.
func isInteger(n json.Number) bool {
	digits := strings.TrimPrefix(n.String(), "-")
	return digits != "" && strings.Trim(digits, "0123456789") == ""
}

// names checks business, lastname and company, which depend on each other.
func (c *checker) names() {
	business, known := c.body["business"].(bool)
	switch {
	case known:
	case c.body["business"] == nil:
		c.fail("business", "is missing")
	default:
		c.fail("business", "must be true or false")
	}
	c.name("lastname", known && !business, "for a person")
	c.name("company", known && business, "for a business")
}

func (c *checker) name(field string, mandatory bool, forWhom string) {
	value, present := c.body[field]
	text, isText := value.(string)
	switch {
	case !present:
		c.fail(field, "is missing")
	case value != nil && !isText:
		c.fail(field, "must be a text or null")
	case mandatory && strings.TrimSpace(text) == "":
		c.fail(field, "is missing, which is not allowed "+forWhom)
	}
}

func (c *checker) contractIDs() {
	switch ids := c.body["contractIds"].(type) {
	case nil:
		c.fail("contractIds", "is missing")
	case []any:
		if len(ids) == 0 {
			c.fail("contractIds", "must name at least one contract")
		}
		for i, id := range ids {
			if !validID(id) {
				c.fail("contractIds["+strconv.Itoa(i)+"]", "must be an integer or a text of 1 to 50 characters")
			}
		}
	default:
		c.fail("contractIds", "must be a list")
	}
}

func (c *checker) texts(fields ...string) {
	for _, field := range fields {
		value := c.body[field]
		if _, isText := value.(string); value != nil && !isText {
			c.fail(field, "must be a text or null")
		}
	}
}

func (c *checker) objects(fields ...string) {
	for _, field := range fields {
		value := c.body[field]
		list, isList := value.([]any)
		if value != nil && !isList {
			c.fail(field, "must be a list of objects or null")
		}
		for i, element := range list {
			if _, isObject := element.(map[string]any); !isObject {
				c.fail(field+"["+strconv.Itoa(i)+"]", "must be an object")
			}
		}
	}
}

func (c *checker) result() error {
	if c.first == "" {
		return nil
	}
	return &fault.Fault{
		Scope:     fault.Key,
		Permanent: true,
		Reason:    ReasonUnmappable,
		Field:     c.first,
		Err:       errors.New(strings.Join(c.found, "; ")),
	}
}

// Canonical writes a structure as compact JSON with sorted keys, numbers as they were delivered and no HTML escapes: equal
// structures are equal texts. It fails only for values that JSON does not have.
func Canonical(body map[string]any) (string, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		return "", fmt.Errorf("write structure as JSON: %w", err)
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// ContentHash is the SHA-256 of the parts in hexadecimal. The parts keep their borders: ("ab", "c") and ("a", "bc")
// differ.
func ContentHash(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil))
}
