package window

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/libs/redisx/redistest"
)

// Each test of the files traps*_test.go is a trap that another debouncer or webhook gateway fell into; its
// comment names the project. Traps that do not concern windows are tested elsewhere:
//
//	the store is down: 503, no 4xx, no 2xx (Convoy)     services/ingestor  TestWithoutNATSTheAnswerIs503AndHealsByItself,
//	                                                                       TestAFullLogIsAnswered503UntilThereIsRoom
//	two identical webhooks at once (Convoy)             services/ingestor  TestIdenticalWebhooksAtOnceHaveOneEffect
//	a thousand webhooks for one key (Trigger.dev)       services/ingestor  TestAThousandWebhooksAtOnceForOneContractAreAccepted
//	one CloudEvent id from two sources (Knative)        services/ingestor  TestACloudEventIsKnownBySourceAndID
//	ready although a store is away (Knative)            services/debouncer TestRedisMayBeAwayAtTheStartAndLater,
//	                                                                       TestNATSMayRestartInTheMiddle
//	ids that are escaped alike (Inngest)                libs/key           TestTokensAreInjective
//	retries swallowed as duplicates (murmur)            libs/bus           TestAgainComesAfterItsPause,
//	                                                                       TestNewestTicketOfAKeyReplacesTheOthers
//	BackOff shortens AckWait (Kannon)                   libs/bus           TestConsumersAreAsDesigned
//	what is stuck is found by a person (Convoy, Breeze) services/debouncer TestAWindowThatAFailoverLostComesBack
//	a wrong eviction policy goes unnoticed (BullMQ)     libs/redisx        TestAPolicyThatEvictsAnyKeyIsRedUntilItIsChanged
//	nobody looks at both ends (Outpost, Convoy)         services/e2e       TestKilledAtEveryStep

// clocked opens a store whose clock the test moves.
func clocked(t *testing.T, rdb redis.UniversalClient, shards int) (*Store, *fakeClock) {
	t.Helper()
	s, clock := openStore(t, rdb, shards), &fakeClock{}
	clock.ms.Store(1_000_000)
	s.now = clock.text
	return s, clock
}

func mustClaim(t *testing.T, s *Store) []Window {
	t.Helper()
	claimed, err := s.Claim(t.Context(), 0, MaxBatch, time.Minute)
	if err != nil {
		t.Fatalf("Claim: %v", err)
	}
	return claimed.Windows
}

func mustComplete(t *testing.T, s *Store, windows ...Window) []Completion {
	t.Helper()
	settled, err := s.Complete(t.Context(), windows)
	if err != nil {
		t.Fatalf("Complete: %v", err)
	}
	return settled.Completions
}

// BullMQ drops events that come while the job of their debounce id waits for a worker or runs (issue 3427): the last
// change is never seen.
func TestAnEventWhileItsKeyWaitsOrRunsIsCoveredByALaterFlush(t *testing.T) {
	t.Parallel()
	s, clock := clocked(t, redistest.Open(t), 1)
	mustArm(t, s, soon(keyA, 1, time.Second))
	clock.ms.Add(5000) // due for long: no worker is free
	mustArm(t, s, soon(keyA, 2, time.Second))
	clock.ms.Add(1000)
	running := mustClaim(t, s)
	if len(running) != 1 || running[0].Position != at(1, 2) {
		t.Fatalf("claimed %+v, want the event that came while the key waited", running)
	}
	mustArm(t, s, soon(keyA, 3, time.Second))
	if got := mustComplete(t, s, running...); got[0] != Rearmed {
		t.Errorf("completion %d, want Rearmed for the event that came while the key ran", got[0])
	}
	clock.ms.Add(1000)
	if again := mustClaim(t, s); len(again) != 1 || again[0].Position != at(1, 3) {
		t.Errorf("claimed %+v, want the event that came while the key ran", again)
	}
}

// NATS purges the subject of a schedule that fires without a bound (ADR-51), and with it the schedule that was stored
// meanwhile. Here each window gets a newer event while it fires: before, while, and after its claim is completed.
func TestAnEventStoredWhileItsPredecessorFiresIsFlushed(t *testing.T) {
	t.Parallel()
	for _, server := range servers {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			const keys, generations = 100, 5
			s := openStore(t, server.open(t), 2)
			var arming sync.WaitGroup
			var mu sync.Mutex
			newest, done := map[key.Key]bool{}, make(chan struct{})
			r := run(t, s, SchedulerOptions{Limit: 10}, func(_ context.Context, windows []Window) []error {
				mu.Lock()
				defer mu.Unlock()
				for _, w := range windows {
					if w.Position.Sequence < generations {
						arming.Go(func() {
							if _, err := s.Arm(t.Context(), []Arm{soon(w.Key, w.Position.Sequence+1, 0)}); err != nil {
								t.Errorf("Arm: %v", err)
							}
						})
					}
					if w.Position == at(1, generations) && !newest[w.Key] {
						newest[w.Key] = true
						if len(newest) == keys {
							close(done)
						}
					}
				}
				return nil
			})
			for i := range keys {
				mustArm(t, s, soon(contract(t, strconv.Itoa(i)), 1, 0))
			}
			select {
			case <-done:
			case <-time.After(patience):
				t.Error("the newest events are not flushed")
			}
			arming.Wait()
			r.stop()
			r.finished(t)
			mustBeEmpty(t, s)
		})
	}
}

// Inngest compares the senders' clocks: one event dated into the future shadows all that follow. Here only Redis' clock
// counts, and an event that came while it was wrong puts off nothing once it is right and another event comes.
func TestAnEventFromTheFutureDoesNotShadowTheNormalOnes(t *testing.T) {
	t.Parallel()
	s, clock := clocked(t, redistest.Open(t), 1)
	event := func(sequence uint64) Arm {
		return Arm{Key: keyA, Position: at(1, sequence), Quiet: 10 * time.Second, MaxWait: time.Minute}
	}
	const wrongBy = 24 * 60 * 60 * 1000
	clock.ms.Add(wrongBy)
	mustArm(t, s, event(1))
	clock.ms.Add(-wrongBy)
	for sequence := uint64(2); sequence < 10; sequence++ {
		if result := mustArm(t, s, event(sequence)); result.Outcomes[0] != Extended || result.Hints[0].In != 10*time.Second {
			t.Fatalf("event %d: %+v, want it to count and be due after the quiet period", sequence, result)
		}
		clock.ms.Add(1000)
	}
	clock.ms.Add(9000)
	if windows := mustClaim(t, s); len(windows) != 1 || windows[0].Position != at(1, 9) || windows[0].Collapsed != 9 {
		t.Errorf("claimed %+v, want all nine events", windows)
	}
}

// Trigger.dev had to add a bound to debounces that never ran (PR 2984); the one of Inngest was overshot when an event came
// shortly before its end (PR 3554). Here the stream never pauses, and events come in the last millisecond, at the end, and
// after it.
func TestAnEndlessStreamRunsAtItsMaxWait(t *testing.T) {
	t.Parallel()
	const quiet, maxWait = 10_000, 60_000
	for _, pause := range []int64{1, 999, 9_999, 10_000} {
		t.Run(strconv.FormatInt(pause, 10)+" ms apart", func(t *testing.T) {
			t.Parallel()
			s, clock := clocked(t, redistest.Open(t), 1)
			first, sequence := clock.ms.Load(), uint64(0)
			arm := func() {
				t.Helper()
				sequence++
				item := Arm{Key: keyA, Position: at(1, sequence), Quiet: quiet * time.Millisecond, MaxWait: maxWait * time.Millisecond}
				now := clock.ms.Load()
				want := max(0, min(now+quiet, first+maxWait)-now)
				if got := mustArm(t, s, item).Hints[0].In.Milliseconds(); got != want {
					t.Fatalf("event %d after %d ms is due in %d ms, want %d", sequence, now-first, got, want)
				}
			}
			// So many of the short pauses that they reach the end of the max wait would take long and show nothing more.
			for range 500 {
				if clock.ms.Load() >= first+maxWait-1 {
					break
				}
				arm()
				clock.ms.Add(min(pause, first+maxWait-1-clock.ms.Load()))
			}
			for _, ms := range []int64{maxWait - 1, maxWait, maxWait + 1, maxWait + quiet} {
				clock.ms.Store(first + ms)
				arm()
				if ms == maxWait-1 {
					if early := mustClaim(t, s); len(early) != 0 {
						t.Fatalf("claimed %+v before the max wait", early)
					}
				}
			}
			windows := mustClaim(t, s)
			if len(windows) != 1 || windows[0].Position != at(1, sequence) || !windows[0].Due.Equal(ms(first+maxWait)) {
				t.Fatalf("claimed %+v, want everything, due at the max wait", windows)
			}
			mustComplete(t, s, windows...)
			// The next event begins a max wait of its own.
			mustComplete(t, s, windows...)
			first = clock.ms.Load()
			arm()
		})
	}
}

// Inngest puts all events whose key cannot be computed into one bucket, "<invalid>".
func TestWhatHasNoKeyIsRefusedAndNeverShared(t *testing.T) {
	t.Parallel()
	s, _ := clocked(t, redistest.Open(t), 1)
	odd := []string{"<invalid>", "null", "undefined", "0", "00", "a", "A", " a", "a ", "a\u00a0", "é", "e\u0301", "1e3", "1000", "-1"}
	items := []Arm{{Position: at(1, 1)}, {Key: key.Key{Source: "pc", Kind: key.Contract}, Position: at(1, 2)}}
	refused := len(items)
	for i, id := range odd {
		items = append(items, Arm{Key: contract(t, id), Position: at(1, uint64(10+i))})
	}
	result, err := s.Arm(t.Context(), items)
	if err == nil {
		t.Error("Arm takes events without a key")
	}
	for i, err := range result.Errs {
		if (err != nil) != (i < refused) {
			t.Errorf("event %d: %v", i, err)
		}
	}
	want, got := map[string]position.Position{}, map[string]position.Position{}
	for _, item := range items[refused:] {
		want[item.Key.ID] = item.Position
	}
	for _, w := range mustClaim(t, s) {
		got[w.Key.ID] = w.Position
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("windows (-armed +claimed):\n%s", diff)
	}
}

// Convoy looks for a duplicate first and stores afterwards: two identical webhooks at once are both new.
func TestOfIdenticalEventsAtOnceOneHasAnEffect(t *testing.T) {
	t.Parallel()
	for _, server := range serversAndCluster {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			const times = 50
			s := openStore(t, server.open(t), 1)
			outcomes := atOnce(t, s, times, func(int) Arm { return soon(keyA, 7, 0) })
			if diff := cmp.Diff(map[Outcome]int{Opened: 1, Unchanged: times - 1}, outcomes); diff != "" {
				t.Errorf("outcomes (-want +got):\n%s", diff)
			}
			if windows := mustClaim(t, s); len(windows) != 1 || windows[0].Collapsed != 1 {
				t.Errorf("claimed %+v, want one window with one event", windows)
			}
		})
	}
}

// Trigger.dev locks the key of each event: a hot key became a storm of locks and 5xx, and events that did not get the
// lock were answered "ok" and lost (PR 3453).
func TestAThousandEventsAtOnceForOneKeyAllCount(t *testing.T) {
	t.Parallel()
	for _, server := range serversAndCluster {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			const events = 1000
			s := openStore(t, server.open(t), 1)
			outcomes := atOnce(t, s, events, func(i int) Arm { return soon(keyA, uint64(i+1), 0) })
			// Whatever is overtaken by a newer event is covered by it.
			if outcomes[Opened] != 1 || outcomes[Extended]+outcomes[Unchanged] != events-1 {
				t.Errorf("outcomes %v, want one Opened and nothing Failed", outcomes)
			}
			windows := mustClaim(t, s)
			if len(windows) != 1 || windows[0].Position != at(1, events) {
				t.Fatalf("claimed %+v, want one window up to the newest event", windows)
			}
			if got, want := windows[0].Collapsed, uint64(1+outcomes[Extended]); got != want {
				t.Errorf("the window stands for %d events, want %d", got, want)
			}
		})
	}
}

// atOnce arms n events from as many goroutines, and counts the outcomes.
func atOnce(t *testing.T, s *Store, n int, event func(int) Arm) map[Outcome]int {
	t.Helper()
	var mu sync.Mutex
	var arming sync.WaitGroup
	begin := make(chan struct{})
	outcomes := map[Outcome]int{}
	for i := range n {
		arming.Go(func() {
			<-begin
			result, err := s.Arm(t.Context(), []Arm{event(i)})
			if err != nil {
				t.Errorf("event %d: %v", i, err)
			}
			mu.Lock()
			defer mu.Unlock()
			outcomes[result.Outcomes[0]]++
		})
	}
	close(begin)
	arming.Wait()
	return outcomes
}

// murmur published a retry under the id of the first attempt, and JetStream swallowed it as a duplicate (issue 141).
func TestAFailedFlushOfAPositionGoesThroughAgain(t *testing.T) {
	t.Parallel()
	s := openStore(t, redistest.Open(t), 1)
	mustArm(t, s, soon(keyA, 1, 0))
	var positions []position.Position
	r := run(t, s, SchedulerOptions{ShortestPause: time.Millisecond, LongestPause: time.Millisecond}, func(_ context.Context, windows []Window) []error {
		// Redelivered while it is retried: that must not make it a duplicate either.
		if _, err := s.Arm(t.Context(), []Arm{soon(keyA, 1, 0)}); err != nil {
			t.Errorf("Arm: %v", err)
		}
		positions = append(positions, windows[0].Position)
		if len(positions) < 3 {
			return []error{errors.New("not now")}
		}
		return nil
	})
	r.await(t, "flushed", 1)
	r.stop()
	r.finished(t)
	if diff := cmp.Diff([]position.Position{at(1, 1), at(1, 1), at(1, 1)}, positions); diff != "" {
		t.Errorf("flushes (-want +got):\n%s", diff)
	}
	mustBeEmpty(t, s)
}
