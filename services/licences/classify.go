package licences

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A sign is a passage that every copy of a licence has, in lower case with single blanks.
type sign struct{ id, passage string }

// accepted are the licences that a module may have: all of them let a program that holds the module be passed on under other
// terms. Whatever is not here needs a decision by a person, and a line here if it is yes.
var accepted = []sign{
	{"Apache-2.0", "apache license version 2.0"},
	{"BSD", "redistribution and use in source and binary forms, with or without modification, are permitted"},
	{"ISC", "permission to use, copy, modify, and/or distribute this software for any purpose with or without fee"},
	{"ISC", "permission to use, copy, modify, and distribute this software for any purpose with or without fee"},
	{"MIT", "permission is hereby granted, free of charge, to any person obtaining a copy"},
	{"MPL-2.0", "mozilla public license version 2.0"},
	{"LicenseRef-public-domain", "has been dedicated to the public domain by the authors"}, // SQLite's own words
}

// refused are licences that would bind whoever runs or passes on enneo-bridge, and that are named for a better message:
// anything else that is unknown is refused as well.
var refused = []sign{
	{"SSPL-1.0", "server side public license"},
	{"BUSL-1.1", "business source license"},
	{"AGPL-3.0", "gnu affero general public license"},
	{"GPL", "gnu general public license"},
	{"LGPL", "gnu lesser general public license"},
	{"Elastic-2.0", "elastic license"},
	{"Commons Clause", "commons clause"},
}

// title is how many characters of a text its title may take. Beyond it licences name each other: the MPL names the GPL.
const title = 200

var (
	errUnknown = errors.New("the licence is not one of those that are known")
	blanks     = regexp.MustCompile(`[\s,]+`)
)

// classify names the licence of a text, or several that it holds one after the other, as SPDX identifiers.
func classify(text []byte) (string, error) {
	plain := strings.TrimSpace(blanks.ReplaceAllString(strings.ToLower(string(text)), " "))
	head := plain[:min(title, len(plain))]
	for _, s := range refused {
		if strings.Contains(head, s.passage) {
			return "", fmt.Errorf("the licence %s is refused", s.id)
		}
	}
	if strings.Contains(plain, "commons clause") {
		return "", errors.New("the Commons Clause is refused")
	}
	var found []string
	for _, s := range accepted {
		if !strings.Contains(plain, strings.ReplaceAll(s.passage, ",", "")) {
			continue
		}
		if s.id == "BSD" {
			s.id = "BSD-2-Clause"
			if strings.Contains(plain, "neither the name") || strings.Contains(plain, "may not be used to endorse") {
				s.id = "BSD-3-Clause"
			}
		}
		if !slices.Contains(found, s.id) {
			found = append(found, s.id)
		}
	}
	if len(found) == 0 {
		return "", errUnknown
	}
	return strings.Join(found, " AND "), nil
}
