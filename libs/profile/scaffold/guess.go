package scaffold

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/enneo-ai/enneo-bridge/libs/key"
)

// guess is one field of a mapping.
type guess struct {
	field, expression string
	// note says what is to be checked; instead are other values that may be meant.
	note    string
	instead []string
}

// guesser finds Enneo's fields among the values of one data object.
type guesser struct {
	leaves []leaf
	// used are the pointers of leaves that stand for a field already.
	used map[string]bool
	// statuses and ids are by-products: Enneo's word for the status of the sample, and the ids of the sample.
	statuses map[string]string
	ids      map[string]string
}

func newGuesser(object map[string]any) *guesser {
	return &guesser{leaves: leaves(object), used: map[string]bool{}, statuses: map[string]string{}, ids: map[string]string{}}
}

// mapping guesses every field. The mandatory ones are always there, with null if nothing was found.
func (g *guesser) mapping(of key.Kind) []guess {
	var guesses []guess
	if of == key.Contract {
		guesses = append(guesses, g.identity(contractID()), g.identity(customerID()))
	} else {
		// In a customer's own data object its id needs no telling name.
		names := slices.Concat(customerID().names, words("/id /nummer /number /nr"))
		guesses = append(guesses, g.identity(target{"id", asText, names}))
	}
	var persons []guess
	for _, t := range person() {
		if found, ok := g.find(t); ok {
			persons = append(persons, found)
		} else if t.field == "lastname" || t.field == "company" {
			persons = append(persons, absent(t.field))
		}
	}
	guesses = append(guesses, g.business(persons))
	guesses = append(guesses, persons...)
	guesses = append(guesses, g.addresses(of)...)
	if of == key.Customer {
		return append(guesses, g.contractIDs())
	}
	for _, t := range ofContract() {
		if found, ok := g.find(t); ok {
			guesses = append(guesses, g.refine(found)...)
		}
	}
	return guesses
}

func absent(field string) guess {
	return guess{field: field, expression: "null", note: "NOT FOUND. Mandatory: " + demand(field)}
}

func demand(field string) string {
	switch field {
	case "lastname":
		return "a text for a person, null for a business"
	case "company":
		return "a text for a business, null for a person"
	case "business":
		return "true or false"
	case "contractIds":
		return "a list with at least one id"
	default:
		return "an integer or a text of 1 to 50 characters"
	}
}

func (g *guesser) identity(t target) guess {
	found, ok := g.find(t)
	if !ok {
		return absent(t.field)
	}
	return found
}

// ranked are the leaves that may be meant by the names, the best first.
func (g *guesser) ranked(names []string, k kind) []leaf {
	scores := map[string]int{}
	var candidates []leaf
	for _, l := range g.leaves {
		score := similar(l.path, names)
		if score == 0 || l.inList() || !l.fits(k) || g.used[l.pointer()] {
			continue
		}
		if l.value == nil {
			score -= 30
		}
		// Somebody else's name, address or number.
		if role(l.path) == "billing" {
			score -= 200
		}
		scores[l.pointer()] = score
		candidates = append(candidates, l)
	}
	slices.SortStableFunc(candidates, func(a, b leaf) int { return scores[b.pointer()] - scores[a.pointer()] })
	return candidates
}

func (g *guesser) find(t target) (guess, bool) {
	candidates := g.ranked(t.names, t.kind)
	if len(candidates) == 0 {
		return guess{}, false
	}
	best := candidates[0]
	g.used[best.pointer()] = true
	if strings.HasSuffix(strings.ToLower(t.field), "id") {
		g.ids[t.field] = best.text()
	}
	found := guess{field: t.field, expression: express(best, t.kind)}
	if t.kind == asNumber && germanNumber.MatchString(best.text()) {
		found.note = "CHECK: reads 1.084,50 as 1084.50, so the ERP must write every value like that"
	}
	for _, other := range candidates[1:min(len(candidates), 4)] {
		found.instead = append(found.instead, express(other, t.kind))
	}
	return found, true
}

// express makes the expression that fits the value in the sample.
func express(l leaf, k kind) string {
	switch k {
	case asNumber:
		if germanNumber.MatchString(l.text()) {
			return `text(` + l.cel() + `) == null ? null : number(text(` + l.cel() + `).replace(".", "").replace(",", "."))`
		}
		return "number(" + l.cel() + ")"
	case asTime:
		return "unix(" + l.cel() + ")"
	case asRaw:
		return l.cel()
	default:
		return "text(" + l.cel() + ")"
	}
}

// refine turns what was found for energy and status into Enneo's words.
func (g *guesser) refine(found guess) []guess {
	plain := strings.TrimSuffix(strings.TrimPrefix(found.expression, "text("), ")")
	sample := g.sample(plain)
	switch found.field {
	case "statusCode":
		if word := normal(sample); word == "aktiv" || word == "active" {
			g.statuses[sample] = "active"
		}
		return []guess{{field: "status", expression: "status(" + found.expression + ")"}, found}
	case "energy":
		if sample == "electricity" || sample == "gas" {
			return []guess{found}
		}
		table := `"STROM": "electricity", "GAS": "gas"`
		if word, ok := energies()[normal(sample)]; ok {
			// The word of the sample, as the ERP writes it, and the other one in the same way.
			other := "GAS"
			if word == "gas" {
				other = "STROM"
			}
			if sample != strings.ToUpper(sample) {
				other = other[:1] + strings.ToLower(other[1:])
			}
			table = strconv.Quote(sample) + `: "` + word + `", "` + other + `": "` + energies()[normal(other)] + `"`
		}
		found.expression, found.note = "lookup({"+table+"}, "+plain+")", "CHECK the ERP's other words; what is not listed is null"
	}
	return []guess{found}
}

func (g *guesser) sample(expression string) string {
	for _, l := range g.leaves {
		if l.cel() == expression {
			return l.text()
		}
	}
	return ""
}

// business is a flag, else a type of customer, else whether there is a company.
func (g *guesser) business(persons []guess) guess {
	for _, l := range g.ranked(businessFlags(), asText) {
		if l.text() == "0" || l.text() == "1" || normal(l.text()) == "true" || normal(l.text()) == "false" {
			return guess{field: "business", expression: "boolean(" + l.cel() + ")"}
		}
	}
	for _, l := range g.leaves {
		if _, isBool := l.value.(bool); isBool && similar(l.path, businessFlags()) > 0 && !l.inList() {
			return guess{field: "business", expression: "boolean(" + l.cel() + ")"}
		}
	}
	for _, l := range g.ranked(customerTypes(), asText) {
		value := strconv.Quote(l.text())
		switch note := "GUESSED. Add the ERP's other words"; {
		case among(l.value, privateValues()):
			return guess{field: "business", expression: "lookup({" + value + `: false, "GEWERBE": true}, ` + l.cel() + ")", note: note}
		case among(l.value, businessValues()):
			return guess{field: "business", expression: "lookup({" + value + `: true, "PRIVAT": false}, ` + l.cel() + ")", note: note}
		}
	}
	for _, p := range persons {
		if p.field == "company" && p.expression != "null" {
			return guess{field: "business", expression: p.expression + " != null", note: "GUESSED: who has a company's name is a business"}
		}
	}
	return absent("business")
}

// contractIDs finds the list of a customer's contracts.
func (g *guesser) contractIDs() guess {
	for _, l := range g.leaves {
		if _, isList := l.value.([]any); isList && !l.inList() && similar(l.path, contractLists()) > 0 {
			return guess{field: "contractIds", expression: "texts(" + l.cel() + ")"}
		}
	}
	for _, l := range g.leaves {
		at := slices.Index(l.path, "*")
		if at < 1 || at != len(l.path)-2 || l.text() == "" {
			continue
		}
		list, member := leaf{path: l.path[:at]}, leaf{path: l.path[at+1:]}
		if similar(list.path, contractLists()) > 0 && similar(member.path, contractID().names) > 0 {
			element := "c" + strings.TrimPrefix(member.cel(), "data")
			// Not optional: an empty list would delete the customer.
			return guess{field: "contractIds", expression: list.access("") + ".map(c, text(" + element + "))"}
		}
	}
	return absent("contractIds")
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
