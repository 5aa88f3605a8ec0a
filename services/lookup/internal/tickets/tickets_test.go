package tickets

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/enneo-ai/enneo-bridge/libs/redisx/redistest"
)

// patient is a limit whose Redis may be slow.
func patient(server *redistest.Server, attempts int, window time.Duration) *Limit {
	l := New(server.Client, attempts, window, slog.New(slog.DiscardHandler))
	l.deadline = time.Minute
	return l
}

// begin is a search of which it is not known yet what it finds.
func (l *Limit) begins(ctx context.Context, ticket string) bool {
	_, allowed := l.Begin(ctx, ticket)
	return allowed
}

func TestReplicasCountTogether(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	replicas := []*Limit{patient(server, 10, time.Hour), patient(server, 10, time.Hour), patient(server, 10, time.Hour)}
	var allowed atomic.Int64
	var group errgroup.Group
	for i := range 60 {
		group.Go(func() error {
			if replicas[i%3].begins(t.Context(), "ticket") {
				allowed.Add(1)
			}
			return nil
		})
	}
	_ = group.Wait() // It returns nil.
	if n := allowed.Load(); n != 10 {
		t.Errorf("%d searches at the same time were allowed, want 10", n)
	}
	if !replicas[0].begins(t.Context(), "another") {
		t.Error("another ticket is not allowed to search")
	}
	keys, err := server.Client.Keys(t.Context(), "*").Result()
	if err != nil || len(keys) != 2 || strings.Contains(strings.Join(keys, ""), "another") {
		t.Errorf("Redis has the keys %v, %v; want two that do not name the ticket", keys, err)
	}
	for _, k := range keys {
		if ttl := server.Client.PTTL(t.Context(), k).Val(); ttl <= 0 || ttl > time.Hour {
			t.Errorf("a ticket is kept for %s", ttl)
		}
	}
}

func TestWhatFoundSomebodyDoesNotCount(t *testing.T) {
	t.Parallel()
	l := patient(redistest.Start(t), 2, time.Hour)
	for range 5 {
		succeeded, allowed := l.Begin(t.Context(), "ticket")
		if !allowed {
			t.Fatal("a search is refused although all before found somebody")
		}
		succeeded(t.Context())
	}
	var allowed [3]bool
	for i := range allowed {
		allowed[i] = l.begins(t.Context(), "ticket")
	}
	if allowed != [3]bool{true, true, false} {
		t.Error("two searches that find nobody are not the limit")
	}
}

func TestAWindowEnds(t *testing.T) {
	t.Parallel()
	l := patient(redistest.Start(t), 1, 500*time.Millisecond)
	if !l.begins(t.Context(), "ticket") || l.begins(t.Context(), "ticket") {
		t.Fatal("one search is not the limit")
	}
	for ended := time.After(time.Minute); ; {
		if l.begins(t.Context(), "ticket") {
			return
		}
		select {
		case <-ended:
			t.Fatal("the window does not end")
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func TestWithoutRedisAReplicaCountsForItself(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	l := patient(server, 3, time.Hour)
	if !l.begins(t.Context(), "ticket") {
		t.Fatal("the first search is refused")
	}
	server.Kill(t)
	for i := range 4 {
		if allowed := l.begins(t.Context(), "ticket"); allowed != (i < 2) {
			t.Errorf("search %d after the first is allowed: %t", i, allowed)
		}
	}
}

func TestNoLimitAllowsAnything(t *testing.T) {
	t.Parallel()
	if l := New(nil, 0, time.Hour, nil); !l.begins(t.Context(), "ticket") {
		t.Error("without a limit a search is refused")
	}
}
