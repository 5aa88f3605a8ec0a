package gate_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/fault"
	"github.com/enneo-ai/enneo-bridge/libs/gate"
)

var (
	down     = &fault.Fault{Scope: fault.Target, Reason: "unreachable"}
	rejected = &fault.Fault{Scope: fault.Key, Reason: "rejected", Permanent: true, Status: 422}
)

const (
	first   = 10 * time.Second
	longest = 40 * time.Second
	// jitter is by how much the library varies a pause, at most.
	jitter = 0.5
)

func busy(after time.Duration) *fault.Fault {
	return &fault.Fault{Scope: fault.Target, Reason: "rate_limited", Status: 429, RetryAfter: after}
}

func newGate() *gate.Gate { return gate.New(gate.Options{Threshold: 3, First: first, Max: longest}) }

// pause is how long a gate that is shut stays so.
func pause(t *testing.T, g *gate.Gate) time.Duration {
	t.Helper()
	shut, until := g.Shut()
	if !shut {
		t.Fatal("the gate is open, want it shut")
	}
	return time.Until(until)
}

// shut makes a gate of newGate shut.
func shut(t *testing.T, g *gate.Gate) {
	t.Helper()
	for i := range 3 {
		if changed, want := g.Report(down), i == 2; changed != want {
			t.Fatalf("fault %d changed the gate: %t, want %t", i+1, changed, want)
		}
	}
}

func TestGateShutsAfterTheThreshold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		for range 5 { // A success in between starts the count anew.
			g.Report(down)
			g.Report(down)
			g.Report(nil)
		}
		for range 5 { // So does a fault that concerns the key alone.
			g.Report(down)
			g.Report(down)
			g.Report(rejected)
		}
		if is, _ := g.Shut(); is {
			t.Fatal("the gate is shut without three faults in a row")
		}
		shut(t, g)
		if got := pause(t, g); got < first/2 || got > first*3/2 {
			t.Errorf("first pause = %s, want %s give or take half", got, first)
		}
	})
}

func TestDefaultsOfAGate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := gate.New(gate.Options{})
		shut(t, g)
		if got := pause(t, g); got < 250*time.Millisecond || got > 750*time.Millisecond {
			t.Errorf("first pause = %s, want 500ms give or take half", got)
		}
	})
}

func TestRetryAfterShutsTheGateAtOnce(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name        string
		asked, want time.Duration
	}{
		{name: "longer than any pause of ours", asked: 5 * time.Minute, want: 5 * time.Minute},
		{name: "absurdly long", asked: 24 * time.Hour, want: fault.MaxRetryAfter},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := newGate()
				if !g.Report(busy(tc.asked)) {
					t.Error("the gate did not change")
				}
				if got := pause(t, g); got != tc.want {
					t.Errorf("pause = %s, want %s", got, tc.want)
				}
			})
		})
	}
}

func TestLateReportsDoNotLengthenThePause(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		late *fault.Fault
	}{
		{name: "faults", late: down},
		{name: "faults that ask for less than is left", late: busy(time.Second)},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := newGate()
				shut(t, g)
				_, before := g.Shut()
				for range 100 {
					if g.Report(tc.late) {
						t.Fatal("a late report changed the gate")
					}
				}
				if _, after := g.Shut(); !after.Equal(before) {
					t.Errorf("shut until %s, want %s as before", after, before)
				}
			})
		})
	}
}

func TestManyAnswersWithRetryAfterAreOnePause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		for range 100 {
			g.Report(busy(20 * time.Second))
		}
		if got := pause(t, g); got != 20*time.Second {
			t.Errorf("pause = %s, want the 20s that the target asked for", got)
		}
		g.Report(busy(30 * time.Second))
		if got := pause(t, g); got != 30*time.Second {
			t.Errorf("pause = %s, want the longer time that the target asked for", got)
		}
	})
}

func TestPausesGrowUpToTheLongest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		shut(t, g)
		want := first
		for i := range 8 {
			got := pause(t, g)
			if low, high := float64(want)*(1-jitter), float64(want)*(1+jitter)+1; float64(got) < low || float64(got) > high {
				t.Errorf("pause %d = %s, want %s give or take half", i, got, want)
			}
			leave, err := g.Enter(t.Context()) // Returns when the pause is over.
			if err != nil {
				t.Fatal(err)
			}
			g.Report(down)
			leave()
			want = min(2*want, longest)
		}
		g.Report(nil)
		shut(t, g)
		if got := pause(t, g); got > first*3/2 {
			t.Errorf("pause after a success = %s, want to begin anew with %s", got, first)
		}
	})
}

func TestOpenGateLetsEverybodyIn(t *testing.T) {
	t.Parallel()
	g := newGate()
	for range 100 {
		if _, err := g.Enter(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestShutGateLetsOneProbeInAtATime(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]*fault.Fault{"success": nil, "fault of a key": rejected} {
		t.Run("until a "+name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := newGate()
				shut(t, g)
				const workers = 10
				entered := make(chan func(), workers)
				for range workers {
					go func() {
						leave, err := g.Enter(t.Context())
						if err != nil {
							t.Error(err)
							return
						}
						entered <- leave
					}()
				}
				synctest.Wait()
				if n := len(entered); n != 0 {
					t.Fatalf("%d workers are in during the pause, want none", n)
				}
				for range 3 {
					time.Sleep(longest * 2) //nolint:forbidigo // The clock of the bubble.
					synctest.Wait()
					if n := len(entered); n != 1 {
						t.Fatalf("%d workers are in after the pause, want one probe", n)
					}
					leave := <-entered
					g.Report(down)
					leave()
					synctest.Wait()
					if n := len(entered); n != 0 {
						t.Fatalf("%d workers are in after a failed probe, want none", n)
					}
				}
				time.Sleep(longest * 2) //nolint:forbidigo // The clock of the bubble.
				leave := <-entered
				if !g.Report(answer) {
					t.Error("the answer did not open the gate")
				}
				leave()
				synctest.Wait()
				if n := len(entered); n != workers-4 {
					t.Errorf("%d workers are in, want the %d that waited", n, workers-4)
				}
			})
		})
	}
}

func TestProbeThatFoundNothingToPullMakesRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		shut(t, g)
		for range 3 {
			leave, err := g.Enter(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			leave()
		}
		if is, _ := g.Shut(); !is {
			t.Error("the gate is open without any answer")
		}
	})
}

func TestGateThatOpensDuringThePauseLetsTheWaitingIn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		g.Report(busy(10 * time.Minute))
		begun := time.Now()
		entered := make(chan error, 2)
		for range 2 {
			go func() {
				_, err := g.Enter(t.Context())
				entered <- err
			}()
		}
		synctest.Wait()
		g.Report(nil) // A call that was under way when the gate shut has succeeded.
		for range 2 {
			if err := <-entered; err != nil {
				t.Error(err)
			}
		}
		if waited := time.Since(begun); waited != 0 {
			t.Errorf("they waited %s, want not at all", waited)
		}
	})
}

func TestEnterEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		g.Report(busy(10 * time.Minute))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		ended := make(chan error, 2)
		for range 2 { // One waits out the pause, the other waits for the first.
			go func() {
				_, err := g.Enter(ctx)
				ended <- err
			}()
		}
		for range 2 {
			if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Enter = %v, want the end of its context", err)
			}
		}
		if leave, err := g.Enter(t.Context()); err != nil {
			t.Errorf("Enter = %v: whoever gave up still holds the probe", err)
		} else {
			leave()
		}
	})
}

func TestPressureIsToldWhileTheGateIsShutAndAfterALimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := gate.New(gate.Options{})
		if _, pressed := g.Pressed(); pressed {
			t.Error("pressed without any fault")
		}
		// One limit without a time to wait leaves the gate open.
		g.Report(busy(0))
		if reason, pressed := g.Pressed(); !pressed || reason != fault.RateLimited {
			t.Errorf("after a limit: %q, %t", reason, pressed)
		}
		<-time.After(10 * time.Second)
		if _, pressed := g.Pressed(); pressed {
			t.Error("pressed long after the limit")
		}
		for range 3 {
			g.Report(&fault.Fault{Scope: fault.Target, Reason: "unavailable"})
		}
		<-time.After(30 * time.Second)
		if reason, pressed := g.Pressed(); !pressed || reason != "unavailable" {
			t.Errorf("while the gate is shut: %q, %t", reason, pressed)
		}
		<-time.After(time.Hour)
		if _, pressed := g.Pressed(); pressed {
			t.Error("pressed although nobody has tried for an hour")
		}
		g.Report(busy(time.Hour))
		<-time.After(fault.MaxRetryAfter)
		if _, pressed := g.Pressed(); !pressed {
			t.Error("not pressed although the target has asked for so long a pause")
		}
		g.Report(nil)
		if _, pressed := g.Pressed(); pressed {
			t.Error("pressed after a success")
		}
	})
}

func TestACallThatWasNotMadeOpensNoGate(t *testing.T) {
	t.Parallel()
	g := newGate()
	g.Report(busy(time.Minute))
	unsent := &fault.Fault{Scope: fault.Key, Permanent: true, Reason: "no_request"}
	if changed := g.Report(unsent); changed {
		t.Error("a call that was not made has changed the gate")
	}
	if shut, _ := g.Shut(); !shut {
		t.Error("the gate is open though nothing has answered")
	}
}
