// Package canary holds the personal data and secrets that tests let through the system, and finds them where nothing
// personal or secret may stand: in logs, spans, metrics, files of stores and the output of tests.
//
// What it finds is made up and looks like nothing else. Most of it holds the word Marker; the rest is data that the simulator
// generates, and secrets of tests. This is the one list of them: whoever writes a test with something that must not be shown
// takes it from here, or adds it here.
//
// # Concurrency
//
// Everything is safe for concurrent use.
package canary

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
)

// Marker is the word that every made-up datum and secret of this package holds, in small letters, unless it consists of
// digits.
const Marker = "kanarien"

// InstanceHash stands for the hash of a Powercloud instance, which has to be 32 hexadecimal digits.
const InstanceHash = "ca9a21e5ca9a21e5ca9a21e5ca9a21e5"

// Secret makes a secret for the purpose, such as "webhook". It consists of letters and hyphens.
func Secret(purpose string) string { return "geheim-" + Marker + "-" + purpose }

// Person is somebody who does not exist. No value is a part of one of another Person.
type Person struct {
	Firstname, Lastname, Company, Email, Phone string
	Street, HouseNumber, Zip, City             string
	IBAN, Meter                                string
}

// NewPerson makes person number n, between 0 and 9999.
func NewPerson(n int) Person {
	word := fmt.Sprintf("%s%04d", Marker, n)
	return Person{
		Firstname: "vor" + word, Lastname: "nach" + word, Company: word + " GmbH",
		Email: word + "@" + Marker + ".example", Phone: phone(n),
		Street: word + "weg", HouseNumber: "17", Zip: "12157", City: word + "stadt",
		// The bank and its account do not exist, and the check digits are those of no IBAN.
		IBAN: fmt.Sprintf("DE00%s47110%05d", bankCode, n), Meter: fmt.Sprintf("1KAN%08d", n),
	}
}

// Told are the values by which a person could be recognised.
func (p Person) Told() []string {
	return []string{p.Firstname, p.Lastname, p.Company, p.Email, p.Phone, p.Street, p.City, p.IBAN, p.Meter}
}

// bankCode is the one of the simulator's IBANs: no bank's, since none has a code that begins with 9.
const bankCode = "99900001"

// phone is one of the numbers that the Bundesnetzagentur keeps free for films, with digits in front that no such number has.
func phone(n int) string { return fmt.Sprintf("+493023125%04d", n) }

// kind is one kind of what must not be seen.
type kind struct {
	name    string
	pattern *regexp.Regexp
}

// kinds are what Find looks for.
var kinds = []kind{
	{"a canary", regexp.MustCompile(`(?i)` + Marker + `[\w.@-]*`)},
	{"a canary in base64", regexp.MustCompile(strings.Join(append(encoded(Marker), encoded(strings.ToUpper(Marker[:1])+Marker[1:])...), "|"))},
	{"a made-up IBAN", regexp.MustCompile(`DE\d\d` + bankCode + `\d{10}`)},
	{"a made-up phone number", regexp.MustCompile(`\+49(3023125|6990009|4066969|2214710|8999998)\d{3,4}`)},
	{"a made-up meter number", regexp.MustCompile(`1KAN\d{8}`)},
	{"a made-up mail address", regexp.MustCompile(`[\w.+-]+@example\.(com|net|org)`)},
	{"a person of a test", regexp.MustCompile(`Erika|Mustermann|DE02120300000000202051|DE89370400440532013000`)},
	{"a secret of a test", regexp.MustCompile(InstanceHash + `|hunter2|topsecret|s3cr[3e]t|header\.payload\.signature|whsec_[\w+/=-]+`)},
	{"a secret of the simulator", regexp.MustCompile(`(powercloud|lynqtech|generic|enneo)-development|development-only`)},
}

// encoded are the ways in which a text stands in base64, by how many bytes come before it; without the characters that
// depend on its neighbours as well.
func encoded(text string) []string {
	var all []string
	for before := range 3 {
		whole := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("\x00", before) + text))
		first := (before*8 + 5) / 6
		last := len(whole)
		if (before+len(text))%3 != 0 {
			last--
		}
		all = append(all, regexp.QuoteMeta(whole[first:last]))
	}
	return all
}

// Finding is something that stands where it must not.
type Finding struct {
	// Kind says what it is, for people.
	Kind string
	// Text is what was found.
	Text string
}

// String tells both.
func (f Finding) String() string { return fmt.Sprintf("%s: %q", f.Kind, f.Text) }

// Find returns what a text holds of the list, each thing once and in the order of the list.
func Find(text []byte) []Finding {
	var all []Finding
	seen := map[Finding]bool{}
	for _, k := range kinds {
		for _, found := range k.pattern.FindAll(text, -1) {
			f := Finding{Kind: k.name, Text: string(found)}
			if !seen[f] {
				seen[f] = true
				all = append(all, f)
			}
		}
	}
	return all
}
