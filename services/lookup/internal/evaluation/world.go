// Package evaluation measures how well the read model finds: a generator of German customers, questions about them that are distorted in
// documented ways, and the counts of what is found. Everything is made up, and the same for the same seed.
//
// Whoever is made up here may have the name of somebody real, as names are common; nobody's data is used. What a run reports are
// counts and ids.
//
// # Concurrency
//
// A World is used by one goroutine while it is made, and by any number when it is complete.
package evaluation

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/model"
)

// Place is an address.
type Place struct {
	Street, House, Zip, City string
}

// Line is the address as Enneo writes it.
func (p Place) Line() string { return p.Street + " " + p.House + ", " + p.Zip + " " + p.City }

// Contract is a contract of a customer.
type Contract struct {
	ID, Meter string
	Delivery  Place
	Gas       bool
}

// Customer is somebody with contracts.
type Customer struct {
	ID                   string
	First, Last, Company string
	Email, Phone         string
	// Home is where bills go.
	Home      Place
	Contracts []Contract
	// Kin says how the customer is related to the one before, if at all: spouse, namesake, sister company.
	Kin string
}

// Source makes customers one after the other.
type Source struct {
	random              *rand.Rand
	names, streets      []string
	first, stems        []string
	places              []Place // towns with a postal code
	contracts, customer int
	pending             []Customer
}

// NewSource makes a source; size is about how many contracts will be taken from it, which decides in how many towns they are.
func NewSource(seed uint64, size int) *Source {
	s := &Source{random: rand.New(rand.NewPCG(seed, 0x5eed))} //nolint:gosec // Made-up people, the same for the same seed.
	s.names, s.first, s.stems = lastNames(), firstNames(), stems()
	for _, stem := range s.stems {
		for _, ending := range nameEndings() {
			s.names = append(s.names, stem+ending)
		}
	}
	s.streets = streets()
	for _, stem := range s.stems {
		for _, ending := range streetEndings() {
			s.streets = append(s.streets, stem+ending)
		}
	}
	zips := max(8, min(8000, size/400))
	cities := towns()
	for len(cities) < zips {
		cities = append(cities, pick(s, s.stems)+pick(s, townEndings()))
	}
	for i := range zips {
		city := cities[i]
		if i >= len(towns()) && i%3 == 0 {
			city = cities[s.skewed(len(towns()))] // A large town has many postal codes.
		}
		s.places = append(s.places, Place{Zip: fmt.Sprintf("%05d", 1067+i*11), City: city})
	}
	return s
}

// pick takes one of a list.
func pick[T any](s *Source, from []T) T { return from[s.random.IntN(len(from))] }

// skewed is a number below n, small ones more often: about half of them are in the first sixth.
func (s *Source) skewed(n int) int {
	f := s.random.Float64()
	return min(n-1, int(f*f*f*float64(n)))
}

// Next makes the next customer. Some of them come with somebody who is easily confused with them.
func (s *Source) Next() Customer {
	if len(s.pending) > 0 {
		c := s.pending[0]
		s.pending = s.pending[1:]
		return c
	}
	c := s.anybody()
	switch f := s.random.Float64(); {
	case c.Company != "" && f < 0.08:
		s.pending = append(s.pending, s.sister(c))
	case c.Company != "":
	case f < 0.06:
		s.pending = append(s.pending, s.relative(c, s.firstName(), "spouse"))
	case f < 0.08:
		s.pending = append(s.pending, s.relative(c, c.First, "namesake"))
	}
	return c
}

func (s *Source) firstName() string { return s.first[s.skewed(len(s.first))] }

func (s *Source) lastName() string {
	name := s.names[s.skewed(len(s.names))]
	if s.random.Float64() < 0.03 {
		name += "-" + s.names[s.skewed(len(s.names))]
	}
	return name
}

func (s *Source) place() Place {
	p := s.places[s.skewed(len(s.places))]
	p.Street = s.streets[s.skewed(len(s.streets))]
	p.House = fmt.Sprint(1 + s.skewed(140))
	if s.random.Float64() < 0.15 {
		p.House += string(rune('a' + s.random.IntN(4)))
	}
	return p
}

// anybody is a person or a company that has nothing to do with the others.
func (s *Source) anybody() Customer {
	c := Customer{Home: s.place(), Phone: s.phone()}
	if s.random.Float64() < 0.08 {
		c.Company = pick(s, trades()) + " " + s.lastName() + " " + pick(s, legalForms())
		c.Email = "info@" + strings.ToLower(ascii(strings.ReplaceAll(c.Company[:strings.LastIndexByte(c.Company, ' ')], " ", "-"))) + ".example"
	} else {
		c.First, c.Last = s.firstName(), s.lastName()
		c.Email = s.email(c)
	}
	switch f := s.random.Float64(); {
	case f < 0.12:
		c.Email = ""
	case f < 0.3:
		c.Phone = ""
	}
	s.sign(&c)
	return c
}

// email is an address made of the name, as people choose them.
func (s *Source) email(c Customer) string {
	first, last := strings.ToLower(ascii(c.First)), strings.ToLower(ascii(c.Last))
	forms := []string{first + "." + last, last + "." + first, first[:1] + "." + last, first + last}
	return fmt.Sprintf("%s%d@%s", pick(s, forms), 10+s.random.IntN(90_000), pick(s, mailServices()))
}

func (s *Source) phone() string {
	area := pick(s, []string{"30", "40", "89", "221", "351", "431", "711", "151", "160", "171", "176", "3491", "5021"})
	return fmt.Sprintf("+49%s%d", area, 1_000_000+s.random.IntN(9_000_000))
}

// sign gives the customer ids and contracts: mostly one, often electricity and gas, sometimes more.
func (s *Source) sign(c *Customer) {
	s.customer++
	c.ID = fmt.Sprintf("K-%06d", 100_000+s.customer)
	n := 1
	switch f := s.random.Float64(); {
	case f < 0.18:
		n = 2
	case f < 0.22:
		n = 3 + s.random.IntN(4)
	case f < 0.2205 && c.Company != "":
		n = 60
	}
	for i := range n {
		s.contracts++
		contract := Contract{ID: fmt.Sprintf("VN-%07d", 1_000_000+s.contracts), Delivery: c.Home, Gas: i%2 == 1}
		if i > 1 {
			contract.Delivery = s.place()
		}
		contract.Meter = fmt.Sprintf("1%s%010d", pick(s, []string{"EMH", "ISK", "LGZ", "ITR"}), s.random.IntN(1_000_000_000))
		if s.random.Float64() < 0.3 {
			contract.Meter = fmt.Sprint(10_000_000 + s.random.IntN(90_000_000))
		}
		c.Contracts = append(c.Contracts, contract)
	}
}

// relative lives with a customer, and shares the telephone or the mail address with them, or neither.
func (s *Source) relative(of Customer, first, kin string) Customer {
	c := Customer{First: first, Last: of.Last, Home: of.Home, Kin: kin, Phone: s.phone()}
	c.Email = s.email(c)
	switch s.random.IntN(3) {
	case 0:
		c.Phone = of.Phone
	case 1:
		c.Email = of.Email
	}
	if kin == "spouse" && c.First == of.First {
		c.Kin = "namesake"
	}
	s.sign(&c)
	return c
}

// sister is a company at the same address with almost the same name.
func (s *Source) sister(of Customer) Customer {
	words := strings.Fields(of.Company)
	c := Customer{Home: of.Home, Kin: "sister company", Phone: of.Phone, Email: of.Email}
	c.Company = strings.Join(words[:2], " ") + " Verwaltungs GmbH"
	s.sign(&c)
	return c
}

// Entries are the records of a customer as the read model takes them. sequence is the position that they cover.
func (c *Customer) Entries(sequence uint64) []model.Entry {
	covers := position.Position{Epoch: 1, Sequence: sequence}
	who := map[string]any{
		"business": c.Company != "", "firstname": optional(c.First), "lastname": optional(c.Last), "company": optional(c.Company),
		"email": optional(c.Email), "phone": optional(c.Phone),
	}
	ids := make([]string, len(c.Contracts))
	entries := make([]model.Entry, 0, len(c.Contracts)+1)
	for i, contract := range c.Contracts {
		ids[i] = contract.ID
		body := map[string]any{
			"id": contract.ID, "customerId": c.ID, "deliveryAddress": contract.Delivery.Line(), "billingAddress": nil, "zip": contract.Delivery.Zip,
			"counterNumber": contract.Meter, "energy": energy(contract.Gas), "status": "active", "statusCode": 5000, "energyTypeId": 1,
			"startDate": 1_704_063_600, "endDate": nil, "consumption": 2500, "productName": "Strom fix 12", "productCode": "SF12", "monthlyDeposit": 84,
		}
		if contract.Delivery != c.Home {
			body["billingAddress"] = c.Home.Line()
		}
		entries = append(entries, entryOf(key.Contract, contract.ID, covers, who, body))
	}
	body := map[string]any{"id": c.ID, "deliveryAddress": c.Home.Line(), "billingAddress": nil, "contractIds": ids}
	return append(entries, entryOf(key.Customer, c.ID, covers, who, body))
}

func energy(gas bool) string {
	if gas {
		return "gas"
	}
	return "electricity"
}

func entryOf(kind key.Kind, id string, covers position.Position, who, body map[string]any) model.Entry {
	for name, value := range who {
		body[name] = value
	}
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // Texts, numbers and lists of texts can be marshalled.
	}
	return model.Entry{Key: key.Key{Source: "erp", Kind: kind, ID: id}, EnneoID: id, Covers: covers, Body: string(text)}
}

func optional(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// ascii writes a name as people write it in mail addresses.
func ascii(s string) string {
	return strings.NewReplacer(
		"ä", "ae", "ö", "oe", "ü", "ue", "ß", "ss", "Ä", "Ae", "Ö", "Oe", "Ü", "Ue", "é", "e", "ş", "s", "Ş", "S", "ı", "i", " & ", "-", "(", "", ")", "", ".", "",
	).Replace(s)
}
