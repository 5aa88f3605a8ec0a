package profile

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// toCEL copies a document and replaces its number literals by what CEL computes with: int, uint or double. An integer
// beyond 64 bits becomes a string of its digits, since as a double it would be another number; so does a decimal beyond
// the range of a double.
func toCEL(value any) any {
	switch v := value.(type) {
	case json.Number:
		return numberToCEL(v.String())
	case map[string]any:
		members := make(map[string]any, len(v))
		for name, member := range v {
			members[name] = toCEL(member)
		}
		return members
	case []any:
		elements := make([]any, len(v))
		for i, element := range v {
			elements[i] = toCEL(element)
		}
		return elements
	default:
		return value
	}
}

func numberToCEL(literal string) any {
	if n, err := strconv.ParseInt(literal, 10, 64); err == nil {
		return n
	}
	if n, err := strconv.ParseUint(literal, 10, 64); err == nil {
		return n
	}
	if !strings.ContainsAny(literal, ".eE") {
		return literal
	}
	if f, err := strconv.ParseFloat(literal, 64); err == nil {
		return f
	}
	return literal
}

// fromCEL is the JSON value of a result: null, bool, string, json.Number, list or object with text keys. A missing optional is
// null.
func fromCEL(value ref.Val) (any, error) {
	switch v := present(value).(type) {
	case types.Null:
		return nil, nil
	case types.Bool:
		return bool(v), nil
	case types.String:
		return string(v), nil
	case types.Int, types.Uint, types.Double, literal:
		digits, ok := digits(v)
		if !ok {
			return nil, helperError("is not a finite number")
		}
		return json.Number(digits), nil
	case traits.Lister:
		return listFromCEL(v)
	case traits.Mapper:
		return mapFromCEL(v)
	default:
		return nil, helperError("is of a type that JSON does not have; use text(), number() or unix()")
	}
}

func listFromCEL(list traits.Lister) (any, error) {
	elements := []any{}
	for it := list.Iterator(); it.HasNext() == types.True; {
		element, err := fromCEL(it.Next())
		if err != nil {
			return nil, err
		}
		elements = append(elements, element)
	}
	return elements, nil
}

func mapFromCEL(m traits.Mapper) (any, error) {
	members := map[string]any{}
	for it := m.Iterator(); it.HasNext() == types.True; {
		name, ok := it.Next().(types.String)
		if !ok {
			return nil, helperError("is an object with a key that is no text")
		}
		member, err := fromCEL(m.Get(name))
		if err != nil {
			return nil, err
		}
		members[string(name)] = member
	}
	return members, nil
}

// present takes a value out of its optional; null stands for nothing.
func present(value ref.Val) ref.Val {
	for {
		optional, ok := value.(*types.Optional)
		if !ok {
			return value
		}
		if !optional.HasValue() {
			return types.NullValue
		}
		value = optional.GetValue()
	}
}

// digits writes a number without exponent as long as that is readable, so that an id never becomes 1.23e2.
func digits(value ref.Val) (string, bool) {
	switch v := value.(type) {
	case types.Int:
		return strconv.FormatInt(int64(v), 10), true
	case types.Uint:
		return strconv.FormatUint(uint64(v), 10), true
	case literal:
		return string(v), true
	case types.Double:
		f := float64(v)
		switch {
		case math.IsNaN(f) || math.IsInf(f, 0):
			return "", false
		case f != 0 && (math.Abs(f) >= 1e21 || math.Abs(f) < 1e-21):
			return strconv.FormatFloat(f, 'e', -1, 64), true
		}
		return strconv.FormatFloat(f, 'f', -1, 64), true
	default:
		return "", false
	}
}
