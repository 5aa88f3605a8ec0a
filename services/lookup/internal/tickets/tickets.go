// Package tickets limits how often one ticket may search and find nobody, so that contract numbers cannot be guessed.
//
// # Guarantees
//
// A search counts before it is made and no longer once it has found somebody: searches at the same time cannot slip through
// together. All replicas count together in Redis, by its clock. Each counts the tickets that it saw last for itself as well: while Redis is
// away that is the limit, and no search is refused for its absence. Redis gets a hash of the ticket's id.
//
// # Concurrency
//
// A Limit is safe for concurrent use. A nil *Limit limits nothing.
package tickets

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jellydator/ttlcache/v3"
	"github.com/redis/go-redis/v9"
)

const (
	// deadline bounds one call of Redis, and away is for how long it is not called after one that failed.
	deadline = 500 * time.Millisecond
	away     = time.Second
	// maxTickets bounds the tickets that a replica counts by itself.
	maxTickets = 100_000
)

//go:embed begin.lua
var beginSource string

//go:embed found.lua
var foundSource string

var (
	begin = redis.NewScript(beginSource) //nolint:gochecknoglobals // Read only.
	found = redis.NewScript(foundSource) //nolint:gochecknoglobals // Read only.
)

// Limit is how often a ticket may find nobody.
type Limit struct {
	rdb      redis.UniversalClient
	attempts int
	window   time.Duration
	logger   *slog.Logger
	deadline time.Duration

	mu     sync.Mutex
	awayTo time.Time
	gone   bool
	own    *ttlcache.Cache[string, int]
}

// New makes a limit of so many attempts within window, from the first one on; nil if attempts is 0.
func New(rdb redis.UniversalClient, attempts int, window time.Duration, logger *slog.Logger) *Limit {
	if attempts <= 0 {
		return nil
	}
	return &Limit{
		rdb: rdb, attempts: attempts, window: window, logger: logger, deadline: deadline,
		own: ttlcache.New(
			ttlcache.WithTTL[string, int](window), ttlcache.WithDisableTouchOnHit[string, int](), ttlcache.WithCapacity[string, int](maxTickets),
		),
	}
}

// Begin counts a search of the ticket. It returns false if the ticket may not search any more; else succeeded has to be called
// if the search finds somebody.
func (l *Limit) Begin(ctx context.Context, ticket string) (succeeded func(context.Context), allowed bool) {
	if l == nil {
		return func(context.Context) {}, true
	}
	sum := sha256.Sum256([]byte(ticket))
	name := "lookup:ticket:{" + hex.EncodeToString(sum[:16]) + "}"
	if !l.add(name, 1) {
		return nil, false
	}
	alone := func(context.Context) { l.add(name, -1) }
	if !l.asks() {
		return alone, true
	}
	counted, err := l.call(ctx, begin, name, l.attempts, l.window.Milliseconds())
	l.heard(ctx, err)
	switch {
	case err != nil:
		return alone, true
	case counted == 0:
		alone(ctx)
		return nil, false
	}
	return func(ctx context.Context) {
		alone(ctx)
		_, err := l.call(ctx, found, name)
		l.heard(ctx, err)
	}, true
}

// call runs a script, whoever waits for it or not: what was counted must not depend on the caller's patience.
func (l *Limit) call(ctx context.Context, script *redis.Script, name string, args ...any) (int64, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.deadline)
	defer cancel()
	n, err := script.Run(ctx, l.rdb, []string{name}, args...).Int64()
	if err != nil {
		return 0, fmt.Errorf("count a ticket's searches: %w", err)
	}
	return n, nil
}

// asks tells whether Redis is to be asked: it did not fail just now.
func (l *Limit) asks() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Now().After(l.awayTo)
}

// heard notes whether Redis has answered.
func (l *Limit) heard(ctx context.Context, err error) {
	l.mu.Lock()
	before := l.gone
	l.gone = err != nil
	if err != nil {
		l.awayTo = time.Now().Add(away)
	}
	l.mu.Unlock()
	switch {
	case err != nil && !before:
		l.logger.WarnContext(ctx, "redis is away, this replica counts the searches of tickets by itself", "error", err.Error())
	case err == nil && before:
		l.logger.InfoContext(ctx, "redis is back, the searches of tickets are counted together again")
	}
}

// add changes a count of this process unless that would exceed the limit. The window stays where it began.
func (l *Limit) add(name string, n int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	count, ttl := 0, ttlcache.DefaultTTL
	if item := l.own.Get(name); item != nil {
		count, ttl = item.Value(), max(time.Until(item.ExpiresAt()), time.Millisecond)
	}
	if count += n; count > l.attempts {
		return false
	}
	l.own.Set(name, max(count, 0), ttl)
	return true
}
