package simulator

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/enneo-ai/enneo-bridge/libs/config"
)

// Config is the configuration of the service.
type Config struct {
	ListenAddr string  `env:"LISTEN_ADDR, default=:8070" desc:"Address that the simulator listens on, as host:port"`
	Simulator  Options `env:", prefix=SIM_"`
}

// Options decide what a Simulator holds and which credentials it expects. The credentials have defaults because they
// guard made-up data only; they are good for development and tests, and no system of anybody's accepts them.
type Options struct {
	Seed          uint64  `env:"SEED, default=1" desc:"Seed of the generated data and of faults with a probability; the same seed gives the same data"`
	Contracts     int     `env:"CONTRACTS, default=1000" desc:"Number of contracts that are generated at the start"`
	CustomerShare float64 `env:"CUSTOMER_SHARE, default=0.15" desc:"Share of the customers who hold 2 to 4 contracts, between 0 and 1"`
	BusinessShare float64 `env:"BUSINESS_SHARE, default=0.12" desc:"Share of businesses among the customers, between 0 and 1"`
	GasShare      float64 `env:"GAS_SHARE, default=0.35" desc:"Share of gas among the contracts, between 0 and 1"`

	JournalEntries int `env:"JOURNAL_ENTRIES, default=2000000" desc:"Largest number of requests in the journal; what comes later is only counted"`
	Writes         int `env:"WRITES, default=200000" desc:"Largest number of writes of the simulated Enneo that are kept with their content; what comes later is only counted"`

	PowercloudHash     string        `env:"POWERCLOUD_HASH, default=0123456789abcdef0123456789abcdef" desc:"Hash of the simulated Powercloud instance, 32 hexadecimal digits; the default is for development"`
	PowercloudUser     string        `env:"POWERCLOUD_USER, default=simulator" desc:"API user of the simulated Powercloud, without the context; the default is for development"`
	PowercloudPassword config.Secret `env:"POWERCLOUD_PASSWORD, default=powercloud-development" desc:"Password of that user; the default is for development"`
	LynqTechKey        config.Secret `env:"LYNQTECH_KEY, default=lynqtech-development" desc:"API key of the simulated LynqTech; the default is for development"`
	GenericToken       config.Secret `env:"GENERIC_TOKEN, default=generic-development" desc:"Bearer token of the simulated generic ERP; the default is for development"`
	EnneoToken         config.Secret `env:"ENNEO_TOKEN, default=enneo-development" desc:"Bearer token of the simulated Enneo; the default is for development"`
}

var hash = regexp.MustCompile(`^[0-9a-f]{32}$`)

// Validate checks what the tags cannot express.
func (o *Options) Validate() error {
	var errs []error
	for _, share := range []struct {
		name  string
		value float64
	}{{"CUSTOMER_SHARE", o.CustomerShare}, {"BUSINESS_SHARE", o.BusinessShare}, {"GAS_SHARE", o.GasShare}} {
		if !(share.value >= 0 && share.value <= 1) { // not a number fails as well
			errs = append(errs, fmt.Errorf("%s=%v: must be between 0 and 1", share.name, share.value))
		}
	}
	for _, number := range []struct {
		name  string
		value int
	}{{"CONTRACTS", o.Contracts}, {"JOURNAL_ENTRIES", o.JournalEntries}, {"WRITES", o.Writes}} {
		if number.value < 0 {
			errs = append(errs, fmt.Errorf("%s=%d: must not be negative", number.name, number.value))
		}
	}
	if !hash.MatchString(o.PowercloudHash) {
		errs = append(errs, errors.New("POWERCLOUD_HASH: must be 32 hexadecimal digits in lower case"))
	}
	return errors.Join(errs...)
}

// DefaultOptions are the options of a simulator that is started without any configuration.
func DefaultOptions() Options {
	var cfg Config
	if err := config.Load(context.Background(), config.Map(nil), &cfg); err != nil {
		panic(fmt.Sprintf("simulator: the defaults are wrong: %v", err))
	}
	return cfg.Simulator
}
