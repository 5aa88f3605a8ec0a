package german_test

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/model/german"
)

func TestFoldWritesOneFormOfEachWord(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"Müßig": "muessig", "Mu\u0308ßig": "muessig", "MUESSIG": "muessig", "É": "e", "Łódź": "lodz", "Ayşe Yılmaz": "ayse yilmaz",
		"  Horst-Kohl-Str. 15a ": "horst kohl str 15a", "О́льга": "ольга", "": "", "\x00\xff*": "", "ﬁ": "fi", "１２": "12",
	} {
		if got := german.Fold(given); got != want {
			t.Errorf("%q is %q, want %q", given, got, want)
		}
	}
}

func TestAddressesAreTakenApart(t *testing.T) {
	t.Parallel()
	tests := []struct{ given, street, house, zip, city string }{
		{"Horst-Kohl-Str. 15a, 12157 Berlin", "horstkohlstr", "15a", "12157", "berlin"},
		{"Horst Kohl Straße 15 A\n12157 Berlin", "horstkohlstr", "15a", "12157", "berlin"},
		{"12157 Berlin, Horst-Kohl-Straße 15a", "horstkohlstr", "15a", "12157", "berlin"},
		{"Hauptstr.5 12157 Berlin", "hauptstr", "5", "12157", "berlin"},
		{"Hauptstraße Nr. 5, D-60311 Frankfurt am Main", "hauptstr", "5", "60311", "frankfurt am main"},
		{"Straße des 17. Juni 135, 10623 Berlin", "strdes17juni", "135", "10623", "berlin"},
		{"Straße des 17. Juni", "strdes17juni", "", "", ""},
		{"Hauptstr. 5-7, 12157 Berlin", "hauptstr", "5-7", "12157", "berlin"},
		{"c/o Huber, Hauptstr. 5, 2. OG, 12157 Berlin", "hauptstr", "5", "12157", "berlin"},
		{"Hauptstr. 5 Berlin", "hauptstr", "5", "", "berlin"},
		{"Hauptstr. 5, Berlin", "hauptstr", "5", "", "berlin"},
		{"Ring 5, 1010 Wien", "ring", "5", "1010", "wien"},
		{"Am Marktpl. 3, 12157 Berlin", "ammarktplatz", "3", "12157", "berlin"},
		{"Haupststrase 5, 12157 Berlin", "haupststr", "5", "12157", "berlin"},
		{"12157", "", "", "12157", ""},
		{"Berlin", "berlin", "", "", ""},
		{"", "", "", "", ""},
	}
	for _, test := range tests {
		got := german.ParseAddress(test.given)
		if got.Street != test.street || got.House != test.house || got.Zip != test.zip || got.City != test.city {
			t.Errorf("%q is %q %q, %q %q; want %q %q, %q %q", test.given, got.Street, got.House, got.Zip, got.City, test.street, test.house, test.zip, test.city)
		}
	}
}

func TestTelephoneNumbersHaveOneForm(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"+49190332332": "49190332332", "0049 30/123-4567": "49301234567", "030 1234567": "49301234567", "+49 (0) 30 1234567": "49301234567",
		"+49 030 1234567": "49301234567", "0049 (0)30 1234567": "49301234567", "Tel.: 030 / 12 34 567": "49301234567", "49301234567": "49301234567",
		"+43 1 5123456": "4315123456", "1234567": "", "0": "", "+49": "", "++++": "", "0301": "", "123456789012345678": "",
	} {
		if got := german.Phone(given); got != want {
			t.Errorf("%q is %q, want %q", given, got, want)
		}
	}
}

func TestMailAddressesAndMeterNumbersHaveOneForm(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"A.B@Web.Example": "a.b@web.example", " <a@b.example> ": "a@b.example", "A B <a@b.example>": "a@b.example", "mailto:a@b.example": "a@b.example",
		"a@b": "", "@b.example": "", "a b@c.example": "", "a@b@c.example": "", "": "",
	} {
		if got := german.Email(given); got != want {
			t.Errorf("%q is %q, want %q", given, got, want)
		}
	}
	for given, want := range map[string]string{
		"1 EMH00 1234-5678": "1emh0012345678", "00012345678": "12345678", "123": "", "abcdef": "", "Zähler": "",
	} {
		if got := german.Meter(given); got != want {
			t.Errorf("%q is %q, want %q", given, got, want)
		}
	}
}

func TestLegalFormsAreApartFromTheName(t *testing.T) {
	t.Parallel()
	for given, want := range map[string][]string{
		"Bäckerei Huber GmbH & Co. KG":                {"baeckereihuber", "gmbh", "kg"},
		"Huber G.m.b.H.":                              {"huber", "gmbh"},
		"Huber Gesellschaft mit beschränkter Haftung": {"huber", "gmbh"},
		"Huber UG (haftungsbeschränkt)":               {"huber", "ug"},
		"Firma Huber e.K.":                            {"huber", "ek"},
		"Huber Aktiengesellschaft":                    {"huber", "ag"},
		"GmbH":                                        {"", "gmbh"},
	} {
		c := german.ParseCompany(given)
		if got := append([]string{c.Core}, c.Forms...); !slices.Equal(got, want) {
			t.Errorf("%q is %q, want %q", given, got, want)
		}
	}
}

func TestNamesThatSoundAlikeHaveOneCode(t *testing.T) {
	t.Parallel()
	for _, alike := range [][]string{{"maier", "meier", "meyer", "mayr"}, {"schmidt", "schmitt", "schmid"}, {"stefan", "stephan"}, {"philipp", "filip"}} {
		for _, w := range alike {
			if german.Cologne(w) != german.Cologne(alike[0]) {
				t.Errorf("%s is %s, %s is %s", w, german.Cologne(w), alike[0], german.Cologne(alike[0]))
			}
		}
	}
	// The examples of the publication, as Wikipedia gives them.
	for word, want := range map[string]string{"breschnew": "17863", "wikipedia": "3412"} {
		if got := german.Cologne(word); got != want {
			t.Errorf("%s is %s, want %s", word, got, want)
		}
	}
}

func TestTownsAreShortened(t *testing.T) {
	t.Parallel()
	tests := []struct {
		a, b       string
		same, near bool
	}{
		{"Berlin", "berlin", true, false},
		{"Frankfurt am Main", "Frankfurt", true, true},
		{"Frankfurt am Main", "Frankfurt a. M.", true, true},
		{"Frankfurt am Main", "Frankfurt/Main", true, true},
		{"Frankfurt am Main", "Frankfurt (Oder)", false, false},
		{"Münster", "Munster", true, true},
		{"Berlin", "Bremen", false, false},
		{"", "", false, false},
	}
	for _, test := range tests {
		same, near := german.SameCity(german.City(test.a), german.City(test.b))
		if same != test.same || near != test.near {
			t.Errorf("%q and %q: same %t, near %t", test.a, test.b, same, near)
		}
	}
}

// text is any text, with a liking for what is hard.
func text() *rapid.Generator[string] {
	return rapid.OneOf(rapid.String(), rapid.StringMatching(`[A-Za-zÄÖÜäöüß0-9 .,\-/()+@]{0,40}`))
}

func TestFoldingTwiceIsFoldingOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := text().Draw(t, "text")
		once := german.Fold(s)
		if twice := german.Fold(once); twice != once && len(once) < german.MaxLength {
			t.Fatalf("%q is %q, and that is %q", s, once, twice)
		}
	})
}

func TestDistanceIsAMeasure(t *testing.T) {
	t.Parallel()
	word := rapid.StringMatching(`[a-eä]{0,9}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := word.Draw(t, "a"), word.Draw(t, "b")
		d := german.Distance(a, b, 20)
		if d != german.Distance(b, a, 20) || (d == 0) != (a == b) {
			t.Fatalf("%q and %q: %d there, %d back", a, b, d, german.Distance(b, a, 20))
		}
		if limited := german.Distance(a, b, 2); limited != min(d, 3) {
			t.Fatalf("%q and %q: %d, but %d with a limit of 2", a, b, d, limited)
		}
	})
}

func TestOneTypingErrorIsOneStepAway(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := []rune(rapid.StringMatching(`[a-z]{4,12}`).Draw(t, "word"))
		i := rapid.IntRange(0, len(w)-2).Draw(t, "at")
		for _, changed := range [][]rune{
			slices.Delete(slices.Clone(w), i, i+1), slices.Insert(slices.Clone(w), i, 'x'), slices.Concat(w[:i], []rune{w[i+1], w[i]}, w[i+2:]),
		} {
			if d := german.Distance(string(w), string(changed), 2); d > 1 {
				t.Fatalf("%q and %q: %d", string(w), string(changed), d)
			}
		}
	})
}

func TestATelephoneNumberIsTheSameInAllItsForms(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		area := rapid.StringMatching(`[1-9][0-9]{1,3}`).Draw(t, "area")
		rest := rapid.StringMatching(`[0-9]{6,8}`).Draw(t, "rest")
		want := "49" + area + rest
		for _, form := range []string{"+49" + area + rest, "0049" + area + rest, "0" + area + "/" + rest, "+49 (0)" + area + " - " + rest, "0049 0" + area + rest} {
			if got := german.Phone(form); got != want {
				t.Fatalf("%q is %q, want %q", form, got, want)
			}
		}
	})
}

func FuzzEverything(f *testing.F) {
	for _, s := range []string{"Horst-Kohl-Str. 15a, 12157 Berlin", "+49 (0) 30 1", "a@b.example", "GmbH & Co. KG", "\xff\x00", strings.Repeat("ä", 600), "１２１５７"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a := german.ParseAddress(s)
		c := german.ParseCompany(s)
		for _, got := range append([]string{
			german.Fold(s), german.Email(s), german.Phone(s), german.Meter(s), german.Zip(s), german.House(s), german.Joined(s), a.Street, a.House, a.Zip, a.City, c.Core,
		}, german.Name(s)...) {
			if !utf8.ValidString(got) || strings.ContainsAny(got, "\x00\n*\"") && got != german.Email(s) {
				t.Errorf("%q yields %q", s, got)
			}
			german.Cologne(got)
			german.Skeleton(got)
		}
	})
}
