// Package rules holds rendered Kubernetes manifests to the API's types and to what enneo-bridge promises of its pods.
//
// Read decodes strictly: a field that the API does not have is an error, for custom resources by the schemas that their
// projects publish. Check then applies every rule of All to what was read. A rule looks at the whole set, since most
// mistakes are between two objects: a selector that matches nobody, a secret that nobody makes.
//
// # Concurrency
//
// A Set does not change after Read; rules may run on it at the same time.
package rules

import (
	"fmt"
	"slices"
)

// Rule is something that has to be true of a set of manifests.
type Rule struct {
	// Name says in a few words what the rule is about.
	Name string
	// Check returns what is wrong, with the names of the objects.
	Check func(*Set) []error
}

// All are the rules for everything in deploy/k8s, whatever it is combined of.
func All() []Rule {
	return []Rule{
		{"restricted", restricted},
		{"containers", containers},
		{"accounts", accounts},
		{"companions", companions},
		{"images", images},
		{"termination", termination},
		{"rollout", rollout},
		{"cron", cron},
		{"references", references},
		{"selectors", selectors},
		{"backends", backends},
		{"monitors", monitors},
		{"policies", policies},
		{"reach", reach},
		{"scaling", scaling},
		{"triggers", triggers},
		{"stores", stores},
	}
}

// Problem is what a rule has found.
type Problem struct {
	Rule string
	Err  error
}

// String is the problem in one line.
func (p Problem) String() string { return fmt.Sprintf("%s: %v", p.Rule, p.Err) }

// Check applies the rules.
func Check(s *Set, rules []Rule) []Problem {
	var found []Problem
	for _, r := range rules {
		for _, err := range r.Check(s) {
			found = append(found, Problem{r.Name, err})
		}
	}
	return found
}

// contains tells whether all pairs of sub are in m.
func contains(m, sub map[string]string) bool {
	for key, value := range sub {
		if m[key] != value {
			return false
		}
	}
	return true
}

// ours are the services of enneo-bridge, as they are called in Kubernetes.
var ours = []string{"ingestor", "debouncer", "enricher", "publisher", "lookup", "reconciler", "simulator"}

func isOurs(name string) bool { return slices.Contains(ours, name) }

// nothing stands in for values that a rule does not look at.
func nothing(string) string { return "" }
