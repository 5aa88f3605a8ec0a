// Package contest lets contestants run in turn, so that whatever else the machine does meanwhile meets all of them alike.
//
// # Concurrency
//
// A contest runs one contestant at a time.
package contest

import (
	"context"
	"fmt"
	"time"

	"github.com/enneo-ai/enneo-bridge/services/bench/internal/stats"
)

// Outcome is one run of a contestant.
type Outcome struct {
	// Rate is what it did per second.
	Rate float64
	// CPU is what each process used for it.
	CPU map[string]time.Duration
	// Peak is the most memory that each process had, in bytes.
	Peak map[string]int64
	// Latencies may be empty.
	Latencies []time.Duration
}

// Contestant is one way to do the work.
type Contestant struct {
	Name string
	Run  func(ctx context.Context, round int) (Outcome, error)
}

// Result is all rounds of a contestant.
type Result struct {
	Name     string
	Outcomes []Outcome
}

// Run lets all contestants run once, in their order, then once more, and so on.
func Run(ctx context.Context, rounds int, contestants []Contestant, progress func(text string)) ([]Result, error) {
	results := make([]Result, len(contestants))
	for i, c := range contestants {
		results[i].Name = c.Name
	}
	for round := range rounds {
		for i, c := range contestants {
			outcome, err := c.Run(ctx, round)
			if err != nil {
				return nil, fmt.Errorf("%s, round %d: %w", c.Name, round+1, err)
			}
			progress(fmt.Sprintf("round %d, %s: %.0f/s", round+1, c.Name, outcome.Rate))
			results[i].Outcomes = append(results[i].Outcomes, outcome)
		}
	}
	return results, nil
}

// Rate is the median of the rounds, and how far they lie apart (see stats.Spread).
func (r *Result) Rate() (median, spread float64) {
	rates := make([]float64, 0, len(r.Outcomes))
	for _, o := range r.Outcomes {
		rates = append(rates, o.Rate)
	}
	return stats.Median(rates), stats.Spread(rates)
}

// CPU is the median of the CPU time of a process over the rounds.
func (r *Result) CPU(process string) time.Duration {
	var times []time.Duration
	for _, o := range r.Outcomes {
		times = append(times, o.CPU[process])
	}
	return stats.Median(times)
}

// Peak is the most memory that a process had in any round, in bytes.
func (r *Result) Peak(process string) int64 {
	var peak int64
	for _, o := range r.Outcomes {
		peak = max(peak, o.Peak[process])
	}
	return peak
}

// Latency is a quantile of the latencies of all rounds.
func (r *Result) Latency(q float64) time.Duration {
	var all []time.Duration
	for _, o := range r.Outcomes {
		all = append(all, o.Latencies...)
	}
	return stats.Quantile(all, q)
}
