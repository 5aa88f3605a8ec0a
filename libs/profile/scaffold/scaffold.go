// Package scaffold drafts a profile out of samples: an answer of the ERP with a contract, and if at hand one with a
// customer and a webhook.
//
// It guesses by names, German and English, and by the shape of values. What it writes loads as it stands (package
// profile), says which of it is guessed, and has null for what it did not find. It holds names out of the samples, but no
// values except words that stand for a status, an energy or a kind of customer.
//
// Everything here is a pure function, safe for concurrent use.
package scaffold

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/enneo-ai/enneo-bridge/libs/jsonptr"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
)

// Errors of Draft; test with errors.Is.
var (
	ErrNoObject = errors.New("holds no JSON object that a contract or customer could be")
	ErrName     = errors.New("must be 1 to 32 of a-z, 0-9 and -, beginning with a letter")
	ErrPath     = errors.New("must begin with / and contain {id}")
)

// Samples is what a profile is drafted from.
type Samples struct {
	// Name is the name of the profile.
	Name string
	// Contract is the ERP's answer with a contract. Customer and Webhook may be empty.
	Contract, Customer, Webhook []byte
	// ContractPath and CustomerPath are the paths that the answers were read from, with {id}; empty for a default.
	ContractPath, CustomerPath string
}

// sample is one answer, taken apart.
type sample struct {
	doc      any
	pointer  string
	guesses  []guess
	statuses map[string]string
	ids      map[string]string
}

// maxObjects is how many values are looked at in search of the data object.
const maxObjects = 500

var (
	validName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)
	validPath = regexp.MustCompile(`^/[^"'\s\\{}]*\{id\}[^"'\s\\{}]*$`)
)

// Draft writes the profile as YAML. An error names the sample that is at fault.
func Draft(s Samples) ([]byte, error) {
	if !validName.MatchString(s.Name) {
		return nil, fmt.Errorf("name of the profile: %w", ErrName)
	}
	for _, path := range []string{s.ContractPath, s.CustomerPath} {
		if path != "" && !validPath.MatchString(path) {
			return nil, fmt.Errorf("path: %w", ErrPath)
		}
	}
	contract, err := read(key.Contract, s.Contract)
	if err != nil {
		return nil, fmt.Errorf("answer with a contract: %w", err)
	}
	w := writer{samples: s, contract: contract}
	if len(s.Customer) > 0 {
		customer, err := read(key.Customer, s.Customer)
		if err != nil {
			return nil, fmt.Errorf("answer with a customer: %w", err)
		}
		w.customer = &customer
	}
	if len(s.Webhook) > 0 {
		doc, err := decode(s.Webhook, profile.MaxAnswer)
		if err != nil {
			return nil, fmt.Errorf("webhook: %w", err)
		}
		w.webhook = leaves(doc)
	}
	return w.write(), nil
}

func decode(data []byte, limit int) (any, error) {
	if len(data) > limit {
		return nil, fmt.Errorf("is longer than %d bytes", limit)
	}
	return jsonptr.Decode([]byte(strings.TrimPrefix(string(data), "\ufeff")))
}

func read(of key.Kind, data []byte) (sample, error) {
	doc, err := decode(data, profile.MaxAnswer)
	if err != nil {
		return sample{}, err
	}
	pointer, object := dataObject(of, doc)
	if object == nil {
		return sample{}, ErrNoObject
	}
	g := newGuesser(object)
	return sample{doc: doc, pointer: pointer, guesses: g.mapping(of), statuses: g.statuses, ids: g.ids}, nil
}

// dataObject is the object in which the most fields are found; of equals, the innermost.
func dataObject(of key.Kind, doc any) (pointer string, object map[string]any) {
	most, visited := -1, 0
	var visit func(at []string, value any)
	visit = func(at []string, value any) {
		if visited++; len(at) > maxDepth || visited > maxObjects {
			return
		}
		switch v := value.(type) {
		case map[string]any:
			found := 0
			for _, g := range newGuesser(v).mapping(of) {
				if g.expression != "null" {
					found++
				}
			}
			if found >= most {
				most, pointer, object = found, leaf{path: at}.pointer(), v
			}
			for _, name := range slices.Sorted(maps.Keys(v)) {
				if name != "" && len(name) <= maxName {
					visit(append(slices.Clone(at), name), v[name])
				}
			}
		case []any:
			if len(v) > 0 {
				visit(append(slices.Clone(at), "0"), v[0])
			}
		}
	}
	visit(nil, doc)
	return pointer, object
}

// succeeded is a member of the answer that says that it is a success, "" if there is none.
func (s sample) succeeded() string {
	object, ok := s.doc.(map[string]any)
	if !ok {
		return ""
	}
	for _, name := range []string{"success", "erfolg", "ok"} {
		if value := object[name]; value == true || value == "true" {
			return "body.?" + name + ".orValue(null) in [true, " + strconv.Quote("true") + "]"
		}
	}
	return ""
}
