package erp

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime"
	"regexp"
	"slices"
	"strings"

	"github.com/enneo-ai/enneo-bridge/libs/fault"
	"github.com/enneo-ai/enneo-bridge/libs/jsonptr"
)

// Bounds of a summary.
const (
	summaryDepth   = 4
	summaryMembers = 20
	summaryBytes   = 1024
)

// answer is what came back.
type answer struct {
	status    int
	mediaType string
	body      []byte
}

// explain adds the structure of the answer to a fault, for the dead letter.
func (a answer) explain(err error) error {
	if f, ok := errors.AsType[*fault.Fault](err); ok {
		f.Answer = a.summary()
		return f
	}
	if err != nil {
		return unsendable(err)
	}
	return nil
}

// summary describes the answer without a single value of it, for example
// `HTTP 422, application/json, 61 bytes: {errors: [{field: text}], success: boolean}`.
func (a answer) summary() string {
	head := fmt.Sprintf("HTTP %d, %s, %d bytes", a.status, a.mediaType, len(a.body))
	doc, err := jsonptr.Decode(a.body)
	if err != nil {
		return head
	}
	var b strings.Builder
	describe(&b, doc, summaryDepth)
	text := head + ": " + b.String()
	if len(text) > summaryBytes {
		text = strings.ToValidUTF8(text[:summaryBytes], "") + "…"
	}
	return text
}

// plainName is what the name of a field looks like; anything else may be data used as a key, such as an id or a mail
// address.
var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z_]{0,39}$`)

// describe writes the structure of value: the names of members, and words in place of values.
func describe(b *strings.Builder, value any, depth int) {
	if b.Len() > summaryBytes {
		return
	}
	switch v := value.(type) {
	case nil:
		b.WriteString("null")
	case bool:
		b.WriteString("boolean")
	case json.Number:
		b.WriteString("number")
	case string:
		b.WriteString("text")
	case []any:
		describeList(b, v, depth)
	case map[string]any:
		describeObject(b, v, depth)
	}
}

// describeList shows the first element for all.
func describeList(b *strings.Builder, list []any, depth int) {
	fmt.Fprintf(b, "[%d", len(list))
	if len(list) > 0 && depth > 0 {
		b.WriteString(" × ")
		describe(b, list[0], depth-1)
	}
	b.WriteString("]")
}

func describeObject(b *strings.Builder, object map[string]any, depth int) {
	if depth == 0 {
		b.WriteString("{…}")
		return
	}
	b.WriteString("{")
	for i, name := range slices.Sorted(maps.Keys(object)) {
		if i > 0 {
			b.WriteString(", ")
		}
		if i == summaryMembers {
			b.WriteString("…")
			break
		}
		if plainName.MatchString(name) {
			b.WriteString(name)
		} else {
			b.WriteString("?")
		}
		b.WriteString(": ")
		describe(b, object[name], depth-1)
	}
	b.WriteString("}")
}

// mediaType is the answer's media type, if it is one of those that say something; the header itself may hold anything.
func mediaType(header string) string {
	switch parsed, _, err := mime.ParseMediaType(header); {
	case err != nil:
		return "no media type"
	case slices.Contains([]string{"application/json", "text/json", "application/problem+json", "text/html", "text/plain", "text/xml", "application/xml"}, parsed):
		return parsed
	default:
		return "another media type"
	}
}
