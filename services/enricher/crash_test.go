package enricher

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// buildDir is where binary builds; made before it is known whether any test needs that.
var buildDir = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "enneo-bridge-enricher-") })

// binary builds the command with failpoints, once for all tests that need it.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := buildDir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "enricher")
	if out, err := exec.Command("go", "build", "-tags", "failpoint", "-o", path, "./cmd/enricher").CombinedOutput(); err != nil {
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

// process is a running enricher.
type process struct {
	t   *testing.T
	cmd *exec.Cmd
	// hit gets the name of each failpoint that was reached; it is closed when the process has ended.
	hit chan string
}

// process starts an enricher with the failpoints.
func (w *world) process(failpoints string) *process {
	w.t.Helper()
	path, err := binary()
	w.must(err)
	p := &process{t: w.t, cmd: exec.Command(path), hit: make(chan string, 8)}
	for name, value := range w.environment() {
		p.cmd.Env = append(p.cmd.Env, name+"="+value)
	}
	p.cmd.Env = append(p.cmd.Env, "FAILPOINTS="+failpoints)
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

// next waits for the next failpoint that the process reaches, or its end: then it returns "".
func (p *process) next() string {
	p.t.Helper()
	select {
	case name := <-p.hit:
		return name
	case <-time.After(awaitTimeout):
		p.t.Fatalf("waited %s for the process", awaitTimeout)
		return ""
	}
}

// killed fails unless the process dies at the failpoint.
func (p *process) killed(name string) {
	p.t.Helper()
	if got := p.next(); got != name {
		p.t.Fatalf("reached the failpoint %q, want %s", got, name)
	}
	if got := p.next(); got != "" {
		p.t.Fatalf("reached the failpoint %s after its death", got)
	}
	_ = p.cmd.Wait() // It tells of the signal.
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		p.t.Fatalf("the process ended with %v, want SIGKILL", p.cmd.ProcessState)
	}
}

// TestProcessThatIsKilledLosesNothing: kill -9 at each step. The ticket is told again, as the server does after AckWait
// and the sweeper after its bound. The customer, which is not known yet, is told once.
func TestProcessThatIsKilledLosesNothing(t *testing.T) {
	t.Parallel()
	tests := []struct {
		point string
		newer bool
		reads int
	}{
		{point: "enricher.customers.told", reads: 2},
		{point: "enricher.snapshot.stored", reads: 1},
		{point: "enricher.ready.sent", reads: 1},
		{point: "enricher.customers.told", newer: true, reads: 2},
		{point: "enricher.snapshot.stored", newer: true, reads: 2},
		{point: "enricher.ready.sent", newer: true, reads: 2},
	}
	for _, tc := range tests {
		t.Run(fmt.Sprintf("%s, newer %t", tc.point, tc.newer), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			k := contract(w.contracts[0])
			owner := w.owner(k)
			victim := w.process(tc.point + "=kill")
			p, revision := w.change(k), int64(1)
			victim.killed(tc.point)

			heir := w.process("")
			events := 1
			if tc.newer {
				// The customer is not known still, so the second read tells it as well.
				revision, p, events = w.revise(k), w.change(k), 2
			} else {
				w.flush(k, p)
			}
			w.readyFor(k, p)
			w.idle()
			w.holds(k, p, revision)
			w.count(k, tc.reads)
			w.told(owner, k, events)
			if err := heir.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if got := heir.next(); got != "" {
				t.Errorf("reached the failpoint %s", got)
			}
			if err := heir.cmd.Wait(); err != nil {
				t.Errorf("the process ended with %v", err)
			}
		})
	}
}
