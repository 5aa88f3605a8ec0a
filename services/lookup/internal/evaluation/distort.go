package evaluation

import (
	"math/rand/v2"
	"slices"
	"strings"
	"unicode"
)

// typo makes one typing error in a text, behind its first letter: a letter left out, doubled, replaced by its neighbour on the
// keyboard, or swapped with the next one. Texts of fewer than four letters stay.
func typo(r *rand.Rand, s string) string {
	runes := []rune(s)
	var at []int
	for i := 1; i < len(runes); i++ {
		if unicode.IsLetter(runes[i]) && unicode.IsLetter(runes[i-1]) {
			at = append(at, i)
		}
	}
	if len(at) < 3 {
		return s
	}
	for {
		i := at[r.IntN(len(at))]
		changed := slices.Clone(runes)
		switch r.IntN(4) {
		case 0:
			changed = slices.Delete(changed, i, i+1)
		case 1:
			changed = slices.Insert(changed, i, changed[i])
		case 2:
			changed[i] = neighbour(changed[i])
		default:
			if i+1 < len(changed) && unicode.IsLetter(changed[i+1]) {
				changed[i], changed[i+1] = changed[i+1], changed[i]
			}
		}
		if !slices.Equal(changed, runes) {
			return string(changed)
		}
	}
}

// neighbour is the letter to the right on a German keyboard.
func neighbour(r rune) rune {
	const rows = "qwertzuiop asdfghjkl yxcvbnm"
	lower := unicode.ToLower(r)
	if i := strings.IndexRune(rows, lower); i >= 0 && i+1 < len(rows) && rows[i+1] != ' ' {
		return rune(rows[i+1])
	}
	return 'e'
}

// umlautsOut writes ü as ue and ß as ss; umlautsOff leaves the dots out.
func umlautsOut(s string) string {
	return strings.NewReplacer("ä", "ae", "ö", "oe", "ü", "ue", "ß", "ss", "Ä", "Ae", "Ö", "Oe", "Ü", "Ue").Replace(s)
}

func umlautsOff(s string) string {
	return strings.NewReplacer("ä", "a", "ö", "o", "ü", "u", "ß", "ss", "Ä", "A", "Ö", "O", "Ü", "U").Replace(s)
}

// streetForm writes the end of a street in another of its forms; false if it has none.
func streetForm(r *rand.Rand, s string) (string, bool) {
	forms := []string{"str.", "str", " Str.", "-Straße", "strasse"}
	for _, end := range []string{"-Straße", " Straße", "straße"} {
		if stem, ok := strings.CutSuffix(s, end); ok {
			return stem + forms[r.IntN(len(forms))], true
		}
	}
	return s, false
}

// sounds writes a name as somebody does who heard it on the telephone; false if it has no such sound.
func sounds(r *rand.Rand, s string) (string, bool) {
	pairs := [][2]string{
		{"ei", "ai"},
		{"ai", "ei"},
		{"ey", "ei"},
		{"ay", "ai"},
		{"tt", "t"},
		{"dt", "tt"},
		{"ck", "k"},
		{"ff", "f"},
		{"mm", "m"},
		{"nn", "n"},
		{"ss", "s"},
		{"th", "t"},
		{"ie", "i"},
		{"tz", "z"},
		{"ph", "f"},
		{"ä", "e"},
	}
	r.Shuffle(len(pairs), func(i, j int) { pairs[i], pairs[j] = pairs[j], pairs[i] })
	for _, p := range pairs {
		if i := strings.Index(s, p[0]); i > 0 {
			return s[:i] + p[1] + s[i+len(p[0]):], true
		}
	}
	return s, false
}

// phoneForm writes "+4930123" as people do.
func phoneForm(r *rand.Rand, s string) string {
	national := strings.TrimPrefix(s, "+49")
	area, rest := national[:2], national[2:]
	return []string{
		"0049" + national, "0" + national, "0" + area + "/" + rest, "+49 (0) " + area + " " + rest[:3] + " " + rest[3:], "0" + area + " - " + rest,
		"Tel.: 0" + area + " " + rest, "0049 (0)" + national, "49" + national,
	}[r.IntN(8)]
}

// idForm writes "VN-0000001" as people do.
func idForm(r *rand.Rand, s string) string {
	return []string{
		strings.ToLower(s), strings.ReplaceAll(s, "-", ""), strings.ReplaceAll(s, "-", " "), " " + s + " ", strings.ReplaceAll(strings.ToLower(s), "-", "–"), s[:6] + " " + s[6:],
	}[r.IntN(6)]
}

// meterForm writes a meter number in groups, in small letters, or with zeros in front.
func meterForm(r *rand.Rand, s string) string {
	return []string{s[:1] + " " + s[1:4] + " " + s[4:], strings.ToLower(s), "000" + s, s[:4] + "-" + s[4:]}[r.IntN(4)]
}

// houseForm writes "15a" as people do; false if there is no suffix.
func houseForm(r *rand.Rand, s string) (string, bool) {
	number := strings.TrimRight(s, "abcd")
	if number == s {
		return s, false
	}
	suffix := s[len(number):]
	return number + []string{" " + suffix, " " + strings.ToUpper(suffix), strings.ToUpper(suffix)}[r.IntN(3)], true
}

// formWritten writes a legal form out; false if there is none to write out.
func formWritten(s string) (string, bool) {
	for form, written := range map[string]string{
		" GmbH": " Gesellschaft mit beschränkter Haftung", " AG": " Aktiengesellschaft", " e.K.": " eingetragener Kaufmann", " OHG": " offene Handelsgesellschaft",
	} {
		if stem, ok := strings.CutSuffix(s, form); ok {
			return stem + written, true
		}
	}
	return s, false
}

// otherForm is a company of the same name with another legal form.
func otherForm(s string) string {
	stem, _ := withoutForm(s)
	if strings.HasSuffix(s, " AG") {
		return stem + " OHG"
	}
	return stem + " AG"
}

// withoutForm leaves the legal form out; false if there is none.
func withoutForm(s string) (string, bool) {
	for _, form := range []string{" GmbH & Co. KG", " UG (haftungsbeschränkt)", " GmbH", " AG", " KG", " e.K.", " OHG", " GbR"} {
		if stem, ok := strings.CutSuffix(s, form); ok {
			return stem, true
		}
	}
	return s, false
}

// alike are first names of others that differ by a letter or two, as they are in one family.
func alike(first string) (string, bool) {
	pairs := map[string]string{
		"Martin": "Martina", "Martina": "Martin", "Christian": "Christina", "Christina": "Christian", "Christine": "Christian", "Daniel": "Daniela",
		"Daniela": "Daniel", "Andrea": "Andreas", "Andreas": "Andrea", "Michael": "Michaela", "Michaela": "Michael", "Jan": "Jana", "Jana": "Jan",
		"Karl": "Karla", "Karla": "Karl", "Simon": "Simone", "Simone": "Simon", "Stefan": "Stefanie", "Petra": "Peter", "Peter": "Petra", "Lena": "Lina",
		"Lisa": "Lara", "Lara": "Lisa", "Marlene": "Marleen", "Hans": "Hanna", "Erich": "Erik", "Erika": "Erik", "Katrin": "Karin", "Karin": "Katrin",
		"Marcel": "Marco", "Markus": "Marius", "Jens": "Jan", "Tanja": "Anja", "Anja": "Tanja", "Anna": "Anja", "Nadja": "Nadia", "Paul": "Paula", "Paula": "Paul",
		"Johannes": "Johanna", "Johanna": "Johannes", "Robert": "Roberta", "Mona": "Ramona", "Luise": "Louisa", "Klaus": "Claus-Peter", "Eva": "Ewald",
	}
	other, ok := pairs[first]
	return other, ok
}
