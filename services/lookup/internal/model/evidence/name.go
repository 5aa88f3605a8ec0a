package evidence

import (
	"slices"
	"strings"

	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/model/german"
)

// Grade is how well something given and something known agree.
type Grade int

// The grades, from the worst. What is Contrary rules out; what Differs is worth less than what is not known.
const (
	Contrary Grade = iota - 2
	Differs
	Unknown
	Close
	Same
)

// likeness is a grade with the typing errors that it takes.
type likeness struct {
	grade  Grade
	errors int
}

// naming is how a person's name that was given agrees with a record's.
type naming struct {
	first, last likeness
	swapped     bool
}

// grade is that of the whole name.
func (n naming) grade() Grade {
	switch {
	case n.last.grade == Contrary:
		return Contrary
	case n.last.grade == Unknown:
		return Unknown
	case n.swapped:
		return min(Close, n.last.grade, max(n.first.grade, n.last.grade))
	case n.first.grade == Unknown:
		return n.last.grade
	default:
		return min(n.first.grade, n.last.grade)
	}
}

// person compares the name given with that of a record, in either order, and takes the better one.
func (q *Question) person(r *Record) naming {
	if len(r.Last) == 0 {
		return naming{}
	}
	best := naming{last: likeness{grade: Contrary}}
	try := func(first, last []string, swapped bool) {
		n := naming{first: q.firstName(first, r.First), last: lastName(last, r.Last), swapped: swapped}
		if better(n, best) {
			best = n
		}
	}
	switch {
	case len(q.Whole) > 0:
		for i := range len(q.Whole) + 1 {
			if i < len(q.Whole) {
				try(q.Whole[:i], q.Whole[i:], false)
			}
			if i > 0 {
				try(q.Whole[i:], q.Whole[:i], i < len(q.Whole))
			}
		}
	case len(q.Last) > 0 && len(q.First) > 0:
		try(q.First, q.Last, false)
		try(q.Last, q.First, true)
	case len(q.Last) > 0:
		try(nil, q.Last, false)
	case len(q.First) > 0:
		// A first name alone may be a last name in the wrong field; it contradicts nothing.
		return naming{first: q.firstName(q.First, r.First)}
	default:
		return naming{}
	}
	return best
}

// better tells whether a is the better reading of a name than b.
func better(a, b naming) bool {
	if ga, gb := a.grade(), b.grade(); ga != gb {
		return ga > gb
	}
	if sa, sb := a.last.grade+a.first.grade, b.last.grade+b.first.grade; sa != sb {
		return sa > sb
	}
	return a.last.errors+a.first.errors < b.last.errors+b.first.errors
}

// lastName compares the words of two last names.
func lastName(given, has []string) likeness {
	if len(given) == 0 || len(has) == 0 {
		return likeness{}
	}
	if same(given, has) {
		return likeness{grade: Same}
	}
	if e, ok := spelled(strings.Join(given, ""), strings.Join(has, "")); ok {
		return likeness{grade: Close, errors: e}
	}
	// One half of a double name. Short words, such as initials, are no half.
	for _, g := range given {
		for _, h := range has {
			if (len(given) == 1) != (len(has) == 1) && len(g) > 3 && g == h {
				return likeness{grade: Close, errors: 1}
			}
		}
	}
	return likeness{grade: Contrary}
}

// firstName compares the words of two first names. See the package's doc for what is no typing error.
func (q *Question) firstName(given, has []string) likeness {
	if len(given) == 0 || len(has) == 0 {
		return likeness{}
	}
	if same(given, has) {
		return likeness{grade: Same}
	}
	g, h := given[0], has[0]
	switch {
	case (len(g) == 1 || len(h) == 1) && g[:1] == h[:1]:
		return likeness{grade: Close}
	case g == h && (len(given) == 1 || len(has) == 1):
		return likeness{grade: Close} // "Hans" for "Hans Peter".
	case len(given) != len(has) && strings.Join(given, "") != strings.Join(has, ""):
		return likeness{grade: Contrary}
	}
	a, b := strings.Join(given, ""), strings.Join(has, "")
	e, ok := german.Errors(a, b)
	if !ok || len(a) < 4 || len(b) < 4 {
		return likeness{grade: Contrary}
	}
	if e == 0 {
		return likeness{grade: Close}
	}
	if len(a) <= 4 || a[0] != b[0] || a[len(a)-1] != b[len(b)-1] {
		return likeness{grade: Contrary}
	}
	sounds := german.Cologne(a) == german.Cologne(b) && vowels(a) == vowels(b)
	if (q.KnownFirst[g] || german.FirstName(g)) && !sounds {
		return likeness{grade: Contrary}
	}
	return likeness{grade: Close, errors: e}
}

// vowels are those of a word, in their order.
func vowels(word string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case 'a', 'e', 'i', 'o', 'u':
			return r
		case 'y':
			return 'i'
		default:
			return -1
		}
	}, german.Skeleton(word))
}

// same tells whether two names have the same words, in any order, or differ only in where the blanks are.
func same(a, b []string) bool {
	if strings.Join(a, "") == strings.Join(b, "") {
		return true
	}
	return len(a) == len(b) && slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// spelled is how many typing errors lie between two words that are taken for one, since they look or sound alike.
func spelled(a, b string) (int, bool) {
	if e, ok := german.Errors(a, b); ok {
		return e, true
	}
	if len(a) < 4 || len(b) < 4 || german.Cologne(a) != german.Cologne(b) {
		return 0, false
	}
	const most = 2
	e := german.Distance(german.Skeleton(a), german.Skeleton(b), most)
	return e, e <= most
}

// company compares the names of two companies. A legal form may be missing; two different ones are two companies.
func company(given, has german.Company) likeness {
	if given.Core == "" || has.Core == "" {
		return likeness{}
	}
	formsAgree := subset(given.Forms, has.Forms) || subset(has.Forms, given.Forms)
	e, ok := german.Errors(given.Core, has.Core)
	switch {
	case ok && !formsAgree:
		return likeness{grade: Contrary}
	case given.Core == has.Core && slices.Equal(given.Forms, has.Forms):
		return likeness{grade: Same}
	case ok:
		return likeness{grade: Close, errors: e}
	case subset(given.Words, has.Words), subset(has.Words, given.Words):
		return likeness{grade: Differs} // "Schmidt" and "Schmidt Verwaltung" may be two.
	default:
		return likeness{grade: Contrary}
	}
}

// subset tells whether all of a are in b.
func subset(a, b []string) bool {
	for _, w := range a {
		if !slices.Contains(b, w) {
			return false
		}
	}
	return true
}
