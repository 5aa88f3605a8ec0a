package ingestor

import (
	"bytes"
	"log/slog"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/deadletter"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
)

// TestABodyIsRemovedOnlyAfterTheLogHasIt: kill -9 in between. The next process replays the body again; an event with an id of
// its sender is the same one then, another costs a read.
func TestABodyIsRemovedOnlyAfterTheLogHasIt(t *testing.T) {
	t.Parallel()
	command := filepath.Join(t.TempDir(), "ingestor")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-tags", "failpoint", "-o", command, "./cmd/ingestor").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	for name, tc := range map[string]struct {
		body   string
		events uint64
	}{
		"with an id":    {`{"contractId":"VN-1","eventId":"e1"}`, 1},
		"without an id": {`{"contractId":"VN-1"}`, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := bustest.Start(t)
			b := server.Connect(t)
			if _, err := eventlog.Open(t.Context(), b, slog.New(slog.DiscardHandler)); err != nil {
				t.Fatal(err)
			}
			box := deadletter.Open(b)
			if err := box.PutBody(t.Context(), "hooks", typeJSON, []byte(tc.body), "no_identifier", "none was found", "hooks@0-0"); err != nil {
				t.Fatal(err)
			}
			victim := exec.CommandContext(t.Context(), command)
			for name, value := range environment(server.URL(), nil) {
				victim.Env = append(victim.Env, name+"="+value)
			}
			victim.Env = append(victim.Env, "FAILPOINTS=ingestor.body.replayed=kill")
			var log bytes.Buffer
			victim.Stdout, victim.Stderr = &log, &log
			_ = victim.Run() // How it ends is looked at next.
			if status, ok := victim.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
				t.Fatalf("the process ended with %v, want SIGKILL at the failpoint\n%s", victim.ProcessState, &log)
			}
			if n := messages(t, b, bus.StreamDead); n != 1 {
				t.Errorf("%d letters after the death, want the one that was not removed yet", n)
			}
			if n := messages(t, b, bus.StreamEvents); n != 1 {
				t.Errorf("%d events after the death, want 1", n)
			}
			begin(t, environment(server.URL(), nil), Run)
			bustest.Eventually(t, "the body is removed", func() bool { return messages(t, b, bus.StreamDead) == 0 })
			if n := messages(t, b, bus.StreamEvents); n != tc.events {
				t.Errorf("%d events after the next start, want %d", n, tc.events)
			}
		})
	}
}
