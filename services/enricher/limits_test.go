package enricher

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
	"github.com/enneo-ai/enneo-bridge/libs/quota"
	"github.com/enneo-ai/enneo-bridge/libs/redisx/redistest"
	"github.com/enneo-ai/enneo-bridge/libs/retry"
)

// crowd counts the reads that are under way in all replicas at the same time.
type crowd struct{ now, most, all atomic.Int32 }

// counted is the ERP of one of them.
type counted struct {
	Reader
	crowd *crowd
}

func (c counted) Get(ctx context.Context, kind key.Kind, id string) (profile.Mapped, error) {
	n := c.crowd.now.Add(1)
	defer c.crowd.now.Add(-1)
	c.crowd.all.Add(1)
	for most := c.crowd.most.Load(); n > most && !c.crowd.most.CompareAndSwap(most, n); {
		most = c.crowd.most.Load()
	}
	return c.Reader.Get(ctx, kind, id)
}

// sharing lets an enricher share its limits and pauses through Redis.
func sharing(rdb redis.UniversalClient, c *crowd, limits quota.Limits) func(*enricher) {
	return func(e *enricher) {
		e.reader = counted{e.reader, c}
		e.quota = quota.New(rdb, "source.erp", limits, slog.New(slog.DiscardHandler))
		e.retries = retry.Shared(rdb, "enrich", time.Hour, time.Hour, slog.New(slog.DiscardHandler))
	}
}

func TestReplicasTogetherKeepTheLimitsOfTheERP(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rdb, reads := redistest.Open(t), &crowd{}
	for range 3 {
		w.replica(sharing(rdb, reads, quota.Limits{Concurrency: 2, Lease: time.Minute}))
	}
	for _, id := range w.contracts {
		w.change(contract(id))
	}
	for _, id := range w.contracts {
		k := contract(id)
		w.readyFor(k, w.last(k).Position)
	}
	if most := reads.most.Load(); most > 2 {
		t.Errorf("%d reads at the same time, want at most 2", most)
	}
	for _, id := range w.contracts {
		w.count(contract(id), 1)
	}
}

// TestATicketWithoutLeaveGoesBack: nobody waits with it, and the ERP is not asked.
func TestATicketWithoutLeaveGoesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rdb, reads := redistest.Open(t), &crowd{}
	e := w.replica(sharing(rdb, reads, quota.Limits{Rate: 1000}))
	e.quota.Hold(t.Context(), time.Hour)
	k := contract(w.contracts[0])
	p := w.event(k)
	w.flush(k, p)
	consumer, err := w.bus.Consumer(t.Context(), bus.StageEnrich, testSource)
	w.must(err)
	bustest.Eventually(t, "the ticket was handed out", func() bool {
		info, err := consumer.Info(t.Context())
		return err == nil && info.Delivered.Consumer > 0
	})
	if n := reads.all.Load(); n != 0 {
		t.Errorf("%d reads, want none", n)
	}
	w.must(rdb.Del(t.Context(), "limit:{source.erp}:hold").Err())
	// Another replica, which was not told in person.
	w.replica(sharing(rdb, reads, quota.Limits{Rate: 1000}))
	w.flush(k, w.event(k))
	bustest.Eventually(t, "the key is read once nobody has to wait", func() bool { return reads.all.Load() == 1 })
}

// TestAPauseOutlivesARestartAndAReplacedTicket.
func TestAPauseOutlivesARestartAndAReplacedTicket(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rdb, reads := redistest.Open(t), &crowd{}
	k := contract(w.contracts[0])
	before := retry.Shared(rdb, "enrich", time.Hour, time.Hour, slog.New(slog.DiscardHandler))
	before.Failed(k, 0)
	w.replica(sharing(rdb, reads, quota.Limits{}))
	w.change(k)
	w.change(k)
	other := contract(w.contracts[1])
	w.readyFor(other, w.change(other))
	if n := reads.all.Load(); n != 1 {
		t.Errorf("%d reads, want only that of the key that has not failed", n)
	}
}
