package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binaries builds the real commands once for all tests of the package.
var binaries = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "enneo-bridge-e2e-")
	if err != nil {
		return "", err
	}
	var targets []string
	for _, name := range []string{"ingestor", "debouncer", "enricher", "publisher", "simulator"} {
		targets = append(targets, "../"+name+"/cmd/"+name)
	}
	build := exec.Command("go", append([]string{"build", "-tags", "failpoint", "-o", dir + "/"}, targets...)...)
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return dir, nil
})

func TestMain(m *testing.M) {
	m.Run()
	if dir, err := binaries(); err == nil {
		_ = os.RemoveAll(dir)
	}
}

// process is a running service.
type process struct {
	name string
	cmd  *exec.Cmd
	// admin and http are base URLs; http is empty for a service without a listener of its own.
	admin, http string
	exited      chan struct{}

	mu        sync.Mutex
	lines     []string
	listening map[string]string
	changed   chan struct{}
}

// start starts a service with only the given environment and waits until it is ready.
func start(t *testing.T, name string, env map[string]string) *process {
	t.Helper()
	p := launch(t, name, env)
	p.admin = p.listener(t, "admin")
	eventually(t, name+" is ready", func() error {
		resp, err := http.Get(p.admin + "/readyz")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			text, _ := io.ReadAll(resp.Body)
			return fmt.Errorf("%s: %s", resp.Status, text)
		}
		return nil
	})
	if name == "ingestor" || name == "simulator" {
		p.http = p.listener(t, "http")
	}
	return p
}

// launch starts a service without waiting for anything.
func launch(t *testing.T, name string, env map[string]string) *process {
	t.Helper()
	dir, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{
		name: name, cmd: exec.Command(filepath.Join(dir, name)),
		exited: make(chan struct{}), listening: map[string]string{}, changed: make(chan struct{}),
	}
	p.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "ADMIN_ADDR=127.0.0.1:0"}
	for k, v := range env {
		p.cmd.Env = append(p.cmd.Env, k+"="+v)
	}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	go p.read(stderr)
	t.Cleanup(func() {
		_ = p.cmd.Process.Signal(syscall.SIGCONT)
		_ = p.cmd.Process.Kill()
		<-p.exited
		if t.Failed() {
			p.mu.Lock()
			defer p.mu.Unlock()
			t.Logf("last lines of %s:\n%s", name, strings.Join(p.lines[max(0, len(p.lines)-30):], "\n"))
		}
	})
	return p
}

func (p *process) read(stderr io.Reader) {
	scanner := bufio.NewScanner(stderr)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		var line struct {
			Msg      string `json:"msg"`
			Listener string `json:"listener"`
			Addr     string `json:"addr"`
			Admin    string `json:"admin_addr"`
		}
		_ = json.Unmarshal(scanner.Bytes(), &line)
		p.mu.Lock()
		p.lines = append(p.lines, scanner.Text())
		switch line.Msg {
		case "listening":
			p.listening[line.Listener] = line.Addr
		case "service starts":
			p.listening["admin"] = line.Admin
		}
		close(p.changed)
		p.changed = make(chan struct{})
		p.mu.Unlock()
	}
	_ = p.cmd.Wait()
	close(p.exited)
}

// await waits for something in the process's output.
func (p *process) await(t *testing.T, what string, seen func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		p.mu.Lock()
		ok, changed := seen(), p.changed
		p.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-p.exited:
			t.Fatalf("%s ended before %s", p.name, what)
		case <-deadline:
			t.Fatalf("%s: waited a minute for %s", p.name, what)
		}
	}
}

// listener waits until the process listens under the name, and returns the base URL.
func (p *process) listener(t *testing.T, name string) string {
	t.Helper()
	var addr string
	p.await(t, "its address for "+name, func() bool {
		addr = p.listening[name]
		return addr != ""
	})
	return "http://" + addr
}

// said waits until the process has printed a line with the text.
func (p *process) said(t *testing.T, text string) {
	t.Helper()
	p.await(t, "the line "+text, func() bool {
		for _, line := range p.lines {
			if strings.Contains(line, text) {
				return true
			}
		}
		return false
	})
}

// stop ends the process as Kubernetes does, and fails the test if it does not end in an orderly way.
func (p *process) stop(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatalf("stop %s: %v", p.name, err)
	}
	select {
	case <-p.exited:
	case <-time.After(30 * time.Second):
		t.Fatalf("%s did not end within 30 s of SIGTERM", p.name)
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		t.Fatalf("%s ended with code %d", p.name, code)
	}
}

// kill ends the process without warning.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// eventually waits until check succeeds, for a minute and a half at most.
func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(90 * time.Second)
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not true within 90 s: %s: %v", what, err)
		}
	}
}
