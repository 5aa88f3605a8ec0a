package simclient

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/enneo-ai/enneo-bridge/libs/key"
)

// The simulated systems, as they are named in faults and in the journal.
const (
	Powercloud = "powercloud"
	LynqTech   = "lynqtech"
	Generic    = "generic"
	Enneo      = "enneo"
)

// Systems lists the simulated systems.
func Systems() []string { return []string{Powercloud, LynqTech, Generic, Enneo} }

// Ref names one contract or customer of the simulator.
type Ref struct {
	Kind key.Kind `json:"kind"`
	ID   string   `json:"id"`
}

// Optional is a text that is null in JSON when it is empty.
type Optional string

// MarshalJSON implements json.Marshaler.
func (o Optional) MarshalJSON() ([]byte, error) {
	if o == "" {
		return []byte("null"), nil
	}
	text, err := json.Marshal(string(o))
	if err != nil {
		return nil, fmt.Errorf("encode text: %w", err)
	}
	return text, nil
}

// UnmarshalJSON implements json.Unmarshaler. Without it null would leave the text as it was.
func (o *Optional) UnmarshalJSON(text []byte) error {
	var value *string
	if err := json.Unmarshal(text, &value); err != nil {
		return fmt.Errorf("read text: %w", err)
	}
	*o = ""
	if value != nil {
		*o = Optional(*value)
	}
	return nil
}

// Party is who a contract or customer record is about.
type Party struct {
	Business  bool     `json:"business"`
	Firstname Optional `json:"firstname"`
	Lastname  Optional `json:"lastname"`
	Company   Optional `json:"company"`
	Email     Optional `json:"email"`
	Phone     Optional `json:"phone"`
}

// Addresses are where energy is delivered and where the bill goes.
type Addresses struct {
	DeliveryStreet      string `json:"deliveryStreet"`
	DeliveryHouseNumber string `json:"deliveryHouseNumber"`
	DeliveryZip         string `json:"deliveryZip"`
	DeliveryCity        string `json:"deliveryCity"`
	// The billing address is null as a whole when it is the delivery address.
	BillingStreet      Optional `json:"billingStreet"`
	BillingHouseNumber Optional `json:"billingHouseNumber"`
	BillingZip         Optional `json:"billingZip"`
	BillingCity        Optional `json:"billingCity"`
}

// Delivery is the delivery address in one line, as Enneo writes addresses: "Horst-Kohl-Str. 15a, 12157 Berlin".
func (a Addresses) Delivery() string {
	return a.DeliveryStreet + " " + a.DeliveryHouseNumber + ", " + a.DeliveryZip + " " + a.DeliveryCity
}

// Billing is the billing address in one line; empty if it is the delivery address.
func (a Addresses) Billing() Optional {
	if a.BillingStreet == "" {
		return ""
	}
	return a.BillingStreet + " " + a.BillingHouseNumber + ", " + a.BillingZip + " " + a.BillingCity
}

// Energy types of a contract. 1 is shown by Enneo's documentation, 2 is the simulator's own.
const (
	Electricity = 1
	Gas         = 2
)

// StatusActive is the one status that Enneo's documentation shows.
const StatusActive = 5000

// Contract is a contract as the simulated ERPs hold it. Its properties are those of the inner object of the simulated
// Powercloud; the other systems show the same facts in their own words.
type Contract struct {
	ID         string `json:"id"`
	CustomerID string `json:"customerId"`
	Party
	Addresses
	StatusID     int    `json:"statusId"`
	StatusTitle  string `json:"statusTitle"`
	EnergyTypeID int    `json:"energyTypeId"`
	// CounterNumber is the meter number.
	CounterNumber string `json:"counterNumber"`
	IBAN          string `json:"iban"`
	// MonthlyDeposit is in euros.
	MonthlyDeposit float64 `json:"monthlyDeposit"`
	// StartDate and EndDate are "2006-01-02".
	StartDate string   `json:"startDate"`
	EndDate   Optional `json:"endDate"`
	// Consumption is in kWh a year.
	Consumption int    `json:"consumption"`
	ProductName string `json:"productName"`
	ProductCode string `json:"productCode"`
	// Revision grows by one with each change and goes on growing if a deleted contract comes back. The simulator sets it.
	Revision int64 `json:"revision"`
	// Override holds properties that every ERP puts into its answer as they are, in place of those of the same name:
	// for answers that are wrong on purpose.
	Override map[string]json.RawMessage `json:"override,omitempty"`
}

// Customer is a customer as the simulated ERPs hold it.
type Customer struct {
	ID string `json:"id"`
	Party
	Addresses
	ContractIDs []string `json:"contractIds"`
	// Revision is counted as in Contract.
	Revision int64 `json:"revision"`
	// Override is used as in Contract.
	Override map[string]json.RawMessage `json:"override,omitempty"`
}

// HostileIDs returns identifiers that are valid and unpleasant: subject and path separators, wildcards, percent and equals
// escapes, quotes, control characters and line breaks, other alphabets and directions, one word in both forms of Unicode, the same
// digits with and without a zero in front, and the longest ids of 50 characters.
func HostileIDs() []string {
	return []string{
		"VN.100.001", "VN*", "VN>", "VN 100 001", " ", ".", "..", "../../etc/passwd", "a/b", `a\b`, "a%2Fb", "a=2Eb", "a?b=c&d#e",
		"a;b,c", `"quoted"`, "'; DROP TABLE contracts; --", "<script>alert(1)</script>", "{{.ID}}", "${ID}", "a\nb", "a\x00b", "a\tb",
		"Vertrag-Müßig-Öl", "Vertrag-Mu\u0308ßig", "契約-一〇〇", "عقد-١٠٠", "🔌⚡", "vn-100001", "0100001", "100001.0", "1e5", "null", "true",
		"Größe", "Gro\u0308ße", "100001", "a\r\nSet-Cookie: b=c", "\u202e1-NV", "\u200bVN-1", strings.Repeat("🔌", key.MaxIDLength),
		"ÄÖÜäöüßÄÖÜäöüßÄÖÜäöüßÄÖÜäöüßÄÖÜäöüßÄÖÜäöüßÄÖÜäöüßÄ",
	}
}
