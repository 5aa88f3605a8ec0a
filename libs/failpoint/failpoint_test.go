package failpoint_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// build builds the command in testdata with the given tags and returns its path.
func build(t *testing.T, tags string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hit")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-tags", tags, "-o", path, "./testdata/hit").CombinedOutput()
	if err != nil {
		t.Fatalf("build with tags %q: %v\n%s", tags, err, out)
	}
	return path
}

type outcome struct {
	stdout, stderr string
	signal         syscall.Signal
	code           int
}

func run(t *testing.T, binary, points string, names ...string) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), binary, names...)
	cmd.Env, cmd.Stdout, cmd.Stderr = []string{"FAILPOINTS=" + points}, &stdout, &stderr
	err := cmd.Run()
	got := outcome{stdout: stdout.String(), stderr: stderr.String()}
	exit, failed := errors.AsType[*exec.ExitError](err)
	switch {
	case failed:
		status, ok := exit.Sys().(syscall.WaitStatus)
		if !ok {
			t.Fatalf("no wait status: %v", err)
		}
		got.code = exit.ExitCode()
		if status.Signaled() {
			got.signal = status.Signal()
		}
	case err != nil:
		t.Fatalf("run: %v", err)
	}
	return got
}

func TestOrdinaryBuildCannotBeKilledByTheEnvironment(t *testing.T) {
	t.Parallel()
	got := run(t, build(t, ""), "a=kill", "a")
	if want := (outcome{stdout: "past a\n"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestTaggedBuild(t *testing.T) {
	t.Parallel()
	binary := build(t, "failpoint")

	t.Run("dies at the point", func(t *testing.T) {
		t.Parallel()
		got := run(t, binary, "x=kill, a=kill", "b", "a", "b")
		if want := (outcome{stdout: "past b\n", stderr: "failpoint a\n", signal: syscall.SIGKILL, code: -1}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})

	t.Run("dies the second time", func(t *testing.T) {
		t.Parallel()
		got := run(t, binary, "a=kill:2", "a", "a", "a")
		if want := (outcome{stdout: "past a\n", stderr: "failpoint a\n", signal: syscall.SIGKILL, code: -1}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})

	t.Run("lives without a list", func(t *testing.T) {
		t.Parallel()
		if got, want := run(t, binary, "", "a"), (outcome{stdout: "past a\n"}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})

	for _, list := range []string{"a", "a=", "a=exit", "a=kill:x", "a=kill:0", "a=kill:-1", "a=stop,b"} {
		t.Run("refuses to start with "+list, func(t *testing.T) {
			t.Parallel()
			got := run(t, binary, list, "a")
			if got.code != 2 || got.stdout != "" || !strings.Contains(got.stderr, "FAILPOINTS: ") {
				t.Errorf("got %+v, want a refusal that names FAILPOINTS", got)
			}
		})
	}

	t.Run("stops once and goes on when it is told to", func(t *testing.T) {
		t.Parallel()
		cmd := exec.CommandContext(t.Context(), binary, "a", "a")
		cmd.Env = []string{"FAILPOINTS=a=stop"}
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		stderr, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(stderr).ReadString('\n'); err != nil || line != "failpoint a\n" {
			t.Fatalf("stderr = %q, %v; want the announcement", line, err)
		}
		// Wait4 returns as soon as the process has stopped; it does not reap it.
		var status syscall.WaitStatus
		if _, err := syscall.Wait4(cmd.Process.Pid, &status, syscall.WUNTRACED, nil); err != nil {
			t.Fatal(err)
		}
		if !status.Stopped() {
			t.Fatalf("wait status = %#x, want stopped", status)
		}
		// Whatever it had printed would be in the pipe: nothing of it runs any more.
		pipe, ok := stdout.(*os.File)
		if !ok {
			t.Fatalf("stdout is a %T, want a pipe", stdout)
		}
		if err := pipe.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if n, err := pipe.Read(make([]byte, 64)); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read %d bytes and %v of a stopped process: it ran on beyond the point", n, err)
		}
		if err := pipe.SetReadDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		out, err := io.ReadAll(stdout)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := string(out), "past a\npast a\n"; got != want {
			t.Errorf("stdout = %q, want %q", got, want)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("the process ended with %v", err)
		}
	})
}
