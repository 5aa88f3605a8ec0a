package app

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

// serviceVariable names the service that the test binary is to be, instead of running tests.
const serviceVariable = "APP_TEST_SERVICE"

// services are what the re-executed test binary can be.
var services = map[string]RunFunc{
	"orderly": func(ctx context.Context, _ *Env) error { <-ctx.Done(); return ctx.Err() },
	"finite":  func(context.Context, *Env) error { return nil },
	"failing": func(context.Context, *Env) error { return errors.New("the log is away") },
	"coded":   func(context.Context, *Env) error { return errors.Join(errors.New("x"), codedError(4)) },
	"hanging": func(context.Context, *Env) error { select {} },
	"panic":   func(context.Context, *Env) error { panic("boom") },
}

// codedError is an error with an exit code.
type codedError int

func (c codedError) Error() string { return "ended with a code" }
func (c codedError) ExitCode() int { return int(c) }

func TestMain(m *testing.M) {
	if name := os.Getenv(serviceVariable); name != "" {
		Main(name, services[name])
		return
	}
	goleak.VerifyTestMain(m)
}

// child is a service in a process of its own.
type child struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
}

func startChild(t *testing.T, service string, env ...string) *child {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, os.Args[0])
	// A binary built for coverage warns on standard error without a directory for it.
	cmd.Env = append([]string{serviceVariable + "=" + service, "ADMIN_ADDR=127.0.0.1:0", "GOCOVERDIR=" + t.TempDir()}, env...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return &child{cmd: cmd, lines: bufio.NewScanner(stderr)}
}

func (c *child) signal(t *testing.T) {
	t.Helper()
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatalf("signal: %v", err)
	}
}

// until reads the log up to the line with the message.
func (c *child) until(t *testing.T, message string) {
	t.Helper()
	for c.lines.Scan() {
		if strings.Contains(c.lines.Text(), `"msg":"`+message+`"`) {
			return
		}
	}
	t.Fatalf("the log ended without %q", message)
}

// end reads the rest of the log and returns the errors in it and the state of the process.
func (c *child) end(t *testing.T) ([]string, *os.ProcessState) {
	t.Helper()
	var errs []string
	for c.lines.Scan() {
		var line struct {
			Level, Msg, Error string
			Errors            []string
		}
		if err := json.Unmarshal(c.lines.Bytes(), &line); err != nil {
			t.Errorf("not a JSON line: %s", c.lines.Text())
		} else if line.Level == "ERROR" {
			errs = append(errs, line.Msg+": "+line.Error+strings.Join(line.Errors, "\n"))
		}
	}
	if err := c.cmd.Wait(); err != nil {
		if _, exited := errors.AsType[*exec.ExitError](err); !exited {
			t.Fatalf("wait: %v", err)
		}
	}
	return errs, c.cmd.ProcessState
}

func TestMainStopsOnSIGTERM(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		service string
		env     []string
		code    int
		errors  []string
	}{
		"in order":    {service: "orderly", code: 0},
		"out of time": {"hanging", []string{"SHUTDOWN_TIMEOUT=20ms"}, 1, []string{"service failed: the service has not stopped within 20ms (SHUTDOWN_TIMEOUT): context deadline exceeded"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := startChild(t, tc.service, tc.env...)
			c.until(t, "service starts")
			c.signal(t)
			errs, state := c.end(t)
			if state.ExitCode() != tc.code {
				t.Errorf("exit code %d, want %d", state.ExitCode(), tc.code)
			}
			if diff := cmp.Diff(tc.errors, errs); diff != "" {
				t.Errorf("errors in the log (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheSecondSignalKills(t *testing.T) {
	t.Parallel()
	c := startChild(t, "hanging", "SHUTDOWN_TIMEOUT=1h")
	c.until(t, "service starts")
	c.signal(t)
	c.until(t, "service stops")
	// Signals get back their default effect right after the first one, though maybe after the line above.
	ended := make(chan struct{})
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	go func() {
		for {
			select {
			case <-ended:
				return
			case <-again.C:
				_ = c.cmd.Process.Signal(syscall.SIGTERM)
			}
		}
	}()
	_, state := c.end(t)
	close(ended)
	status, ok := state.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() || status.Signal() != syscall.SIGTERM {
		t.Errorf("the process ended with %v, want death by SIGTERM", state)
	}
}

func TestMainEndsByItself(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		service string
		env     []string
		code    int
		errors  []string
	}{
		"with its work done": {service: "finite", code: 0},
		"with an error":      {"failing", nil, 1, []string{"service failed: the log is away"}},
		"with a code":        {"coded", nil, 4, []string{"service failed: x\nended with a code"}},
		"with a panic":       {"panic", nil, 1, []string{"service panicked: panic: boom", "service failed: panic: boom"}},
		"with a configuration that makes no sense": {"finite", []string{"LOG_LEVEL=loud", "SHUTDOWN_TIMEOUT=25"}, 1, []string{
			"service failed: configuration of finite: " +
				`LOG_LEVEL="loud": cannot be read; expected: The least severe messages that are logged: debug, info, warn or error.` + "\n" +
				`SHUTDOWN_TIMEOUT="25": cannot be read; write a number with its unit, for example 500ms, 15s or 2h`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			errs, state := startChild(t, tc.service, tc.env...).end(t)
			if state.ExitCode() != tc.code {
				t.Errorf("exit code %d, want %d", state.ExitCode(), tc.code)
			}
			if diff := cmp.Diff(tc.errors, errs); diff != "" {
				t.Errorf("errors in the log (-want +got):\n%s", diff)
			}
		})
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	revision := []debug.BuildSetting{{Key: "vcs", Value: "git"}, {Key: "vcs.revision", Value: "abc"}}
	for want, info := range map[string]*debug.BuildInfo{
		"v1.2.3":  {Main: debug.Module{Version: "v1.2.3"}, Settings: revision},
		"abc":     {Main: debug.Module{Version: "(devel)"}, Settings: revision},
		"unknown": {},
	} {
		if got := versionOf(info); got != want {
			t.Errorf("versionOf(%v) = %q, want %q", info, got, want)
		}
	}
}
