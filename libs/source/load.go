package source

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sethvargo/go-envconfig"

	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
)

const (
	listVariable = "SOURCES"
	keyPrefix    = "SOURCE_"
)

// Defaults are what a source takes that does not set its own.
type Defaults struct{ QuietPeriod, MaxWait time.Duration }

// Need says what a service cannot work without; the rest may be absent, but is checked if it is there.
type Need struct {
	// ERP: host and credentials.
	ERP bool
	// Webhook: what webhooks are authenticated with.
	Webhook bool
}

// Load reads all sources that SOURCES names, in its order. The error joins everything that is wrong. Variables that begin
// with SOURCE_ and belong to none are reported if env is a config.Lister.
//
// With the sources a and a-webhook, SOURCE_A_WEBHOOK_AUTH is the AUTH of a-webhook: the longest name wins.
func Load(ctx context.Context, env envconfig.Lookuper, defaults Defaults, need Need) ([]*Source, error) {
	list, _ := env.Lookup(listVariable)
	names, errs := parseNames(list)
	if len(names) == 0 && len(errs) == 0 {
		return nil, fmt.Errorf("%s: %w; write the names of the connected ERPs with commas between them", listVariable, errNotSet)
	}
	suffixes, err := suffixes()
	if err != nil {
		return nil, err
	}
	var known []string
	l := loader{profiles: map[string]*profile.Profile{}, defaults: defaults, need: need}
	sources := make([]*Source, 0, len(names))
	for _, name := range names {
		own := scoped{env: env, prefix: prefixOf(name), name: name, names: names, suffixes: suffixes}
		for _, suffix := range suffixes {
			if own.owns(own.Key(suffix)) {
				known = append(known, own.Key(suffix))
			}
		}
		if !slices.ContainsFunc(suffixes, own.has) {
			errs = append(errs, fmt.Errorf("%s: names %s, but no variable %s… is set; set at least %sPROFILE", listVariable, name, own.prefix, own.prefix))
			continue
		}
		s, err := l.source(ctx, own)
		errs = append(errs, err...)
		sources = append(sources, s)
	}
	if lister, ok := env.(config.Lister); ok {
		errs = append(errs, config.Unknown(lister.Keys(), keyPrefix, known)...)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return sources, nil
}

// parseNames returns the valid names in list, and an error for each of the others.
func parseNames(list string) (names []string, errs []error) {
	for name := range strings.SplitSeq(list, ",") {
		name = strings.TrimSpace(name)
		switch {
		case name == "":
		case !key.ValidSource(name):
			errs = append(errs, fmt.Errorf("%s: %q: %w", listVariable, name, key.ErrSource))
		case slices.ContainsFunc(names, func(other string) bool { return prefixOf(other) == prefixOf(name) }):
			errs = append(errs, fmt.Errorf("%s: %s stands twice", listVariable, name))
		default:
			names = append(names, name)
		}
	}
	return names, errs
}

// suffixes are the variables of Config.
func suffixes() ([]string, error) {
	fields, err := config.Fields(Config{})
	if err != nil {
		return nil, fmt.Errorf("list the variables of a source: %w", err)
	}
	names := make([]string, 0, len(fields))
	for _, f := range fields {
		names = append(names, f.Key)
	}
	return names, nil
}

// prefixOf is what the variables of a source begin with.
func prefixOf(name string) string {
	return keyPrefix + strings.ToUpper(strings.ReplaceAll(name, "-", "_")) + "_"
}

// scoped is the part of the environment that belongs to one source, without its prefix.
type scoped struct {
	env    envconfig.Lookuper
	prefix string
	name   string
	// names are all sources, suffixes all variables that a source may have.
	names, suffixes []string
}

// Key is the full name of a variable; package config asks for it, to name it in errors.
func (s scoped) Key(suffix string) string { return s.prefix + suffix }

// Lookup implements envconfig.Lookuper.
func (s scoped) Lookup(suffix string) (string, bool) {
	if !s.owns(s.Key(suffix)) {
		return "", false
	}
	return s.env.Lookup(s.Key(suffix))
}

func (s scoped) has(suffix string) bool {
	value, found := s.Lookup(suffix)
	return found && value != ""
}

// owns tells whether no source with a longer name has the variable.
func (s scoped) owns(variable string) bool {
	return !slices.ContainsFunc(s.names, func(other string) bool {
		suffix, ok := strings.CutPrefix(variable, prefixOf(other))
		return ok && len(prefixOf(other)) > len(s.prefix) && slices.Contains(s.suffixes, suffix)
	})
}

// loader makes sources, and loads each profile once.
type loader struct {
	profiles map[string]*profile.Profile
	defaults Defaults
	need     Need
}

func (l *loader) source(ctx context.Context, env scoped) (*Source, []error) {
	c := Config{QuietPeriod: l.defaults.QuietPeriod, MaxWait: l.defaults.MaxWait}
	if err := config.Load(ctx, env, &c); err != nil {
		// What could not be read would be reported once more as a wrong value.
		return nil, []error{err}
	}
	allowed, errs := c.webhook(env.prefix, l.need.Webhook)
	errs = append(c.check(env.prefix), errs...)
	host, err := c.host(env.prefix, l.need.ERP)
	if err != nil {
		errs = append(errs, err)
	}
	tokenURL, err := c.tokenURL(env.prefix)
	if err != nil {
		errs = append(errs, err)
	}
	rootCAs, err := c.rootCAs(env.prefix)
	if err != nil {
		errs = append(errs, err)
	}
	p, err := l.profile(env.prefix, c.Profile)
	if err != nil {
		errs = append(errs, err)
	}
	var scheme profile.Scheme
	if p != nil && (l.need.ERP || c.Auth != "") {
		var wrong []error
		scheme, wrong = c.scheme(env.prefix, p, l.need.ERP)
		errs = append(errs, wrong...)
	}
	return &Source{
		Name: env.name, Profile: p, Host: host, Auth: scheme,
		APIKey: c.APIKey, APIUser: c.APIUser, APIPassword: c.APIPassword, Hash: c.Hash,
		TokenURL: tokenURL, TokenScopes: c.TokenScopes, RootCAs: rootCAs,
		EnneoID: c.EnneoID, WebhookSecret: c.WebhookSecret, WebhookSecretPrevious: c.WebhookSecretPrevious,
		WebhookAuth: c.WebhookAuth, WebhookIPs: allowed, WebhookRate: c.WebhookRate,
		QuietPeriod: c.QuietPeriod, MaxWait: c.MaxWait, UrgentTypes: c.UrgentTypes, MinAge: c.MinAge,
		Rate: c.Rate, Concurrency: c.Concurrency, Timeout: c.Timeout,
	}, errs
}

func (l *loader) profile(prefix, name string) (*profile.Profile, error) {
	if name == "" {
		return nil, fmt.Errorf("%sPROFILE: %w; write %s, or the path of a profile file", prefix, errNotSet, strings.Join(profile.Builtin(), ", "))
	}
	if p := l.profiles[name]; p != nil {
		return p, nil
	}
	p, err := profile.Load(name)
	if err != nil {
		return nil, fmt.Errorf("%sPROFILE: %w", prefix, err)
	}
	l.profiles[name] = p
	return p, nil
}
