package window

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// wakeChannel is the channel that the scripts publish to; its name stands in lua/state.lua too.
	wakeChannel = "debounce:wake"
	// subscriptionCheck is the silence after which the subscription is tested with a ping, because a connection that
	// broke without a word would swallow wakes unnoticed.
	subscriptionCheck = 5 * time.Second
)

// Wake says that a window of a shard can be claimed earlier than known before.
type Wake struct {
	Hint
	// All means every shard, now: wakes may have been missed.
	All bool
}

// Wakes subscribes to the wakes of all replicas. The channel begins with a Wake for all shards, repeats it after each
// reconnect, since Redis keeps nothing for absent subscribers, and is closed when ctx is over.
func (s *Store) Wakes(ctx context.Context) <-chan Wake {
	wakes := make(chan Wake)
	subscription := s.rdb.Subscribe(ctx, wakeChannel)
	messages := subscription.ChannelWithSubscriptions(redis.WithChannelHealthCheckInterval(subscriptionCheck))
	go func() {
		defer close(wakes)
		defer func() { _ = subscription.Close() }()
		for {
			var message any
			select {
			case <-ctx.Done():
				return
			case message = <-messages:
			}
			wake, ok := s.readWake(message)
			if !ok {
				continue
			}
			select {
			case <-ctx.Done():
				return
			case wakes <- wake:
			}
		}
	}()
	return wakes
}

// readWake makes a Wake of what the subscription received. A message that no script of ours sends wakes nobody.
func (s *Store) readWake(message any) (Wake, bool) {
	switch m := message.(type) {
	case *redis.Subscription:
		return Wake{All: true}, m.Kind == "subscribe"
	case *redis.Message:
		shardText, msText, _ := strings.Cut(m.Payload, " ")
		shard, err := strconv.Atoi(shardText)
		if err != nil || shard < 0 || shard >= s.shards {
			return Wake{}, false
		}
		ms, err := strconv.ParseUint(msText, 10, 42)
		if err != nil {
			return Wake{}, false
		}
		return Wake{Hint: Hint{Shard: shard, In: time.Duration(ms) * time.Millisecond}}, true
	default:
		return Wake{}, false
	}
}
