package rig

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Process is a running program. What it prints is read line by line and kept in a file.
type Process struct {
	// Name tells it from the others.
	Name string
	cmd  *exec.Cmd
	// exited is closed when the process has ended and all that it has printed is read.
	exited chan struct{}

	mu      sync.Mutex
	lines   []string
	changed chan struct{} // closed with each new line
	ended   bool          // by us
}

// errEnded says that a process ended while something was expected of it.
var errEnded = errors.New("the process has ended")

// launch starts a program with only the given environment. What it prints goes to the file log as well.
func launch(name, log, path string, arguments []string, env map[string]string) (*Process, error) {
	file, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log of %s: %w", name, err)
	}
	// Not bound to a context: a process ends when it is told to, and what it printed is read to the end.
	p := &Process{Name: name, cmd: exec.Command(path, arguments...), exited: make(chan struct{}), changed: make(chan struct{})} //nolint:noctx,gosec // see above; the paths are the rig's own
	p.cmd.Env = []string{}
	for k, v := range env {
		p.cmd.Env = append(p.cmd.Env, k+"="+v)
	}
	printed, err := p.cmd.StderrPipe()
	if err == nil {
		p.cmd.Stdout = p.cmd.Stderr
		err = p.cmd.Start()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", name, err), file.Close())
	}
	go p.read(printed, file)
	return p, nil
}

func (p *Process) read(printed io.Reader, file *os.File) {
	lines := bufio.NewScanner(printed)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		// The log is for people; a full disk shows elsewhere.
		_, _ = fmt.Fprintln(file, lines.Text())
		p.mu.Lock()
		p.lines = append(p.lines, lines.Text())
		close(p.changed)
		p.changed = make(chan struct{})
		p.mu.Unlock()
	}
	_ = p.cmd.Wait() // How it ended stands in ProcessState.
	_ = file.Close()
	close(p.exited)
}

// Exited is closed when the process has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Ended tells whether the process was ended by Kill or Stop.
func (p *Process) Ended() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended
}

// Tail is the last n lines that the process has printed.
func (p *Process) Tail(n int) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.lines[max(0, len(p.lines)-n):]...)
}

// Await waits for a line that fits, and returns the first.
func (p *Process) Await(ctx context.Context, what string, fits func(line string) bool) (string, error) {
	for looked := 0; ; {
		p.mu.Lock()
		lines, changed := p.lines[looked:], p.changed
		p.mu.Unlock()
		for _, line := range lines {
			if fits(line) {
				return line, nil
			}
		}
		looked += len(lines)
		select {
		case <-changed:
		case <-p.exited:
			// What was printed last may not have been looked at.
			if p.printed() > looked {
				continue
			}
			return "", fmt.Errorf("%s, waiting for %s: %w", p.Name, what, errEnded)
		case <-ctx.Done():
			return "", fmt.Errorf("%s, waiting for %s: %w", p.Name, what, context.Cause(ctx))
		}
	}
}

func (p *Process) printed() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.lines)
}

// Said waits until the process has printed a line with the text.
func (p *Process) Said(ctx context.Context, text string) error {
	_, err := p.Await(ctx, "the line "+text, func(line string) bool { return strings.Contains(line, text) })
	return err
}

// Listener waits until a service listens under the name, and returns the base URL.
func (p *Process) Listener(ctx context.Context, name string) (string, error) {
	var addr string
	_, err := p.Await(ctx, "its address for "+name, func(text string) bool {
		var line struct {
			Msg      string `json:"msg"`
			Listener string `json:"listener"`
			Addr     string `json:"addr"`
			Admin    string `json:"admin_addr"`
		}
		if json.Unmarshal([]byte(text), &line) != nil {
			return false
		}
		switch {
		case line.Msg == "listening" && line.Listener == name:
			addr = line.Addr
		case line.Msg == "service starts" && name == "admin":
			addr = line.Admin
		}
		return addr != ""
	})
	return "http://" + addr, err
}

// Pause stops the process with SIGSTOP: it does nothing until Resume.
func (p *Process) Pause() error { return p.signal(syscall.SIGSTOP) }

// Resume lets a paused process go on.
func (p *Process) Resume() error { return p.signal(syscall.SIGCONT) }

func (p *Process) signal(s os.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil {
		return fmt.Errorf("signal %s to %s: %w", s, p.Name, err)
	}
	return nil
}

// Kill ends the process without warning, and waits until it is gone.
func (p *Process) Kill() {
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	_ = p.cmd.Process.Kill() // It fails only if the process is gone already.
	<-p.exited
}

// stopTimeout is how long a service may take to end, including its own 25 s.
const stopTimeout = 35 * time.Second

// Stop ends the process as Kubernetes does, and fails if it does not end in an orderly way.
func (p *Process) Stop() error {
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	if err := p.signal(syscall.SIGTERM); err != nil {
		return err
	}
	limit := time.NewTimer(stopTimeout)
	defer limit.Stop()
	select {
	case <-p.exited:
	case <-limit.C:
		return fmt.Errorf("%s did not end within %s of SIGTERM", p.Name, stopTimeout)
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("%s ended with code %d", p.Name, code)
	}
	return nil
}
