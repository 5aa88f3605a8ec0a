// Package legitimation decides how far a customer has proven who they are, by the operator's rules.
//
// A rule is "level=attribute+attribute": its level is reached if every attribute was given in the search and agrees with the
// contract that was found. "!attribute" is reached if the contract has no value for it. The highest level that is reached counts. Levels are
// those of Enneo's documentation: 0 not identified, 10 identified but rules not passed, 12 identified, no email in the ERP, 20
// legitimated; 30 and 40 are for people to give.
//
// # Concurrency
//
// Rules never change and are safe for concurrent use.
package legitimation

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// highest is the highest level that a rule may give: above it a person has confirmed who somebody is.
const highest = 20

// Rules decide about levels. The zero value decides nothing.
type Rules struct {
	rules    []rule // the highest level first
	messages map[int]string
}

type rule struct {
	level         int
	given, absent []string
}

// Parse reads rules, and the messages by level. Its error names everything that is wrong.
func Parse(rules []string, messages map[string]string) (*Rules, error) {
	r := &Rules{messages: map[int]string{}}
	var errs []error
	for _, text := range rules {
		one, err := parse(text)
		errs = append(errs, err)
		r.rules = append(r.rules, one)
	}
	slices.SortStableFunc(r.rules, func(a, b rule) int { return b.level - a.level })
	for level, message := range messages {
		n, err := strconv.Atoi(level)
		if err != nil || !slices.ContainsFunc(r.rules, func(one rule) bool { return one.level == n }) {
			errs = append(errs, fmt.Errorf("message for level %q: no rule has this level", level))
		}
		r.messages[n] = message
	}
	return r, errors.Join(errs...)
}

func parse(text string) (rule, error) {
	level, conditions, ok := strings.Cut(text, "=")
	n, err := strconv.Atoi(strings.TrimSpace(level))
	if !ok || err != nil || n < 0 || n > highest {
		return rule{}, fmt.Errorf("%q: write level=attribute+attribute, with a level from 0 to %d, for example 20=contractId+postalCode", text, highest)
	}
	one := rule{level: n}
	if strings.TrimSpace(conditions) == "" {
		return one, nil
	}
	for name := range strings.SplitSeq(conditions, "+") {
		name = strings.TrimSpace(name)
		bare, absent := strings.CutPrefix(name, "!")
		if bare == "" {
			return rule{}, fmt.Errorf("%q: an attribute is missing beside a +", text)
		}
		if absent {
			one.absent = append(one.absent, bare)
		} else {
			one.given = append(one.given, bare)
		}
	}
	return one, nil
}

// Of decides about a search with the attributes given, by Enneo's names, and the contract that it found. It returns false if no rule is
// met, so that Enneo decides.
func (r *Rules) Of(given map[string]string, contract map[string]any) (level int, message string, ok bool) {
	if r == nil {
		return 0, "", false
	}
	for _, one := range r.rules {
		if one.met(given, contract) {
			return one.level, r.messages[one.level], true
		}
	}
	return 0, "", false
}

func (r *rule) met(given map[string]string, contract map[string]any) bool {
	for _, name := range r.given {
		if !agrees(name, given[name], contract) {
			return false
		}
	}
	for _, name := range r.absent {
		if slices.ContainsFunc(values(name, contract), func(s string) bool { return s != "" }) {
			return false
		}
	}
	return true
}
