package redisx

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// ErrEvicts is the error of a Redis that may remove any key when its memory is full; test with errors.Is. Its text names
// the remedy.
var ErrEvicts = errors.New("redis may evict any key when its memory is full: set maxmemory-policy noeviction")

const (
	// policyEvery is how often the eviction policy is read; policySoon while it is wrong, so that the remedy shows at once.
	policyEvery = 10 * time.Second
	policySoon  = time.Second
)

// Eviction watches what Redis does when its memory is full (https://redis.io/docs/latest/develop/reference/eviction/).
// The policies allkeys-* may remove keys that nobody has given an end, and would lose them silently. volatile-* removes
// only keys with an end. The policy is taken from INFO, because managed services forbid CONFIG; where INFO does not tell,
// nothing is said about it.
//
// An Eviction is safe for concurrent use.
type Eviction struct {
	rdb    redis.UniversalClient
	logger *slog.Logger
	every  time.Duration
	soon   time.Duration

	mu     sync.Mutex
	looked bool
	err    error
	memory memory
}

// NewEviction makes an Eviction; it knows nothing until Run has begun.
func NewEviction(rdb redis.UniversalClient, logger *slog.Logger) *Eviction {
	return &Eviction{rdb: rdb, logger: logger, every: policyEvery, soon: policySoon}
}

// Check returns an error that wraps ErrEvicts if the policy was a wrong one when it was read last. It asks nobody, so it
// may be called by every probe of readiness.
func (e *Eviction) Check(context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.err
}

// Run reads the policy, at once and every ten seconds (while it is wrong: every second), until ctx ends. It logs an error
// when the policy is wrong and a message when it no longer is, each once; and a warning if it is volatile-* at the start.
func (e *Eviction) Run(ctx context.Context) {
	for {
		wait := e.every
		if e.look(ctx) != nil {
			wait = e.soon
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// look reads the policy and returns what Check returns from now on. While Redis does not answer, that stays what it was.
func (e *Eviction) look(ctx context.Context) error {
	policies, fullest, err := evictionPolicies(ctx, e.rdb)
	e.mu.Lock()
	defer e.mu.Unlock()
	if err != nil {
		return e.err
	}
	before, first := e.err, !e.looked
	e.err, e.looked, e.memory = nil, true, fullest
	volatile := ""
	for _, policy := range policies {
		switch {
		case strings.HasPrefix(policy, "allkeys-"):
			e.err = fmt.Errorf("%w (now: %s)", ErrEvicts, policy)
		case strings.HasPrefix(policy, "volatile-"):
			volatile = policy
		}
	}
	switch {
	case e.err != nil && before == nil:
		e.logger.ErrorContext(ctx, "redis may evict keys of enneo-bridge", "error", e.err.Error())
	case e.err == nil && before != nil:
		e.logger.InfoContext(ctx, "redis evicts no keys of enneo-bridge any more")
	case e.err == nil && first && volatile != "":
		e.logger.WarnContext(ctx, "redis evicts keys with an expiry; enneo-bridge has none, but noeviction says so",
			"maxmemory_policy", volatile)
	}
	return e.err
}

// evictionPolicies asks the server (in a cluster: every master) for its policy, and how full the fullest is. Servers that do
// not tell are left out.
func evictionPolicies(ctx context.Context, rdb redis.UniversalClient) (policies []string, fullest memory, err error) {
	ctx, cancel := context.WithTimeout(ctx, pingDeadline)
	defer cancel()
	var mu sync.Mutex
	ask := func(ctx context.Context, node redis.UniversalClient) error {
		text, err := node.Info(ctx, "memory").Result()
		if err != nil {
			return fmt.Errorf("ask redis for its eviction policy: %w", err)
		}
		var of memory
		mu.Lock()
		defer mu.Unlock()
		for line := range strings.Lines(text) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
			switch name {
			case "maxmemory_policy":
				policies = append(policies, value)
			case "used_memory":
				of.used, _ = strconv.ParseInt(value, 10, 64)
			case "maxmemory":
				of.limit, _ = strconv.ParseInt(value, 10, 64)
			}
		}
		if of.fuller(fullest) {
			fullest = of
		}
		return nil
	}
	if cluster, ok := rdb.(*redis.ClusterClient); ok {
		err := cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error { return ask(ctx, node) })
		return policies, fullest, err //nolint:wrapcheck // of ask, or that the masters are not known
	}
	err = ask(ctx, rdb)
	return policies, fullest, err
}
