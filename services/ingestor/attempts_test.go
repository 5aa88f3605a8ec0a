package ingestor

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestAClientMayFailTenTimesAMinute(t *testing.T) {
	t.Parallel()
	a, now := newAttempts(), time.Unix(1_800_000_000, 0)
	one, neighbour, other := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2"), netip.MustParseAddr("2001:db8:0:1::1")
	for i := range failureBurst {
		if wait := a.failed(one, now); wait != 0 {
			t.Fatalf("failure %d: wait %s, want none", i+1, wait)
		}
	}
	for _, tc := range []struct {
		name    string
		address netip.Addr
		after   time.Duration
		want    time.Duration
	}{
		{"one more", one, 0, failureInterval},
		{"one more, which costs nothing", one, 0, failureInterval},
		{"from the same network", neighbour, 0, failureInterval},
		{"from another network", other, 0, 0},
		{"from no known address", netip.Addr{}, 0, 0},
		{"soon after", one, failureInterval / 2, failureInterval / 2},
		{"when one is allowed again", one, failureInterval, 0},
		{"the next one", one, failureInterval, failureInterval},
		{"after a minute", one, 2 * time.Minute, 0},
	} {
		got := a.failed(tc.address, now.Add(tc.after))
		if diff := got - tc.want; diff < -time.Millisecond || diff > time.Millisecond {
			t.Errorf("%s: wait %s, want %s", tc.name, got, tc.want)
		}
	}
}

func TestHostileAddressesTakeNoMoreMemory(t *testing.T) {
	t.Parallel()
	a, now := newAttempts(), time.Unix(1_800_000_000, 0)
	address := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{198, byte(i >> 16), byte(i >> 8), byte(i)}) }
	persistent := netip.MustParseAddr("192.0.2.7")
	for range failureBurst {
		a.failed(persistent, now)
	}
	for i := range 3 * maxClients {
		a.failed(address(i), now)
		if i%1000 == 0 && a.failed(persistent, now) == 0 {
			t.Fatalf("the one that goes on failing was forgotten after %d others", i)
		}
	}
	if len(a.clients) != maxClients || a.recent.Len() != maxClients {
		t.Errorf("%d clients in the map and %d in the list, want %d", len(a.clients), a.recent.Len(), maxClients)
	}
	if a.clients[clientOf(address(0))] != nil || a.clients[clientOf(address(3*maxClients-1))] == nil {
		t.Error("not the oldest was forgotten")
	}
}

func TestWhoGuessesWaitsAndWhoKnowsDoesNot(t *testing.T) {
	t.Parallel()
	in, handler := unconnected(t, map[string]string{
		"SOURCE_ACME_WEBHOOK_AUTH": "header", "SOURCE_ACME_WEBHOOK_SECRET": "right", "SOURCE_ACME_WEBHOOK_SECRET_PREVIOUS": "old",
		"SOURCE_OTHER_WEBHOOK_AUTH": "header", "SOURCE_OTHER_WEBHOOK_SECRET": "other",
	}, "10.0.0.1")
	now := time.Unix(1_800_000_000, 0)
	in.now = func() time.Time { return now }
	post := func(source, secret, from string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/webhooks/"+source, strings.NewReader(`{"contractId":"1"}`))
		r.RemoteAddr = "10.0.0.1:80"
		r.Header.Set("X-Forwarded-For", from)
		r.Header.Set(headerSecret, secret)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w
	}
	for i := range failureBurst {
		if w := post("acme", fmt.Sprintf("guess-%d", i), "192.0.2.7"); w.Code != 401 || w.Header().Get("Retry-After") != "" {
			t.Fatalf("guess %d: answered %d %v, want 401", i, w.Code, w.Header())
		}
	}
	for _, tc := range []struct {
		name, source, secret, from string
		want                       int
	}{
		{"a guess too many", "acme", "guess", "192.0.2.7", 429},
		{"at another source", "other", "guess", "192.0.2.7", 429},
		{"the right secret from the same address", "acme", "right", "192.0.2.7", 503},
		{"the previous one too", "acme", "old", "192.0.2.7", 503},
		{"another source's right secret", "other", "other", "192.0.2.7", 503},
		{"and it is no amnesty", "acme", "guess", "192.0.2.7", 429},
		{"a guess from elsewhere behind the same proxy", "acme", "guess", "192.0.2.8", 401},
		{"a source without authentication", "hooks", "guess", "192.0.2.7", 503},
	} {
		w := post(tc.source, tc.secret, tc.from)
		if w.Code != tc.want {
			t.Errorf("%s: answered %d %s, want %d", tc.name, w.Code, w.Body, tc.want)
		}
		if tc.want == 429 && (w.Header().Get("Retry-After") != "6" || !strings.Contains(w.Body.String(), "urn:enneo-bridge:problem:too-many-attempts")) {
			t.Errorf("%s: Retry-After %q, body %s", tc.name, w.Header().Get("Retry-After"), w.Body)
		}
	}
	now = now.Add(failureInterval)
	if w := post("acme", "guess", "192.0.2.7"); w.Code != 401 {
		t.Errorf("after the wait: answered %d, want 401", w.Code)
	}
}

func TestASourceMaySendAsOftenAsItsRateSays(t *testing.T) {
	t.Parallel()
	in, handler := unconnected(t, map[string]string{
		"SOURCE_ACME_WEBHOOK_AUTH": "header", "SOURCE_ACME_WEBHOOK_SECRET": "right", "SOURCE_ACME_WEBHOOK_RATE": "1.5",
		"SOURCE_OTHER_WEBHOOK_RATE": "0.1",
	})
	now := time.Unix(1_800_000_000, 0)
	in.now = func() time.Time { return now }
	for i, tc := range []struct {
		source, secret string
		after          time.Duration
		want           int
		retryAfter     string
	}{
		{"acme", "right", 0, 503, "5"},
		{"acme", "right", 0, 503, "5"},
		{"acme", "right", 0, 429, "1"},
		{"acme", "right", 0, 429, "1"},
		{"acme", "wrong", 0, 401, ""},
		{"other", "", 0, 503, "5"},
		{"other", "", 0, 429, "10"},
		{"hooks", "", 0, 503, "5"},
		{"acme", "wrong", time.Second, 401, ""},
		{"acme", "right", 0, 503, "5"},
		{"acme", "right", 0, 429, "1"},
	} {
		now = now.Add(tc.after)
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/webhooks/"+tc.source, strings.NewReader(`{"contractId":"1"}`))
		r.Header.Set(headerSecret, tc.secret)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != tc.want || w.Header().Get("Retry-After") != tc.retryAfter {
			t.Errorf("request %d to %s: answered %d with Retry-After %q, want %d with %q", i, tc.source, w.Code, w.Header().Get("Retry-After"), tc.want, tc.retryAfter)
		}
		if tc.want == 429 && !strings.Contains(w.Body.String(), "urn:enneo-bridge:problem:rate\"") {
			t.Errorf("request %d: %s", i, w.Body)
		}
	}
}
