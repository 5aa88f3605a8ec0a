package simclient

import (
	"encoding/json"

	"github.com/enneo-ai/enneo-bridge/libs/key"
)

// Change changes contracts and customers in the simulated ERPs. Each of them gets a new revision, also if nothing of it
// differs.
type Change struct {
	Contracts []string `json:"contracts,omitempty"`
	Customers []string `json:"customers,omitempty"`
	// StatusID sets the status of the contracts and its title; 0 leaves it.
	StatusID int `json:"statusId,omitempty"`
	// Patch is an object of properties of Contract or Customer, which replace those that are there.
	Patch json.RawMessage `json:"patch,omitempty"`
}

// Revision is the newest state of a contract or customer after a change.
type Revision struct {
	Ref
	Revision int64 `json:"revision"`
}

// Revisions is the answer to a change. It also names the customers that changed because their contracts did.
type Revisions struct {
	Revisions []Revision `json:"revisions"`
}

// Generate asks for more contracts and customers.
type Generate struct {
	// Contracts is how many contracts to add, with customers for them.
	Contracts int `json:"contracts,omitempty"`
	// Hostile adds one contract and one customer for each of HostileIDs that is not there yet.
	Hostile bool `json:"hostile,omitempty"`
}

// IDs is a list of identifiers in the order in which they came into being.
type IDs struct {
	IDs []string `json:"ids"`
}

// CompareQuery selects what Compare looks at.
type CompareQuery struct {
	// System is the ERP whose profile filled Enneo; it decides which properties can be compared. Default Generic.
	System string
	// Kind restricts the comparison; empty means contracts and customers.
	Kind key.Kind
	// EnneoID is the template of ids in Enneo, with "{id}" for the ERP's id. Default "{id}".
	EnneoID string
	// Limit is the largest number of mismatches listed; default 1000.
	Limit int
}

// Comparison is how Enneo's end state differs from the ERP's, over all keys that Enneo was told of or that changed in
// the ERP since the last reset.
type Comparison struct {
	// Compared is the number of keys looked at.
	Compared int `json:"compared"`
	// Mismatched is the number of keys that differ, also of those beyond the limit of the list.
	Mismatched int        `json:"mismatched"`
	Mismatches []Mismatch `json:"mismatches"`
}

// Mismatch names a key that differs. It holds names of properties, never their values.
type Mismatch struct {
	Ref
	// Problem is "missing in enneo", "gone in erp" or "different".
	Problem string   `json:"problem"`
	Fields  []string `json:"fields,omitempty"`
}

// The problems of a Mismatch.
const (
	MissingInEnneo = "missing in enneo"
	GoneInERP      = "gone in erp"
	Different      = "different"
)

// Count is a number of things that were waited for.
type Count struct {
	Count int `json:"count"`
}
