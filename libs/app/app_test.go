package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/health"
	"github.com/enneo-ai/enneo-bridge/libs/telemetry"
)

// patience is far beyond what any step takes; it only ends a test that would hang.
const patience = 30 * time.Second

// frame is a service that Run runs.
type frame struct {
	admin string
	stop  context.CancelFunc
	ended chan error
	log   *buffer
}

// buffer is a bytes.Buffer for several goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func begin(t *testing.T, name string, env map[string]string, run RunFunc) *frame {
	t.Helper()
	variables := map[string]string{"ADMIN_ADDR": "127.0.0.1:0"}
	maps.Copy(variables, env)
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	f := &frame{stop: stop, ended: make(chan error, 1), log: &buffer{}}
	opened := make(chan string, 1)
	onListen := func(service, listener string, addr net.Addr) {
		if service != name || listener != AdminListener {
			t.Errorf("told of the listener %s of %s, want %s of %s", listener, service, AdminListener, name)
		}
		opened <- addr.String()
	}
	go func() { f.ended <- Run(ctx, name, config.Map(variables), f.log, onListen, run) }()
	f.admin = wait(t, "the admin server", opened)
	return f
}

func wait[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("%s did not come", what)
		panic("unreachable")
	}
}

func (f *frame) get(t *testing.T, path string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+f.admin+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatalf("get %s: %v", path, err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("read %s: %v", path, err)
	}
	return res.StatusCode, string(body)
}

func idle(ctx context.Context, _ *Env) error { <-ctx.Done(); return nil }

func TestTwoServicesRunInOneProcess(t *testing.T) {
	t.Parallel()
	counting := func(n int64) (RunFunc, chan struct{}) {
		counted := make(chan struct{})
		return func(ctx context.Context, env *Env) error {
			counter, err := env.Telemetry.Meter("test").Int64Counter("events")
			if err != nil {
				return err
			}
			counter.Add(ctx, n)
			env.Health.SetStarted()
			if n == 2 {
				env.Health.Add("redis", func(context.Context) error { return errors.New("connection refused") })
			}
			env.Logger.InfoContext(ctx, "counted")
			close(counted)
			<-ctx.Done()
			return nil
		}, counted
	}
	runs := [2]RunFunc{}
	counted := [2]chan struct{}{}
	frames := [2]*frame{}
	for i, name := range []string{"first", "second"} {
		runs[i], counted[i] = counting(int64(i + 1))
		frames[i] = begin(t, name, nil, runs[i])
		wait(t, "the count of "+name, counted[i])
	}
	for i, want := range []struct {
		name, ready string
		code        int
	}{
		{"first", `{"status":"ok","checks":{}}`, 200},
		{"second", `{"status":"unavailable","checks":{"redis":"connection refused"}}`, 503},
	} {
		f := frames[i]
		_, metrics := f.get(t, "/metrics")
		for _, line := range []string{
			fmt.Sprintf(`service_name="%s"`, want.name), fmt.Sprintf("bridge_events_total %d\n", i+1), "go_goroutines ", "process_cpu_seconds_total ",
		} {
			if !strings.Contains(metrics, line) {
				t.Errorf("the metrics of %s do not hold %q", want.name, line)
			}
		}
		if !strings.Contains(metrics, "bridge_events_total ") {
			t.Errorf("the metrics of %s do not hold its counter", want.name)
		}
		if code, body := f.get(t, "/readyz"); code != want.code || strings.TrimSpace(body) != want.ready {
			t.Errorf("/readyz of %s answers %d %s, want %d %s", want.name, code, body, want.code, want.ready)
		}
		if code, _ := f.get(t, "/livez"); code != http.StatusOK {
			t.Errorf("/livez of %s answers %d, want 200", want.name, code)
		}
	}
	frames[0].stop()
	if err := wait(t, "the end of the first", frames[0].ended); err != nil {
		t.Errorf("first: %v", err)
	}
	if code, _ := frames[1].get(t, "/livez"); code != http.StatusOK {
		t.Errorf("the end of the first service touched the second: /livez answers %d", code)
	}
	frames[1].stop()
	if err := wait(t, "the end of the second", frames[1].ended); err != nil {
		t.Errorf("second: %v", err)
	}
	for i, name := range []string{"first", "second"} {
		lines := strings.Split(strings.TrimSpace(frames[i].log.String()), "\n")
		for _, line := range lines {
			if !strings.Contains(line, `"service":"`+name+`"`) {
				t.Errorf("the log of %s has the line %s", name, line)
			}
		}
		if want := 5; len(lines) != want {
			t.Errorf("the log of %s has %d lines, want %d: listening, starts, counted, stops, has ended", name, len(lines), want)
		}
	}
}

func TestReadinessTurnsRedBeforeRunReturnsAndAdminOutlivesIt(t *testing.T) {
	t.Parallel()
	open, started, stopping, release := make(chan struct{}), make(chan struct{}), make(chan struct{}), make(chan struct{})
	f := begin(t, "test", nil, func(ctx context.Context, env *Env) error {
		<-open
		env.Health.SetStarted()
		close(started)
		<-ctx.Done()
		close(stopping)
		<-release
		return nil
	})
	if code, body := f.get(t, "/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "starting") {
		t.Errorf("/readyz answers %d %s before the service has said anything, want 503 and starting", code, body)
	}
	close(open)
	wait(t, "the start", started)
	if code, body := f.get(t, "/readyz"); code != http.StatusOK {
		t.Fatalf("/readyz answers %d %s, want 200", code, body)
	}
	f.stop()
	wait(t, "the end of the context", stopping)
	// The end of the context reaches readiness and the service in any order.
	for deadline := time.Now().Add(patience); ; {
		code, body := f.get(t, "/readyz")
		if code == http.StatusServiceUnavailable && strings.Contains(body, "draining") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("/readyz answers %d %s while the service stops, want 503 and draining", code, body)
		}
	}
	if code, _ := f.get(t, "/livez"); code != http.StatusOK {
		t.Errorf("/livez answers %d while the service stops, want 200", code)
	}
	close(release)
	if err := wait(t, "the end", f.ended); err != nil {
		t.Errorf("Run: %v", err)
	}
	if conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", f.admin); err == nil {
		_ = conn.Close()
		t.Error("the admin port is still open after Run")
	}
}

func TestWhatRunReturns(t *testing.T) {
	t.Parallel()
	broken := errors.New("the log is away")
	for name, tc := range map[string]struct {
		run  RunFunc
		stop bool
		want string
	}{
		"work done":                      {run: func(context.Context, *Env) error { return nil }},
		"failed":                         {run: func(context.Context, *Env) error { return broken }, want: "the log is away"},
		"panicked":                       {run: func(context.Context, *Env) error { panic("boom") }, want: "panic: boom"},
		"told to stop":                   {run: idle, stop: true},
		"told to stop, says so":          {run: func(ctx context.Context, _ *Env) error { <-ctx.Done(); return fmt.Errorf("consume: %w", ctx.Err()) }, stop: true},
		"told to stop, says why":         {run: func(ctx context.Context, _ *Env) error { <-ctx.Done(); return context.Cause(ctx) }, stop: true},
		"told to stop, fails":            {run: func(ctx context.Context, _ *Env) error { <-ctx.Done(); return broken }, stop: true, want: "the log is away"},
		"canceled without being told to": {run: func(context.Context, *Env) error { return context.Canceled }, want: "context canceled"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := begin(t, "test", nil, tc.run)
			if tc.stop {
				f.stop()
			}
			got := ""
			if err := wait(t, "the end", f.ended); err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("Run (-want +got):\n%s", diff)
			}
			if tc.want == "panic: boom" && !strings.Contains(f.log.String(), "app_test.go") {
				t.Errorf("the log does not show where it panicked: %s", f.log.String())
			}
		})
	}
}

func TestRunGivesUpOnAServiceThatDoesNotStop(t *testing.T) {
	t.Parallel()
	release, returned := make(chan struct{}), make(chan struct{})
	f := begin(t, "test", map[string]string{"SHUTDOWN_TIMEOUT": "1ms"}, func(context.Context, *Env) error {
		defer close(returned)
		<-release
		return nil
	})
	f.stop()
	err := wait(t, "the end", f.ended)
	want := "the service has not stopped within 1ms (SHUTDOWN_TIMEOUT): context deadline exceeded"
	if !errors.Is(err, context.DeadlineExceeded) || err.Error() != want {
		t.Errorf("Run = %v, want %s", err, want)
	}
	close(release)
	wait(t, "the return of the service", returned)
}

func TestProfilesAreServedOnlyWhenEnabled(t *testing.T) {
	t.Parallel()
	for enabled, want := range map[string]int{"true": http.StatusOK, "false": http.StatusNotFound, "": http.StatusNotFound} {
		f := begin(t, "test", map[string]string{"PPROF_ENABLED": enabled}, idle)
		for _, path := range []string{"/debug/pprof/", "/debug/pprof/goroutine", "/debug/pprof/symbol"} {
			if code, _ := f.get(t, path); code != want {
				t.Errorf("PPROF_ENABLED=%s: %s answers %d, want %d", enabled, path, code, want)
			}
		}
		f.stop()
		if err := wait(t, "the end", f.ended); err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

func TestRunRefusesToStart(t *testing.T) {
	t.Parallel()
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for name, tc := range map[string]struct {
		env  map[string]string
		want string
	}{
		"unreadable":   {map[string]string{"PPROF_ENABLED": "maybe"}, `configuration of test: PPROF_ENABLED="maybe": cannot be read; write true or false`},
		"senseless":    {map[string]string{"SHUTDOWN_TIMEOUT": "-1s"}, "configuration of test: SHUTDOWN_TIMEOUT=-1s: must be positive; write for example 25s"},
		"port in use":  {map[string]string{"ADMIN_ADDR": taken.Addr().String()}, "admin server (ADMIN_ADDR): listen for HTTP: listen tcp " + taken.Addr().String() + ": bind: address already in use"},
		"no such host": {map[string]string{"ADMIN_ADDR": "nonsense"}, "admin server (ADMIN_ADDR): listen for HTTP: listen tcp: address nonsense: missing port in address"},
	} {
		t.Run(name, func(t *testing.T) {
			err := Run(t.Context(), "test", config.Map(tc.env), io.Discard, nil, func(context.Context, *Env) error {
				t.Error("the service was run")
				return nil
			})
			if err == nil || err.Error() != tc.want {
				t.Errorf("Run = %v, want %s", err, tc.want)
			}
		})
	}
}

func TestAFailingAdminServerEndsTheService(t *testing.T) {
	t.Parallel()
	ctx, fail := context.WithCancelCause(t.Context())
	tel, err := telemetry.New(ctx, telemetry.Options{Service: "test", LogWriter: io.Discard})
	if err != nil {
		t.Fatalf("telemetry: %v", err)
	}
	env := &Env{Telemetry: tel, Logger: tel.Logger, Health: health.New(), OnListen: func(string, net.Addr) {}}
	a, err := startAdmin(ctx, Config{AdminAddr: "127.0.0.1:0"}, env, fail)
	if err != nil {
		t.Fatalf("startAdmin: %v", err)
	}
	if err := a.server.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	wait(t, "the end of the context", ctx.Done())
	if err := context.Cause(ctx); !errors.Is(err, http.ErrServerClosed) {
		t.Errorf("cause %v, want that of the server, http.ErrServerClosed", err)
	}
	if err := a.stop(); !errors.Is(err, http.ErrServerClosed) {
		t.Errorf("stop = %v, want http.ErrServerClosed", err)
	}
}

func TestConfigIsDocumented(t *testing.T) {
	t.Parallel()
	fields, err := config.Fields(Config{})
	if err != nil {
		t.Fatalf("Fields: %v", err)
	}
	got := map[string]string{}
	for _, f := range fields {
		got[f.Key] = f.Default
	}
	want := map[string]string{"LOG_LEVEL": "info", "ADMIN_ADDR": ":9090", "PPROF_ENABLED": "false", "SHUTDOWN_TIMEOUT": "25s"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
}
