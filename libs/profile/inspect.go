package profile

import (
	"errors"
	"strings"

	"github.com/enneo-ai/enneo-bridge/libs/fault"
	"github.com/enneo-ai/enneo-bridge/libs/key"
)

// Inspection is an answer of the ERP, taken apart for whoever writes a profile. Unlike a Mapped it holds what was found
// even if that is not enough.
type Inspection struct {
	// Mapped and Err are what Map returns.
	Mapped Mapped
	Err    error
	// Found tells whether the answer has the data object; Data is the pointer that found it.
	Found bool
	Data  string
	// Results are all fields of the mapping, by name.
	Results []Result
	// Body is what Enneo would get if Err were nil.
	Body map[string]any
	// Missing says which of Enneo's rules the body breaks, such as "contract.lastname is missing".
	Missing []string
}

// Inspect is Map with its working. An empty id stands for the one that the answer holds.
func (p *Profile) Inspect(kind key.Kind, id string, status int, body []byte) Inspection {
	doc, gone, err := p.read(status, body)
	if err != nil || gone {
		return Inspection{Mapped: Mapped{Gone: gone}, Err: err}
	}
	data, err := p.locate(doc, status)
	if err != nil {
		return Inspection{Err: err}
	}
	i := Inspection{Found: true, Data: data.pointer, Results: p.evaluate(kind, data.object)}
	i.Body = bodyOf(i.Results)
	if id == "" {
		id, _ = readID(i.Body["id"])
	}
	i.Mapped, i.Err = assemble(kind, id, status, i.Results)
	if broken, ok := errors.AsType[*fault.Fault](validate(kind, i.Body)); ok && !i.Mapped.Gone {
		i.Missing = strings.Split(broken.Err.Error(), "; ")
	}
	return i
}
