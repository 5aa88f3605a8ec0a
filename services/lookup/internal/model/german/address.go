package german

import (
	"regexp"
	"strings"
)

// Address is a place, as far as a text says where it is. Empty parts are not known.
type Address struct {
	// Street is folded, without blanks and with "str" for every form of it at the end of a word: "horstkohlstr".
	Street string
	// Words are the words of the street.
	Words []string
	// House is the number with its suffix: "15a".
	House string
	// Zip is the postal code.
	Zip string
	// City is folded: "frankfurt am main".
	City string
}

// Empty tells that nothing is known of the place.
func (a Address) Empty() bool { return a.Street == "" && a.Zip == "" && a.City == "" }

var (
	// zipAndCity is a postal code with what follows it. Four digits are one (Austria, Switzerland) only at the beginning of a part.
	zipAndCity  = regexp.MustCompile(`(?:^|[\s,;])(?:[DdAa](?:[EeTt])?\s?-\s?)?([0-9]{5})(?:[\s,;]|$)`)
	shortZip    = regexp.MustCompile(`^(?:[A-Za-z]{1,2}\s?-\s?)?([0-9]{4})\s+\p{L}`)
	houseAtEnd  = regexp.MustCompile(`^(.*\p{L}.*?)[\s.]+(?:[Nn]r\.?\s*)?([0-9]{1,4})\s*([A-Za-z]?)(?:\s*[-/–]\s*([0-9]{1,4})\s*([A-Za-z]?))?\s*$`)
	houseGlued  = regexp.MustCompile(`^(.*(?:\p{L}{3}|\.))([0-9]{1,4})\s*([A-Za-z]?)\s*$`)
	houseInside = regexp.MustCompile(`^(.*?\p{L}.*?)[\s.]+([0-9]{1,4})\s?([A-Za-z]?)(?:\s+(\p{L}.*))?$`)
)

// ParseAddress takes an address in one line, or in several, apart: "Horst-Kohl-Str. 15a, 12157 Berlin".
func ParseAddress(s string) Address {
	s = strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' || r == ';' {
			return ','
		}
		return r
	}, clip(s))
	var a Address
	if at := zipAndCity.FindStringSubmatchIndex(s); at != nil {
		a.Zip = s[at[2]:at[3]]
		before, after := s[:at[0]], s[at[3]:]
		if strings.Trim(before, " ,") == "" {
			// "12157 Berlin, Horst-Kohl-Str. 15a"
			a.City, before, _ = strings.Cut(strings.TrimLeft(after, " ,"), ",")
		} else {
			a.City, _, _ = strings.Cut(strings.TrimLeft(after, " ,"), ",")
		}
		s = before
	}
	parts := strings.Split(s, ",")
	for i, part := range parts {
		part = strings.TrimSpace(part)
		if found := shortZip.FindStringSubmatch(part); a.Zip == "" && i > 0 && found != nil {
			a.Zip = found[1]
			a.City = part[strings.Index(part, found[1])+len(found[1]):]
			parts[i] = ""
		}
	}
	a.streetOf(parts)
	a.City = City(a.City)
	return a
}

// streetOf finds street and house number in the first part that has both.
func (a *Address) streetOf(parts []string) {
	for i, part := range parts {
		part = strings.TrimSpace(part)
		rest := ""
		found := houseAtEnd.FindStringSubmatch(part)
		switch {
		case found != nil:
			a.House = House(found[2] + found[3])
			if found[4] != "" {
				a.House += "-" + House(found[4]+found[5])
			}
		default:
			if found = houseGlued.FindStringSubmatch(part); found == nil {
				if found = houseInside.FindStringSubmatch(part); found == nil {
					continue
				}
				rest = found[4]
			}
			a.House = House(found[2] + found[3])
		}
		a.setStreet(found[1])
		if a.City == "" && rest != "" {
			a.City = rest
		}
		if a.City == "" && i+1 < len(parts) {
			a.City = parts[len(parts)-1]
		}
		return
	}
	for _, part := range parts {
		if a.Street == "" {
			a.setStreet(part)
		} else if a.City == "" {
			a.City = part
		}
	}
}

func (a *Address) setStreet(s string) {
	a.Words = Words(s)
	if n := len(a.Words); n > 1 && (a.Words[n-1] == "nr" || a.Words[n-1] == "hausnummer") {
		a.Words = a.Words[:n-1]
	}
	for i, w := range a.Words {
		a.Words[i] = StreetWord(w)
	}
	a.Street = strings.Join(a.Words, "")
}

// House is a house number with its suffix: "15 A" and "015a" are "15a".
func House(s string) string { return strings.TrimLeft(Joined(s), "0") }

// Street is the name of a street: "Horst-Kohl-Straße" and "Horst Kohl Str." are "horstkohlstr".
func Street(s string) string {
	var a Address
	a.setStreet(s)
	return a.Street
}

// StreetWord is one folded word of a street, with "str" for every form of it at its end.
func StreetWord(w string) string {
	if stem, ok := strings.CutSuffix(w, "strasse"); ok {
		return stem + "str"
	}
	// One typing error in the part that is the same in so many streets.
	for n := range 3 {
		if at := len(w) - len("strasse") - 1 + n; at > 0 && w[at] == 's' && Distance(w[at:], "strasse", 1) <= 1 {
			return w[:at] + "str"
		}
	}
	// "Platz" is shortened as well.
	if stem, ok := strings.CutSuffix(w, "pl"); ok && len(stem) != 1 {
		w = stem + "platz"
	}
	return w
}

// Zip is a postal code without the country in front: "D-12157" is "12157".
func Zip(s string) string {
	z := Joined(s)
	for _, country := range []string{"de", "d", "at", "a", "ch"} {
		if rest, ok := strings.CutPrefix(z, country); ok && rest != "" && rest[0] >= '0' && rest[0] <= '9' {
			return rest
		}
	}
	return z
}

// City is the name of a town, folded: "Frankfurt a. M." is "frankfurt a m".
func City(s string) string { return Fold(s) }

// SameCity tells whether two folded names of towns mean one: with or without what follows the first word, one shortening the other.
// near tells that it takes tolerance to say so.
func SameCity(a, b string) (same, near bool) {
	if a == "" || b == "" {
		return false, false
	}
	if a == b {
		return true, false
	}
	wa, wb := strings.Fields(a), strings.Fields(b)
	if wa[0] == wb[0] && (len(wa) == 1 || len(wb) == 1 || abbreviates(wa, wb)) {
		return true, true
	}
	if _, ok := Errors(strings.Join(wa, ""), strings.Join(wb, "")); ok {
		return true, true
	}
	_, ok := Errors(wa[0], wb[0])
	ok = ok && (len(wa) == 1 || len(wb) == 1)
	return ok, ok
}

// abbreviates tells whether each word of one begins with that of the other, or the other way round: "frankfurt a m" and "frankfurt am main".
func abbreviates(a, b []string) bool {
	if len(a) != len(b) {
		// "Frankfurt/Main" leaves the "am" out.
		return a[len(a)-1] == b[len(b)-1]
	}
	for i := range a {
		if !strings.HasPrefix(a[i], b[i]) && !strings.HasPrefix(b[i], a[i]) {
			return false
		}
	}
	return true
}
