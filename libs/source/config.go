package source

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/key"
)

// Config holds the variables of one source. Their names here are what follows SOURCE_<NAME>_.
type Config struct {
	Profile               string        `env:"PROFILE" desc:"Profile of the ERP: powercloud, lynqtech, generic, or the path of a profile file. Required."`
	Host                  string        `env:"HOST" desc:"Scheme and host of the ERP, with a path prefix if it has one, for example https://app.powercloud.de. Required by services that read the ERP."`
	Auth                  string        `env:"AUTH" desc:"How requests to the ERP are authenticated: context_basic, basic, header, bearer, query or oauth2, as far as the profile offers it. Chosen by the profile and the credentials if not set."`
	APIKey                config.Secret `env:"API_KEY" desc:"API key of the ERP."`
	APIUser               string        `env:"API_USER" desc:"User of the ERP's API, for basic and context_basic; client id for oauth2."`
	APIPassword           config.Secret `env:"API_PASSWORD" desc:"Password of API_USER; the API key is taken if it is not set."`
	Hash                  config.Secret `env:"HASH" desc:"Instance hash in the paths of a Powercloud API."`
	TokenURL              string        `env:"TOKEN_URL" desc:"Token endpoint of the scheme oauth2 (client credentials); API_USER is the client id, API_PASSWORD its secret."`
	TokenScopes           []string      `env:"TOKEN_SCOPES" desc:"Scopes that are asked of the token endpoint."`
	CAFile                string        `env:"CA_FILE" desc:"File with the certificates (PEM) of the authorities that may vouch for the ERP, in place of those of the system."`
	EnneoID               string        `env:"ENNEO_ID, default={id}" desc:"Id in Enneo; {id} stands for the id in the ERP."`
	WebhookSecret         config.Secret `env:"WEBHOOK_SECRET" desc:"Secret that the ERP sends with its webhooks; for hmac the key of its signatures, whsec_ and base64. Required by the ingestor unless WEBHOOK_AUTH is none or ip alone."`
	WebhookSecretPrevious config.Secret `env:"WEBHOOK_SECRET_PREVIOUS" desc:"The secret before WEBHOOK_SECRET, valid as well while the ERP is moved to the new one; the metric bridge_webhook_previous_secret_total counts the requests that still use it. Remove it when that stands still."`
	WebhookAuth           []string      `env:"WEBHOOK_AUTH, default=header,bearer,path" desc:"How webhooks are authenticated. Any of: header (secret in X-Webhook-Secret), bearer, path (last segment), basic (password, any user), hmac (signature after Standard Webhooks, of the body only). With ip among them the sender's address must be in WEBHOOK_IPS as well; ip alone is enough by itself. Or none alone: no authentication at all."`
	WebhookIPs            []string      `env:"WEBHOOK_IPS" desc:"Addresses and networks (CIDR) that webhooks may come from, for the method ip; behind a proxy set TRUSTED_PROXIES too."`
	WebhookRate           float64       `env:"WEBHOOK_RATE, default=0" desc:"Webhook requests per second and process that are accepted, 0 for any number. Over it the answer is 429 with Retry-After: changes of a sender that does not repeat such requests are lost."`
	QuietPeriod           time.Duration `env:"QUIET_PERIOD" desc:"How long a key must be quiet before it is flushed, as a duration; DEBOUNCE_QUIET_PERIOD if not set."`
	MaxWait               time.Duration `env:"MAX_WAIT" desc:"The longest wait from a window's first event, as a duration; DEBOUNCE_MAX_WAIT if not set."`
	UrgentTypes           []string      `env:"URGENT_TYPES" desc:"Change types that do not wait for the quiet period, as the ERP names them."`
	MinAge                time.Duration `env:"MIN_AGE" desc:"Minimum age of the newest event before the ERP is read, as a duration, for an ERP whose webhook is faster than its database."`
	Rate                  float64       `env:"RATE, default=5" desc:"Requests to the ERP per second, of all replicas together; one second's worth may go at once."`
	Concurrency           int           `env:"CONCURRENCY, default=4" desc:"Requests to the ERP at the same time, of all replicas together."`
	Timeout               time.Duration `env:"TIMEOUT, default=30s" desc:"How long one request to the ERP may take, as a duration."`
}

const (
	idPlaceholder  = "{id}"
	maxConcurrency = 1000
	maxTimeout     = 10 * time.Minute
)

var errNotSet = errors.New("required, but not set or empty")

// check returns everything that is wrong with the values, apart from host, profile, authentication and webhooks. Each error begins
// with a variable, whose full name prefix makes.
func (c *Config) check(prefix string) []error {
	var errs []error
	fail := func(name, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s%s: %w", prefix, name, fmt.Errorf(format, args...)))
	}
	if c.QuietPeriod <= 0 {
		fail("QUIET_PERIOD", "%s is not positive; write for example 15s", c.QuietPeriod)
	}
	if c.QuietPeriod >= c.MaxWait {
		fail("QUIET_PERIOD", "%s must be shorter than the max wait of %s; lower it, or raise %sMAX_WAIT", c.QuietPeriod, c.MaxWait, prefix)
	}
	if c.MinAge < 0 {
		fail("MIN_AGE", "%s is negative", c.MinAge)
	}
	if !(c.Rate > 0) || math.IsInf(c.Rate, 0) {
		fail("RATE", "%v is not a positive number of requests per second", c.Rate)
	}
	if c.Concurrency < 1 || c.Concurrency > maxConcurrency {
		fail("CONCURRENCY", "%d is not between 1 and %d", c.Concurrency, maxConcurrency)
	}
	if c.Timeout <= 0 || c.Timeout > maxTimeout {
		fail("TIMEOUT", "%s is not between 0 and %s", c.Timeout, maxTimeout)
	}
	if literal := strings.Replace(c.EnneoID, idPlaceholder, "", 1); literal == c.EnneoID || strings.ContainsAny(literal, "{}") {
		fail("ENNEO_ID", "%q must contain {id} once, and no other braces", c.EnneoID)
	} else if !utf8.ValidString(literal) || utf8.RuneCountInString(literal) >= key.MaxIDLength {
		fail("ENNEO_ID", "%q leaves no room for an id in the %d characters that Enneo allows", c.EnneoID, key.MaxIDLength)
	}
	return errs
}

// host reads HOST. Its errors do not show the value, which may hold a password.
func (c *Config) host(prefix string, need bool) (*url.URL, error) {
	if c.Host == "" {
		if need {
			return nil, fmt.Errorf("%sHOST: %w; write scheme and host, for example https://erp.example", prefix, errNotSet)
		}
		return nil, nil
	}
	u, err := url.Parse(c.Host)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return nil, fmt.Errorf("%sHOST: must begin with https:// (or http://) and name a host", prefix)
	case u.User != nil:
		return nil, fmt.Errorf("%sHOST: must not hold credentials; use API_USER and API_PASSWORD", prefix)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, fmt.Errorf("%sHOST: must not have a query or fragment", prefix)
	}
	return u, nil
}
