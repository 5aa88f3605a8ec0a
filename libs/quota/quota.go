// Package quota divides what an outside system may be asked among all replicas: requests per second, and requests at the same
// time.
//
// # Guarantees
//
// While Redis is there, all replicas together keep the limits: the rate by a token bucket (go-redis/redis_rate), requests at
// the same time by slots with a lease on Redis' own clock, so that a dead holder's slot comes back. A time to wait that
// the system has asked of one of them holds for all. An emptied Redis forgets it all, which allows one more burst.
//
// While Redis is away, each replica keeps its part of the limits, divided by the number of replicas that were last seen, and
// lets at least one request at a time through. Nobody waits for Redis longer than half a second, once per second.
//
// Take never waits: who gets nothing puts its ticket back. Enter keeps this process from pulling a next one meanwhile.
//
// # Concurrency
//
// A Quota is safe for concurrent use. A nil *Quota has no limits.
package quota

import (
	"context"
	"crypto/rand"
	_ "embed"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"sync"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"
	"golang.org/x/time/rate"
)

const (
	// deadline bounds one call of Redis, and away is for how long it is not called after one that failed.
	deadline = 500 * time.Millisecond
	away     = time.Second
	// presence is how long a replica counts after it has taken something last.
	presence = 30 * time.Second
	// Pauses while all slots are taken; each is up to half longer at random. One that is given back by this process ends them.
	firstPause = 20 * time.Millisecond
	maxPause   = 500 * time.Millisecond
)

//go:embed take.lua
var takeSource string

var take = redis.NewScript(takeSource) //nolint:gochecknoglobals // Read only.

// Limits are what a target may be asked by all replicas together.
type Limits struct {
	// Rate is in requests per second, 0 for any number. One second's worth may go at once.
	Rate float64
	// Concurrency is in requests at the same time, 0 for any number.
	Concurrency int
	// Lease is after how long a slot is taken from a holder that has not given it back: longer than a request may take.
	Lease time.Duration
}

// Quota is what one target may be asked. Make one with New.
type Quota struct {
	rdb    redis.UniversalClient
	name   string
	self   string
	limits Limits
	rate   *redis_rate.Limiter
	logger *slog.Logger

	mu        sync.Mutex
	notBefore time.Time
	// full: the last refusal was for want of a slot; pause is how long the next one is.
	full  bool
	pause time.Duration
	freed chan struct{} // closed and replaced when this process gives a slot back
	inUse int
	// refusals counts how often there was nothing to be had.
	refusals int64
	awayTo   time.Time
	gone     bool // Redis was away when it was asked last
	// replicas were seen last; own is this process's part while Redis is away.
	replicas int
	own      *rate.Limiter
}

// New makes the quota of the target called name.
func New(rdb redis.UniversalClient, name string, limits Limits, logger *slog.Logger) *Quota {
	q := &Quota{
		rdb: rdb, name: name, self: rand.Text(), limits: limits, rate: redis_rate.NewLimiter(rdb), logger: logger,
		pause: firstPause, freed: make(chan struct{}), replicas: 1,
	}
	q.own = rate.NewLimiter(rate.Inf, 1)
	if limits.Rate > 0 {
		q.own = rate.NewLimiter(rate.Limit(limits.Rate), burst(limits.Rate))
	}
	return q
}

func burst(perSecond float64) int { return max(1, int(perSecond)) }

// key names a part of the quota in Redis; all of them are in one slot of a cluster.
func (q *Quota) key(part string) string { return "limit:{" + q.name + "}:" + part }

// Take takes leave for one request; release it when the request has ended. release is nil if there is none to be had at the
// moment: look again after wait.
func (q *Quota) Take(ctx context.Context) (release func(), wait time.Duration) {
	if q == nil {
		return func() {}, 0
	}
	if q.asks() {
		release, wait, err := q.shared(ctx)
		q.heard(ctx, err)
		if err == nil {
			return release, wait
		}
	}
	return q.alone()
}

// asks tells whether Redis is to be asked: it did not fail just now.
func (q *Quota) asks() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return time.Now().After(q.awayTo)
}

// heard notes whether Redis has answered.
func (q *Quota) heard(ctx context.Context, err error) {
	q.mu.Lock()
	before := q.gone
	q.gone = err != nil
	if err != nil {
		q.awayTo = time.Now().Add(away)
	}
	replicas := q.replicas
	q.mu.Unlock()
	switch {
	case err != nil && !before:
		q.logger.WarnContext(ctx, "redis is away, this replica keeps its part of the limits", "target", q.name, "replicas", replicas, "error", err.Error())
	case err == nil && before:
		q.logger.InfoContext(ctx, "redis is back, the limits are shared again", "target", q.name)
	}
}

// shared takes what all replicas share.
func (q *Quota) shared(ctx context.Context) (release func(), wait time.Duration, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), deadline)
	defer cancel()
	token := rand.Text()
	got, err := take.Run(ctx, q.rdb, []string{q.key("slots"), q.key("replicas"), q.key("hold")},
		token, max(q.limits.Lease, time.Second).Milliseconds(), q.limits.Concurrency, q.self, presence.Milliseconds()).Int64Slice()
	if err != nil || len(got) != 3 {
		return nil, 0, fmt.Errorf("take a slot: %w", err)
	}
	q.mu.Lock()
	q.replicas = max(1, int(got[2]))
	q.mu.Unlock()
	if got[0] == 0 {
		return nil, q.refused(time.Duration(got[1]) * time.Millisecond), nil
	}
	if q.limits.Rate > 0 {
		answer, err := q.rate.Allow(ctx, q.key("rate"), redis_rate.Limit{
			Rate: 1, Burst: burst(q.limits.Rate), Period: time.Duration(float64(time.Second) / q.limits.Rate),
		})
		if err != nil || answer.Allowed == 0 {
			q.give(token)
			if err != nil {
				return nil, 0, fmt.Errorf("ask for the rate: %w", err)
			}
			return nil, q.refused(max(answer.RetryAfter, time.Millisecond)), nil
		}
	}
	return q.taken(func() { q.give(token) }), 0, nil
}

// alone takes this replica's part.
func (q *Quota) alone() (release func(), wait time.Duration) {
	q.mu.Lock()
	part := max(1, q.limits.Concurrency/q.replicas)
	full, held := q.limits.Concurrency > 0 && q.inUse >= part, time.Until(q.notBefore)
	if q.limits.Rate > 0 {
		q.own.SetLimit(rate.Limit(q.limits.Rate / float64(q.replicas)))
		q.own.SetBurst(burst(q.limits.Rate / float64(q.replicas)))
	}
	q.mu.Unlock()
	if held > 0 && !full {
		return nil, held
	}
	if full {
		return nil, q.refused(0)
	}
	if r := q.own.Reserve(); r.Delay() > 0 {
		wait = r.Delay()
		r.Cancel()
		return nil, q.refused(wait)
	}
	return q.taken(func() {}), 0
}

// refused notes that there was nothing to be had, for that long or, if it is 0, until somebody gives a slot back.
func (q *Quota) refused(wait time.Duration) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.refusals++
	q.full = wait == 0
	if q.full {
		wait, q.pause = q.pause, min(2*q.pause, maxPause)
	}
	wait += mathrand.N(wait/2 + 1) //nolint:gosec // Jitter need not be unpredictable.
	q.notBefore = time.Now().Add(wait)
	return wait
}

// taken counts a request of this process until it is released.
func (q *Quota) taken(give func()) (release func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.inUse++
	q.pause, q.full = firstPause, false
	return sync.OnceFunc(func() {
		give()
		q.mu.Lock()
		defer q.mu.Unlock()
		q.inUse--
		if q.full {
			q.notBefore, q.full = time.Time{}, false
		}
		close(q.freed)
		q.freed = make(chan struct{})
	})
}

// give gives a slot back. If that fails, its lease ends.
func (q *Quota) give(token string) {
	if q.limits.Concurrency == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	_ = q.rdb.ZRem(ctx, q.key("slots"), token).Err()
}

// Hold lets nobody take anything for d, on any replica that Redis can tell: the target has asked for that.
func (q *Quota) Hold(ctx context.Context, d time.Duration) {
	if q == nil || d < time.Millisecond {
		return
	}
	q.mu.Lock()
	if until := time.Now().Add(d); until.After(q.notBefore) || q.full {
		q.notBefore, q.full = until, false
	}
	q.mu.Unlock()
	if !q.asks() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), deadline)
	defer cancel()
	hold := q.key("hold")
	if left, err := q.rdb.PTTL(ctx, hold).Result(); err == nil && left >= d {
		return
	}
	q.heard(ctx, q.rdb.Set(ctx, hold, q.self, d).Err())
}

// Enter waits while this process was refused just now; it implements bus.Gate.
func (q *Quota) Enter(ctx context.Context) (leave func(), err error) {
	for {
		left, freed := time.Duration(0), (chan struct{})(nil)
		if q != nil {
			q.mu.Lock()
			left, freed = time.Until(q.notBefore), q.freed
			q.mu.Unlock()
		}
		if left <= 0 {
			return func() {}, nil
		}
		timer := time.NewTimer(left)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, fmt.Errorf("wait for leave to ask: %w", ctx.Err())
		case <-freed:
		case <-timer.C:
		}
		timer.Stop()
	}
}
