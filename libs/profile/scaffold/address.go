package scaffold

import (
	"slices"
	"strings"

	"github.com/enneo-ai/enneo-bridge/libs/key"
)

// role says whose address a path belongs to: "delivery", "billing", or "" if it does not tell.
func role(path []string) string {
	whole := normal(strings.Join(path, ""))
	// "Postleitzahl" and "postalCode" say nothing about a postal address.
	for _, name := range slices.Concat(addressParts()["zip"], words("email")) {
		whole = strings.ReplaceAll(whole, name, "")
	}
	contains := func(word string) bool { return strings.Contains(whole, word) }
	switch {
	case slices.ContainsFunc(deliveryWords(), contains):
		return "delivery"
	case slices.ContainsFunc(billingWords(), contains):
		return "billing"
	default:
		return ""
	}
}

// addressOf collects the parts of the address with that role. Of several, the first part found decides where the others
// are looked for.
func (g *guesser) addressOf(wanted string) map[string]leaf {
	parts := map[string]leaf{}
	for _, part := range []string{"whole", "street", "number", "zip", "city"} {
		for _, l := range g.leaves {
			if _, known := parts[part]; known || l.inList() || role(l.path) != wanted || !isPart(l, part) {
				continue
			}
			if _, isText := l.value.(string); part == "whole" && !isText {
				continue
			}
			parts[part] = l
		}
	}
	return parts
}

func isPart(l leaf, part string) bool {
	if !l.fits(asText) {
		return false
	}
	last := normal(l.path[len(l.path)-1])
	return slices.ContainsFunc(addressParts()[part], func(name string) bool {
		return last == name || len(name) > 2 && strings.HasSuffix(last, name)
	})
}

// join writes the parts as Enneo shows an address: "Horst-Kohl-Str. 15a, 12157 Berlin".
func join(parts map[string]leaf) string {
	if whole, ok := parts["whole"]; ok {
		return "text(" + whole.cel() + ")"
	}
	pair := func(a, b string) string {
		var present []string
		for _, name := range []string{a, b} {
			if l, ok := parts[name]; ok {
				present = append(present, l.cel())
			}
		}
		if len(present) == 0 {
			return ""
		}
		return "join_nonempty([" + strings.Join(present, ", ") + `], " ")`
	}
	lines := slices.DeleteFunc([]string{pair("street", "number"), pair("zip", "city")}, func(s string) bool { return s == "" })
	if len(lines) == 1 {
		return lines[0]
	}
	return "join_nonempty([" + strings.Join(lines, ", ") + `], ", ")`
}

func (g *guesser) addresses(of key.Kind) []guess {
	var guesses []guess
	delivery := g.addressOf("delivery")
	if len(delivery) == 0 {
		delivery = g.addressOf("")
	}
	if len(delivery) > 0 {
		guesses = append(guesses, guess{field: "deliveryAddress", expression: join(delivery)})
		if zip, ok := delivery["zip"]; ok && of == key.Contract {
			guesses = append(guesses, guess{field: "zip", expression: "text(" + zip.cel() + ")"})
		}
	}
	if billing := g.addressOf("billing"); len(billing) > 0 {
		guesses = append(guesses, guess{field: "billingAddress", expression: join(billing)})
	}
	return guesses
}
