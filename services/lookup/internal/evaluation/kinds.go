package evaluation

import (
	"strconv"
	"strings"

	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/model"
)

// Question is what somebody asks by call C, and the contract that has to be named; empty: none may be.
type Question struct {
	Given model.Attributes
	Want  string
}

// Kind is a distortion: a way of asking.
type Kind struct {
	Name string
	// Known tells that a contract has to be found; otherwise none may be.
	Known bool
	// ask makes a question about a customer; false if the customer is none for it.
	ask func(w *World, c *Customer) (Question, bool)
}

// one is a question about a customer's only contract.
func one(c *Customer, given model.Attributes) (Question, bool) {
	return Question{Given: given, Want: c.Contracts[0].ID}, len(c.Contracts) == 1
}

// nobody is a question that must not be answered.
func nobody(given model.Attributes) (Question, bool) { return Question{Given: given}, true }

// named are name and address in separate fields.
func named(c *Customer) model.Attributes {
	return model.Attributes{
		Firstname: c.First, Lastname: c.Last, Company: c.Company, Address: c.Home.Street + " " + c.Home.House, PostalCode: c.Home.Zip, City: c.Home.City,
	}
}

// inOneLine are name and address with the address as Enneo writes it.
func inOneLine(c *Customer) model.Attributes {
	return model.Attributes{Firstname: c.First, Lastname: c.Last, Company: c.Company, Address: c.Home.Line()}
}

// distorted is a question by name and address, about a person whose name only one customer at the address has.
func distorted(change func(w *World, c *Customer, a *model.Attributes) bool) func(*World, *Customer) (Question, bool) {
	return func(w *World, c *Customer) (Question, bool) {
		a := named(c)
		if w.random.IntN(2) == 0 {
			a = inOneLine(c)
		}
		if len(c.Contracts) != 1 || w.namesakes(c) > 1 || !change(w, c, &a) {
			return Question{}, false
		}
		return one(c, a)
	}
}

// each changes all texts of name and address.
func each(a *model.Attributes, change func(string) string) bool {
	before := *a
	for _, s := range []*string{&a.Firstname, &a.Lastname, &a.Company, &a.Address, &a.City} {
		*s = change(*s)
	}
	return before.Firstname != a.Firstname || before.Lastname != a.Lastname || before.Company != a.Company || before.Address != a.Address || before.City != a.City
}

func person(c *Customer) bool { return c.Company == "" }

// street replaces the street in the address.
func street(c *Customer, a *model.Attributes, by string) bool {
	changed := strings.Replace(a.Address, c.Home.Street, by, 1)
	ok := changed != a.Address
	a.Address = changed
	return ok
}

// Kinds are all ways of asking, those that have to find a contract first.
func Kinds() []Kind {
	kinds := byNumber()
	for i, list := range [][]Kind{byContact(), byName(), strangers()} {
		for _, k := range list {
			k.Known = i < 2
			kinds = append(kinds, k)
		}
	}
	return kinds
}

func byNumber() []Kind {
	kinds := []Kind{
		{Name: "contract id", ask: func(_ *World, c *Customer) (Question, bool) {
			return Question{Given: model.Attributes{ContractID: c.Contracts[0].ID}, Want: c.Contracts[0].ID}, true
		}},
		{Name: "contract id: small letters, blanks, no hyphen", ask: func(w *World, c *Customer) (Question, bool) {
			return Question{Given: model.Attributes{ContractID: idForm(w.random, c.Contracts[0].ID)}, Want: c.Contracts[0].ID}, true
		}},
		{Name: "contract id and postal code", ask: func(_ *World, c *Customer) (Question, bool) {
			last := c.Contracts[len(c.Contracts)-1]
			return Question{Given: model.Attributes{ContractID: last.ID, PostalCode: last.Delivery.Zip}, Want: last.ID}, true
		}},
		{Name: "contract id, first name of somebody in the family", ask: func(w *World, c *Customer) (Question, bool) {
			return Question{Given: model.Attributes{ContractID: c.Contracts[0].ID, Firstname: w.firstName(), Lastname: c.Last}, Want: c.Contracts[0].ID}, person(c)
		}},
		{Name: "contract id with a digit wrong, name and address", ask: func(w *World, c *Customer) (Question, bool) {
			a := inOneLine(c)
			id := []byte(c.Contracts[0].ID)
			id[len(id)-1-w.random.IntN(4)] = byte('0' + w.random.IntN(10))
			a.ContractID = string(id)
			if w.contracts[a.ContractID] || w.namesakes(c) > 1 {
				return Question{}, false
			}
			return one(c, a)
		}},
		{Name: "meter number", ask: func(w *World, c *Customer) (Question, bool) {
			return Question{Given: model.Attributes{MeterNumber: c.Contracts[0].Meter}, Want: c.Contracts[0].ID}, w.meters[c.Contracts[0].Meter] == 1
		}},
		{Name: "meter number in groups, small letters, zeros in front", ask: func(w *World, c *Customer) (Question, bool) {
			return Question{Given: model.Attributes{MeterNumber: meterForm(w.random, c.Contracts[0].Meter)}, Want: c.Contracts[0].ID}, w.meters[c.Contracts[0].Meter] == 1
		}},
		{Name: "customer id, one contract", ask: func(_ *World, c *Customer) (Question, bool) {
			return one(c, model.Attributes{CustomerID: c.ID})
		}},
		{Name: "customer id, several contracts, energy", ask: func(_ *World, c *Customer) (Question, bool) {
			if len(c.Contracts) != 2 {
				return Question{}, false
			}
			return Question{Given: model.Attributes{CustomerID: c.ID, Custom: map[string]string{"energy": "gas"}}, Want: c.Contracts[1].ID}, true
		}},
		{Name: "customer id, several contracts, address", ask: func(_ *World, c *Customer) (Question, bool) {
			last := c.Contracts[len(c.Contracts)-1]
			if len(c.Contracts) < 3 || last.Delivery == c.Home {
				return Question{}, false
			}
			return Question{Given: model.Attributes{CustomerID: c.ID, Address: last.Delivery.Line()}, Want: last.ID}, true
		}},
	}
	for i := range kinds {
		kinds[i].Known = true
	}
	return kinds
}

func byContact() []Kind {
	return []Kind{
		{Name: "e-mail address in capitals", ask: func(w *World, c *Customer) (Question, bool) {
			if w.emails[c.Email] != 1 {
				return Question{}, false
			}
			return one(c, model.Attributes{Email: strings.ToUpper(c.Email)})
		}},
		{Name: "e-mail address of two customers, and a name", ask: func(w *World, c *Customer) (Question, bool) {
			if w.emails[c.Email] != 2 || !person(c) || w.namesakes(c) > 1 {
				return Question{}, false
			}
			return one(c, model.Attributes{Email: c.Email, Firstname: c.First, Lastname: umlautsOut(c.Last)})
		}},
		{Name: "e-mail address and name, moved to another street nearby", ask: func(w *World, c *Customer) (Question, bool) {
			if w.emails[c.Email] != 1 {
				return Question{}, false
			}
			a := named(c)
			a.Email, a.Address = c.Email, w.streets[w.random.IntN(len(w.streets))]+" 200"
			return one(c, a)
		}},
		{Name: "telephone number: +49, 0049, 0, (0), blanks, slashes", ask: func(w *World, c *Customer) (Question, bool) {
			if w.phones[c.Phone] != 1 {
				return Question{}, false
			}
			return one(c, model.Attributes{Phone: phoneForm(w.random, c.Phone)})
		}},
		{Name: "telephone number of two customers, and a name", ask: func(w *World, c *Customer) (Question, bool) {
			if w.phones[c.Phone] != 2 || !person(c) || w.namesakes(c) > 1 {
				return Question{}, false
			}
			return one(c, model.Attributes{Phone: phoneForm(w.random, c.Phone), Fullname: c.First + " " + c.Last})
		}},
	}
}

func byName() []Kind {
	return []Kind{
		{Name: "name and address", ask: distorted(func(*World, *Customer, *model.Attributes) bool { return true })},
		{Name: "ü as ue, ß as ss", ask: distorted(func(_ *World, _ *Customer, a *model.Attributes) bool { return each(a, umlautsOut) })},
		{Name: "ü as u", ask: distorted(func(_ *World, _ *Customer, a *model.Attributes) bool { return each(a, umlautsOff) })},
		{Name: "capitals", ask: distorted(func(_ *World, _ *Customer, a *model.Attributes) bool { return each(a, strings.ToUpper) })},
		{Name: "Straße, Str., -str., strasse", ask: distorted(func(w *World, c *Customer, a *model.Attributes) bool {
			form, ok := streetForm(w.random, c.Home.Street)
			return ok && street(c, a, form)
		})},
		{Name: "house number 15 a, 15A", ask: distorted(func(w *World, c *Customer, a *model.Attributes) bool {
			form, ok := houseForm(w.random, c.Home.House)
			a.Address = strings.Replace(a.Address, c.Home.House, form, 1)
			return ok
		})},
		{Name: "first and last name swapped", ask: distorted(func(_ *World, c *Customer, a *model.Attributes) bool {
			a.Firstname, a.Lastname = a.Lastname, a.Firstname
			return person(c)
		})},
		{Name: "whole name with title in one field", ask: distorted(func(w *World, c *Customer, a *model.Attributes) bool {
			whole := []string{"Frau " + c.First + " " + c.Last, "Dr. " + c.First + " " + c.Last, c.Last + ", " + c.First}[w.random.IntN(3)]
			a.Firstname, a.Lastname, a.Fullname = "", "", whole
			return person(c)
		})},
		{Name: "typing error in the last name", ask: distorted(func(w *World, c *Customer, a *model.Attributes) bool {
			a.Lastname = typo(w.random, a.Lastname)
			return person(c) && a.Lastname != c.Last
		})},
		{Name: "last name as it sounds", ask: distorted(func(w *World, c *Customer, a *model.Attributes) bool {
			var ok bool
			a.Lastname, ok = sounds(w.random, c.Last)
			return ok && person(c)
		})},
		{Name: "typing error in the first name", ask: distorted(func(w *World, c *Customer, a *model.Attributes) bool {
			a.Firstname = typo(w.random, a.Firstname)
			return person(c) && a.Firstname != c.First
		})},
		{Name: "typing error in the street", ask: distorted(func(w *World, c *Customer, a *model.Attributes) bool {
			return street(c, a, typo(w.random, c.Home.Street))
		})},
		{Name: "two typing errors, last name and street", ask: distorted(func(w *World, c *Customer, a *model.Attributes) bool {
			a.Lastname = typo(w.random, a.Lastname)
			return person(c) && a.Lastname != c.Last && street(c, a, typo(w.random, c.Home.Street))
		})},
		{Name: "first name as an initial", ask: distorted(func(w *World, c *Customer, a *model.Attributes) bool {
			a.Firstname = string([]rune(c.First + " ")[:1]) + "."
			return person(c) && w.family(c) == 1
		})},
		{Name: "no first name", ask: distorted(func(w *World, c *Customer, a *model.Attributes) bool {
			a.Firstname = ""
			return person(c) && w.family(c) == 1
		})},
		{Name: "one half of a double name", ask: distorted(func(_ *World, c *Customer, a *model.Attributes) bool {
			half, _, ok := strings.Cut(c.Last, "-")
			a.Lastname = half
			return ok && person(c)
		})},
		{Name: "no postal code", ask: distorted(func(_ *World, c *Customer, a *model.Attributes) bool {
			a.PostalCode, a.Address, a.City = "", c.Home.Street+" "+c.Home.House, c.Home.City
			return true
		})},
		{Name: "no town", ask: distorted(func(_ *World, c *Customer, a *model.Attributes) bool {
			a.PostalCode, a.Address, a.City = c.Home.Zip, c.Home.Street+" "+c.Home.House, ""
			return true
		})},
		{Name: "company without its legal form", ask: distorted(func(w *World, c *Customer, a *model.Attributes) bool {
			var ok bool
			a.Company, ok = withoutForm(c.Company)
			return ok && w.family(c) == 1
		})},
		{Name: "company, legal form written out", ask: distorted(func(_ *World, c *Customer, a *model.Attributes) bool {
			var ok bool
			a.Company, ok = formWritten(c.Company)
			return ok
		})},
	}
}

// otherHouse is a house number that the address has not.
func otherHouse(house string) string {
	number, err := strconv.Atoi(strings.TrimRight(house, "abcd"))
	if err != nil || strings.HasSuffix(house, "a") {
		return strings.TrimRight(house, "abcd")
	}
	return strconv.Itoa(number) + "a"
}
