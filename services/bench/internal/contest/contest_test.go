package contest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestContestantsTakeTurns(t *testing.T) {
	t.Parallel()
	var order []string
	contestant := func(name string, rates ...float64) Contestant {
		return Contestant{Name: name, Run: func(_ context.Context, round int) (Outcome, error) {
			order = append(order, name)
			return Outcome{
				Rate: rates[round], CPU: map[string]time.Duration{"redis": time.Duration(rates[round])},
				Peak: map[string]int64{"redis": int64(rates[round])}, Latencies: []time.Duration{time.Duration(rates[round])},
			}, nil
		}}
	}
	results, err := Run(t.Context(), 3, []Contestant{contestant("a", 90, 100, 120), contestant("b", 1, 1, 1)}, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a", "b", "a", "b", "a", "b"}, order); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	a := &results[0]
	if median, spread := a.Rate(); median != 100 || spread != 0.15 {
		t.Errorf("rate of a: got %v ± %v, want 100 ± 0.15", median, spread)
	}
	if got := a.CPU("redis"); got != 100 {
		t.Errorf("CPU: got %v, want the median", got)
	}
	if got := a.Peak("redis"); got != 120 {
		t.Errorf("peak: got %v, want the largest", got)
	}
	if got := a.Latency(1); got != 120 {
		t.Errorf("latency: got %v, want the largest", got)
	}
}

func TestAFailureEndsTheContest(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	_, err := Run(t.Context(), 2, []Contestant{{Name: "a", Run: func(context.Context, int) (Outcome, error) {
		return Outcome{}, broken
	}}}, func(string) {})
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "a, round 1") {
		t.Errorf("got %v, want who failed, when and why", err)
	}
}
