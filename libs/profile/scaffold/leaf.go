package scaffold

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Bounds of what is looked at in a sample.
const (
	maxDepth  = 5
	maxLeaves = 2000
	maxName   = 100
)

// leaf is a value in a sample that is no object, with the way to it. "*" in the path walks an array.
type leaf struct {
	path  []string
	value any
}

// leaves lists the values in a document by their paths; of an array of objects its first element stands for all, and an
// array of anything else is a leaf itself.
func leaves(doc any) []leaf {
	var found []leaf
	collect(&found, nil, doc)
	return found
}

func collect(found *[]leaf, path []string, value any) {
	if len(path) > maxDepth || len(*found) >= maxLeaves {
		return
	}
	switch v := value.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if name != "" && len(name) <= maxName {
				collect(found, append(slices.Clone(path), name), v[name])
			}
		}
		return
	case []any:
		if len(v) > 0 {
			if first, ok := v[0].(map[string]any); ok {
				collect(found, append(slices.Clone(path), "*"), first)
				return
			}
		}
	}
	if len(path) > 0 {
		*found = append(*found, leaf{path, value})
	}
}

// inList tells whether the leaf lies in an array.
func (l leaf) inList() bool { return slices.Contains(l.path, "*") }

// pointer is the JSON pointer to the leaf; to each element if it is an array.
func (l leaf) pointer() string {
	var b strings.Builder
	for _, step := range l.path {
		b.WriteString("/" + strings.ReplaceAll(strings.ReplaceAll(step, "~", "~0"), "/", "~1"))
	}
	if _, ok := l.value.([]any); ok {
		b.WriteString("/*")
	}
	return b.String()
}

var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// cel is the expression that reads the leaf, as a missing optional if it is not there.
func (l leaf) cel() string { return l.access("?") }

// access joins the names of the path, each with the mark before it.
func (l leaf) access(mark string) string {
	var b strings.Builder
	b.WriteString("data")
	for _, name := range l.path {
		if identifier.MatchString(name) && !slices.Contains(reserved(), name) {
			b.WriteString("." + mark + name)
		} else {
			b.WriteString("[" + mark + strconv.Quote(name) + "]")
		}
	}
	return b.String()
}

// reserved words cannot be selected by a dot (CEL specification, "Syntax").
func reserved() []string {
	return words("as break const continue else false for function if import in let loop null package namespace return true var void while")
}

// text is a scalar as text, "" for anything else.
func (l leaf) text() string {
	switch v := l.value.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	default:
		return ""
	}
}

var (
	germanNumber = regexp.MustCompile(`^-?(\d{1,3}(\.\d{3})+|\d+),\d+$`)
	number       = regexp.MustCompile(`^\s*-?\d+(\.\d+)?\s*$`)
	date         = regexp.MustCompile(`^\s*(\d{4}-\d\d-\d\d|\d\d\.\d\d\.\d{4})`)
)

// fits tells whether the value can be what the field needs; null can be anything.
func (l leaf) fits(k kind) bool {
	switch l.value.(type) {
	case nil:
		return true
	case bool, []any, map[string]any:
		return false
	}
	switch k {
	case asNumber:
		return number.MatchString(l.text()) || germanNumber.MatchString(l.text())
	case asTime:
		digits, isNumber := l.value.(json.Number)
		return date.MatchString(l.text()) || isNumber && !strings.ContainsAny(digits.String(), ".eE")
	case asText, asRaw:
		return true
	default:
		return false
	}
}
