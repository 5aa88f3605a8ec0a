package scaffold

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// writer writes the draft, section by section.
type writer struct {
	samples  Samples
	contract sample
	customer *sample
	webhook  []leaf

	b strings.Builder
}

func (w *writer) line(parts ...string) {
	for _, part := range parts {
		w.b.WriteString(part)
	}
	w.b.WriteByte('\n')
}

// simple is what YAML takes for a text without quotes.
var simple = regexp.MustCompile(`^(text|texts|number|unix|boolean|status)?\(?data[A-Za-z0-9_.?]*\)?$`)

func scalar(text string) string {
	if simple.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", "''") + "'"
}

func (w *writer) write() []byte {
	w.line("# yaml-language-server: $schema=profile.schema.json")
	w.line("# (bridge profile schema > profile.schema.json)")
	w.line("#")
	w.line("# Drafted by bridge profile init from samples. Names decided, so check every line; bridge profile test shows what it")
	w.line("# makes of an answer. CHECK marks what no sample can tell.")
	w.line("name: ", w.samples.Name)
	w.line(`version: "1"`)
	w.line()
	w.line("auth: # CHECK")
	w.line("  default: header")
	w.line("  schemes: [header, bearer, basic, query, oauth2]")
	w.line("  header: X-Api-Key")
	w.line("  query: apiKey")
	w.line()
	w.operations()
	w.answers()
	w.line("# Left: Enneo's names. Right: CEL over the object that data finds.")
	w.line("mapping:")
	w.mapping("contract", w.contract)
	if w.customer != nil {
		w.mapping("customer", *w.customer)
	}
	w.line()
	w.hooks()
	return []byte(w.b.String())
}

func (w *writer) operations() {
	path, note := w.samples.ContractPath, ""
	if path == "" {
		path, note = "/contracts/{id}", " # CHECK"
	}
	w.line("operations:")
	w.line("  get_contract:")
	w.line("    path: ", scalar(path), note)
	if w.customer != nil {
		if path, note = w.samples.CustomerPath, ""; path == "" {
			path, note = "/customers/{id}", " # CHECK"
		}
		w.line("  get_customer:")
		w.line("    path: ", scalar(path), note)
	} else {
		w.line("  # get_customer: give --customer an answer with a customer. Without it customers are not kept up to date.")
	}
	w.line("  # search, list_changed, list_all: see docs/profiles.md.")
	w.line()
}

func (w *writer) answers() {
	if success := w.contract.succeeded(); success != "" {
		w.line("success: ", scalar(success))
	}
	w.line("# CHECK: what is gone is deleted in Enneo. A path that is wrong must not look like it.")
	w.line("gone: status == 404 || status == 410")
	w.line()
	pointers := []string{w.contract.pointer}
	if w.customer != nil && w.customer.pointer != w.contract.pointer {
		pointers = append(pointers, w.customer.pointer)
	}
	// The pointer that says more comes first: the whole answer is an object as well.
	slices.SortStableFunc(pointers, func(a, b string) int { return strings.Count(b, "/") - strings.Count(a, "/") })
	w.line("data: ", list(pointers))
	w.line()
	if len(w.contract.statuses) == 0 {
		w.line(`statuses: {} # CHECK: the ERP's status: Enneo's word, for example "5000": active`)
	} else {
		w.line("statuses: # CHECK: add the ERP's other statuses")
		for _, status := range sortedKeys(w.contract.statuses) {
			w.line("  ", quoted(status), ": ", w.contract.statuses[status])
		}
	}
	w.line()
}

func (w *writer) mapping(kind string, s sample) {
	w.line("  ", kind, ":")
	for _, g := range s.guesses {
		if g.note != "" {
			w.line("    # ", g.note, ".")
		}
		w.line("    ", g.field, ": ", scalar(g.expression))
		for _, other := range g.instead {
			w.line("    #   or: ", other)
		}
	}
}

func (w *writer) hooks() {
	contracts := w.pointers(w.contract.ids["id"], contractID().names)
	customers := w.pointers(w.contract.ids["customerId"], customerID().names)
	// Without a read for customers nothing can be done about one that is named.
	named := customers
	if w.customer == nil {
		customers = nil
	}
	switch {
	case w.webhook == nil:
		w.line("# CHECK: no webhook was given; these are usual places.")
		contracts = []string{"/contractId", "/contract/id", "/data/contractId", "/data/contract/id"}
	case len(contracts)+len(customers) == 0:
		w.line("# NOT FOUND in the webhook: a contract id. At least one of contract_ids and customer_ids is needed.")
		contracts = []string{"/contractId"}
	}
	events := w.pointers("", eventIDs())
	changes := slices.DeleteFunc(w.pointers("", changeTypes()), func(p string) bool { return slices.Contains(events, p) })
	w.line("webhook: # CHECK: the first pointer of each list that finds a valid value counts")
	w.line("  contract_ids: ", list(contracts))
	if w.customer == nil && len(named) > 0 {
		w.line("  customer_ids: [] # Once there is a get_customer: ", list(named))
	} else {
		w.line("  customer_ids: ", list(customers))
	}
	w.line("  event_id: ", list(events))
	w.line("  change_type: ", list(changes))
}

// pointers are where the webhook has the value, else where it has one of the names; the likeliest first.
func (w *writer) pointers(value string, names []string) []string {
	scores := map[string]int{}
	var found []string
	for _, l := range w.webhook {
		score := similar(l.path, names)
		if value != "" && l.text() == value {
			score += 2000 // Nothing says it better than the id of the sample itself.
		}
		if _, isBool := l.value.(bool); score == 0 || isBool || scores[l.pointer()] > 0 {
			continue
		}
		scores[l.pointer()] = score
		found = append(found, l.pointer())
	}
	slices.SortStableFunc(found, func(a, b string) int { return scores[b] - scores[a] })
	return found[:min(len(found), 4)]
}

// list writes texts as a YAML list in one line.
func list(texts []string) string {
	items := make([]string, len(texts))
	for i, text := range texts {
		items[i] = quoted(text)
	}
	return "[" + strings.Join(items, ", ") + "]"
}

var unquoted = regexp.MustCompile(`^/[A-Za-z0-9_/.*-]*$`)

// quoted is the text as YAML takes it inside a list or as a name.
func quoted(text string) string {
	if unquoted.MatchString(text) {
		return text
	}
	return doubleQuoted(text)
}

// doubleQuoted writes the text so that no character of it can end the line or the quotes. JSON's escapes are YAML's.
func doubleQuoted(text string) string {
	data, err := json.Marshal(text)
	if err != nil {
		panic("write a text as JSON: " + err.Error()) // A text always can be.
	}
	return string(data)
}
