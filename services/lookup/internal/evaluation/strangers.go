package evaluation

import (
	"fmt"
	"strings"

	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/model"
)

// strangers are questions that must not be answered: of people who are no customers, or which leave open which contract is meant.
func strangers() []Kind {
	return []Kind{
		{Name: "somebody else of the family, no customer", ask: func(w *World, c *Customer) (Question, bool) {
			a := inOneLine(c)
			a.Firstname = w.firstName()
			other := *c
			other.First = a.Firstname
			if !person(c) || w.namesakes(&other) > 0 || strings.HasPrefix(c.First, a.Firstname) || strings.HasPrefix(a.Firstname, c.First) {
				return Question{}, false
			}
			return nobody(a)
		}},
		{Name: "somebody of the family with almost the same first name", ask: func(w *World, c *Customer) (Question, bool) {
			a := named(c)
			var ok bool
			a.Firstname, ok = alike(c.First)
			other := *c
			other.First = a.Firstname
			if !ok || !person(c) || w.namesakes(&other) > 0 {
				return Question{}, false
			}
			a.Email = c.Email // Which they share.
			return nobody(a)
		}},
		{Name: "namesake who lives elsewhere", ask: func(w *World, c *Customer) (Question, bool) {
			other := *c
			other.Home = w.place()
			if w.namesakes(&other) > 0 {
				return Question{}, false
			}
			return nobody(inOneLine(&other))
		}},
		{Name: "namesake in another street of the same town", ask: func(w *World, c *Customer) (Question, bool) {
			other := *c
			other.Home.Street = w.streets[w.random.IntN(len(w.streets))]
			if w.namesakes(&other) > 0 {
				return Question{}, false
			}
			return nobody(inOneLine(&other))
		}},
		{Name: "namesake in a house nearby", ask: func(w *World, c *Customer) (Question, bool) {
			other := *c
			other.Home.House = otherHouse(c.Home.House)
			if w.namesakes(&other) > 0 {
				return Question{}, false
			}
			return nobody(inOneLine(&other))
		}},
		{Name: "neighbour in the same house", ask: func(w *World, c *Customer) (Question, bool) {
			other := Customer{First: w.firstName(), Last: w.lastName(), Home: c.Home}
			if w.namesakes(&other) > 0 || w.family(&other) > 0 {
				return Question{}, false
			}
			return nobody(inOneLine(&other))
		}},
		{Name: "neighbour with almost the same last name, no first name", ask: func(w *World, c *Customer) (Question, bool) {
			last, ok := sounds(w.random, c.Last)
			if !ok || !person(c) {
				return Question{}, false
			}
			other := Customer{Last: last, Home: c.Home}
			if w.family(&other) > 0 {
				return Question{}, false
			}
			return nobody(inOneLine(&other))
		}},
		{Name: "company with another legal form at the same address", ask: func(w *World, c *Customer) (Question, bool) {
			other := *c
			other.Company = otherForm(c.Company)
			return Question{Given: inOneLine(&other)}, !person(c) && w.namesakes(c) == 1
		}},
		{Name: "name alone, or with postal code or town", ask: func(w *World, c *Customer) (Question, bool) {
			a := model.Attributes{Firstname: c.First, Lastname: c.Last, Company: c.Company}
			switch w.random.IntN(3) {
			case 0:
				a.PostalCode = c.Home.Zip
			case 1:
				a.City = c.Home.City
			}
			return nobody(a)
		}},
		{Name: "address alone", ask: func(_ *World, c *Customer) (Question, bool) {
			return nobody(model.Attributes{Address: c.Home.Line()})
		}},
		{Name: "contract id of somebody else, own name and address", ask: func(w *World, c *Customer) (Question, bool) {
			other := w.Customers[w.random.IntN(len(w.Customers))]
			a := inOneLine(c)
			a.ContractID = other.Contracts[0].ID
			return Question{Given: a}, other.ID != c.ID && other.Home.Zip != c.Home.Zip && !w.delivers(&other, c.Home.Zip)
		}},
		{Name: "contract id and customer id that differ", ask: func(w *World, c *Customer) (Question, bool) {
			other := w.Customers[w.random.IntN(len(w.Customers))]
			return Question{Given: model.Attributes{ContractID: c.Contracts[0].ID, CustomerID: other.ID}}, other.ID != c.ID
		}},
		{Name: "contract id that nobody has, e-mail address of a customer", ask: func(w *World, c *Customer) (Question, bool) {
			return nobody(model.Attributes{ContractID: fmt.Sprintf("VN-9%06d", w.random.IntN(1_000_000)), Email: c.Email})
		}},
		{Name: "guessed contract id", ask: func(w *World, _ *Customer) (Question, bool) {
			return nobody(model.Attributes{ContractID: fmt.Sprintf("VN-9%06d", w.random.IntN(1_000_000))})
		}},
		{Name: "e-mail address of a customer, another name", ask: func(w *World, c *Customer) (Question, bool) {
			a := model.Attributes{Email: c.Email, Firstname: w.firstName(), Lastname: w.lastName()}
			other := Customer{First: a.Firstname, Last: a.Lastname, Home: c.Home}
			return Question{Given: a}, c.Email != "" && person(c) && w.family(&other) == 0 && a.Lastname[:1] != c.Last[:1]
		}},
		{Name: "e-mail address of a couple, no name", ask: func(w *World, c *Customer) (Question, bool) {
			return Question{Given: model.Attributes{Email: c.Email}}, w.emails[c.Email] > 1
		}},
		{Name: "father or son: two of one name at one address", ask: func(w *World, c *Customer) (Question, bool) {
			return Question{Given: inOneLine(c)}, w.namesakes(c) > 1
		}},
		{Name: "electricity or gas: two contracts at one address", ask: func(_ *World, c *Customer) (Question, bool) {
			return Question{Given: inOneLine(c)}, len(c.Contracts) == 2
		}},
		{Name: "customer id, several contracts", ask: func(_ *World, c *Customer) (Question, bool) {
			return Question{Given: model.Attributes{CustomerID: c.ID}}, len(c.Contracts) > 1
		}},
		{Name: "moved to another postal code, e-mail address", ask: func(w *World, c *Customer) (Question, bool) {
			other := *c
			other.Home = w.place()
			a := inOneLine(&other)
			a.Email = c.Email
			return Question{Given: a}, w.emails[c.Email] == 1 && other.Home.Zip != c.Home.Zip && !w.delivers(c, other.Home.Zip) && w.namesakes(&other) == 0
		}},
		{Name: "short or meaningless", ask: func(w *World, c *Customer) (Question, bool) {
			bad := []string{"1", "a", "%", "*", "VN", "VN-", "@", "0", "+49", "00", "-", "_", "'", "\x00", "VN-%", "K-*", "x@", "@web.example", "…"}
			s := bad[w.random.IntN(len(bad))]
			return nobody([]model.Attributes{
				{ContractID: s},
				{CustomerID: s},
				{MeterNumber: s},
				{Phone: s},
				{Email: s},
				{Lastname: s, Address: s},
				{Lastname: c.Last, Address: s, PostalCode: s},
				{Lastname: s, Address: c.Home.Line()},
				{Fullname: s, Company: s},
			}[w.random.IntN(9)])
		}},
	}
}
