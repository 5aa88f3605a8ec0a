package directory

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

// Settings decide what is generated. The same settings give the same data.
type Settings struct {
	Seed uint64
	// Contracts is the number of contracts at the start.
	Contracts int
	// SeveralShare is the share of customers with 2 to 4 contracts; BusinessShare that of businesses among the customers;
	// GasShare that of gas among the contracts.
	SeveralShare, BusinessShare, GasShare float64
}

// generator makes customers and their contracts, one customer after the other.
type generator struct {
	settings               Settings
	random                 *rand.Rand
	nextContract, nextCust int
}

func newGenerator(s Settings) *generator {
	random := rand.New(rand.NewPCG(s.Seed, 0)) //nolint:gosec // not for secrets: the same seed shall give the same data
	return &generator{settings: s, random: random, nextContract: 100_001, nextCust: 50_001}
}

// epoch is the day that all generated dates refer to: it must not depend on when the simulator runs.
var epoch = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// customer makes a customer with at most limit contracts.
func (g *generator) customer(limit int) (simclient.Customer, []simclient.Contract) {
	c := simclient.Customer{ID: "K-" + strconv.Itoa(g.nextCust), Party: g.party(), Addresses: g.addresses()}
	g.nextCust++
	n := 1
	if g.chance(g.settings.SeveralShare) {
		n = 2 + g.random.IntN(3)
	}
	contracts := make([]simclient.Contract, 0, n)
	for i := range min(n, limit) {
		id := "VN-" + strconv.Itoa(g.nextContract)
		g.nextContract++
		contracts = append(contracts, g.contract(id, &c, i))
		c.ContractIDs = append(c.ContractIDs, id)
	}
	return c, contracts
}

// contract makes the customer's contract number i: the first is for where the customer lives, some others are elsewhere.
func (g *generator) contract(id string, c *simclient.Customer, i int) simclient.Contract {
	k := simclient.Contract{ID: id, CustomerID: c.ID, Party: c.Party, Addresses: c.Addresses, EnergyTypeID: simclient.Electricity}
	if i > 0 && g.chance(0.4) {
		k.Addresses = g.addresses()
		k.BillingStreet, k.BillingHouseNumber = simclient.Optional(c.DeliveryStreet), simclient.Optional(c.DeliveryHouseNumber)
		k.BillingZip, k.BillingCity = simclient.Optional(c.DeliveryZip), simclient.Optional(c.DeliveryCity)
	}
	if g.chance(g.settings.GasShare) {
		k.EnergyTypeID = simclient.Gas
	}
	k.CounterNumber = g.meter(k.EnergyTypeID)
	k.IBAN = iban(g.random.Uint64N(1e10))
	k.Consumption = g.consumption(k.EnergyTypeID, c.Business)
	// About 33 cents a kWh of electricity and 11 of gas, in twelve parts, to the half euro.
	cents := map[int]int{simclient.Electricity: 33, simclient.Gas: 11}[k.EnergyTypeID]
	k.MonthlyDeposit = float64(k.Consumption*cents/12/50+4) / 2
	p := pick(g, products[k.EnergyTypeID])
	k.ProductName, k.ProductCode = p.name, p.code
	start := epoch.AddDate(0, 0, -g.random.IntN(8*365))
	k.StatusID = g.status()
	switch k.StatusID {
	case 1000, 3000:
		start = epoch.AddDate(0, 1+g.random.IntN(3), 0)
	case 6000:
		k.EndDate = simclient.Optional(epoch.AddDate(0, 1+g.random.IntN(6), -1).Format(time.DateOnly))
	case 7000:
		k.EndDate = simclient.Optional(start.AddDate(0, 12, -1).Format(time.DateOnly))
	}
	k.StartDate = start.Format(time.DateOnly)
	k.StatusTitle = StatusTitle(k.StatusID)
	return k
}

func (g *generator) status() int {
	switch n := g.random.IntN(100); {
	case n < 80:
		return simclient.StatusActive
	case n < 85:
		return 1000
	case n < 90:
		return 3000
	case n < 96:
		return 6000
	default:
		return 7000
	}
}

func (g *generator) party() simclient.Party {
	first, last := pick(g, firstnames), pick(g, lastnames)
	p := simclient.Party{Phone: simclient.Optional(fmt.Sprintf("%s%03d", pick(g, phonePrefixes), g.random.IntN(1000)))}
	local := ascii(first) + "." + ascii(last)
	p.Firstname, p.Lastname = simclient.Optional(first), simclient.Optional(last)
	if g.chance(g.settings.BusinessShare) {
		p.Business = true
		p.Company = simclient.Optional(pick(g, companyWords) + " " + pick(g, companyForms))
		local = "info." + ascii(string(p.Company))
		if g.chance(0.5) { // no contact person: last name null
			p.Firstname, p.Lastname = "", ""
		}
	}
	if !g.chance(0.06) { // some have given no address
		p.Email = simclient.Optional(fmt.Sprintf("%s%d@%s", local, g.nextCust%1000, pick(g, mailHosts)))
	}
	return p
}

func (g *generator) addresses() simclient.Addresses {
	place := pick(g, places)
	number := strconv.Itoa(1 + g.random.IntN(180))
	if g.chance(0.25) {
		number += pick(g, houseSuffixes)
	}
	a := simclient.Addresses{DeliveryStreet: pick(g, streets), DeliveryHouseNumber: number, DeliveryZip: place.zip, DeliveryCity: place.city}
	if g.chance(0.1) {
		other := pick(g, places)
		a.BillingStreet, a.BillingHouseNumber = simclient.Optional(pick(g, streets)), simclient.Optional(strconv.Itoa(1+g.random.IntN(99)))
		a.BillingZip, a.BillingCity = simclient.Optional(other.zip), simclient.Optional(other.city)
	}
	return a
}

// meter is a meter number as DIN 43863-5 builds it: medium (1 electricity, 7 gas), maker, block and eight digits.
func (g *generator) meter(energy int) string {
	medium, makers := "1", meterMakers
	if energy == simclient.Gas {
		medium, makers = "7", gasMakers
	}
	return fmt.Sprintf("%s%s%02X%08d", medium, pick(g, makers), g.random.IntN(256), g.random.IntN(1e8))
}

func (g *generator) consumption(energy int, business bool) int {
	low, span := 1200, 4300
	if energy == simclient.Gas {
		low, span = 6000, 22000
	}
	if business {
		low, span = low*4, span*10
	}
	return low + g.random.IntN(span)
}

func (g *generator) chance(share float64) bool { return g.random.Float64() < share }

func pick[T any](g *generator, list []T) T { return list[g.random.IntN(len(list))] }

var plain = strings.NewReplacer("ä", "ae", "ö", "oe", "ü", "ue", "ß", "ss", "ı", "i", "ë", "e", "í", "i", "ł", "l", "ř", "r", "á", "a")

// ascii is a text as it may stand before the @ of an e-mail address.
func ascii(text string) string {
	text = plain.Replace(strings.ToLower(text))
	return strings.Trim(strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-':
			return c
		case c == ' ':
			return '-'
		}
		return -1
	}, text), "-")
}
