// Package redisx connects to Redis: one server, a unix socket, or a cluster, from one URL.
//
// # Security
//
// The URL holds a password. No error of this package repeats any part of it.
//
// # Concurrency
//
// The clients are safe for concurrent use, and reconnect by themselves.
package redisx

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/enneo-ai/enneo-bridge/libs/config"
)

// ErrURL is the error of a REDIS_URL that cannot be read. Its text says what is allowed and never shows the URL.
var ErrURL = errors.New("not a Redis URL: want redis://, rediss:// or unix:// for one server, " +
	"redis+cluster://, rediss+cluster:// or several comma-separated servers for a cluster")

// Limits of every connection. A script call takes well under a millisecond, so an answer that takes seconds means that
// the server is away; failing then is better than holding unacknowledged events.
const (
	dialTimeout  = 3 * time.Second
	ioTimeout    = 5 * time.Second
	poolTimeout  = 6 * time.Second
	minBackoff   = 10 * time.Millisecond
	maxBackoff   = 500 * time.Millisecond
	maxRetries   = 3
	firstWait    = 50 * time.Millisecond
	longestWait  = 2 * time.Second
	pingDeadline = 2 * time.Second
)

// Config is how to reach Redis.
type Config struct {
	URL config.Secret `env:"REDIS_URL, default=redis://127.0.0.1:6379" desc:"Redis with the windows, and with the limits and pauses that replicas share; may hold a password, so it is treated as a secret"`
}

// Open makes a client for the URL and waits until the server answers, so that a service may start before its Redis.
// It gives up when ctx is over, and at once when the URL is wrong or the server refuses the credentials.
//
// One server: redis://user:password@host:6379/0, rediss:// for TLS, unix://user:password@/path/to.sock?db=0.
// A cluster: redis+cluster://host:6379?addr=host2:6379 (rediss+cluster:// for TLS), or several redis:// servers separated
// by commas, of which the first gives the credentials. Settings of go-redis may stand in the query and win over the
// defaults of this package.
func Open(ctx context.Context, rawURL string) (redis.UniversalClient, error) {
	rdb, err := newClient(rawURL)
	if err != nil {
		return nil, err
	}
	wait := firstWait
	for {
		err := Ping(ctx, rdb)
		if err == nil {
			return rdb, nil
		}
		if refused(err) {
			return nil, errors.Join(err, rdb.Close())
		}
		retry := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			retry.Stop()
			return nil, errors.Join(err, rdb.Close())
		case <-retry.C:
			wait = min(2*wait, longestWait)
		}
	}
}

// Client makes a client for the URL, as Open reads it, and waits for nothing: for a service that works without Redis as well,
// only less well.
func Client(rawURL string) (redis.UniversalClient, error) { return newClient(rawURL) }

// logged passes what go-redis has to say on to a logger.
type logged struct{ logger *slog.Logger }

// Printf implements the interface that go-redis logs through.
func (l logged) Printf(ctx context.Context, format string, args ...any) {
	l.logger.WarnContext(ctx, "redis client", "detail", fmt.Sprintf(format, args...))
}

// LogTo sends go-redis' own messages, which otherwise go to standard error as plain text, to the logger. go-redis has one
// logger per process, so the last call counts.
func LogTo(logger *slog.Logger) { redis.SetLogger(logged{logger}) }

// Ping asks the server (in a cluster: every master) for a sign of life, for at most two seconds. It is the readiness check
// of a service that needs Redis.
func Ping(ctx context.Context, rdb redis.UniversalClient) error {
	ctx, cancel := context.WithTimeout(ctx, pingDeadline)
	defer cancel()
	ping := func(ctx context.Context, node redis.UniversalClient) error { return node.Ping(ctx).Err() }
	var err error
	if cluster, ok := rdb.(*redis.ClusterClient); ok {
		err = cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error { return ping(ctx, node) })
	} else {
		err = ping(ctx, rdb)
	}
	if err != nil {
		return fmt.Errorf("ping redis: %w", err)
	}
	return nil
}

// refused tells whether the server is there but does not let us in: waiting does not help then.
func refused(err error) bool {
	return redis.HasErrorPrefix(err, "WRONGPASS") || redis.HasErrorPrefix(err, "NOAUTH") ||
		redis.HasErrorPrefix(err, "NOPERM") || redis.HasErrorPrefix(err, "ERR AUTH") ||
		redis.HasErrorPrefix(err, "ERR DB index")
}

// newClient reads the URL. The errors of net/url and go-redis quote their input, so they are replaced and not wrapped.
func newClient(rawURL string) (redis.UniversalClient, error) {
	rawURL = strings.TrimSpace(rawURL)
	first, others, several := strings.Cut(rawURL, ",")
	clustered := several
	if scheme, rest, ok := strings.Cut(first, "+cluster://"); ok {
		first, clustered = scheme+"://"+rest, true
	}
	if !clustered {
		o, err := redis.ParseURL(first)
		if err != nil {
			return nil, ErrURL
		}
		defaults(&o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout, &o.PoolTimeout)
		o.ContextTimeoutEnabled = true
		retries(&o.MaxRetries, &o.DialerRetries, &o.MinRetryBackoff, &o.MaxRetryBackoff)
		return redis.NewClient(o), nil
	}
	o, err := redis.ParseClusterURL(first)
	if err != nil {
		return nil, ErrURL
	}
	for address := range strings.SplitSeq(others, ",") {
		if !several {
			break
		}
		host, err := clusterHost(address)
		if err != nil {
			return nil, err
		}
		o.Addrs = append(o.Addrs, host)
	}
	defaults(&o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout, &o.PoolTimeout)
	o.ContextTimeoutEnabled = true
	retries(&o.MaxRetries, &o.DialerRetries, &o.MinRetryBackoff, &o.MaxRetryBackoff)
	return redis.NewClusterClient(o), nil
}

// clusterHost is the "host:port" of one further server of a comma-separated list, given with or without a scheme.
func clusterHost(address string) (string, error) {
	address = strings.TrimSpace(address)
	if !strings.Contains(address, "://") {
		address = "redis://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || u.Scheme != "redis" && u.Scheme != "rediss" {
		return "", ErrURL
	}
	if u.Port() == "" {
		return u.Host + ":6379", nil
	}
	return u.Host, nil
}

func defaults(dial, read, write, pool *time.Duration) {
	for d, value := range map[*time.Duration]time.Duration{dial: dialTimeout, read: ioTimeout, write: ioTimeout, pool: poolTimeout} {
		if *d == 0 {
			*d = value
		}
	}
}

func retries(times, dials *int, shortest, longest *time.Duration) {
	if *times == 0 {
		*times = maxRetries
	}
	if *dials == 0 {
		*dials = 1 // a command that is repeated dials again; both together would take seconds to say that nobody is there
	}
	if *shortest == 0 {
		*shortest = minBackoff
	}
	if *longest == 0 {
		*longest = maxBackoff
	}
}
