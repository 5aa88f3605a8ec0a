package stack_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/services/bridge/internal/stack"
)

func start(t *testing.T, o stack.Options) *stack.Stack {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	s, err := stack.Start(ctx, o)
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	return s
}

func stop(t *testing.T, s *stack.Stack) {
	t.Helper()
	if err := s.Stop(); err != nil {
		t.Fatalf("stop: %v", err)
	}
}

func TestStartedStackIsReadyAndShowsItsMetrics(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Options{Contracts: 1})
	defer stop(t, s)
	var names []string
	for _, one := range s.Services() {
		names = append(names, one.Name)
		for _, path := range []string{"/readyz", "/metrics"} {
			if got := get(t, one.Admin+path); got != http.StatusOK {
				t.Errorf("%s%s answers %d, want 200", one.Name, path, got)
			}
		}
	}
	if got, want := strings.Join(names, " "), "ingestor debouncer enricher publisher reconciler lookup simulator"; got != want {
		t.Errorf("services = %s, want %s", got, want)
	}
}

func get(t *testing.T, url string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatalf("request: %v", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatalf("GET %s: %v", url, err)
	}
	defer response.Body.Close()
	return response.StatusCode
}

func post(t *testing.T, s *stack.Stack, secret, body string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.WebhookURL(), strings.NewReader(body))
	if err != nil {
		t.Fatalf("request: %v", err)
	}
	request.Header.Set("X-Webhook-Secret", secret)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatalf("post a webhook: %v", err)
	}
	defer response.Body.Close()
	return response.StatusCode
}

// events is how many events the log of the stack holds.
func events(t *testing.T, s *stack.Stack) uint64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	b, err := s.Connect(ctx, "test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	defer b.Close()
	stream, err := b.JetStream().Stream(ctx, bus.StreamEvents)
	if err != nil {
		t.Fatalf("open the log: %v", err)
	}
	return stream.CachedInfo().State.Msgs
}

func TestGivenDirectoryKeepsTheLogOverAStop(t *testing.T) {
	t.Parallel()
	// Windows that do not end while the test runs: only what it posts is in the log.
	o := stack.Options{Dir: filepath.Join(t.TempDir(), "data"), Contracts: 1, QuietPeriod: time.Hour, MaxWait: 2 * time.Hour}
	s := start(t, o)
	if got := post(t, s, "wrong", `{"contractId":"VN-1"}`); got != http.StatusUnauthorized {
		t.Errorf("webhook with a wrong secret is answered %d, want 401", got)
	}
	if got := post(t, s, stack.Secret, `{"contractId":"VN-1"}`); got != http.StatusAccepted {
		t.Errorf("webhook is answered %d, want 202", got)
	}
	stop(t, s)
	s = start(t, o)
	defer stop(t, s)
	if got := events(t, s); got != 1 {
		t.Errorf("events after a second start = %d, want 1", got)
	}
}

func TestTakenPortIsSaidToBeTaken(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", stack.FreePort)
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	defer listener.Close()
	taken := listener.Addr().String()
	for service, o := range map[string]stack.Options{
		"ingestor":  {IngestorAddr: taken},
		"lookup":    {LookupAddr: taken},
		"simulator": {SimulatorAddr: taken},
	} {
		o.Contracts = 1
		_, err := stack.Start(t.Context(), o)
		got, ok := errors.AsType[*stack.AddressTakenError](err)
		if !ok || got.Service != service || got.Address != taken {
			t.Errorf("Start = %v, want that %s is taken for the %s", err, taken, service)
		}
	}
}

func TestNothingIsLeftInTheTemporaryDirectory(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := stack.Start(ctx, stack.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Start = %v, want that it was cancelled", err)
	}
	s := start(t, stack.Options{Contracts: 1})
	if left := names(t, dir); len(left) != 1 {
		t.Errorf("the temporary directory holds %q while a stack runs, want its event log", left)
	}
	stop(t, s)
	if left := names(t, dir); len(left) != 0 {
		t.Errorf("the temporary directory still holds %q", left)
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatalf("read directory: %v", err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

func TestDirectoryThatCannotBeMadeIsAnError(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatalf("write file: %v", err)
	}
	if _, err := stack.Start(t.Context(), stack.Options{Dir: file}); err == nil || !strings.Contains(err.Error(), "directory") {
		t.Errorf("Start = %v, want an error about the directory", err)
	}
}
