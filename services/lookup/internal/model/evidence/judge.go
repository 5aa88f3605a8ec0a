package evidence

import (
	"strings"

	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/model/german"
)

// The rules by which a contract is named, in the order of their strength.
const (
	ByContractID  = "contract_id"
	ByMeterNumber = "meter_number"
	ByCustomerID  = "customer_id"
	ByEmail       = "email"
	ByPhone       = "phone"
	ByNameAddress = "name_address"
)

// maxErrors is how many typing errors name and address may have altogether.
const maxErrors = 2

// Candidate is a contract with what is known of its customer.
type Candidate struct {
	Contract *Record
	// Customer is nil if it is not known yet.
	Customer *Record
	// EnneoID and EnneoCustomerID are the ids as they were written.
	EnneoID, EnneoCustomerID string
}

// Verdict is what speaks for a contract.
type Verdict struct {
	Candidate *Candidate
	// By is the strongest rule that names it; empty if there is none.
	By string
	// grades are those of all attributes, in one order for all candidates of a question.
	grades []Grade
	// contrary tells that one of them rules the contract out.
	contrary bool
}

// Exact tells whether everything that was given and is known agrees without tolerance.
func (v *Verdict) Exact() bool {
	for _, g := range v.grades {
		if g != Unknown && g < Same {
			return false
		}
	}
	return true
}

// Grade is how well a rule's own attributes agree.
func (v *Verdict) Grade(by string) Grade {
	if by == ByNameAddress {
		const name, street = 5, 7
		return min(v.grades[name], v.grades[street])
	}
	for i, name := range []string{ByContractID, ByCustomerID, ByMeterNumber, ByEmail, ByPhone} {
		if name == by {
			return v.grades[i]
		}
	}
	return Unknown
}

// Judge compares a contract with a question.
func (q *Question) Judge(c *Candidate) *Verdict {
	v := &Verdict{Candidate: c}
	records := []*Record{c.Contract}
	if c.Customer != nil {
		records = append(records, c.Customer)
	}
	contract := number(q.ContractID, q.Contract, c.EnneoID, q.ContractKnown, q.ContractExact)
	customer := number(q.CustomerID, q.Customer, c.EnneoCustomerID, q.CustomerKnown, q.CustomerExact)
	meter := q.meter(c.Contract)
	email, phone := q.email(records), q.phone(records)
	person, firm := q.names(records)
	place := q.place(records)
	name := max(person.grade(), firm.grade)
	if person.grade() == Contrary && firm.grade <= Unknown || firm.grade == Contrary && person.grade() <= Unknown {
		name = Contrary
	}
	first := person.first.grade
	if first == Contrary && q.ByID() {
		// Somebody of the family who knows the number.
		first = Differs
		if person.last.grade > Unknown {
			name = Differs
		}
	}
	v.grades = []Grade{
		contract, customer, meter, email, phone, name, first, place.street, place.zip, place.city, place.delivered,
	}
	v.grades = append(v.grades, q.custom(records)...)
	for _, g := range v.grades {
		v.contrary = v.contrary || g == Contrary
	}
	switch {
	case v.contrary:
	case contract == Same:
		v.By = ByContractID
	case meter == Same:
		v.By = ByMeterNumber
	case customer == Same:
		v.By = ByCustomerID
	case email == Same:
		v.By = ByEmail
	case phone == Same:
		v.By = ByPhone
	case q.named(person, firm, place):
		v.By = ByNameAddress
	}
	return v
}

// named tells whether name and address are enough.
func (q *Question) named(person naming, firm likeness, place place) bool {
	if place.street < Close || place.zip < Same && (place.zip != Unknown || q.Address.Zip != "" || place.city < Close) {
		return false
	}
	errors := place.errors
	switch {
	case firm.grade >= Close:
		errors += firm.errors
	case person.last.grade >= Close && person.first.grade >= Close:
		errors += person.last.errors + person.first.errors
	case person.last.grade == Same && person.first.grade == Unknown && !person.swapped:
		// A last name alone has to be exact, and so has the address.
		if errors > 0 {
			return false
		}
	default:
		return false
	}
	return errors <= maxErrors
}

// number compares an id. Another one is a typing error only if it is close, and belongs to nobody.
func number(raw, folded, has string, known, exact bool) Grade {
	switch other := german.Joined(has); {
	case raw == "":
		return Unknown
	case raw == has:
		return Same
	case exact, folded == "":
		return Contrary
	case folded == other:
		return Same
	case known:
		return Contrary
	case german.Tolerance(folded) > 0 && german.Distance(folded, other, 1) <= 1:
		return Close
	default:
		return Contrary
	}
}

// meter compares the meter number, of which people read the last part only as well.
func (q *Question) meter(r *Record) Grade {
	const tail = 6
	switch given, has := q.Meter, r.Meter; {
	case given == "" || has == "":
		return Unknown
	case given == has:
		return Same
	case q.MeterKnown:
		return Contrary
	case len(given) >= tail && strings.HasSuffix(has, given), german.Distance(given, has, 1) <= 1:
		return Close
	default:
		return Contrary
	}
}

func (q *Question) email(records []*Record) Grade {
	grade := Unknown
	for _, r := range records {
		for _, has := range r.Emails {
			if q.Email == has {
				return Same
			}
			if q.Email != "" {
				grade = Differs
			}
		}
	}
	return grade
}

func (q *Question) phone(records []*Record) Grade {
	grade := Unknown
	for _, given := range q.Phones {
		for _, r := range records {
			for _, has := range r.Phones {
				if given == has {
					return Same
				}
				grade = Differs
			}
		}
	}
	return grade
}

// names compares name and company with the record that agrees best.
func (q *Question) names(records []*Record) (naming, likeness) {
	var person naming
	var firm likeness
	for i, r := range records {
		if p := q.person(r); i == 0 || better(p, person) {
			person = p
		}
		if f := q.firm(r); i == 0 || f.grade > firm.grade {
			firm = f
		}
	}
	return person, firm
}

// firm compares the company. One that was written into the last name is looked for as well.
func (q *Question) firm(r *Record) likeness {
	if r.Company.Core == "" {
		return likeness{}
	}
	if q.Company.Core != "" {
		return company(q.Company, r.Company)
	}
	for _, name := range []string{q.Lastname, q.Fullname, q.Firstname} {
		if f := company(german.ParseCompany(name), r.Company); f.grade >= Close {
			return f
		}
	}
	return likeness{}
}

// place is how an address agrees.
type place struct {
	street, zip, city, delivered Grade
	errors                       int
}

// place compares with where the contract delivers to, and with the other addresses of contract and customer.
func (q *Question) place(records []*Record) place {
	best, first := place{}, true
	zip := Unknown
	for i, r := range records {
		for j, has := range []german.Address{r.Delivery, r.Billing} {
			if has.Empty() {
				continue
			}
			p := q.at(has)
			if i == 0 && j == 0 {
				// The contract's own address is better than another one just as good.
				if p.delivered = min(p.street, max(p.zip, p.city)); p.delivered < Close {
					p.delivered = Unknown
				}
			}
			if first || p.better(best) {
				best, first = p, false
			}
			zip = agreeing(zip, p.zip)
		}
		if q.Address.Zip != "" && r.Zip == q.Address.Zip {
			zip = Same
		}
	}
	// One postal code of several is enough; none of them is too few.
	if best.zip != Same && zip == Same {
		best.street = min(best.street, Differs)
	}
	best.zip = zip
	return best
}

// agreeing is the grade of a list of which one has to agree.
func agreeing(a, b Grade) Grade {
	if a == Same || b == Same {
		return Same
	}
	return min(a, b)
}

func (p place) better(than place) bool {
	if p.zip != than.zip {
		return p.zip > than.zip
	}
	if p.street != than.street {
		return p.street > than.street
	}
	return p.city > than.city
}

// at compares with one address.
func (q *Question) at(has german.Address) place {
	var p place
	given := q.Address
	if given.Zip != "" && has.Zip != "" {
		p.zip = Contrary
		if given.Zip == has.Zip {
			p.zip = Same
		}
	}
	if given.City != "" && has.City != "" {
		same, near := german.SameCity(given.City, has.City)
		switch {
		case near:
			p.city = Close
		case same:
			p.city = Same
		case p.zip == Same:
			p.city = Unknown // A part of the town, or the name of its post office.
		default:
			p.city = Differs
		}
	}
	if given.Street == "" || has.Street == "" {
		return p
	}
	p.street = Differs
	if given.House == "" || given.House != has.House {
		return p
	}
	switch e, ok := german.Errors(given.Street, has.Street); {
	case given.Street == has.Street:
		p.street = Same
	case ok && (e == 0 || !q.StreetKnown):
		p.street, p.errors = Close, e
	}
	return p
}

// custom compares further attributes with properties of the same name.
func (q *Question) custom(records []*Record) []Grade {
	if len(q.Custom) == 0 {
		return nil
	}
	grades := make([]Grade, 0, len(q.Custom))
	for _, name := range sortedNames(q.Custom) {
		given, grade := german.Joined(q.Custom[name]), Unknown
		for _, r := range records {
			has, ok := r.Property(name)
			if !ok || given == "" {
				continue
			}
			if given == german.Joined(has) {
				grade = Same
				break
			}
			grade = Contrary
		}
		grades = append(grades, grade)
	}
	return grades
}
