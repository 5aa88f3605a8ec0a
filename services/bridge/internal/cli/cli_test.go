package cli

import (
	"context"
	"net"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/services/bridge/internal/stack"
)

func TestWordsThatAreNoCommandAreRefused(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"nonsense"}, {"config", "nonsense"}, {"version", "nonsense"}, {"demo", "--contracts", "0"}, {"dev", "--log-level", "loud"}} {
		if code, out, errs := call(t.Context(), nil, args...); code != exitFailure || out != "" || !strings.HasPrefix(errs, "bridge: ") {
			t.Errorf("bridge %s exits %d, prints %q and says %q; want %d and only an error", strings.Join(args, " "), code, out, errs, exitFailure)
		}
	}
}

func TestHelpAndVersionAndConfigDocsArePrinted(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]string{"": "demo", "config": "docs", "version": "enneo-bridge ", "config docs": "# Configuration"} {
		if code, out, errs := call(t.Context(), nil, strings.Fields(command)...); code != exitOK || !strings.Contains(out, want) || errs != "" {
			t.Errorf("bridge %s exits %d, prints %q and says %q; want 0 and %q", command, code, out, errs, want)
		}
	}
}

func TestVersionIsTheBestThatTheBuildKnows(t *testing.T) {
	t.Parallel()
	setting := func(key, value string) debug.BuildSetting { return debug.BuildSetting{Key: key, Value: value} }
	for want, info := range map[string]*debug.BuildInfo{
		"unknown":              nil,
		"v1.2.3":               {Main: debug.Module{Version: "v1.2.3"}},
		"0123456789ab":         {Main: debug.Module{Version: "(devel)"}, Settings: []debug.BuildSetting{setting("vcs.revision", "0123456789abcdef")}},
		"0123456789ab+changes": {Settings: []debug.BuildSetting{setting("vcs.revision", "0123456789abcdef"), setting("vcs.modified", "true")}},
	} {
		if got := versionOf(info); got != want {
			t.Errorf("versionOf(%v) = %q, want %q", info, got, want)
		}
	}
	if got := versionOf(&debug.BuildInfo{}); got != "unknown" {
		t.Errorf("versionOf a build without anything = %q, want unknown", got)
	}
}

// watched is a writer that reports once it was given a text.
type watched struct {
	text string
	seen chan struct{}

	mu  sync.Mutex
	all strings.Builder
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := strings.Contains(w.all.String(), w.text)
	w.all.Write(p)
	if !before && strings.Contains(w.all.String(), w.text) {
		close(w.seen)
	}
	return len(p), nil
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all.String()
}

func TestDevSaysWhereEverythingIsAndStopsInOrder(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	out := &watched{text: "bridge audit\n", seen: make(chan struct{})}
	var errs strings.Builder
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"dev", "--ingestor-addr", stack.FreePort, "--lookup-addr", stack.FreePort, "--simulator-addr", stack.FreePort, "--contracts", "1"},
			config.Map(nil), out, &errs)
	}()
	select {
	case <-out.seen:
	case early := <-code:
		t.Fatalf("dev exits %d before it was stopped: %s", early, errs.String())
	}
	cancel()
	if got := <-code; got != exitOK || errs.String() != "" {
		t.Errorf("dev exits %d and says %q, want 0 and nothing", got, errs.String())
	}
	for _, want := range []string{
		"/webhooks/powercloud", "/control/summary", "/enneo/api/mind", "ingestor ", "debouncer ", "enricher ", "publisher ", "lookup ", "/v1/customer/search",
		`-d '{"contracts":["VN-100001"],"statusId":6000}'`, "X-Webhook-Secret: ", "/control/writes?", "stopping: ",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("dev does not say %q:\n%s", want, out.String())
		}
	}
}

func TestDevNamesTheFlagOfATakenPort(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", stack.FreePort)
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	defer listener.Close()
	taken := listener.Addr().String()
	flags := []string{"--ingestor-addr", "--lookup-addr", "--simulator-addr"}
	for _, flag := range flags {
		arguments := []string{"dev", flag, taken}
		for _, free := range flags {
			if free != flag {
				arguments = append(arguments, free, stack.FreePort)
			}
		}
		code, _, errs := call(t.Context(), nil, arguments...)
		if code != exitFailure || !strings.Contains(errs, taken+" is taken") || !strings.Contains(errs, flag+" ") {
			t.Errorf("dev exits %d and says %q, want %d, the address and the flag %s", code, errs, exitFailure, flag)
		}
	}
}

func TestStopBeforeTheEndIsAnInterruption(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if code, _, errs := call(ctx, nil, "demo"); code != exitFailure || errs != "bridge: interrupted\n" {
		t.Errorf("demo exits %d and says %q, want %d and that it was interrupted", code, errs, exitFailure)
	}
}
