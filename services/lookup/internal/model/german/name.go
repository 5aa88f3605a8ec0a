package german

import (
	"slices"
	"strings"
)

// titles are words before a name that are no name.
var titles = map[string]bool{
	"herr": true, "herrn": true, "frau": true, "fr": true, "hr": true, "dr": true, "prof": true, "professor": true, "med": true, "dipl": true,
	"ing": true, "familie": true, "fam": true, "eheleute": true, "mr": true, "mrs": true, "ms": true, "und": true, "bsc": true, "msc": true,
}

// particles belong to a name, but people leave them out.
var particles = map[string]bool{
	"von": true, "vom": true, "van": true, "de": true, "der": true, "den": true, "zu": true, "zur": true, "zum": true, "di": true, "da": true,
	"del": true, "la": true, "le": true, "el": true, "al": true, "bin": true, "ten": true, "ter": true, "und": true,
}

// Name are the words of a person's name, folded, without titles and particles, unless nothing else is left.
func Name(s string) []string {
	all := Words(s)
	kept := slices.DeleteFunc(slices.Clone(all), func(w string) bool { return titles[w] || particles[w] })
	if len(kept) == 0 {
		return all
	}
	return kept
}

// Company is the name of a company.
type Company struct {
	// Core is the name without its legal form, folded, without blanks.
	Core string
	// Words are the words of the core.
	Words []string
	// Forms are the parts of the legal form, sorted: "GmbH & Co. KG" is gmbh and kg.
	Forms []string
}

// legalForms are how legal forms are written, the longest first, and what they are.
var legalForms = []struct {
	words []string
	form  string
}{
	{[]string{"gesellschaft", "mit", "beschraenkter", "haftung"}, "gmbh"},
	{[]string{"gesellschaft", "buergerlichen", "rechts"}, "gbr"},
	{[]string{"offene", "handelsgesellschaft"}, "ohg"},
	{[]string{"unternehmergesellschaft", "haftungsbeschraenkt"}, "ug"},
	{[]string{"ug", "haftungsbeschraenkt"}, "ug"},
	{[]string{"eingetragener", "kaufmann"}, "ek"},
	{[]string{"eingetragene", "kauffrau"}, "ek"},
	{[]string{"eingetragener", "verein"}, "ev"},
	{[]string{"eingetragene", "genossenschaft"}, "eg"},
	{[]string{"g", "m", "b", "h"}, "gmbh"},
	{[]string{"ges", "m", "b", "h"}, "gmbh"},
	{[]string{"m", "b", "h"}, "gmbh"},
	{[]string{"e", "k"}, "ek"},
	{[]string{"e", "v"}, "ev"},
	{[]string{"e", "g"}, "eg"},
	{[]string{"a", "g"}, "ag"},
	{[]string{"k", "g"}, "kg"},
	{[]string{"gmbh"}, "gmbh"},
	{[]string{"ggmbh"}, "gmbh"},
	{[]string{"mbh"}, "gmbh"},
	{[]string{"ag"}, "ag"},
	{[]string{"aktiengesellschaft"}, "ag"},
	{[]string{"kg"}, "kg"},
	{[]string{"kommanditgesellschaft"}, "kg"},
	{[]string{"kgaa"}, "kgaa"},
	{[]string{"ohg"}, "ohg"},
	{[]string{"gbr"}, "gbr"},
	{[]string{"ug"}, "ug"},
	{[]string{"unternehmergesellschaft"}, "ug"},
	{[]string{"ek"}, "ek"},
	{[]string{"ev"}, "ev"},
	{[]string{"eg"}, "eg"},
	{[]string{"se"}, "se"},
	{[]string{"co"}, ""},
	{[]string{"und"}, ""},
	{[]string{"inh"}, ""},
	{[]string{"firma"}, ""},
	{[]string{"fa"}, ""},
}

// ParseCompany takes the name of a company apart.
func ParseCompany(s string) Company {
	words := Words(s)
	var c Company
next:
	for i := 0; i < len(words); {
		for _, f := range legalForms {
			if len(words)-i >= len(f.words) && slices.Equal(words[i:i+len(f.words)], f.words) {
				if f.form != "" {
					c.Forms = append(c.Forms, f.form)
				}
				i += len(f.words)
				continue next
			}
		}
		c.Words = append(c.Words, words[i])
		i++
	}
	slices.Sort(c.Forms)
	c.Forms = slices.Compact(c.Forms)
	c.Core = strings.Join(c.Words, "")
	return c
}
