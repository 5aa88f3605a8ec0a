// Package source describes the connected ERPs: one Source for each, read from the variables SOURCES and SOURCE_<NAME>_….
//
// A loaded source never changes and is safe for concurrent use. Its secrets are config.Secret values, which no log or error
// shows.
package source

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
)

// Source is one connected ERP.
type Source struct {
	// Name is what SOURCES calls it; the first part of its keys.
	Name    string
	Profile *profile.Profile
	// Host is scheme and host with an optional path prefix; nil in services that do not read the ERP and where it is not set.
	Host *url.URL
	// Auth is the scheme of requests to the ERP; empty in services that do not read it.
	Auth        profile.Scheme
	APIKey      config.Secret
	APIUser     string
	APIPassword config.Secret
	Hash        config.Secret
	// TokenURL and TokenScopes are those of the scheme oauth2, whose client id is APIUser and whose secret is APIPassword.
	TokenURL    *url.URL
	TokenScopes []string
	// RootCAs are the authorities that may vouch for the ERP and its token endpoint; nil means those of the system.
	RootCAs *x509.CertPool
	// EnneoID is the template of ids in Enneo; it contains {id} once.
	EnneoID string

	// WebhookSecret and, while it is set, WebhookSecretPrevious are what webhooks are authenticated with; both are signing keys
	// (see SigningKey) if WebhookAuth names hmac.
	WebhookSecret, WebhookSecretPrevious config.Secret
	// WebhookAuth are the methods by any of which a webhook is authenticated, or none alone; ip is a condition in addition
	// to the others.
	WebhookAuth []string
	// WebhookIPs are where webhooks may come from if WebhookAuth names ip.
	WebhookIPs []netip.Prefix
	// WebhookRate is in requests per second and process; 0 means any number.
	WebhookRate float64

	// QuietPeriod is positive and shorter than MaxWait.
	QuietPeriod, MaxWait time.Duration
	// UrgentTypes are change types that are due at once.
	UrgentTypes []string
	// MinAge is the minimum age of the newest event before the ERP is read.
	MinAge time.Duration

	// Rate is in requests per second, Concurrency in requests at the same time, of all replicas together.
	Rate        float64
	Concurrency int
	// Timeout bounds one request to the ERP.
	Timeout time.Duration
}

// EnneoIDFor is the id in Enneo of the ERP's id.
func (s *Source) EnneoIDFor(id string) string {
	return strings.Replace(s.EnneoID, idPlaceholder, id, 1)
}

// IDFromEnneo is the inverse of EnneoIDFor; false for an id in Enneo that no id of this source has.
func (s *Source) IDFromEnneo(enneoID string) (id string, ok bool) {
	before, after, _ := strings.Cut(s.EnneoID, idPlaceholder)
	id, ok = strings.CutPrefix(enneoID, before)
	if !ok {
		return "", false
	}
	id, ok = strings.CutSuffix(id, after)
	return id, ok && key.ValidID(id)
}

// ErrOverlap is in the chain of what CheckDisjoint returns.
var ErrOverlap = errors.New("could give two contracts one id in Enneo")

// CheckDisjoint makes sure that no two sources can give different contracts the same id in Enneo: for each pair, what stands
// before {id} or what stands after it must differ so that no id fits both templates. declared is the operator's word that
// the ids are disjoint by themselves (ENNEO_IDS_DISJOINT).
func CheckDisjoint(sources []*Source, declared bool) error {
	if declared {
		return nil
	}
	var errs []error
	for i, a := range sources {
		for _, b := range sources[i+1:] {
			if overlap(a.EnneoID, b.EnneoID) {
				errs = append(errs, fmt.Errorf("sources %s (ENNEO_ID %s) and %s (ENNEO_ID %s): %w; give one another prefix, for example %s-{id}, or set ENNEO_IDS_DISJOINT=true if their ids never coincide",
					a.Name, a.EnneoID, b.Name, b.EnneoID, ErrOverlap, b.Name))
			}
		}
	}
	return errors.Join(errs...)
}

// overlap tells whether some text fits both templates, ids being any text.
func overlap(a, b string) bool {
	beforeA, afterA, _ := strings.Cut(a, idPlaceholder)
	beforeB, afterB, _ := strings.Cut(b, idPlaceholder)
	return (strings.HasPrefix(beforeA, beforeB) || strings.HasPrefix(beforeB, beforeA)) &&
		(strings.HasSuffix(afterA, afterB) || strings.HasSuffix(afterB, afterA))
}

// Names are the names of sources, in their order.
func Names(sources []*Source) []string {
	names := make([]string, len(sources))
	for i, s := range sources {
		names[i] = s.Name
	}
	return names
}
