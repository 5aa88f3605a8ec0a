package pressure

import (
	"testing"
	"time"
)

func TestSlowIsWhatTheLatestRequestsAreOnAverage(t *testing.T) {
	t.Parallel()
	const timeout = 20 * time.Second
	type request struct{ after, took time.Duration } // after the one before
	tests := []struct {
		name     string
		requests []request
		idle     time.Duration
		want     bool
	}{
		{name: "none"},
		{name: "quick ones", requests: []request{{0, time.Second}, {0, time.Second}, {0, 2 * time.Second}, {0, time.Second}}},
		{name: "one slow among quick ones", requests: []request{{0, time.Second}, {0, 15 * time.Second}, {0, time.Second}}},
		{name: "slow ones", requests: []request{{0, 9 * time.Second}, {0, 9 * time.Second}, {0, 9 * time.Second}}, want: true},
		{name: "timeouts", requests: []request{{0, timeout}, {0, timeout}}, want: true},
		{name: "quick again", requests: []request{{0, timeout}, {0, timeout}, {0, time.Second}, {0, time.Second}, {0, time.Second}, {0, time.Second}}},
		{name: "slow ones a while ago", requests: []request{{0, timeout}, {0, timeout}}, idle: timeout, want: true},
		{name: "slow ones long ago", requests: []request{{0, timeout}, {0, timeout}}, idle: timeout + 1},
		{name: "a slow one long after others", requests: []request{{0, timeout}, {0, timeout}, {timeout + 1, 9 * time.Second}}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p, now := NewPace(timeout), time.Now()
			for _, r := range tc.requests {
				now = now.Add(r.after)
				p.note(r.took, now)
			}
			if got := p.slow(now.Add(tc.idle)); got != tc.want {
				t.Errorf("slow = %t, want %t (mean %s)", got, tc.want, p.mean)
			}
		})
	}
}

func TestOtherReasonsComeBeforeSlowness(t *testing.T) {
	t.Parallel()
	p := NewPace(time.Second)
	for _, step := range []struct {
		took    time.Duration
		pressed bool
		reason  string
		want    bool
	}{{0, false, "", false}, {0, true, "rate_limited", true}, {4 * time.Second, true, "rate_limited", true}, {4 * time.Second, false, ReasonSlow, true}} {
		p.Note(step.took)
		reason, pressed := p.Or(func() (string, bool) { return "rate_limited", step.pressed })()
		if pressed != step.want || pressed && reason != step.reason {
			t.Errorf("%+v: %q, %t", step, reason, pressed)
		}
	}
}
