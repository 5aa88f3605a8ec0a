package simclient

import (
	"encoding/json"
	"slices"

	"github.com/enneo-ai/enneo-bridge/libs/key"
)

// Entry is one request in the journal. It is there before the answer to the request leaves the simulator.
type Entry struct {
	// Sequence orders the entries; it never starts anew.
	Sequence int64  `json:"sequence"`
	System   string `json:"system"`
	// Operation is the simulator's word for the call, such as "get_contract"; "unknown" for a path it does not have.
	Operation string `json:"operation"`
	Method    string `json:"method"`
	// Kind and ID say what the request was about, if it named a contract or customer.
	Kind key.Kind `json:"kind,omitempty"`
	ID   string   `json:"id,omitempty"`
	// More holds what else it named.
	More []Ref `json:"more,omitempty"`
	// Revision is what an ERP served or what Enneo received; 0 for none.
	Revision int64 `json:"revision,omitempty"`
	// Status is the HTTP status that was decided, 0 if the request got no answer.
	Status int `json:"status"`
	// StartNS and EndNS are Unix nanoseconds: arrival, and the moment before the answer left.
	StartNS int64 `json:"startNs"`
	EndNS   int64 `json:"endNs"`
	// Overlapped: another write for the same key was in progress meanwhile (Enneo only).
	Overlapped bool `json:"overlapped,omitempty"`
	// Regression: Enneo was given an older revision over a newer one.
	Regression bool `json:"regression,omitempty"`
	// Abandoned: the client had gone before the server was done.
	Abandoned bool `json:"abandoned,omitempty"`
	// Faults are the actions that were applied.
	Faults []Action `json:"faults,omitempty"`
}

// Refs lists everything that the request named.
func (e Entry) Refs() []Ref {
	if e.ID == "" {
		return nil
	}
	return append([]Ref{{Kind: e.Kind, ID: e.ID}}, e.More...)
}

// JournalQuery selects entries of the journal. The zero value selects all.
type JournalQuery struct {
	System, Operation string
	Kind              key.Kind
	ID                string
	// Since is a sequence; only later entries are selected.
	Since int64
	// Limit is the largest number of entries; 0 means all.
	Limit int
	// Overlapped and Regression select only the entries marked so.
	Overlapped, Regression bool
}

// Matches tells whether the query selects the entry; it leaves Limit aside.
func (q JournalQuery) Matches(e *Entry) bool {
	switch {
	case e.Sequence <= q.Since,
		q.System != "" && q.System != e.System,
		q.Operation != "" && q.Operation != e.Operation,
		q.Overlapped && !e.Overlapped,
		q.Regression && !e.Regression:
		return false
	case q.Kind == "" && q.ID == "":
		return true
	}
	fits := func(r Ref) bool {
		return (q.Kind == "" || q.Kind == r.Kind) && (q.ID == "" || q.ID == r.ID)
	}
	return e.ID != "" && fits(Ref{Kind: e.Kind, ID: e.ID}) || slices.ContainsFunc(e.More, fits)
}

// Write is a change that the simulated Enneo has made, in the order in which it made them.
type Write struct {
	Sequence  int64    `json:"sequence"`
	Operation string   `json:"operation"`
	Kind      key.Kind `json:"kind"`
	ID        string   `json:"id"`
	Revision  int64    `json:"revision,omitempty"`
	AtNS      int64    `json:"atNs"`
	// Body is what was received, as JSON; empty for a delete.
	Body json.RawMessage `json:"body,omitempty"`
}

// Summary counts all requests since the journal was reset, also those that no longer fitted into it.
type Summary struct {
	Systems map[string]SystemSummary `json:"systems"`
	// Overlaps is the number of writes to Enneo that arrived while another one for the same key was in progress.
	Overlaps int64 `json:"overlaps"`
	// Regressions is the number of writes to Enneo that brought an older revision over a newer one.
	Regressions int64 `json:"regressions"`
	// Entries and Dropped are the journal's: kept, and lost because it was full.
	Entries int   `json:"entries"`
	Dropped int64 `json:"dropped"`
	// Writes and WritesDropped are the same for the list of Enneo's writes.
	Writes        int   `json:"writes"`
	WritesDropped int64 `json:"writesDropped"`
	// Contracts and Customers are what the simulated ERPs hold.
	Contracts int `json:"contracts"`
	Customers int `json:"customers"`
}

// SystemSummary counts the requests to one system.
type SystemSummary struct {
	Requests   int64                       `json:"requests"`
	Operations map[string]OperationSummary `json:"operations"`
}

// OperationSummary counts the requests of one operation.
type OperationSummary struct {
	Requests int64 `json:"requests"`
	// ByStatus counts by HTTP status; 0 stands for no answer.
	ByStatus map[int]int64 `json:"byStatus"`
	// IDs is the number of different contracts and customers that were named.
	IDs int `json:"ids"`
	// MaxPerID is the largest number of requests for one of them, and MaxRef is that one.
	MaxPerID int64 `json:"maxPerId"`
	MaxRef   *Ref  `json:"maxRef,omitempty"`
	// PerID says how many contracts and customers were named in exactly so many requests.
	PerID map[int64]int `json:"perId"`
}
