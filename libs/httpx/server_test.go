package httpx_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/httpx"
)

var discard = slog.New(slog.DiscardHandler)

// patience is far beyond what any step takes; it only ends a test that would hang.
const patience = 20 * time.Second

type running struct {
	*httpx.Server
	stop  context.CancelFunc
	ended chan error
}

func run(t *testing.T, o httpx.Options) running {
	t.Helper()
	o.Addr, o.Logger = "127.0.0.1:0", discard
	server, err := httpx.New(t.Context(), o)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	r := running{Server: server, stop: stop, ended: make(chan error, 1)}
	go func() { r.ended <- server.Run(ctx) }()
	t.Cleanup(stop)
	return r
}

// get requests a path on a connection of its own and returns status and body.
func (r running) get(ctx context.Context, path string) (int, string, error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.Addr().String()+path, http.NoBody)
	if err != nil {
		return 0, "", err
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, string(body), err
}

func wait[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("%s did not happen", what)
		panic("unreachable")
	}
}

func TestThePortIsOpenBeforeRun(t *testing.T) {
	t.Parallel()
	server, err := httpx.New(t.Context(), httpx.Options{Addr: "127.0.0.1:0", Logger: discard})
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", server.Addr().String())
	if err != nil {
		t.Fatalf("dial before Run: %v", err)
	}
	_ = conn.Close()
	if _, err := httpx.New(t.Context(), httpx.Options{Addr: server.Addr().String(), Logger: discard}); err == nil {
		t.Error("New took a port that is in use")
	}
	if err := server.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if _, err := new(net.Dialer).DialContext(t.Context(), "tcp", server.Addr().String()); err == nil {
		t.Error("the port is still open after Close")
	}
}

func TestRequestsInFlightAreAnsweredAfterTheEndHasBegun(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}), make(chan struct{})
	r := run(t, httpx.Options{Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		close(entered)
		<-release
		_, _ = fmt.Fprint(w, "context: ", req.Context().Err())
	})})
	type answer struct {
		body string
		err  error
	}
	answered := make(chan answer, 1)
	go func() {
		_, body, err := r.get(t.Context(), "/")
		answered <- answer{body, err}
	}()
	wait(t, "the request", entered)
	r.stop()
	// The port closes first, which tells that the shutdown is under way.
	for {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", r.Addr().String())
		if err != nil {
			break
		}
		_ = conn.Close()
	}
	close(release)
	if got := wait(t, "the answer", answered); got.err != nil || got.body != "context: <nil>" {
		t.Errorf("answer %q, %v, want one with a context that has not ended", got.body, got.err)
	}
	if err := wait(t, "the end", r.ended); err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestRunGivesUpOnRequestsThatTakeTooLong(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}), make(chan struct{})
	r := run(t, httpx.Options{
		ShutdownTimeout: time.Millisecond,
		Handler:         http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(entered); <-release }),
	})
	defer close(release)
	broken := make(chan error, 1)
	go func() {
		_, _, err := r.get(t.Context(), "/")
		broken <- err
	}()
	wait(t, "the request", entered)
	r.stop()
	if err := wait(t, "the end", r.ended); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Run = %v, want a deadline that was exceeded", err)
	}
	if err := wait(t, "the client's error", broken); err == nil {
		t.Error("the client got an answer from a handler that never gave one")
	}
}

func TestRunEndsWithAnErrorWhenThePortIsTakenAway(t *testing.T) {
	t.Parallel()
	r := run(t, httpx.Options{Handler: http.NotFoundHandler()})
	if _, _, err := r.get(t.Context(), "/"); err != nil {
		t.Fatalf("get: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	if err := wait(t, "the end", r.ended); !errors.Is(err, http.ErrServerClosed) {
		t.Errorf("Run = %v, want http.ErrServerClosed", err)
	}
}

func TestHugeHeadersAreRefused(t *testing.T) {
	t.Parallel()
	r := run(t, httpx.Options{Handler: http.NotFoundHandler()})
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", r.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	// The server may answer before it has read all of it.
	_, _ = fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\nX-Big: %s\r\n\r\n", strings.Repeat("x", 128<<10))
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status %d, want 431", res.StatusCode)
	}
}
