package stack

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
)

func TestKeysOfTheInProcessRedisExpire(t *testing.T) {
	t.Parallel()
	b, err := startBacking(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.stop(); err != nil {
			t.Error(err)
		}
	})
	client := redis.NewClient(&redis.Options{Addr: b.redis.Addr()})
	defer func() { _ = client.Close() }()
	// As a quota holds everybody back after a Retry-After.
	if err := client.Set(t.Context(), "hold", "x", 300*time.Millisecond).Err(); err != nil {
		t.Fatal(err)
	}
	bustest.Eventually(t, "the key has expired", func() bool {
		n, err := client.Exists(t.Context(), "hold").Result()
		return err == nil && n == 0
	})
}
