package brake_test

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/brake"
	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/record"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

func open(t *testing.T, s *bustest.Server) *brake.Brakes {
	t.Helper()
	b, err := brake.Open(t.Context(), s.Connect(t))
	must(t, err)
	return b
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// known stores n keys of a source.
func known(t *testing.T, s *bustest.Server, source string, n int) {
	t.Helper()
	b, err := record.Open[bridgev1.Snapshot](t.Context(), s.Connect(t).JetStream(), bus.BucketContracts)
	must(t, err)
	for i := range n {
		_, err := b.Put(t.Context(), fmt.Sprintf("%s.contract.%d", source, i), &bridgev1.Snapshot{}, 0)
		must(t, err)
	}
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// through lets n requests ask, several at a time, and returns how many are let through.
func through(t *testing.T, n int, op brake.Operation, replicas ...*brake.Brake) int {
	t.Helper()
	var passed atomic.Int32
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			wait, err := replicas[i%len(replicas)].Allow(t.Context(), op)
			if err != nil {
				t.Error(err)
			}
			if wait == 0 {
				passed.Add(1)
			} else if wait < 10*time.Second {
				t.Errorf("stopped for %s, want no hurry: a person has to look", wait)
			}
		})
	}
	group.Wait()
	return int(passed.Load())
}

func TestReplicasTogetherStopAtTheLimitExactly(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		cfg  brake.Config
		op   brake.Operation
		want int
	}{
		{"a share", brake.Config{DeletesShare: 0.25, DeletesMin: 2}, brake.Delete, 10},
		{"a number", brake.Config{DeletesShare: 0.01, DeletesMin: 7}, brake.Delete, 7},
		{"writes", brake.Config{WritesShare: 0.5, WritesMin: 1}, brake.Write, 20},
		{"off", brake.Config{DeletesMin: 1}, brake.Delete, 30},
		{"the other operation", brake.Config{DeletesShare: 0.01, DeletesMin: 1}, brake.Write, 30},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := bustest.Start(t)
			known(t, s, "pc", 40)
			known(t, s, "other", 1)
			b := open(t, s)
			one, two := b.Brake("pc", tc.cfg, discard()), open(t, s).Brake("pc", tc.cfg, discard())
			if got := through(t, 30, tc.op, one, two); got != tc.want {
				t.Errorf("%d of 30 were let through, want %d", got, tc.want)
			}
			if got := one.Stopped(tc.op) || two.Stopped(tc.op); got != (tc.want < 30) {
				t.Errorf("stopped %t", got)
			}
		})
	}
}

func TestOneSourceDoesNotStopAnother(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t)
	b, cfg := open(t, s), brake.Config{DeletesShare: 0.1, DeletesMin: 1}
	through(t, 5, brake.Delete, b.Brake("pc", cfg, discard()))
	if got := through(t, 1, brake.Delete, b.Brake("lq", cfg, discard())); got != 1 {
		t.Error("another source is stopped as well")
	}
}

func TestAReleaseLetsEverythingThroughAndCountsAnew(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t)
	b := open(t, s)
	one := b.Brake("pc", brake.Config{DeletesShare: 0.1, DeletesMin: 3}, discard())
	through(t, 10, brake.Delete, one)
	state, err := b.Of(t.Context(), "pc")
	must(t, err)
	if state.Deletes != 3 || state.DeletesStopped.IsZero() || !state.WritesStopped.IsZero() || !strings.Contains(state.Reason, "3 deletes within an hour, of 0 keys") {
		t.Errorf("state %+v, want that it says what was stopped and why", state)
	}
	must(t, b.Release(t.Context(), "pc", "looked at it", time.Now().Add(time.Hour)))
	if got := through(t, 10, brake.Delete, one); got != 10 {
		t.Errorf("%d of 10 were let through after the release", got)
	}
	must(t, b.Release(t.Context(), "pc", "over", time.Now().Add(-time.Second)))
	if got := through(t, 10, brake.Delete, one); got != 3 {
		t.Errorf("%d were let through when the release was over, want 3 as before", got)
	}
}

// TestWhatLiesAnHourBackDoesNotCount: the record is what an hour ago has left.
func TestWhatLiesAnHourBackDoesNotCount(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t)
	records, err := record.Open[bridgev1.Brake](t.Context(), s.Connect(t).JetStream(), bus.BucketBridge)
	must(t, err)
	now := time.Now().Unix() / 60
	_, err = records.Put(t.Context(), "brake.pc", &bridgev1.Brake{Minutes: []*bridgev1.BrakeMinute{
		{Minute: now - 61, Deletes: 50, Writes: 7}, {Minute: now - 30, Deletes: 1, Writes: 8}, {Minute: now + 5, Deletes: 1},
	}}, 0)
	must(t, err)
	b := open(t, s)
	if got := through(t, 10, brake.Delete, b.Brake("pc", brake.Config{DeletesShare: 0.1, DeletesMin: 4}, discard())); got != 2 {
		t.Errorf("%d were let through, want 2 beside the 2 of the last hour", got)
	}
	state, err := b.Of(t.Context(), "pc")
	must(t, err)
	if state.Deletes != 4 || state.Writes != 8 {
		t.Errorf("state %+v, want 4 deletes and 8 writes", state)
	}
}

func TestFiguresThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]brake.Config{
		"BRAKE_DELETES_SHARE": {DeletesShare: -1}, "BRAKE_WRITES_SHARE": {WritesShare: 1000},
		"BRAKE_DELETES_MIN": {DeletesMin: -1}, "BRAKE_WRITES_MIN": {WritesMin: -1},
	} {
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("Validate = %v, want an error that names %s", err, name)
		}
	}
	var none *brake.Brake
	if wait, err := none.Allow(t.Context(), brake.Delete); wait != 0 || err != nil {
		t.Errorf("no brake: %s, %v", wait, err)
	}
}
