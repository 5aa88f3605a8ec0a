package lookup

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/pipeline"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
	"github.com/enneo-ai/enneo-bridge/libs/redisx"
	"github.com/enneo-ai/enneo-bridge/libs/source"
	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/legitimation"
)

// Mode is where answers come from.
type Mode string

// The modes.
const (
	// Live asks the ERP, and what is known if the ERP does not answer.
	Live Mode = "live"
	// Model asks nothing but what is known.
	Model Mode = "model"
	// Auto asks what is known where that is up to date, and the ERP otherwise.
	Auto Mode = "auto"
)

// Ways in which callers are authenticated.
const (
	authBearer = "bearer"
	authNone   = "none"
)

// Config is the configuration of lookup.
type Config struct {
	ListenAddr     string            `env:"LISTEN_ADDR, default=:8081" desc:"Address of the search calls"`
	Token          config.Secret     `env:"LOOKUP_TOKEN" desc:"Bearer token that Enneo's executors send. Required unless LOOKUP_AUTH is none"`
	TokenPrevious  config.Secret     `env:"LOOKUP_TOKEN_PREVIOUS" desc:"The token before LOOKUP_TOKEN, valid as well while Enneo is moved to the new one; the metric bridge_lookup_previous_token_total counts the calls that still use it. Remove it when that stands still"`
	Auth           string            `env:"LOOKUP_AUTH, default=bearer" desc:"How callers are authenticated: bearer, or none if something in front of the service does it; answers are personal data"`
	Mode           Mode              `env:"LOOKUP_MODE, default=auto" desc:"Where answers come from: live (the ERP, and what is known if it does not answer), model (only what is known, which costs the ERP nothing) or auto (what is known where it is up to date, else the ERP)"`
	CacheTTL       time.Duration     `env:"LOOKUP_CACHE_TTL, default=30s" desc:"How long an answer of the ERP is used again, unless an event or a newer read of the same contract comes; 0 never"`
	Budget         time.Duration     `env:"LOOKUP_BUDGET, default=3s" desc:"How long a call waits for the ERP before it is answered with what is known"`
	TicketAttempts int               `env:"LOOKUP_TICKET_ATTEMPTS, default=10" desc:"Searches by attributes of one ticket that may find nobody within LOOKUP_TICKET_WINDOW, of all replicas together; after that the ticket finds nobody any more, whatever it guesses. 0 for any number"`
	TicketWindow   time.Duration     `env:"LOOKUP_TICKET_WINDOW, default=24h" desc:"How long a ticket's searches that found nobody count, from the first one on"`
	Legitimation   []string          `env:"LOOKUP_LEGITIMATION" desc:"Rules that override Enneo's own legitimation, level=attribute+attribute: the highest level counts whose attributes were all given and agree with the contract, for example 20=contractId+postalCode,12=!email,10=; !email means that the contract has none. Empty: Enneo decides"`
	Messages       map[string]string `env:"LOOKUP_LEGITIMATION_MESSAGES" desc:"What is said about a level of LOOKUP_LEGITIMATION, level:text with commas between them, for example 20:number and postcode agree,10:found by name"`
	TempDir        string            `env:"LOOKUP_TEMP_DIR" desc:"Directory for the read model, which holds personal data and goes with the process; the system's directory for temporary files if not set"`
	Disjoint       bool              `env:"ENNEO_IDS_DISJOINT, default=false" desc:"Your word that the ids of several sources never coincide in Enneo"`
	Redis          redisx.Config
	Windows        pipeline.Windows
	NATS           bus.Config
}

// maxBudget keeps an answer within what the server may take to write it.
const maxBudget = 25 * time.Second

// Validate checks mode, authentication and figures.
func (c *Config) Validate() error {
	var errs []error
	if !slices.Contains([]Mode{Live, Model, Auto}, c.Mode) {
		errs = append(errs, fmt.Errorf("LOOKUP_MODE: %q is no mode; set live, model or auto", c.Mode))
	}
	switch {
	case c.Auth != authBearer && c.Auth != authNone:
		errs = append(errs, fmt.Errorf("LOOKUP_AUTH: %q is no way to authenticate; set bearer or none", c.Auth))
	case c.Auth == authBearer && !c.Token.IsSet():
		errs = append(errs, fmt.Errorf("LOOKUP_TOKEN: %w; set a long random text, or LOOKUP_AUTH=none if something in front of the service authenticates callers", config.ErrMissing))
	case c.Auth == authNone && (c.Token.IsSet() || c.TokenPrevious.IsSet()):
		errs = append(errs, errors.New("LOOKUP_AUTH: none lets everybody in although LOOKUP_TOKEN or LOOKUP_TOKEN_PREVIOUS is set; remove one or the other"))
	}
	if c.CacheTTL < 0 || c.CacheTTL > time.Hour {
		errs = append(errs, fmt.Errorf("LOOKUP_CACHE_TTL: %s is not between 0 and 1h", c.CacheTTL))
	}
	if c.Budget < 10*time.Millisecond || c.Budget > maxBudget {
		errs = append(errs, fmt.Errorf("LOOKUP_BUDGET: %s is not between 10ms and %s", c.Budget, maxBudget))
	}
	if c.TicketAttempts < 0 || c.TicketAttempts > 1_000_000 {
		errs = append(errs, fmt.Errorf("LOOKUP_TICKET_ATTEMPTS: %d is not between 0 and 1000000", c.TicketAttempts))
	}
	if c.TicketWindow < time.Second || c.TicketWindow > 366*24*time.Hour {
		errs = append(errs, fmt.Errorf("LOOKUP_TICKET_WINDOW: %s is not between 1s and 8784h", c.TicketWindow))
	}
	if _, err := legitimation.Parse(c.Legitimation, c.Messages); err != nil {
		errs = append(errs, fmt.Errorf("LOOKUP_LEGITIMATION, LOOKUP_LEGITIMATION_MESSAGES: %w", err))
	}
	return errors.Join(errs...)
}

// needsModel tells whether calls cannot be answered without the read model: all but those for which every ERP has a search.
func (c *Config) needsModel(sources []*source.Source) bool {
	return c.Mode != Live || slices.ContainsFunc(sources, func(s *source.Source) bool { return !s.Profile.Takes(profile.Search, fieldQ) })
}

// rules are those of LOOKUP_LEGITIMATION; Validate has refused what is wrong with them.
func (c *Config) rules() *legitimation.Rules {
	rules, err := legitimation.Parse(c.Legitimation, c.Messages)
	if err != nil {
		return nil
	}
	return rules
}
