package profile

import (
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"strconv"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// CEL computes with doubles, which would turn 12345678901234567.89 into another number and 12.10 into 12.1. A number that an
// expression merely passes on must reach Enneo as the ERP wrote it. So a mapping sees the answer twice: with numbers to
// compute with (data), and with numbers that keep their text (exactData). Which of the two an occurrence of data means
// depends on where it stands: passOn decides it once, when the profile is loaded.
const (
	exactData   = "@data"
	exactNumber = "@number"
)

// passOn rewrites the parsed expression: where a value is passed on and not computed with, data becomes exactData and
// number() its exact twin.
func passOn(parsed *cel.Ast) { rewrite(ast.NewExprFactory(), parsed.NativeRep().Expr()) }

// rewrite treats an expression whose value is passed on. Everything that it does not know computes, such as operators and
// the functions of CEL's library: these keep data. So do list macros, whose own variable may be called data as well.
func rewrite(factory ast.ExprFactory, e ast.Expr) {
	switch e.Kind() {
	case ast.IdentKind:
		if e.AsIdent() == "data" {
			e.SetKindCase(factory.NewIdent(e.ID(), exactData))
		}
	case ast.SelectKind:
		if !e.AsSelect().IsTestOnly() {
			rewrite(factory, e.AsSelect().Operand())
		}
	case ast.ListKind:
		for _, element := range e.AsList().Elements() {
			rewrite(factory, element)
		}
	case ast.MapKind:
		for _, entry := range e.AsMap().Entries() {
			rewrite(factory, entry.AsMapEntry().Value())
		}
	case ast.CallKind:
		rewriteCall(factory, e)
	}
}

func rewriteCall(factory ast.ExprFactory, e ast.Expr) {
	call := e.AsCall()
	arguments := call.Args()
	switch call.FunctionName() {
	case "text", "texts", "unix", "boolean", "status", "join_nonempty", "first", "lookup":
	case "number":
		e.SetKindCase(factory.NewCall(e.ID(), exactNumber, arguments...))
	case operators.Index, operators.OptIndex, operators.OptSelect:
		arguments = arguments[:1] // What follows is the name or the index.
	case operators.Conditional:
		computed(factory, arguments[0])
		arguments = arguments[1:]
	case "or", "orValue":
		if call.IsMemberFunction() {
			rewrite(factory, call.Target())
		}
	default:
		computed(factory, e)
		return
	}
	for _, argument := range arguments {
		rewrite(factory, argument)
	}
}

// computed treats an expression that something computes with: in it, only what makes a text of a number reads exactData.
func computed(factory ast.ExprFactory, e ast.Expr) {
	switch e.Kind() {
	case ast.SelectKind:
		computed(factory, e.AsSelect().Operand())
	case ast.ListKind:
		for _, element := range e.AsList().Elements() {
			computed(factory, element)
		}
	case ast.CallKind:
		call := e.AsCall()
		switch call.FunctionName() {
		case "text", "texts", "status", "join_nonempty":
			rewriteCall(factory, e)
			return
		}
		if call.IsMemberFunction() {
			computed(factory, call.Target())
		}
		for _, argument := range call.Args() {
			computed(factory, argument)
		}
	}
}

// literal is a number that is passed on and that CEL's own numbers would write in another way.
type literal string

var literalType = cel.OpaqueType("number")

// toExact copies a document as toCEL does, but numbers keep the way they are written.
func toExact(value any) any {
	switch v := value.(type) {
	case json.Number:
		return exact(v.String())
	case map[string]any:
		members := make(map[string]any, len(v))
		for name, member := range v {
			members[name] = toExact(member)
		}
		return members
	case []any:
		elements := make([]any, len(v))
		for i, element := range v {
			elements[i] = toExact(element)
		}
		return elements
	default:
		return value
	}
}

// exact is CEL's own number if that is written in the same way, else a literal.
func exact(text string) ref.Val {
	number := types.DefaultTypeAdapter.NativeToValue(numberToCEL(text))
	if written, ok := digits(number); ok && written == text {
		return number
	}
	return literal(text)
}

// plain is the number without exponent, and without decimals if it is whole: an id never becomes 1.23e2 or 123.0. A
// number of more than about a hundred digits stays as it is.
func (l literal) plain() string {
	mantissa, exponent, scientific := strings.Cut(strings.ToLower(string(l)), "e")
	shift, err := strconv.Atoi("0" + strings.TrimLeft(exponent, "+-"))
	if err != nil || shift > 60 {
		return string(l)
	}
	if strings.HasPrefix(exponent, "-") {
		shift = -shift
	}
	_, decimals, decimal := strings.Cut(mantissa, ".")
	if !decimal && !scientific || len(l) > 100 {
		return string(l)
	}
	value, ok := new(big.Rat).SetString(string(l))
	if !ok {
		return string(l)
	}
	if value.IsInt() {
		return value.Num().String()
	}
	return value.FloatString(max(0, len(decimals)-shift))
}

// ConvertToNative yields the literal as a JSON number.
func (l literal) ConvertToNative(want reflect.Type) (any, error) {
	if want == reflect.TypeFor[json.Number]() {
		return json.Number(l), nil
	}
	return nil, fmt.Errorf("a number that is passed on is no %s", want)
}

// ConvertToType knows its own type only.
func (l literal) ConvertToType(want ref.Type) ref.Val {
	if want == types.TypeType {
		return literalType
	}
	return failed("is a number that is passed on")
}

// Equal compares the numbers as they are written.
func (l literal) Equal(other ref.Val) ref.Val { return types.Bool(other == l) }

// Type is one of its own, so that no operator of CEL takes it for a double.
func (l literal) Type() ref.Type { return literalType }

// Value is the literal.
func (l literal) Value() any { return json.Number(l) }
