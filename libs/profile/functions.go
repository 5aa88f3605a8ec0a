package profile

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/ext"
)

// helperError is an error of a helper function: its text is ours and holds no value, so it may be shown.
type helperError string

// Error says what is wrong with "the field …".
func (e helperError) Error() string { return string(e) }

func failed(text string) ref.Val { return types.WrapErr(helperError(text)) }

// predicateEnv is where success and gone are compiled: status (int, HTTP) and body (the answer, null if it is no JSON).
func predicateEnv() (*cel.Env, error) {
	return newEnv(cel.Variable("status", cel.IntType), cel.Variable("body", cel.DynType))
}

// mappingEnv is where mappings are compiled. Besides standard CEL, optional access (data.?a.?b) and the string functions of
// cel-go's ext package there are these; each takes null and a missing optional as null and answers null for it:
//
//	text(x)               text, a number as its digits; an empty or blank text is null
//	texts(list)           text of each element, all of which must have one; null for null
//	number(x)             number, a text read as a JSON number; a blank text is null
//	boolean(x)            boolean, 0, 1 or the texts true, false, 0, 1
//	unix(x)               Unix seconds of "2006-01-02" or "02.01.2006" (midnight UTC), RFC 3339 or an integer; the zero date
//	                      of SQL is null
//	first(list)           the first element that is not null
//	join_nonempty(list, separator)  the elements' texts without blanks around them, blank ones left out; null if none is left
//	lookup(map, x)        map[text(x)], null if it has none
//	status(x)             the profile's statuses[text(x)], "unknown" if it has none
func mappingEnv(statuses map[string]string) (*cel.Env, error) {
	listOfAny := cel.ListType(cel.DynType)
	return newEnv(
		cel.Variable("data", cel.DynType),
		cel.Variable(exactData, cel.DynType),
		unary("text", textOf),
		unary("texts", textsOf),
		unary("number", numberOf),
		unary(exactNumber, exactNumberOf),
		unary("boolean", booleanOf),
		unary("unix", unixOf),
		unary("status", func(value ref.Val) ref.Val {
			return found(textOf(value), func(text string) ref.Val {
				if status, ok := statuses[text]; ok {
					return types.String(status)
				}
				return types.String("unknown")
			})
		}),
		cel.Function("first", cel.Overload("first_list", []*cel.Type{listOfAny}, cel.DynType, cel.UnaryBinding(firstOf))),
		cel.Function("join_nonempty", cel.Overload("join_nonempty_list_string", []*cel.Type{listOfAny, cel.StringType}, cel.DynType, cel.BinaryBinding(joinNonempty))),
		cel.Function("lookup", cel.Overload("lookup_map_dyn", []*cel.Type{cel.MapType(cel.StringType, cel.DynType), cel.DynType}, cel.DynType, cel.BinaryBinding(lookup))),
		costModels(),
	)
}

func newEnv(options ...cel.EnvOption) (*cel.Env, error) {
	env, err := cel.NewEnv(append([]cel.EnvOption{cel.OptionalTypes(), ext.Strings()}, options...)...)
	if err != nil {
		return nil, fmt.Errorf("prepare CEL: %w", err)
	}
	return env, nil
}

func unary(name string, f func(ref.Val) ref.Val) cel.EnvOption {
	return cel.Function(name, cel.Overload(name+"_dyn", []*cel.Type{cel.DynType}, cel.DynType, cel.UnaryBinding(f)))
}

// found calls f with the text that value is; null and errors pass through.
func found(value ref.Val, f func(string) ref.Val) ref.Val {
	if text, ok := value.(types.String); ok {
		return f(string(text))
	}
	return value
}

func textOf(value ref.Val) ref.Val {
	switch v := present(value).(type) {
	case types.Null, *types.Err:
		return v
	case types.String:
		if strings.TrimSpace(string(v)) == "" {
			return types.NullValue
		}
		return v
	case literal:
		return types.String(v.plain())
	case types.Int, types.Uint, types.Double:
		if text, ok := digits(v); ok {
			return types.String(text)
		}
	}
	return failed("must be a text or a number")
}

func textsOf(value ref.Val) ref.Val {
	switch v := present(value).(type) {
	case types.Null:
		return v
	case traits.Lister:
		texts := []string{}
		for it := v.Iterator(); it.HasNext() == types.True; {
			// Leaving an element out could make the list empty, and an empty list of contracts deletes a customer.
			text, ok := textOf(it.Next()).(types.String)
			if !ok {
				return failed("must be a list of texts or numbers")
			}
			texts = append(texts, string(text))
		}
		return types.NewStringList(types.DefaultTypeAdapter, texts)
	}
	return failed("must be a list of texts or numbers")
}

func numberOf(value ref.Val) ref.Val {
	return number(value, func(text string) ref.Val { return types.DefaultTypeAdapter.NativeToValue(numberToCEL(text)) })
}

func exactNumberOf(value ref.Val) ref.Val { return number(value, exact) }

// number reads a number out of a text by read, and leaves a number alone.
func number(value ref.Val, read func(string) ref.Val) ref.Val {
	switch v := present(value).(type) {
	case types.Null, types.Int, types.Uint, types.Double, literal:
		return v
	case types.String:
		text := strings.TrimSpace(string(v))
		if text == "" {
			return types.NullValue
		}
		if json.Valid([]byte(text)) && strings.ContainsAny(text[:1], "-0123456789") {
			if _, tooLarge := numberToCEL(text).(string); !tooLarge {
				return read(text)
			}
		}
	}
	return failed("must be a number of at most 64 bits, or a text that is one")
}

func booleanOf(value ref.Val) ref.Val {
	switch v := present(value).(type) {
	case types.Null, types.Bool:
		return v
	case types.Int:
		if v == 0 || v == 1 {
			return types.Bool(v == 1)
		}
	case types.String:
		switch strings.ToLower(strings.TrimSpace(string(v))) {
		case "":
			return types.NullValue
		case "true", "1":
			return types.True
		case "false", "0":
			return types.False
		}
	}
	return failed("must be true, false, 0 or 1")
}

// germanDate is how dates are written in Germany; with dots and the year at the end it cannot be mistaken.
const germanDate = "02.01.2006"

func unixOf(value ref.Val) ref.Val {
	switch v := present(value).(type) {
	case types.Null, types.Int:
		return v
	case types.String:
		text := strings.TrimSpace(string(v))
		// MySQL's zero date stands for "none".
		if text == "" || strings.HasPrefix(text, "0000-00-00") {
			return types.NullValue
		}
		for _, layout := range []string{time.DateOnly, time.RFC3339, germanDate} {
			if t, err := time.Parse(layout, text); err == nil {
				return types.Int(t.Unix())
			}
		}
	}
	return failed("must be a date (2006-01-02 or 02.01.2006), a time (RFC 3339) or Unix seconds")
}

func firstOf(list ref.Val) ref.Val {
	elements, ok := list.(traits.Lister)
	if !ok {
		return failed("first() takes a list")
	}
	for it := elements.Iterator(); it.HasNext() == types.True; {
		if v := present(it.Next()); v != types.NullValue {
			return v
		}
	}
	return types.NullValue
}

func joinNonempty(list, separator ref.Val) ref.Val {
	sep, ok := separator.(types.String)
	elements, isList := list.(traits.Lister)
	if !ok || !isList {
		return failed("join_nonempty() takes a list and a text")
	}
	var parts []string
	for it := elements.Iterator(); it.HasNext() == types.True; {
		switch text := textOf(it.Next()).(type) {
		case types.String:
			parts = append(parts, strings.TrimSpace(string(text)))
		case *types.Err:
			return text
		}
	}
	if len(parts) == 0 {
		return types.NullValue
	}
	return types.String(strings.Join(parts, string(sep)))
}

func lookup(table, value ref.Val) ref.Val {
	entries, ok := table.(traits.Mapper)
	if !ok {
		return failed("lookup() takes a map")
	}
	return found(textOf(value), func(text string) ref.Val {
		if entry, ok := entries.Find(types.String(text)); ok {
			return entry
		}
		return types.NullValue
	})
}
