// Package config reads configuration from environment variables into structs, reports everything that is wrong with it
// at once, and describes the variables for people.
//
// A configuration struct looks like this:
//
//	type Config struct {
//		QuietPeriod time.Duration `env:"QUIET_PERIOD, default=15s" desc:"How long a key must be quiet before it is flushed, as a duration."`
//		Token       config.Secret `env:"TOKEN, required" desc:"Bearer token of the API."`
//		Redis       redisx.Config `env:", prefix=REDIS_"`
//	}
//
// Tags, parsing, defaults and prefixes are those of github.com/sethvargo/go-envconfig, with three differences:
//
//   - A variable that is set always wins over a value that the field has before Load. The library ignores the
//     environment there.
//   - An empty variable counts as one that is not set, as the OpenTelemetry specification demands for its own variables:
//     "TOKEN=" does not satisfy required, and "QUIET_PERIOD=" does not mean zero.
//   - Nested structs are named fields, neither embedded nor pointers. An embedded struct would lend its Validate method
//     to the outer one.
//
// Functions may be called from any goroutine; nothing here has state. Load writes to its target without a lock.
package config
