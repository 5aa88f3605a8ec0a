package config

import (
	"fmt"
	"slices"
	"strings"
)

// Unknown returns one error for each variable in environ that begins with prefix and is not in known, in ascending order
// of the names. An error names the variable, never its value, and the known name that it was probably meant to be.
// The entries of environ are names, with or without "=value", as Lister.Keys and os.Environ give them.
func Unknown(environ []string, prefix string, known []string) []error {
	var strangers []string
	for _, entry := range environ {
		key, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(key, prefix) && !slices.Contains(known, key) {
			strangers = append(strangers, key)
		}
	}
	slices.Sort(strangers)
	var errs []error
	for _, key := range slices.Compact(strangers) {
		if nearest, ok := nearest(key, known); ok {
			errs = append(errs, fmt.Errorf("%s: unknown variable; did you mean %s?", key, nearest))
		} else {
			errs = append(errs, fmt.Errorf("%s: unknown variable; remove it or look up its name in the documentation", key))
		}
	}
	return errs
}

// nearest finds the name with the least edit distance to key, if that is small enough for a typing error: at most three
// edits and at most a third of the key.
func nearest(key string, names []string) (string, bool) {
	best, found := "", false
	limit := min(3, len(key)/3)
	for _, name := range slices.Sorted(slices.Values(names)) {
		if d := distance(key, name); d <= limit && (!found || d < distance(key, best)) {
			best, found = name, true
		}
	}
	return best, found
}

// distance is the number of bytes to insert, delete or replace to make b of a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
