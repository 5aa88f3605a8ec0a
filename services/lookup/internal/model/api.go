package model

import (
	"log/slog"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/position"
)

// PageSize is the largest number of customers that Search returns at once; Enneo reads no more.
const PageSize = 10

// Options say where a model lies.
type Options struct {
	// Dir is the folder for the store's files; empty: the system's folder for temporary files.
	Dir string
	// Logger hears of what goes wrong in the background; nil: nobody does.
	Logger *slog.Logger
}

// Entry is the newest snapshot of one contract or customer.
type Entry struct {
	// Key is whose it is.
	Key key.Key
	// EnneoID is the id that Enneo knows it by.
	EnneoID string
	// Covers is the position that the read of the ERP covers.
	Covers position.Position
	// ReadAt is when the ERP was read.
	ReadAt time.Time
	// Body is Enneo's structure as JSON, with Enneo's ids in it; empty: there is none any more, so the record goes.
	Body string
}

// Attributes are what call C may give; empty is not given.
type Attributes struct {
	ContractID, CustomerID             string
	Firstname, Lastname, Fullname      string
	Phone, Company, Email, MeterNumber string
	Address, PostalCode, City          string
	// Custom are further attributes by name. They are compared with the property of that name, if the contract has one.
	Custom map[string]string
}

// Match is the one contract that Find found.
type Match struct {
	// ContractID and CustomerID are Enneo's.
	ContractID, CustomerID string
	// By names the rule that found it: contract_id, meter_number, customer_id, email, phone or name_address.
	By string
	// Exact tells that nothing that was given had to be read with tolerance.
	Exact bool
}
