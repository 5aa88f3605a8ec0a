package health_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/health"
)

func probe(t *testing.T, r *health.Registry, path string) (int, health.Status) {
	t.Helper()
	mux := http.NewServeMux()
	r.Register(mux)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody))
	var s health.Status
	if err := json.Unmarshal(w.Body.Bytes(), &s); err != nil {
		t.Fatalf("%s: %v: %s", path, err, w.Body.String())
	}
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("%s answers %q, want application/json", path, got)
	}
	return w.Code, s
}

func ok(context.Context) error { return nil }

func failing(context.Context) error { return errors.New("connection refused") }

func TestProbes(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		set  func(r *health.Registry)
		code int
		want health.Status
	}{
		"no checks":  {func(*health.Registry) {}, 200, health.Status{Status: "ok", Checks: map[string]string{}}},
		"all there":  {func(r *health.Registry) { r.Add("nats", ok); r.Add("redis", ok) }, 200, health.Status{Status: "ok", Checks: map[string]string{"nats": "ok", "redis": "ok"}}},
		"one away":   {func(r *health.Registry) { r.Add("nats", ok); r.Add("redis", failing) }, 503, health.Status{Status: "unavailable", Checks: map[string]string{"nats": "ok", "redis": "connection refused"}}},
		"same name":  {func(r *health.Registry) { r.Add("nats", failing); r.Add("nats", ok) }, 503, health.Status{Status: "unavailable", Checks: map[string]string{"nats": "connection refused"}}},
		"same name2": {func(r *health.Registry) { r.Add("nats", ok); r.Add("nats", failing) }, 503, health.Status{Status: "unavailable", Checks: map[string]string{"nats": "connection refused"}}},
		"panic":      {func(r *health.Registry) { r.Add("nats", func(context.Context) error { panic("hunter2") }) }, 503, health.Status{Status: "unavailable", Checks: map[string]string{"nats": "the check panicked"}}},
		"starting":   {func(r *health.Registry) { r.SetStarting() }, 503, health.Status{Status: "unavailable", Checks: map[string]string{"process": "starting"}}},
		"checked":    {func(r *health.Registry) { r.SetStarting(); r.Add("nats", ok) }, 200, health.Status{Status: "ok", Checks: map[string]string{"nats": "ok"}}},
		"started":    {func(r *health.Registry) { r.SetStarting(); r.SetStarted() }, 200, health.Status{Status: "ok", Checks: map[string]string{}}},
		"ended":      {func(r *health.Registry) { r.SetStarting(); r.SetDraining() }, 503, health.Status{Status: "unavailable", Checks: map[string]string{"process": "draining"}}},
		"draining":   {func(r *health.Registry) { r.Add("nats", ok); r.SetDraining() }, 503, health.Status{Status: "unavailable", Checks: map[string]string{"process": "draining"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := health.New()
			tc.set(r)
			code, got := probe(t, r, "/readyz")
			if code != tc.code {
				t.Errorf("/readyz answers %d, want %d", code, tc.code)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("/readyz (-want +got):\n%s", diff)
			}
			if code, got := probe(t, r, "/livez"); code != http.StatusOK || got.Status != "ok" {
				t.Errorf("/livez answers %d %v, want 200 ok", code, got)
			}
		})
	}
}

func TestProbesAnswerNothingButGetAndHead(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	health.New().Register(mux)
	for method, want := range map[string]int{http.MethodHead: 200, http.MethodGet: 200, http.MethodPost: 405} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, "/readyz", http.NoBody))
		if w.Code != want {
			t.Errorf("%s /readyz answers %d, want %d", method, w.Code, want)
		}
	}
}

func TestResultsAreReusedForHalfASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, calls := health.New(), 0
		r.Add("redis", func(context.Context) error {
			calls++
			if calls > 1 {
				return errors.New("gone")
			}
			return nil
		})
		begin := time.Now()
		for _, step := range []struct {
			at    time.Duration
			calls int
			want  string
		}{{0, 1, "ok"}, {499 * time.Millisecond, 1, "ok"}, {500 * time.Millisecond, 2, "unavailable"}, {999 * time.Millisecond, 2, "unavailable"}} {
			<-time.After(time.Until(begin.Add(step.at)))
			if _, got := probe(t, r, "/readyz"); got.Status != step.want || calls != step.calls {
				t.Errorf("after %s: %s and %d calls, want %s and %d", step.at, got.Status, calls, step.want, step.calls)
			}
		}
		// What is added is checked at once.
		r.Add("nats", ok)
		if got := r.Status(t.Context()); got.Checks["nats"] != "ok" {
			t.Errorf("status %v does not hold the check that was added", got)
		}
	})
}

func TestChecksRunTogetherAndEndAfterASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := health.New()
		for _, name := range []string{"a", "b", "c"} {
			r.Add(name, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		}
		begin := time.Now()
		s := r.Status(t.Context())
		if took := time.Since(begin); took != time.Second {
			t.Errorf("the checks took %s, want 1s", took)
		}
		if s.Status != health.StatusUnavailable || len(s.Checks) != 3 {
			t.Errorf("status %v, want three failures", s)
		}
		synctest.Wait()
	})
}

func TestACheckThatHangsIsNotCalledAgainUntilItReturns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		release := make(chan struct{})
		r := health.New()
		r.Add("stuck", func(context.Context) error { calls.Add(1); <-release; return nil })
		for range 3 {
			if got := r.Status(t.Context()).Checks["stuck"]; got != "no answer within 1s" {
				t.Errorf("result %q, want no answer within 1s", got)
			}
			<-time.After(time.Second)
		}
		if n := calls.Load(); n != 1 {
			t.Errorf("%d calls while the first one hangs, want 1", n)
		}
		close(release)
		synctest.Wait()
		if got := r.Status(t.Context()).Checks["stuck"]; got != "ok" || calls.Load() != 2 {
			t.Errorf("result %q after %d calls, want ok of a second call", got, calls.Load())
		}
	})
}

func TestProbesShareOneRunAndOutliveTheirCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		r := health.New()
		r.Add("slow", func(ctx context.Context) error {
			calls.Add(1)
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(100 * time.Millisecond):
				return nil
			}
		})
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		var group sync.WaitGroup
		for range 10 {
			group.Go(func() {
				if s := r.Status(gone); s.Status != health.StatusOK {
					t.Errorf("status %v for a caller that has gone, want ok", s)
				}
			})
		}
		group.Wait()
		if n := calls.Load(); n != 1 {
			t.Errorf("%d calls for ten probes at once, want 1", n)
		}
	})
}
