package load

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func request(body string) []byte {
	return []byte("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n" + body)
}

func TestRunSendsAllRequestsInTurnOverFewConnections(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	bodies, remotes := map[string]int{}, map[string]bool{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		bodies[string(body)]++
		remotes[r.RemoteAddr] = true
		mu.Unlock()
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(server.Close)
	var calls atomic.Int64
	got, err := Run(t.Context(), Options{
		Addr: server.Listener.Addr().String(), Requests: [][]byte{request("a"), request("b")}, Connections: 3,
		WarmUp: 10 * time.Millisecond, Measure: 200 * time.Millisecond, Status: http.StatusAccepted,
	}, func(bool) { calls.Add(1) })
	if err != nil {
		t.Fatal(err)
	}
	if got.Answers == 0 || got.Answers != len(got.Latencies) || got.Rate <= 0 {
		t.Errorf("got %d answers, %d latencies and a rate of %v", got.Answers, len(got.Latencies), got.Rate)
	}
	if len(remotes) != 3 || bodies["a"] == 0 || bodies["b"] == 0 {
		t.Errorf("got %d connections, want 3; bodies %v, want a and b", len(remotes), bodies)
	}
	if calls.Load() != 2 {
		t.Errorf("told %d times that counting begins and ends, want twice", calls.Load())
	}
}

func TestRunFailsWithAnotherStatus(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	_, err := Run(t.Context(), Options{
		Addr: server.Listener.Addr().String(), Requests: [][]byte{request("a")}, Connections: 2,
		Measure: time.Minute, Status: http.StatusAccepted,
	}, nil)
	if !errors.Is(err, ErrStatus) {
		t.Errorf("got %v, want %v", err, ErrStatus)
	}
}
