package profile

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/enneo-ai/enneo-bridge/libs/jsonptr"
	"github.com/enneo-ai/enneo-bridge/libs/key"
)

// maxLabel is the longest event id and change type in characters.
const maxLabel = 200

type webhook struct {
	contractIDs, customerIDs []jsonptr.Pointer
	eventID, changeType      []jsonptr.Pointer
	eventIDHeader            string
	subjectKind              key.Kind
	confirmed                bool
}

// Identified is what a webhook names.
type Identified struct {
	// ContractIDs and CustomerIDs are valid ids, each once, in the order of the document.
	ContractIDs, CustomerIDs []string
	// EventID is the sender's own id of the event, empty if it gave none.
	EventID string
	// ChangeType is the ERP's name of what happened, empty if it gave none.
	ChangeType string
	// Invalid says what stood in the place of an identifier and is none. The texts hold pointers, never values.
	Invalid []string
}

// EventIDHeader is the request header in which the ERP sends its event id, empty if there is none.
func (p *Profile) EventIDHeader() string { return p.webhook.eventIDHeader }

// CloudEventSubjectKind says what the subject of a CloudEvent identifies; empty for nothing.
func (p *Profile) CloudEventSubjectKind() key.Kind { return p.webhook.subjectKind }

// Identify finds the identifiers in one webhook, decoded by jsonptr.Decode. Per kind, the first pointer that finds a valid
// id counts. An id is a string of 1 to 50 characters, or an integer in its literal form; null counts as absent.
func (p *Profile) Identify(doc any) Identified {
	found, _ := p.IdentifyOrigin(doc)
	return found
}

// Origin names the pointers that found what an Identified holds, empty for what was not found.
type Origin struct {
	ContractIDs, CustomerIDs, EventID, ChangeType string
}

// IdentifyOrigin is Identify, and says which pointer found what.
func (p *Profile) IdentifyOrigin(doc any) (Identified, Origin) {
	var (
		found Identified
		by    Origin
	)
	found.ContractIDs, by.ContractIDs = found.ids("contract id", doc, p.webhook.contractIDs)
	found.CustomerIDs, by.CustomerIDs = found.ids("customer id", doc, p.webhook.customerIDs)
	found.EventID, by.EventID = found.label("event id", doc, p.webhook.eventID)
	found.ChangeType, by.ChangeType = found.label("change type", doc, p.webhook.changeType)
	return found, by
}

func (i *Identified) ids(what string, doc any, pointers []jsonptr.Pointer) (found []string, by string) {
	for _, pointer := range pointers {
		var ids []string
		// A body may name a contract many times; a map keeps this linear.
		seen := map[string]bool{}
		for _, value := range pointer.Values(doc) {
			if value == nil {
				continue
			}
			id, problem := readID(value)
			if problem != "" {
				i.invalid(what, pointer, problem)
			} else if !seen[id] {
				seen[id] = true
				ids = append(ids, id)
			}
		}
		if len(ids) > 0 {
			return ids, pointer.String()
		}
	}
	return nil, ""
}

// label reads a short text that is no id: an event id or a change type.
func (i *Identified) label(what string, doc any, pointers []jsonptr.Pointer) (found, by string) {
	for _, pointer := range pointers {
		for _, value := range pointer.Values(doc) {
			if value == nil {
				continue
			}
			text, problem := readScalar(value)
			switch {
			case problem != "":
				i.invalid(what, pointer, problem)
			case utf8.RuneCountInString(text) > maxLabel:
				i.invalid(what, pointer, fmt.Sprintf("is longer than %d characters", maxLabel))
			default:
				return text, pointer.String()
			}
		}
	}
	return "", ""
}

// invalid notes a problem once, however many elements of an array have it.
func (i *Identified) invalid(what string, pointer jsonptr.Pointer, problem string) {
	at := pointer.String()
	if at == "" {
		at = "the root"
	}
	if text := what + " at " + at + " " + problem; !slices.Contains(i.Invalid, text) {
		i.Invalid = append(i.Invalid, text)
	}
}

// readID is the id that value is; otherwise problem says why it is none.
func readID(value any) (id, problem string) {
	id, problem = readScalar(value)
	if problem == "" && !key.ValidID(id) {
		problem = fmt.Sprintf("is longer than %d characters", key.MaxIDLength)
	}
	return id, problem
}

func readScalar(value any) (text, problem string) {
	switch v := value.(type) {
	case string:
		switch {
		case v == "":
			return "", "is empty"
		case strings.ContainsRune(v, utf8.RuneError):
			// encoding/json writes U+FFFD for every invalid byte: two different ids would become one.
			return "", "is not valid UTF-8"
		}
		return v, ""
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			return "", "is a decimal number"
		}
		return v.String(), ""
	case bool:
		return "", "is a boolean"
	case []any:
		return "", "is a list"
	default:
		return "", "is an object"
	}
}
