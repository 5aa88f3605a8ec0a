package eventlog_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/libs/record"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// epochRecord reads the record of the epoch as others see it.
func epochRecord(t *testing.T, b *bus.Bus) *bridgev1.LogEpoch {
	t.Helper()
	bucket, err := record.Open[bridgev1.LogEpoch](t.Context(), b.JetStream(), bus.BucketBridge)
	if err != nil {
		t.Fatal(err)
	}
	entry, err := bucket.Get(t.Context(), "log.epoch")
	if err != nil {
		t.Fatal(err)
	}
	return entry.Value
}

// settle writes a record of SETTLED as the last one.
func settle(t *testing.T, b *bus.Bus, k string, s *bridgev1.Settlement) {
	t.Helper()
	bucket, err := record.Open[bridgev1.Settlement](t.Context(), b.JetStream(), bus.BucketSettled)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bucket.Put(t.Context(), k, s, 0); err != nil {
		t.Fatal(err)
	}
}

func covered(epoch, sequence uint64) *bridgev1.Settlement {
	return &bridgev1.Settlement{
		Covered: position.Position{Epoch: epoch, Sequence: sequence}.Proto(), Outcome: bridgev1.Outcome_OUTCOME_DELIVERED,
	}
}

func intended(epoch, sequence uint64) *bridgev1.Settlement {
	return &bridgev1.Settlement{Intent: &bridgev1.Intent{Token: "x", Position: position.Position{Epoch: epoch, Sequence: sequence}.Proto()}}
}

// store is the directory of the event log, which belongs to a test only while the server is stopped.
func store(srv *bustest.Server) string {
	return filepath.Join(srv.Dir, "jetstream", "$G", "streams", bus.StreamEvents)
}

// whileStopped stops the server, does something to its store and starts it again.
func whileStopped(t *testing.T, srv *bustest.Server, do func()) {
	t.Helper()
	srv.Stop(t)
	do()
	srv.Run(t)
}

// backup copies the event log as it is now, and returns how to put that copy back.
func backup(t *testing.T, srv *bustest.Server) (restore func()) {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "EVENTS")
	whileStopped(t, srv, func() {
		if err := os.CopyFS(copied, os.DirFS(store(srv))); err != nil {
			t.Fatal(err)
		}
	})
	return func() {
		t.Helper()
		whileStopped(t, srv, func() {
			if err := os.RemoveAll(store(srv)); err != nil {
				t.Fatal(err)
			}
			if err := os.CopyFS(store(srv), os.DirFS(copied)); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func connected(t *testing.T, buses ...*bus.Bus) {
	t.Helper()
	for _, b := range buses {
		bustest.Eventually(t, "the connection is back", func() bool { return b.Check(t.Context()) == nil })
	}
}

func lastSequence(t *testing.T, b *bus.Bus) uint64 {
	t.Helper()
	stream, err := b.JetStream().Stream(t.Context(), bus.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	return stream.CachedInfo().State.LastSeq
}

// recreate removes a stream and creates it again, empty.
func recreate(t *testing.T, b *bus.Bus, stream string) {
	t.Helper()
	if err := b.JetStream().DeleteStream(t.Context(), stream); err != nil {
		t.Fatal(err)
	}
	if err := b.Ensure(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
}

func TestFirstStartBeginsAnEpochQuietly(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t)
	begun := uint64(time.Now().Unix())
	first := epoch(t, open(t, b))
	if first < begun || first > uint64(time.Now().Unix()) {
		t.Errorf("epoch = %d, want the time of its beginning, %d", first, begun)
	}
	got := epochRecord(t, b)
	if got.GetEpoch() != first || got.GetReason() != "first start" || got.GetReconciliationDue() {
		t.Errorf("record = %v, want a first start without a reconciliation", got)
	}
	if again := epoch(t, open(t, b)); again != first {
		t.Errorf("epoch of a second process = %d, want %d", again, first)
	}
}

func TestEpochOutlivesReconnections(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t)
	b := srv.Connect(t)
	l := open(t, b)
	first, changed := l.Changed()
	appendMany(t, l, contract("1"), 3)
	settle(t, b, "pc.contract.1", covered(first, 3))
	for range 2 {
		whileStopped(t, srv, func() {})
		connected(t, b)
		if got := epoch(t, l); got != first {
			t.Errorf("epoch after a reconnection = %d, want %d; %v", got, first, epochRecord(t, b))
		}
		if got := epoch(t, open(t, b)); got != first {
			t.Errorf("epoch of a new process = %d, want %d", got, first)
		}
	}
	select {
	case <-changed:
		t.Error("a change is told although there was none")
	default:
	}
}

func TestEventsThatComeDuringVerificationAreNoSetBack(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t)
	l := open(t, b)
	first := epoch(t, l)
	var group sync.WaitGroup
	done := make(chan struct{})
	for range 3 {
		group.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					_, errs := l.Append(t.Context(), []eventlog.Event{event(t, contract("1"), "")})
					if errs[0] != nil {
						t.Error(errs[0])
						return
					}
				}
			}
		})
	}
	for range 100 {
		if err := l.Verify(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	close(done)
	group.Wait()
	if got := epoch(t, l); got != first {
		t.Errorf("epoch = %d, want %d: the log has only grown; %v", got, first, epochRecord(t, b))
	}
}

// A log that is not the one that was known begins a new epoch: for a process that starts then, and for one that was there.
func TestNewEpochBegins(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		// lose does something to the stores after three events, of epoch first, were there.
		lose   func(t *testing.T, srv *bustest.Server, b *bus.Bus, l *eventlog.Log, first uint64)
		reason string
	}{
		{
			name: "log recreated under what is settled",
			lose: func(t *testing.T, _ *bustest.Server, b *bus.Bus, _ *eventlog.Log, first uint64) {
				t.Helper()
				settle(t, b, "pc.contract.1", covered(first, 3))
				recreate(t, b, bus.StreamEvents)
			},
			reason: "the log was recreated",
		},
		{
			name: "log recreated and grown beyond what is settled",
			lose: func(t *testing.T, _ *bustest.Server, b *bus.Bus, l *eventlog.Log, first uint64) {
				t.Helper()
				settle(t, b, "pc.contract.1", covered(first, 3))
				recreate(t, b, bus.StreamEvents)
				appendMany(t, l, contract("2"), 5)
			},
			reason: "the log was recreated",
		},
		{
			name: "store set back behind what is settled",
			lose: func(t *testing.T, srv *bustest.Server, b *bus.Bus, l *eventlog.Log, first uint64) {
				t.Helper()
				restore := backup(t, srv)
				connected(t, b)
				appendMany(t, l, contract("1"), 2)
				settle(t, b, "pc.contract.1", covered(first, 5))
				restore()
			},
			reason: "the log was set back behind what is settled",
		},
		{
			name: "store set back behind what is being sent to Enneo",
			lose: func(t *testing.T, srv *bustest.Server, b *bus.Bus, l *eventlog.Log, first uint64) {
				t.Helper()
				restore := backup(t, srv)
				connected(t, b)
				appendMany(t, l, contract("1"), 2)
				settle(t, b, "pc.contract.1", intended(first, 4))
				restore()
			},
			reason: "the log was set back behind what is settled",
		},
		{
			name: "record of the epoch lost",
			lose: func(t *testing.T, _ *bustest.Server, b *bus.Bus, _ *eventlog.Log, first uint64) {
				t.Helper()
				settle(t, b, "pc.contract.1", covered(first, 3))
				recreate(t, b, bus.KVStream(bus.BucketBridge))
			},
			reason: "the record of the epoch was lost or set back",
		},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			srv := bustest.Start(t)
			b := srv.Connect(t)
			l := open(t, b)
			appendMany(t, l, contract("1"), 3)
			first, changed := l.Changed()
			tc.lose(t, srv, b, l, first)
			connected(t, b)
			last := lastSequence(t, b)

			fresh := epoch(t, open(t, srv.Connect(t)))
			if fresh <= first {
				t.Errorf("epoch of a process that starts = %d, want more than %d", fresh, first)
			}
			got := epochRecord(t, b)
			if got.GetReason() != tc.reason || got.GetEpoch() != fresh || !got.GetReconciliationDue() || got.GetLogLastSequence() != last {
				t.Errorf("record = %v, want epoch %d at %d because %s, and a reconciliation due", got, fresh, last, tc.reason)
			}
			if err := l.Verify(t.Context()); err != nil {
				t.Fatal(err)
			}
			if now := epoch(t, l); now != fresh {
				t.Errorf("epoch of the process that was there = %d, want %d", now, fresh)
			}
			<-changed
			if again := epoch(t, open(t, b)); again != fresh {
				t.Errorf("epoch of one more process = %d, want %d: one loss is one epoch", again, fresh)
			}
		})
	}
}

func TestLiveProcessNoticesALogThatWasSetBack(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		// see makes the process know of the events that get lost.
		see func(t *testing.T, l, other *eventlog.Log)
	}{
		{
			name: "that it has written to",
			see:  func(t *testing.T, l, _ *eventlog.Log) { t.Helper(); appendMany(t, l, contract("1"), 2) },
		},
		{
			name: "that it has read from",
			see: func(t *testing.T, l, other *eventlog.Log) {
				t.Helper()
				appendMany(t, other, contract("1"), 2)
				if _, found, err := l.Last(t.Context(), contract("1")); !found || err != nil {
					t.Fatal(found, err)
				}
			},
		},
		{
			name: "of which it was told",
			see: func(t *testing.T, l, other *eventlog.Log) {
				t.Helper()
				appendMany(t, other, contract("1"), 2)
				l.Seen(5)
				l.Seen(2) // An older one that is told later changes nothing.
			},
		},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			srv := bustest.Start(t)
			b, c := srv.Connect(t), srv.Connect(t)
			l := open(t, b)
			appendMany(t, l, contract("1"), 3)
			first, changed := l.Changed()
			restore := backup(t, srv)
			connected(t, b, c)
			if got := epoch(t, l); got != first {
				t.Fatalf("epoch = %d before anything was lost, want %d", got, first)
			}
			tc.see(t, l, open(t, c))
			restore()
			connected(t, b)

			// Nothing is settled, so only who has seen the events can know that they are missing.
			got := epoch(t, l)
			if got <= first {
				t.Fatalf("epoch after the reconnection = %d, want more than %d", got, first)
			}
			if want := "the log was set back behind what was read from it"; epochRecord(t, b).GetReason() != want {
				t.Errorf("reason = %q, want %q", epochRecord(t, b).GetReason(), want)
			}
			<-changed
			if known, again := l.Changed(); known != got {
				t.Errorf("Changed = %d, want %d", known, got)
			} else {
				select {
				case <-again:
					t.Error("one change is told twice")
				default:
				}
			}
			last, found, err := l.Last(t.Context(), contract("1"))
			if want := (position.Position{Epoch: got, Sequence: 3}); err != nil || !found || last.Position != want {
				t.Errorf("Last = %v, %t, %v; want %v", last.Position, found, err, want)
			}
		})
	}
}

func TestProcessesThatBeginTogetherAgree(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t)
	var buses []*bus.Bus
	for range 5 {
		buses = append(buses, srv.Connect(t))
	}
	together := func() uint64 {
		t.Helper()
		epochs := make([]uint64, len(buses))
		var group sync.WaitGroup
		for i, b := range buses {
			group.Go(func() {
				l, err := eventlog.Open(t.Context(), b, discard())
				if err != nil {
					t.Error(err)
					return
				}
				epochs[i], _ = l.Changed()
			})
		}
		group.Wait()
		for i, got := range epochs {
			if got != epochs[0] || got != epochRecord(t, buses[0]).GetEpoch() {
				t.Errorf("process %d has epoch %d, the first one %d, the record %v", i, got, epochs[0], epochRecord(t, buses[0]))
			}
		}
		return epochs[0]
	}
	first := together()
	if got := epochRecord(t, buses[0]); got.GetReconciliationDue() {
		t.Errorf("record = %v, want a first start, whoever began it", got)
	}
	recreate(t, buses[0], bus.StreamEvents)
	if second := together(); second <= first {
		t.Errorf("epoch = %d after the log was recreated, want more than %d", second, first)
	}
}

func TestSetBackBeginsOneEpochHoweverManyNotice(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t)
	a, b := srv.Connect(t), srv.Connect(t)
	logs := []*eventlog.Log{open(t, a), open(t, b)}
	first, changed := logs[0].Changed()
	appendMany(t, logs[0], contract("1"), 1)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			if err := logs[i%2].SetBack(t.Context(), first); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	<-changed
	second := epoch(t, logs[0])
	if second <= first || epoch(t, logs[1]) != second {
		t.Errorf("epochs = %d and %d, want one that is more than %d", second, epoch(t, logs[1]), first)
	}
	got := epochRecord(t, a)
	if got.GetEpoch() != second || !got.GetReconciliationDue() || got.GetReason() != "a key was known beyond its last event in the log" {
		t.Errorf("record = %v", got)
	}
	if err := logs[0].SetBack(t.Context(), first); err != nil || epoch(t, logs[0]) != second {
		t.Errorf("what was observed in the old epoch began a further one: %d, %v", epoch(t, logs[0]), err)
	}
}

func TestReconciliationStaysDueOverEpochs(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t)
	l := open(t, b)
	for range 2 {
		if err := l.SetBack(t.Context(), epoch(t, l)); err != nil {
			t.Fatal(err)
		}
	}
	if got := epochRecord(t, b); !got.GetReconciliationDue() {
		t.Errorf("record = %v, want a reconciliation due", got)
	}
}

func TestFollowHearsOfEpochsThatOthersBegin(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t)
	l, other := open(t, srv.Connect(t)), open(t, srv.Connect(t))
	first, changed := l.Changed()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Follow(ctx) }()
	if err := other.SetBack(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	select {
	case <-changed:
	case <-time.After(time.Minute):
		t.Fatal("waited a minute for the epoch to change")
	}
	if got, want := epoch(t, l), epoch(t, other); got != want {
		t.Errorf("epoch = %d, want %d", got, want)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Follow = %v, want nil at the end of its context", err)
	}
}

func TestSettlementThatAPersonDeletedDoesNotStopTheStart(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t)
	first := epoch(t, open(t, b))
	settle(t, b, "pc.contract.1", covered(first, 0))
	kv, err := b.JetStream().KeyValue(t.Context(), bus.BucketSettled)
	if err != nil {
		t.Fatal(err)
	}
	for _, remove := range []func() error{
		func() error { return kv.Delete(t.Context(), "pc.contract.1") },
		func() error { return kv.Purge(t.Context(), "pc.contract.1") },
		func() error { return kv.PurgeDeletes(t.Context()) },
	} {
		if err := remove(); err != nil {
			t.Fatal(err)
		}
		if got := epoch(t, open(t, b)); got != first {
			t.Errorf("epoch = %d, want %d", got, first)
		}
	}
}

func TestEpochOfALogThatCannotBeAskedIsAnError(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t)
	l := open(t, b)
	if err := b.JetStream().DeleteStream(t.Context(), bus.StreamEvents); err != nil {
		t.Fatal(err)
	}
	if err := l.Verify(t.Context()); err == nil {
		t.Error("a log that is missing was verified")
	}
	if _, err := eventlog.Open(t.Context(), b, discard()); err == nil {
		t.Error("a log that is missing was opened")
	}
}
