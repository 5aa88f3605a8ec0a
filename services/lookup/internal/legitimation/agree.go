package legitimation

import (
	"encoding/json"
	"slices"

	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/model/german"
)

// similar is how much of two streets with house number has to be the same, as in Enneo's own legitimation.
const similar = 0.8

// values are what a contract has for an attribute of a search.
func values(name string, contract map[string]any) []string {
	of := func(fields ...string) []string {
		var found []string
		for _, field := range fields {
			if value := text(contract[field]); value != "" {
				found = append(found, value)
			}
		}
		return found
	}
	switch name {
	case "contractId":
		return of("id")
	case "meterNumber":
		return of("counterNumber", "meterNumber")
	case "address":
		return of("deliveryAddress", "billingAddress")
	case "postalCode":
		found := of("zip", "postalCode")
		for _, address := range of("deliveryAddress", "billingAddress") {
			found = append(found, german.ParseAddress(address).Zip)
		}
		return found
	case "city":
		found := of("city")
		for _, address := range of("deliveryAddress", "billingAddress") {
			found = append(found, german.ParseAddress(address).City)
		}
		return found
	case "fullname":
		return []string{text(contract["firstname"]) + " " + text(contract["lastname"])}
	default:
		return of(name)
	}
}

func text(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	default:
		return ""
	}
}

// agrees tells whether what was given for an attribute is what the contract has.
func agrees(name, given string, contract map[string]any) bool {
	return given != "" && slices.ContainsFunc(values(name, contract), func(has string) bool { return same(name, given, has) })
}

func same(name, given, has string) bool {
	form := german.Fold
	switch name {
	case "contractId", "customerId":
		return given == has
	case "phone":
		form = german.Phone
	case "email":
		form = german.Email
	case "meterNumber":
		form = german.Meter
	case "postalCode":
		form = german.Zip
	case "address":
		return likeness(street(given), street(has)) >= similar
	}
	return form(given) != "" && form(given) == form(has)
}

// street is a street with its house number. Who gives a place alone has not given it.
func street(s string) string {
	a := german.ParseAddress(s)
	if a.Street == "" {
		return ""
	}
	return a.Street + a.House
}

// likeness is the part of the longer text that need not be changed to make it the other one.
func likeness(a, b string) float64 {
	if a == "" || b == "" {
		return 0
	}
	longest := max(len([]rune(a)), len([]rune(b)))
	return 1 - float64(german.Distance(a, b, longest))/float64(longest)
}
