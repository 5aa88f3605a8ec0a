package cli

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/enneo-ai/enneo-bridge/libs/enneo"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
)

// tryReport is what profile test found out.
type tryReport struct {
	OK       bool             `json:"ok"`
	Profile  string           `json:"profile"`
	File     string           `json:"file"`
	Webhook  *webhookReport   `json:"webhook,omitempty"`
	Requests []*requestReport `json:"requests,omitempty"`
	Contract *answerReport    `json:"contract,omitempty"`
	Customer *answerReport    `json:"customer,omitempty"`
	// Problems are what stands in the way, each with its remedy.
	Problems []string `json:"problems"`
}

type webhookReport struct {
	CloudEvent  bool     `json:"cloud_event"`
	ContractIDs []string `json:"contract_ids"`
	CustomerIDs []string `json:"customer_ids"`
	EventID     string   `json:"event_id"`
	ChangeType  string   `json:"change_type"`
	// Origin are the pointers that found them.
	Origin  map[string]string `json:"origin"`
	Invalid []string          `json:"invalid"`
}

type requestReport struct {
	Operation string   `json:"operation"`
	Method    string   `json:"method"`
	Target    string   `json:"target"`
	Headers   []string `json:"headers"`
	Body      string   `json:"body,omitempty"`
	// KeyAlone is what takes the place of the last header for a source with an API key and no user; empty if nothing does.
	KeyAlone string `json:"with_api_key_alone,omitempty"`
	Error    string `json:"error,omitempty"`
}

type answerReport struct {
	Kind    string          `json:"kind"`
	Status  int             `json:"status"`
	Outcome string          `json:"outcome"`
	ID      string          `json:"id"`
	Error   string          `json:"error,omitempty"`
	Data    string          `json:"data"`
	Fields  []fieldReport   `json:"fields"`
	Body    json.RawMessage `json:"body,omitempty"`
	Missing []string        `json:"missing"`

	err        error
	found      bool
	results    []profile.Result
	customerID string
}

type fieldReport struct {
	Name       string `json:"name"`
	Expression string `json:"expression"`
	At         string `json:"at"`
	Given      bool   `json:"given"`
	Error      string `json:"error,omitempty"`
}

// request adds how the ERP is asked for the id, if there is one.
func (r *tryReport) request(p *profile.Profile, op profile.Operation, id string) {
	if id == "" || !p.Supports(op) {
		return
	}
	q := &requestReport{Operation: string(op)}
	r.Requests = append(r.Requests, q)
	request, err := p.Request(op, profile.Args{"id": id, "hash": "HASH"})
	if err != nil {
		q.Error = err.Error()
		r.Problems = append(r.Problems, fmt.Sprintf("%s: %v", op, err))
		return
	}
	q.Method, q.Target, q.Body = request.Method, request.Target, string(request.Body)
	q.Headers = []string{"Accept: " + p.Accept()}
	if request.Body != nil {
		q.Headers = append(q.Headers, "Content-Type: application/json")
	}
	auth := p.Auth()
	header, parameter := credentials(auth, auth.Default, request.Context)
	if header != "" {
		q.Headers = append(q.Headers, header)
	} else {
		separator := "?"
		if strings.Contains(q.Target, "?") {
			separator = "&"
		}
		q.Target += separator + parameter
	}
	// As package source chooses.
	byKey := slices.IndexFunc(auth.Schemes, func(s profile.Scheme) bool { return !s.NeedsUser() })
	if auth.Default.NeedsUser() && byKey >= 0 {
		header, parameter = credentials(auth, auth.Schemes[byKey], request.Context)
		q.KeyAlone = header + parameter
	}
}

// credentials are the header or the query parameter that a scheme adds to a request.
func credentials(auth profile.Auth, scheme profile.Scheme, requestContext string) (header, parameter string) {
	switch scheme {
	case profile.ContextBasic:
		return "Authorization: Basic <" + requestContext + "#API user, password>", ""
	case profile.Basic:
		return "Authorization: Basic <API user, password>", ""
	case profile.Bearer:
		return "Authorization: Bearer <API key>", ""
	case profile.OAuth2:
		return "Authorization: Bearer <access token>", ""
	case profile.Query:
		return "", url.QueryEscape(auth.Query) + "=<API key>"
	default:
		return auth.Header + ": <API key>", ""
	}
}

func (w *webhookReport) problems() []string {
	if len(w.ContractIDs)+len(w.CustomerIDs) > 0 {
		return nil
	}
	problem := "webhook: no contract id and no customer id found, so it would become a dead letter; add a pointer to webhook.contract_ids"
	if len(w.Invalid) > 0 {
		problem += " (" + strings.Join(w.Invalid, "; ") + ")"
	}
	return []string{problem}
}

// problems names everything that keeps the answer from Enneo, with file, line and remedy.
func (a *answerReport) problems(file string) []string {
	var problems []string
	for _, result := range a.results {
		if result.Err != nil {
			problem := strings.ReplaceAll(result.Err.Error(), "the expression at "+result.At, "it")
			problems = append(problems, fmt.Sprintf("%s: mapping.%s.%s: %s; the expression is %s", result.At, a.Kind, result.Name, problem, result.Expression))
		}
	}
	for _, missing := range a.Missing {
		name, _, _ := strings.Cut(missing, " ")
		field, _, _ := strings.Cut(strings.TrimPrefix(name, a.Kind+"."), "[")
		at := slices.IndexFunc(a.results, func(r profile.Result) bool { return r.Name == field })
		switch {
		case at < 0:
			problems = append(problems, fmt.Sprintf("%s: mapping.%s; add the field to the mapping", file, missing))
		case a.results[at].Err == nil:
			problems = append(problems, fmt.Sprintf("%s: mapping.%s; %s finds nothing that fits, so let it read the member of the answer that holds it", a.results[at].At, missing, a.results[at].Expression))
		}
	}
	if a.err != nil && len(problems) == 0 {
		problem := fmt.Sprintf("answer with a %s: %v", a.Kind, a.err)
		if !a.found {
			problem += "; see success, gone and data in " + file
		}
		problems = append(problems, problem)
	}
	return problems
}

func (r *tryReport) json() (string, error) {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return "", fmt.Errorf("write JSON: %w", err)
	}
	return string(text) + "\n", nil
}

func (r *tryReport) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "profile %s\n", r.Profile)
	if r.Webhook != nil {
		b.WriteString("\nwebhook\n" + r.Webhook.text())
	}
	for _, q := range r.Requests {
		fmt.Fprintf(&b, "\nrequest %s\n", q.Operation)
		if q.Error != "" {
			fmt.Fprintf(&b, "  %s\n", q.Error)
			continue
		}
		fmt.Fprintf(&b, "  %s %s\n", q.Method, printable(q.Target))
		for _, header := range q.Headers {
			fmt.Fprintf(&b, "  %s\n", printable(header))
		}
		if q.KeyAlone != "" {
			fmt.Fprintf(&b, "    with an API key and no user: %s\n", printable(q.KeyAlone))
		}
		if q.Body != "" {
			fmt.Fprintf(&b, "  %s\n", printable(q.Body))
		}
	}
	for _, a := range []*answerReport{r.Contract, r.Customer} {
		if a != nil {
			b.WriteString("\n" + a.text())
		}
	}
	b.WriteString("\n")
	if r.OK {
		b.WriteString("✓ nothing mandatory is missing\n")
	}
	for _, problem := range r.Problems {
		fmt.Fprintf(&b, "✗ %s\n", printable(problem))
	}
	return b.String()
}

func (w *webhookReport) text() string {
	return columns(func(t *tabwriter.Writer) {
		row := func(name, value, origin string) {
			if value == "" {
				value = "–"
			}
			fmt.Fprintf(t, "  %s\t%s\t%s\n", name, printable(value), printable(origin))
		}
		row("contract ids", strings.Join(w.ContractIDs, ", "), w.Origin["contract_ids"])
		row("customer ids", strings.Join(w.CustomerIDs, ", "), w.Origin["customer_ids"])
		row("event id", w.EventID, w.Origin["event_id"])
		row("change type", w.ChangeType, w.Origin["change_type"])
		for _, invalid := range w.Invalid {
			row("invalid", invalid, "")
		}
	})
}

func (a *answerReport) text() string {
	head := fmt.Sprintf("answer with a %s: HTTP %d, %s", a.Kind, a.Status, a.Outcome)
	switch {
	case a.Outcome == "gone":
		return head + "; Enneo's " + a.Kind + " is deleted after a second look\n"
	case !a.found:
		return head + "\n"
	case a.Data == "":
		head += ", data is the whole answer"
	default:
		head += ", data at " + printable(a.Data)
	}
	would := "\nto Enneo\n"
	if a.err != nil {
		would = "\nnothing goes to Enneo; found was\n"
	}
	return head + would + columns(func(t *tabwriter.Writer) {
		for _, r := range a.results {
			value := "(left out)"
			if r.Err != nil {
				value = "(error)"
			} else if r.Given {
				value = shown(r.Value)
			}
			fmt.Fprintf(t, "  %s\t%s\t%s\n", r.Name, value, printable(abbreviated(r.Expression)))
		}
	})
}

// shown is a value as JSON.
func shown(value any) string {
	text, err := enneo.Canonical(map[string]any{"": value})
	if err != nil {
		return "(no JSON)"
	}
	return printable(strings.TrimSuffix(strings.TrimPrefix(text, `{"":`), "}"))
}

// abbreviated keeps a line readable; the whole expression stands in the file.
func abbreviated(expression string) string {
	const most = 60
	runes := []rune(strings.Join(strings.Fields(expression), " "))
	if len(runes) <= most {
		return string(runes)
	}
	return string(runes[:most-1]) + "…"
}

// printable keeps control characters of a sample off the terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}

func columns(write func(*tabwriter.Writer)) string {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	write(t)
	_ = t.Flush() // A builder takes everything.
	lines := strings.Split(b.String(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}
