package config

import (
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/sethvargo/go-envconfig"
)

// Lister knows the names of all variables, which an envconfig.Lookuper alone does not.
type Lister interface {
	// Keys returns the names in ascending order.
	Keys() []string
}

// Environment is a set of variables that can be looked up and listed.
type Environment interface {
	envconfig.Lookuper
	Lister
}

type osEnvironment struct{ envconfig.Lookuper }

// OS is the environment of the process, as it is at the moment of each call.
func OS() Environment { return osEnvironment{envconfig.OsLookuper()} }

func (osEnvironment) Keys() []string {
	environ := os.Environ()
	keys := make([]string, 0, len(environ))
	for _, entry := range environ {
		key, _, _ := strings.Cut(entry, "=")
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

type mapEnvironment map[string]string

// Map is an environment with a copy of the variables given.
func Map(variables map[string]string) Environment { return mapEnvironment(maps.Clone(variables)) }

func (m mapEnvironment) Lookup(key string) (string, bool) {
	value, found := m[key]
	return value, found
}

func (m mapEnvironment) Keys() []string { return slices.Sorted(maps.Keys(m)) }
