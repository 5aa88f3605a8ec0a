// Package durability finds out what an acknowledgement of a stream is worth, and refuses to write when it is worth less
// than was demanded.
//
// # Levels
//
//   - None: a loss of power can take acknowledged events, or nobody could tell whether it can. JetStream's default: it
//     syncs its files every two minutes and acknowledges at once.
//   - Replicated: the stream has at least three replicas and a majority of them is current, so each acknowledgement
//     stands for copies on a majority of the servers. It outlives the loss of one server; it does not outlive a power
//     failure that takes a majority of them at once.
//   - Fsync: every server that may acknowledge syncs its files first, so it outlives a loss of power of all of them. With
//     one replica it does not outlive the loss of the disk.
//
// What is demanded is met by that level and by every higher one; see Demand.
//
// # Where it is found
//
// The stream itself tells its storage, its persist mode, its replicas and which of them are current. Whether a server
// syncs before it acknowledges is told by its monitoring endpoint alone (/varz, jetstream.config.sync_always and
// sync_interval): of the protocol only the system account gets it. It cannot be changed while a server runs, the
// server refuses to reload it. A server counts as syncing only if an endpoint says so under the name that the stream
// knows; what is not known counts as not synced. Replicas that are offline acknowledge nothing and so need no endpoint.
// Checked with nats-server 2.15.2: server/monitor.go (Varz), server/stream.go and server/jetstream_cluster.go (SyncAlways
// of the store, and of the Raft log under a replicated stream), server/reload.go.
//
// # Guarantees
//
// A level is what was true at the last check: at the start, every DURABILITY_CHECK_INTERVAL, and before the next write
// after a reconnection if a level is demanded. A server of a cluster that is exchanged without the client's own
// connection breaking is noticed by the next check.
//
// # Concurrency
//
// A Watcher is safe for concurrent use.
package durability

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/config"
)

// Level is what an acknowledgement is worth; a higher one is worth more.
type Level int

// The levels, lowest first.
const (
	None Level = iota
	Replicated
	Fsync
)

// levels lists all of them, lowest first.
func levels() []Level { return []Level{None, Replicated, Fsync} }

// String is the word of the level in metrics, logs and configuration.
func (l Level) String() string {
	switch l {
	case Fsync:
		return "fsync"
	case Replicated:
		return "replicated"
	default:
		return "none"
	}
}

// Demand is the level without which nothing is written. "fsync" is met by Fsync alone, "replicated" by Replicated and
// Fsync, and "warn", the zero value, by everything.
type Demand Level

// Warn demands nothing: what can be lost is said, and events are written all the same.
const Warn = Demand(None)

// warnWord is the word for Warn.
const warnWord = "warn"

var errDemand = errors.New("neither fsync, replicated nor warn")

// UnmarshalText reads fsync, replicated or warn.
func (d *Demand) UnmarshalText(text []byte) error {
	switch word := string(text); word {
	case warnWord:
		*d = Warn
	case Replicated.String():
		*d = Demand(Replicated)
	case Fsync.String():
		*d = Demand(Fsync)
	default:
		return fmt.Errorf("%q: %w", word, errDemand)
	}
	return nil
}

// String is the word that UnmarshalText reads.
func (d Demand) String() string {
	if d == Warn {
		return warnWord
	}
	return Level(d).String()
}

// Met tells whether a level is enough.
func (d Demand) Met(l Level) bool { return l >= Level(d) }

// Config says what is demanded, and where the servers tell about themselves. The zero value warns, knows no endpoint and
// checks once a minute.
type Config struct {
	Demand        Demand        `env:"DURABILITY, default=warn" desc:"What an acknowledgement of the event log must be worth: fsync (every server syncs before it acknowledges), replicated (3 or more replicas, or fsync) or warn (say what can be lost); below it the ingestor answers 503 and nothing is appended to the log"`
	MonitorURL    config.Secret `env:"NATS_MONITOR_URL" desc:"Monitoring endpoints of all NATS servers that hold the event log, comma-separated, for example http://nats-0.nats:8222,http://nats-1.nats:8222; only they tell whether a server syncs before it acknowledges. May hold user and password, so it is treated as a secret"`
	CheckInterval time.Duration `env:"DURABILITY_CHECK_INTERVAL, default=1m" desc:"How often the servers and streams are asked what an acknowledgement is worth"`
}

// defaultInterval is the default of DURABILITY_CHECK_INTERVAL.
const defaultInterval = time.Minute

// maxMonitors bounds how many endpoints a check asks; a stream has five replicas at most.
const maxMonitors = 16

// Validate checks the endpoints and the interval.
func (c *Config) Validate() error {
	var errs []error
	if _, err := c.endpoints(); err != nil {
		errs = append(errs, fmt.Errorf("NATS_MONITOR_URL: %w", err))
	}
	if c.CheckInterval < time.Second || c.CheckInterval > time.Hour {
		errs = append(errs, fmt.Errorf("DURABILITY_CHECK_INTERVAL: %s is not between 1s and 1h", c.CheckInterval))
	}
	return errors.Join(errs...)
}

var (
	errEndpoint  = errors.New("not a list of addresses such as http://nats:8222, comma-separated and without a query (the value is secret and not shown)")
	errEndpoints = fmt.Errorf("more than %d addresses", maxMonitors)
)

// endpoints are the addresses of /varz. The parser's own errors stay out: they quote the address with its password.
func (c *Config) endpoints() ([]*url.URL, error) {
	if !c.MonitorURL.IsSet() {
		return nil, nil
	}
	texts := strings.Split(c.MonitorURL.Reveal(), ",")
	if len(texts) > maxMonitors {
		return nil, errEndpoints
	}
	all := make([]*url.URL, len(texts))
	for i, text := range texts {
		u, err := url.Parse(strings.TrimSpace(text))
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
			return nil, errEndpoint
		}
		// People paste the page that they looked at.
		u.Path = strings.TrimSuffix(strings.TrimSuffix(u.Path, "/"), "/varz")
		all[i] = u.JoinPath("varz")
	}
	return all, nil
}
