package evaluation

import (
	"context"
	"strings"

	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/model"
)

// World are customers with what is needed to tell which questions about them have an answer.
type World struct {
	*Source

	Customers []Customer
	contracts map[string]bool
	// meters, emails and phones count contracts and customers.
	meters, emails, phones map[string]int
	names                  map[string]int
	houses                 map[string]int
}

// NewWorld makes the customers of about so many contracts.
func NewWorld(seed uint64, contracts int) *World {
	source := NewSource(seed, contracts)
	var customers []Customer
	for n := 0; n < contracts; {
		c := source.Next()
		n += len(c.Contracts)
		customers = append(customers, c)
	}
	return NewWorldOf(source, customers)
}

// NewWorldOf makes a world of some customers of a source. If they are not all of them, a question may have another answer than it says.
func NewWorldOf(source *Source, customers []Customer) *World {
	w := &World{
		Source: source, Customers: customers, contracts: map[string]bool{}, meters: map[string]int{}, emails: map[string]int{}, phones: map[string]int{},
		names: map[string]int{}, houses: map[string]int{},
	}
	for i := range customers {
		c := &customers[i]
		for _, contract := range c.Contracts {
			w.contracts[contract.ID] = true
			w.meters[contract.Meter]++
		}
		w.emails[c.Email]++
		w.phones[c.Phone]++
		w.names[nameAt(c)]++
		w.houses[familyAt(c)]++
	}
	delete(w.emails, "")
	delete(w.phones, "")
	return w
}

func nameAt(c *Customer) string {
	company, _ := withoutForm(c.Company)
	return strings.Join([]string{c.First, c.Last, company, c.Home.Line()}, "|")
}

func familyAt(c *Customer) string {
	trade, rest, _ := strings.Cut(c.Company, " ")
	name, _, _ := strings.Cut(rest, " ")
	return strings.Join([]string{c.Last, trade, name, c.Home.Line()}, "|")
}

// namesakes is how many customers of the name are at the address, family how many of the last name, or companies of that name.
func (w *World) namesakes(c *Customer) int { return w.names[nameAt(c)] }
func (w *World) family(c *Customer) int    { return w.houses[familyAt(c)] }

// delivers tells whether a customer has anything to do with a postal code.
func (w *World) delivers(c *Customer, zip string) bool {
	for _, contract := range c.Contracts {
		if contract.Delivery.Zip == zip {
			return true
		}
	}
	return c.Home.Zip == zip
}

// Fill puts the customers into a model.
func (w *World) Fill(ctx context.Context, m *model.Model) error {
	const batch = 500
	var entries []model.Entry
	for i := range w.Customers {
		entries = append(entries, w.Customers[i].Entries(uint64(i+1))...)
		if len(entries) >= batch || i == len(w.Customers)-1 {
			if err := m.Apply(ctx, entries); err != nil {
				return err
			}
			entries = entries[:0]
		}
	}
	return nil
}

// Result are the counts of one way of asking.
type Result struct {
	Kind  Kind
	Asked int
	// Right are questions with the contract that was meant, or with none if none was to be named; Missed those with none although one was meant; Wrong
	// those with another contract.
	Right, Missed, Wrong int
	// WrongIDs are contracts that were named wrongly, and MissedIDs some that were not found.
	WrongIDs, MissedIDs []string
}

// Precision is the share of right ones among the contracts named; 1 if none was.
func (r Result) Precision() float64 { return share(r.Right, r.Right+r.Wrong) }

// Recall is the share of right ones among the questions; 1 if there is none.
func (r Result) Recall() float64 { return share(r.Right, r.Asked) }

func share(part, whole int) float64 {
	if whole == 0 {
		return 1
	}
	return float64(part) / float64(whole)
}

// Questions makes up to n questions of a kind.
func (w *World) Questions(k Kind, n int) []Question {
	var all []Question
	for range 40 * n {
		if len(all) == n {
			break
		}
		if q, ok := k.ask(w, &w.Customers[w.random.IntN(len(w.Customers))]); ok {
			all = append(all, q)
		}
	}
	return all
}

// Evaluate asks up to n questions of each kind.
func (w *World) Evaluate(ctx context.Context, m *model.Model, n int) ([]Result, error) {
	var results []Result
	for _, k := range Kinds() {
		r := Result{Kind: k}
		for _, q := range w.Questions(k, n) {
			match, ok, err := m.Find(ctx, q.Given)
			if err != nil {
				return nil, err
			}
			r.Asked++
			switch {
			case match.ContractID == q.Want && ok == (q.Want != ""):
				r.Right++
			case !ok:
				r.Missed++
				r.MissedIDs = append(r.MissedIDs, q.Want)
			default:
				r.Wrong++
				r.WrongIDs = append(r.WrongIDs, match.ContractID)
			}
		}
		results = append(results, r)
	}
	return results, nil
}
