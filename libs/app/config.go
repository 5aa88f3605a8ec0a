package app

import (
	"fmt"
	"log/slog"
	"time"
)

// Config is what every service reads from the environment, besides its own configuration.
type Config struct {
	LogLevel        slog.Level    `env:"LOG_LEVEL, default=info" desc:"The least severe messages that are logged: debug, info, warn or error."`
	AdminAddr       string        `env:"ADMIN_ADDR, default=:9090" desc:"Address for probes, metrics and profiles, host:port."`
	PprofEnabled    bool          `env:"PPROF_ENABLED, default=false" desc:"Whether the admin address serves Go profiles under /debug/pprof/."`
	ShutdownTimeout time.Duration `env:"SHUTDOWN_TIMEOUT, default=25s" desc:"How long the work in hand may take after SIGTERM, as a duration. Keep it 15s below the pod's terminationGracePeriodSeconds."`
}

// Validate implements config.Validator.
func (c *Config) Validate() error {
	if c.ShutdownTimeout <= 0 {
		return fmt.Errorf("SHUTDOWN_TIMEOUT=%s: must be positive; write for example 25s", c.ShutdownTimeout)
	}
	return nil
}
