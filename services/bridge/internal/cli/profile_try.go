package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/enneo-ai/enneo-bridge/libs/enneo"
	"github.com/enneo-ai/enneo-bridge/libs/jsonptr"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
)

// try is what profile test is asked for.
type try struct {
	profile                     string
	webhook, contract, customer string
	status                      int
	id                          string
	headers                     []string
	json                        bool
}

func newProfileTry() *cobra.Command {
	var t try
	cmd := &cobra.Command{
		Use: "test", Short: "Show what a profile makes of a webhook and of answers of the ERP", Args: cobra.NoArgs,
		Example: "  bridge profile test --profile my-erp.yaml --webhook webhook.json --contract contract.json",
		Long: `Takes a captured webhook and answers of the ERP, and shows which identifiers are found and where, how the ERP would be
asked, what the answer means, and what Enneo would get. The values of the samples are shown. The exit code is 1 if
something mandatory is missing.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := t.run(&inputs{stdin: cmd.InOrStdin()})
			if err != nil {
				return err
			}
			text := r.text()
			if t.json {
				if text, err = r.json(); err != nil {
					return err
				}
			}
			if err := printTo(cmd, "%s", text); err != nil {
				return err
			}
			if !r.OK {
				return errFinding
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&t.profile, "profile", "", "built-in profile ("+strings.Join(profile.Builtin(), ", ")+") or a profile file")
	flags.StringVar(&t.webhook, "webhook", "", "file with the body of a webhook, - for standard input")
	flags.StringVar(&t.contract, "contract", "", "file with the ERP's answer to a read of a contract, - for standard input")
	flags.StringVar(&t.customer, "customer", "", "file with the ERP's answer to a read of a customer, - for standard input")
	flags.IntVar(&t.status, "status", http.StatusOK, "HTTP status of the answers")
	flags.StringVar(&t.id, "id", "", "id that the ERP was asked for; by default the one in the webhook, else the one in the answer")
	flags.StringArrayVar(&t.headers, "header", nil, "header of the webhook as 'Name: value'; may be repeated")
	flags.BoolVar(&t.json, "json", false, "print JSON")
	return cmd
}

func (t *try) run(in *inputs) (*tryReport, error) {
	if t.profile == "" {
		return nil, errors.New("--profile is missing: a built-in profile or a profile file")
	}
	if t.webhook == "" && t.contract == "" && t.customer == "" && t.id == "" {
		return nil, errors.New("nothing to test: give --webhook, --contract, --customer or --id")
	}
	if t.status < 100 || t.status > 599 {
		return nil, fmt.Errorf("--status %d is no HTTP status", t.status)
	}
	p, err := profile.Load(t.profile)
	if err != nil {
		return nil, err
	}
	r := &tryReport{Profile: p.Ref(), File: t.profile}
	if t.webhook != "" {
		if r.Webhook, err = t.identify(in, p); err != nil {
			return nil, err
		}
		r.Problems = append(r.Problems, r.Webhook.problems()...)
	}
	contractID, customerID := t.ids(r.Webhook)
	if t.contract != "" {
		if r.Contract, err = t.answer(in, p, key.Contract, contractID); err != nil {
			return nil, err
		}
		contractID = orElse(contractID, r.Contract.ID)
		customerID = orElse(customerID, r.Contract.customerID)
	}
	if t.customer != "" {
		if r.Customer, err = t.answer(in, p, key.Customer, customerID); err != nil {
			return nil, err
		}
		customerID = orElse(customerID, r.Customer.ID)
	}
	r.request(p, profile.GetContract, contractID)
	r.request(p, profile.GetCustomer, customerID)
	for _, answer := range []*answerReport{r.Contract, r.Customer} {
		if answer != nil {
			r.Problems = append(r.Problems, answer.problems(t.profile)...)
		}
	}
	r.OK = len(r.Problems) == 0
	return r, nil
}

// ids are the ids that the ERP was asked for. --id is the contract's, unless there is only a customer's answer.
func (t *try) ids(found *webhookReport) (contract, customer string) {
	if t.id != "" && t.contract == "" && t.customer != "" {
		return "", t.id
	}
	contract = t.id
	if found != nil {
		if contract == "" && len(found.ContractIDs) == 1 {
			contract = found.ContractIDs[0]
		}
		if len(found.CustomerIDs) == 1 {
			customer = found.CustomerIDs[0]
		}
	}
	return contract, customer
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// identify finds the identifiers as the ingestor does. A CloudEvent is recognised by its specversion.
func (t *try) identify(in *inputs, p *profile.Profile) (*webhookReport, error) {
	header := http.Header{}
	for _, line := range t.headers {
		name, value, ok := strings.Cut(line, ":")
		if !ok || strings.TrimSpace(name) == "" {
			return nil, fmt.Errorf("--header %q is not 'Name: value'", line)
		}
		header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	body, err := in.read("--webhook", t.webhook, maxWebhook)
	if err != nil {
		return nil, err
	}
	doc, err := jsonptr.Decode(body)
	if err != nil {
		return nil, fmt.Errorf("--webhook %s is refused with 400: %w", t.webhook, err)
	}
	w := &webhookReport{}
	event, isObject := doc.(map[string]any)
	if _, isEvent := event["specversion"]; isObject && isEvent {
		w.CloudEvent, doc = true, event["data"]
	}
	found, by := p.IdentifyOrigin(doc)
	w.ContractIDs, w.CustomerIDs, w.EventID, w.ChangeType = found.ContractIDs, found.CustomerIDs, found.EventID, found.ChangeType
	w.Origin, w.Invalid = origins(by), found.Invalid
	if w.CloudEvent {
		w.readEvent(p, event)
	}
	if name := p.EventIDHeader(); name != "" && header.Get(name) != "" {
		w.EventID, w.Origin["event_id"] = header.Get(name), "header "+name
	}
	return w, nil
}

func origins(by profile.Origin) map[string]string {
	all := map[string]string{"contract_ids": by.ContractIDs, "customer_ids": by.CustomerIDs, "event_id": by.EventID, "change_type": by.ChangeType}
	maps.DeleteFunc(all, func(_, pointer string) bool { return pointer == "" })
	return all
}

// readEvent adds what the attributes of a CloudEvent say.
func (w *webhookReport) readEvent(p *profile.Profile, event map[string]any) {
	subject, _ := event["subject"].(string)
	if key.ValidID(subject) {
		switch p.CloudEventSubjectKind() {
		case key.Contract:
			w.ContractIDs, w.Origin["contract_ids"] = withFirst(w.ContractIDs, subject), "subject"
		case key.Customer:
			w.CustomerIDs, w.Origin["customer_ids"] = withFirst(w.CustomerIDs, subject), "subject"
		}
	}
	if eventType, _ := event["type"].(string); w.ChangeType == "" && eventType != "" {
		w.ChangeType, w.Origin["change_type"] = eventType, "type"
	}
	if id, _ := event["id"].(string); id != "" {
		w.EventID, w.Origin["event_id"] = id, "id (together with source)"
	}
}

func withFirst(ids []string, id string) []string {
	if slices.Contains(ids, id) {
		return ids
	}
	return slices.Insert(ids, 0, id)
}

// answer maps an answer as the enricher does.
func (t *try) answer(in *inputs, p *profile.Profile, kind key.Kind, id string) (*answerReport, error) {
	flag, file := "--contract", t.contract
	if kind == key.Customer {
		flag, file = "--customer", t.customer
	}
	body, err := in.read(flag, file, profile.MaxAnswer)
	if err != nil {
		return nil, err
	}
	i := p.Inspect(kind, id, t.status, body)
	a := &answerReport{Kind: string(kind), Status: t.status, Missing: i.Missing, Data: i.Data, found: i.Found, err: i.Err, results: i.Results, customerID: i.Mapped.CustomerID, ID: i.Mapped.ID}
	switch {
	case i.Err != nil:
		a.Outcome, a.Error = "failed", i.Err.Error()
	case i.Mapped.Gone:
		a.Outcome = "gone"
	default:
		a.Outcome = "success"
	}
	for _, result := range i.Results {
		f := fieldReport{Name: result.Name, Expression: result.Expression, At: result.At, Given: result.Given}
		if result.Err != nil {
			f.Error = result.Err.Error()
		}
		a.Fields = append(a.Fields, f)
	}
	if i.Body != nil {
		canonical, err := enneo.Canonical(i.Body)
		if err != nil {
			return nil, err
		}
		a.Body = json.RawMessage(canonical)
	}
	return a, nil
}
