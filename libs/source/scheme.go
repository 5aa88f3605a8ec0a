package source

import (
	"fmt"
	"slices"
	"strings"

	"github.com/enneo-ai/enneo-bridge/libs/profile"
)

// scheme chooses how requests are authenticated: as AUTH says; else the profile's default if it takes what is there (a user,
// or a key alone), else the first of its schemes that does. credentials says whether they must be complete.
func (c *Config) scheme(prefix string, p *profile.Profile, credentials bool) (profile.Scheme, []error) {
	auth := p.Auth()
	chosen := profile.Scheme(c.Auth)
	if c.Auth != "" && !slices.Contains(auth.Schemes, chosen) {
		return "", []error{fmt.Errorf("%sAUTH: %q is not offered by the profile %s; use %s", prefix, c.Auth, p.Name(), schemeList(auth.Schemes))}
	}
	if c.Auth == "" && c.TokenURL != "" && slices.Contains(auth.Schemes, profile.OAuth2) {
		chosen = profile.OAuth2
	} else if c.Auth == "" {
		withUser := c.APIUser != ""
		candidates := append([]profile.Scheme{auth.Default}, auth.Schemes...)
		// Without any credentials the default's own demands are reported.
		if i := slices.IndexFunc(candidates, func(s profile.Scheme) bool { return s.NeedsUser() == withUser }); i >= 0 && (withUser || c.APIKey.IsSet()) {
			chosen = candidates[i]
		} else {
			chosen = auth.Default
		}
	}
	if !credentials {
		return chosen, nil
	}
	return chosen, c.missing(prefix, chosen, p)
}

// missing lists what the scheme needs and is not there.
func (c *Config) missing(prefix string, s profile.Scheme, p *profile.Profile) []error {
	var errs []error
	fail := func(name, remedy string) {
		errs = append(errs, fmt.Errorf("%s%s: %w, but the scheme %s needs it%s", prefix, name, errNotSet, s, remedy))
	}
	switch {
	case !s.NeedsUser() && !c.APIKey.IsSet():
		fail("API_KEY", "")
	case s.NeedsUser():
		if c.APIUser == "" {
			fail("API_USER", "")
		}
		if !c.APIPassword.IsSet() && !c.APIKey.IsSet() {
			fail("API_PASSWORD", " (or API_KEY)")
		}
		// RFC 7617: the first colon ends the user name.
		if s != profile.OAuth2 && strings.Contains(c.APIUser, ":") {
			errs = append(errs, fmt.Errorf("%sAPI_USER: must not contain a colon", prefix))
		}
	}
	if s == profile.OAuth2 && c.TokenURL == "" {
		fail("TOKEN_URL", "")
	}
	if s == profile.ContextBasic && p.NeedsHash() && !c.Hash.IsSet() {
		fail("HASH", " for the paths of the profile "+p.Name())
	}
	return errs
}

func schemeList(schemes []profile.Scheme) string {
	names := make([]string, 0, len(schemes))
	for _, s := range schemes {
		names = append(names, string(s))
	}
	return strings.Join(names, ", ")
}
