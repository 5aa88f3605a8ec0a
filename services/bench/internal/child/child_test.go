package child

import (
	"os/exec"
	"strings"
	"testing"
)

// shell starts a script that plays a service.
func shell(t *testing.T, script string) *Process {
	t.Helper()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	p, err := Start(t.Context(), sh, []string{"-c", script}, map[string]string{"GREETING": "hello"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func TestAddressIsTheOneAnnounced(t *testing.T) {
	t.Parallel()
	p := shell(t, `echo no json >&2
echo '{"msg":"service starts","admin_addr":"127.0.0.1:1"}' >&2
echo '{"msg":"listening","listener":"http","addr":"127.0.0.1:2"}' >&2
exec sleep 600`)
	for listener, want := range map[string]string{"admin": "127.0.0.1:1", "http": "127.0.0.1:2"} {
		if got, err := p.Address(t.Context(), listener); err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", listener, got, err, want)
		}
	}
	if err := p.AwaitMessage(t.Context(), "listening"); err != nil {
		t.Error(err)
	}
}

func TestAnEndIsToldWithTheLastLines(t *testing.T) {
	t.Parallel()
	p := shell(t, `echo "$GREETING, I cannot go on"; exit 3`)
	_, err := p.Address(t.Context(), "http")
	if err == nil || !strings.Contains(err.Error(), "hello, I cannot go on") {
		t.Errorf("got %v, want the last words of the process", err)
	}
}

func TestSucceededTellsWhatWasUsed(t *testing.T) {
	t.Parallel()
	used, err := shell(t, "sleep 0.2; exit 0").Succeeded(t.Context())
	if err != nil || used.Peak < 100<<10 || used.Peak > 100<<20 {
		t.Errorf("used %+v, %v", used, err)
	}
	if _, err := shell(t, "echo too bad; exit 4").Succeeded(t.Context()); err == nil || !strings.Contains(err.Error(), "too bad") {
		t.Errorf("a failure = %v", err)
	}
	p := shell(t, "exec sleep 600")
	if err := p.Kill(); err != nil {
		t.Error(err)
	}
	if _, err := p.Succeeded(t.Context()); err == nil {
		t.Error("a process that was killed has succeeded")
	}
}
