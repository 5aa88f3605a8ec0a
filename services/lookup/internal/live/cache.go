package live

import (
	"time"

	"github.com/jellydator/ttlcache/v3"

	"github.com/enneo-ai/enneo-bridge/libs/key"
)

// maxCached bounds what the answers kept take in memory, in bytes.
const maxCached = 64 << 20

// Cache keeps the ERPs' answers for a while. It is safe for concurrent use; a nil *Cache keeps nothing.
type Cache struct {
	answers *ttlcache.Cache[key.Key, Answer]
}

// NewCache makes a cache that forgets an answer after ttl; nil for none. Keep Run running.
func NewCache(ttl time.Duration) *Cache {
	if ttl <= 0 {
		return nil
	}
	return &Cache{answers: ttlcache.New(
		ttlcache.WithTTL[key.Key, Answer](ttl),
		ttlcache.WithDisableTouchOnHit[key.Key, Answer](),
		ttlcache.WithMaxCost(maxCached, func(item ttlcache.CostItem[key.Key, Answer]) uint64 {
			const overhead = 512
			return uint64(len(item.Value.Body)) + overhead
		}),
	)}
}

// Run removes what is too old until stop is closed: personal data do not stay for want of questions.
func (c *Cache) Run(stop <-chan struct{}) {
	if c == nil {
		return
	}
	go func() {
		<-stop
		c.answers.Stop()
	}()
	c.answers.Start()
	c.answers.DeleteAll()
}

// Forget removes the answer for a key.
func (c *Cache) Forget(k key.Key) {
	if c != nil {
		c.answers.Delete(k)
	}
}

// get returns an answer whose read began in this state.
func (c *Cache) get(k key.Key, s State) (Answer, bool) {
	if c == nil {
		return Answer{}, false
	}
	item := c.answers.Get(k)
	if item == nil || item.Value().State.text() != s.text() {
		return Answer{}, false
	}
	a := item.Value()
	a.Cached = true
	return a, true
}

func (c *Cache) put(k key.Key, a Answer) {
	if c != nil {
		c.answers.Set(k, a, ttlcache.DefaultTTL)
	}
}
