package publisher

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// buildDir is where binary builds; made before it is known whether any test needs that.
var buildDir = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "enneo-bridge-publisher-") })

// binary builds the command with failpoints, once for all tests that need it.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := buildDir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "publisher")
	if out, err := exec.Command("go", "build", "-tags", "failpoint", "-o", path, "./cmd/publisher").CombinedOutput(); err != nil {
		return path, fmt.Errorf("build: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := buildDir(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code) //nolint:forbidigo // As a test binary does.
}

// process is a running publisher.
type process struct {
	t   *testing.T
	cmd *exec.Cmd
	// hit gets the name of each failpoint that was reached; it is closed when the process has ended.
	hit chan string
}

// process starts a publisher with the failpoints and further variables.
func (w *world) process(failpoints string, variables ...string) *process {
	w.t.Helper()
	path, err := binary()
	w.must(err)
	p := &process{t: w.t, cmd: exec.Command(path), hit: make(chan string, 8)}
	for name, value := range w.environment() {
		p.cmd.Env = append(p.cmd.Env, name+"="+value)
	}
	p.cmd.Env = append(append(p.cmd.Env, "FAILPOINTS="+failpoints), variables...)
	stderr, err := p.cmd.StderrPipe()
	w.must(err)
	w.must(p.cmd.Start())
	log := w.t.Output()
	go func() {
		defer close(p.hit)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			if name, found := strings.CutPrefix(lines.Text(), "failpoint "); found {
				p.hit <- name
			}
			_, _ = fmt.Fprintln(log, lines.Text())
		}
	}()
	w.t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // It has ended already, as a rule.
		for range p.hit {        // Until all of its log is read.
		}
		_ = p.cmd.Wait()
	})
	return p
}

// reached waits until the process has reached the failpoint.
func (p *process) reached(name string) {
	p.t.Helper()
	select {
	case got, running := <-p.hit:
		if !running || got != name {
			p.t.Fatalf("reached the failpoint %q, want %s", got, name)
		}
	case <-time.After(awaitTimeout):
		p.t.Fatalf("waited %s for the failpoint %s", awaitTimeout, name)
	}
}

// stopped waits until the process has reached the failpoint and is stopped.
func (p *process) stopped(name string) {
	p.t.Helper()
	p.reached(name)
	// Returns as soon as the process is stopped, and does not reap it.
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(p.cmd.Process.Pid, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
		p.t.Fatalf("wait status %#x, %v; want stopped", status, err)
	}
}

// wait waits for the end of the process and returns the signal that killed it, or fails if it ended with an error.
func (p *process) wait() (killedBy syscall.Signal) {
	p.t.Helper()
	select {
	case _, running := <-p.hit:
		if running {
			p.t.Fatal("another failpoint was reached")
		}
	case <-time.After(awaitTimeout):
		p.t.Fatalf("waited %s for the end of the process", awaitTimeout)
	}
	err := p.cmd.Wait()
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	switch {
	case ok && status.Signaled():
		return status.Signal()
	case err != nil:
		p.t.Fatalf("the process ended with %v", err)
	}
	return 0
}

// signal sends a signal.
func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatalf("send %v: %v", s, err)
	}
}

// TestProcessThatIsKilledLosesNothing: kill -9 at each step of a delivery. The ticket is told again, as the server does
// after AckWait and the sweeper after its bound.
func TestProcessThatIsKilledLosesNothing(t *testing.T) {
	t.Parallel()
	tests := []struct {
		point string
		newer bool
		want  []int64
	}{
		{point: "publisher.intent.stored", want: []int64{1}},
		{point: "publisher.intent.stored", newer: true, want: []int64{2}},
		{point: "publisher.request.done", want: []int64{1, 1}},
		{point: "publisher.request.done", newer: true, want: []int64{1, 2}},
		{point: "publisher.outcome.stored", want: []int64{1}},
		{point: "publisher.outcome.stored", newer: true, want: []int64{1, 2}},
	}
	for _, tc := range tests {
		t.Run(fmt.Sprintf("%s, newer %t", tc.point, tc.newer), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			victim := w.process(tc.point + "=kill")
			k := contract("VN-1")
			newest, revision := w.change(k, 1), 1
			victim.reached(tc.point)
			if killedBy := victim.wait(); killedBy != syscall.SIGKILL {
				t.Fatalf("the process was ended by signal %v, want SIGKILL", killedBy)
			}

			heir := w.process("")
			if tc.newer {
				newest, revision = w.change(k, 2), 2
			} else {
				w.tell(k, newest)
			}
			w.idle()
			checkOutcome(t, w.settled(k, newest), newest, bridgev1.Outcome_OUTCOME_DELIVERED)
			heir.signal(syscall.SIGTERM)
			if killedBy := heir.wait(); killedBy != 0 {
				t.Errorf("the process was ended by signal %v, want an orderly end", killedBy)
			}
			w.enneoHas(k, revision)
			if diff := cmp.Diff(tc.want, w.revisions(k)); diff != "" {
				t.Errorf("Enneo's writes differ (-want +got):\n%s", diff)
			}
			w.orderly()
			w.balanced(map[string]uint64{"delivered": uint64(revision)})
		})
	}
}

// stop starts a publisher that stops at the failpoint with the key in hand, and then one that works.
func (w *world) stop(k key.Key, point string) (sleeper, heir *process) {
	w.t.Helper()
	// One worker: a second one would wait for a ticket in its sleep, and keep it until AckWait is over.
	sleeper = w.process(point+"=stop", "ENNEO_CONCURRENCY=1")
	w.change(k, 1)
	sleeper.stopped(point)
	heir = w.process("")
	bustest.Eventually(w.t, "the other process waits for tickets", func() bool {
		consumer, err := w.bus.Consumer(w.t.Context(), bus.StagePublish, testSource)
		w.must(err)
		return consumer.CachedInfo().NumWaiting > 0
	})
	return sleeper, heir
}

// waits tells whether a ticket of the key is not acknowledged.
func (w *world) waits(k key.Key) bool {
	w.t.Helper()
	stream, err := w.bus.JetStream().Stream(w.t.Context(), bus.StreamReady)
	w.must(err)
	_, err = stream.GetLastMsgForSubject(w.t.Context(), bus.StagePublish.Subject(k))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return false
	}
	w.must(err)
	return true
}

// TestProcessThatIsStoppedIsReplaced: SIGSTOP at each step, another process takes over, and the first one goes on.
func TestProcessThatIsStoppedIsReplaced(t *testing.T) {
	t.Parallel()
	tests := []struct {
		point string
		want  []int64
		// there tells whether the process has stopped where it should: a signal may take effect a moment late.
		there func(*world, key.Key) bool
	}{
		{
			point: "publisher.intent.stored", want: []int64{2},
			there: func(w *world, k key.Key) bool { return len(w.revisions(k)) == 0 },
		},
		{
			// It cannot know whether its request came before or after that of whoever took over.
			point: "publisher.request.done", want: []int64{1, 2, 2},
			there: func(w *world, k key.Key) bool { return w.settlement(k).GetIntent() != nil },
		},
		{
			point: "publisher.outcome.stored", want: []int64{1, 2},
			// Its ticket is not acknowledged, so it has not begun to wait for another one.
			there: func(w *world, k key.Key) bool { return w.waits(k) },
		},
	}
	for _, tc := range tests {
		t.Run(tc.point, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			k := contract("VN-1")
			sleeper, heir := w.stop(k, tc.point)
			for !tc.there(w, k) {
				sleeper.signal(syscall.SIGKILL)
				heir.signal(syscall.SIGKILL)
				k.ID += "x"
				sleeper, heir = w.stop(k, tc.point)
			}

			newest := w.change(k, 2)
			checkOutcome(t, w.settled(k, newest), newest, bridgev1.Outcome_OUTCOME_DELIVERED)
			w.enneoHas(k, 2)

			// Told to end, it goes on and finishes what it has in hand.
			sleeper.signal(syscall.SIGTERM)
			sleeper.signal(syscall.SIGCONT)
			if killedBy := sleeper.wait(); killedBy != 0 {
				t.Errorf("the process was ended by signal %v, want an orderly end", killedBy)
			}
			w.tell(k, newest)
			bustest.Eventually(t, "no ticket of the key is left", func() bool { return !w.waits(k) })
			checkOutcome(t, w.settled(k, newest), newest, bridgev1.Outcome_OUTCOME_DELIVERED)
			heir.signal(syscall.SIGTERM)
			heir.wait()
			if diff := cmp.Diff(tc.want, w.revisions(k)); diff != "" {
				t.Errorf("Enneo's writes differ (-want +got):\n%s", diff)
			}
			w.orderly()
		})
	}
}
