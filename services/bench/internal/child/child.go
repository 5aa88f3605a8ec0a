// Package child runs the processes that are measured.
//
// # Concurrency
//
// A Process is safe for concurrent use. It is killed when the context with which it was started ends.
package child

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/enneo-ai/enneo-bridge/services/bench/internal/procfs"
	"github.com/enneo-ai/enneo-bridge/services/bench/internal/promtext"
)

const (
	// startTimeout bounds the wait until a process listens and is ready.
	startTimeout = time.Minute
	// stopTimeout is more than a service takes for its orderly end.
	stopTimeout = 40 * time.Second
	// poll is the pause between two questions whether something is true by now.
	poll = 20 * time.Millisecond
	// keptLines is how many of the last lines of output an error quotes.
	keptLines = 15
	// maxLine bounds a line of output in bytes.
	maxLine = 1 << 20
)

// Process is a running process.
type Process struct {
	// Name is that of its program.
	Name string

	cmd    *exec.Cmd
	exited chan struct{}

	mu        sync.Mutex
	lines     []string
	listeners map[string]string
	said      map[string]bool
}

// Start starts a program with only the variables of env. Our services announce their listeners in their logs.
func Start(ctx context.Context, program string, args []string, env map[string]string) (*Process, error) {
	name := filepath.Base(program)
	//nolint:gosec // The programs are those that were built for the measurement.
	p := &Process{Name: name, cmd: exec.CommandContext(ctx, program, args...), exited: make(chan struct{})}
	p.listeners, p.said = map[string]string{}, map[string]bool{}
	p.cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin"}
	for key, value := range env {
		p.cmd.Env = append(p.cmd.Env, key+"="+value)
	}
	out, err := p.cmd.StderrPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p.cmd.Stdout = p.cmd.Stderr
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go p.read(out)
	return p, nil
}

// read takes the output until it ends, and then the exit status.
func (p *Process) read(out io.Reader) {
	defer close(p.exited)
	scanner := bufio.NewScanner(out)
	scanner.Buffer(nil, maxLine)
	for scanner.Scan() {
		p.line(scanner.Bytes())
	}
	// The pipe is closed by Wait; its error is the exit status, which nobody asks for: an end that was not wanted shows
	// as a failed measurement.
	_ = p.cmd.Wait()
}

func (p *Process) line(text []byte) {
	var said struct {
		Msg, Listener, Addr string
		Admin               string `json:"admin_addr"`
	}
	isJSON := json.Unmarshal(text, &said) == nil
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lines = append(p.lines[max(0, len(p.lines)-keptLines+1):], string(text))
	if !isJSON {
		return
	}
	// Messages are constant texts, so there are few.
	p.said[said.Msg] = true
	switch said.Msg {
	case "listening":
		p.listeners[said.Listener] = said.Addr
	case "service starts":
		p.listeners["admin"] = said.Admin
	}
}

// PID is the id of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Usage is what the process has used so far.
func (p *Process) Usage() procfs.Usage { return procfs.Read(p.PID()) }

// Address waits for the address of a listener of a service: "http" or "admin".
func (p *Process) Address(ctx context.Context, listener string) (string, error) {
	var addr string
	err := p.Await(ctx, "its address for "+listener, func(context.Context) error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if addr = p.listeners[listener]; addr == "" {
			return errors.New("not announced")
		}
		return nil
	})
	return addr, err
}

// AwaitMessage waits until a service has logged a message.
func (p *Process) AwaitMessage(ctx context.Context, message string) error {
	return p.Await(ctx, "the message "+message, func(context.Context) error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if !p.said[message] {
			return errors.New("not logged")
		}
		return nil
	})
}

// Ready waits until a service says that it is.
func (p *Process) Ready(ctx context.Context) error {
	return p.Await(ctx, "readiness", func(ctx context.Context) error {
		body, err := p.admin(ctx, "/readyz")
		if err != nil {
			return err
		}
		return body.Close()
	})
}

// Metrics reads the metrics of a service.
func (p *Process) Metrics(ctx context.Context) ([]promtext.Sample, error) {
	body, err := p.admin(ctx, "/metrics")
	if err != nil {
		return nil, fmt.Errorf("metrics of %s: %w", p.Name, err)
	}
	defer body.Close()
	return promtext.Parse(body)
}

// Profile takes a CPU profile of a service for so many seconds, 25 at most; it has to run with PPROF_ENABLED.
func (p *Process) Profile(ctx context.Context, seconds int, to io.Writer) error {
	body, err := p.admin(ctx, fmt.Sprintf("/debug/pprof/profile?seconds=%d", seconds))
	if err != nil {
		return fmt.Errorf("profile of %s: %w", p.Name, err)
	}
	defer body.Close()
	if _, err := io.Copy(to, body); err != nil {
		return fmt.Errorf("profile of %s: %w", p.Name, err)
	}
	return nil
}

func (p *Process) admin(ctx context.Context, path string) (io.ReadCloser, error) {
	addr, err := p.Address(ctx, "admin")
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+path, nil)
	if err != nil {
		return nil, fmt.Errorf("ask for %s: %w", path, err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask for %s: %w", path, err)
	}
	if response.StatusCode != http.StatusOK {
		_ = response.Body.Close()
		return nil, fmt.Errorf("ask for %s: HTTP %d", path, response.StatusCode)
	}
	return response.Body, nil
}

// Await waits until check succeeds, for a minute at most; it fails at once when the process ends.
func (p *Process) Await(ctx context.Context, what string, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-p.exited:
			return fmt.Errorf("%s ended before %s: %w\n%s", p.Name, what, err, p.tail())
		case <-ctx.Done():
			return fmt.Errorf("%s: no %s: %w\n%s", p.Name, what, err, p.tail())
		}
	}
}

// Succeeded waits until a process has ended by itself, without an error. It returns what it had used when it was looked at last,
// shortly before: what the system tells of an ended process counts the memory of the one that started it.
func (p *Process) Succeeded(ctx context.Context) (procfs.Usage, error) {
	var last procfs.Usage
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		select {
		case <-p.exited:
			if code := p.cmd.ProcessState.ExitCode(); code != 0 {
				return last, fmt.Errorf("%s ended with exit code %d\n%s", p.Name, code, p.tail())
			}
			return last, nil
		case <-ctx.Done():
			return last, fmt.Errorf("wait for the end of %s: %w\n%s", p.Name, ctx.Err(), p.tail())
		case <-tick.C:
			if used := p.Usage(); used.Peak > 0 {
				last = used
			}
		}
	}
}

// Kill ends the process without warning, and waits until it is gone.
func (p *Process) Kill() error {
	if err := p.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("kill %s: %w", p.Name, err)
	}
	<-p.exited
	return nil
}

func (p *Process) tail() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines, "\n")
}

// Stop ends the process in an orderly way, or kills it if it does not end.
func (p *Process) Stop() error {
	// An error means that it has ended already.
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
		return nil
	case <-time.After(stopTimeout):
		_ = p.cmd.Process.Kill()
		<-p.exited
		return fmt.Errorf("%s had to be killed: it did not end within %s", p.Name, stopTimeout)
	}
}
