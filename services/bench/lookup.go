package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/enneo-ai/enneo-bridge/services/bench/internal/report"
)

const (
	// measureLookup is the main package that measures the read model; it is lookup's own.
	measureLookup = "./services/lookup/internal/measuring/command"
	// lookupEvaluated are the contracts of the evaluation: some hundred customers, and many.
	lookupFew, lookupMany = 1_000, 100_000
	// lookupQuestions are the questions of each kind in an evaluation, lookupTimed in a measurement of times.
	lookupQuestions, lookupTimed = 300, 40
)

// lookupSizes are the contracts of the models that are measured.
func lookupSizes() []int { return []int{10_000, 100_000, 1_000_000} }

// lookupSpeed is what the program prints about times. The names are those of its own structures.
type lookupSpeed struct {
	Contracts int          `json:"contracts"`
	Customers int          `json:"customers"`
	BuildMs   int64        `json:"build_ms"`
	RSSBytes  int64        `json:"rss_bytes"`
	PeakBytes int64        `json:"peak_bytes"`
	DiskBytes int64        `json:"disk_bytes"`
	Calls     []lookupCall `json:"calls"`
}

type lookupCall struct {
	Name  string `json:"name"`
	Asked int    `json:"asked"`
	P50Us int64  `json:"p50_us"`
	P99Us int64  `json:"p99_us"`
	MaxUs int64  `json:"max_us"`
}

// lookupQuality is what it prints about what is found.
type lookupQuality struct {
	Contracts int `json:"contracts"`
	Customers int `json:"customers"`
	Find      []struct {
		Name   string `json:"name"`
		Known  bool   `json:"known"`
		Asked  int    `json:"asked"`
		Right  int    `json:"right"`
		Missed int    `json:"missed"`
		Wrong  int    `json:"wrong"`
	} `json:"find"`
	Typed []struct {
		Name  string `json:"name"`
		Asked int    `json:"asked"`
		First int    `json:"first"`
		Page  int    `json:"page"`
	} `json:"typed"`
}

// lookup measures the read model: how fast it answers, and how well.
func lookup(ctx context.Context, r *run) ([]*report.Table, error) {
	program := filepath.Join(r.dir, "measure-lookup")
	build := exec.CommandContext(ctx, "go", "build", "-o", program, measureLookup) //nolint:gosec // our own package
	build.Dir = r.root
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build: %w\n%s", err, out)
	}
	var speeds []*lookupSpeed
	for _, contracts := range lookupSizes() {
		contracts = r.times(contracts)
		r.progress("lookup with %d contracts", contracts)
		s := &lookupSpeed{}
		if err := r.measureLookup(ctx, program, s, "-contracts", fmt.Sprint(contracts), "-n", fmt.Sprint(lookupTimed)); err != nil {
			return nil, err
		}
		speeds = append(speeds, s)
	}
	var qualities []*lookupQuality
	for _, contracts := range []int{lookupFew, r.times(lookupMany)} {
		r.progress("evaluation of lookup with %d contracts", contracts)
		q := &lookupQuality{}
		if err := r.measureLookup(ctx, program, q, "-evaluate", "-contracts", fmt.Sprint(contracts), "-n", fmt.Sprint(lookupQuestions)); err != nil {
			return nil, err
		}
		qualities = append(qualities, q)
	}
	return []*report.Table{lookupLatency(speeds), lookupMemory(speeds), lookupFound(qualities), lookupTyped(qualities)}, nil
}

// measureLookup runs the program and reads what it prints.
func (r *run) measureLookup(ctx context.Context, program string, into any, args ...string) error {
	out, err := exec.CommandContext(ctx, program, append(args, "-dir", r.dir)...).Output() //nolint:gosec // built above
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return fmt.Errorf("measure: %w\n%s", err, failed.Stderr)
	}
	if err != nil {
		return fmt.Errorf("measure: %w", err)
	}
	if err := json.Unmarshal(out, into); err != nil {
		return fmt.Errorf("read what was measured: %w", err)
	}
	return nil
}

func lookupLatency(speeds []*lookupSpeed) *report.Table {
	t := &report.Table{
		Title:  "lookup: latency of the four calls in the read model, one after the other, beside SQL LIKE over the same contracts",
		Header: []string{"call"},
		Notes: []string{
			"p50 / p99. C: all ways of asking in the evaluation below, D: all ways of typing, and names with their streets letter by letter.",
			fmt.Sprintf("LIKE: SQLite without an index, a row for each contract; C by name, street and postal code, D by three words that may stand in any of eight columns; %d questions each.", lookupTimed),
		},
	}
	for _, s := range speeds {
		t.Header = append(t.Header, report.Count(float64(s.Contracts))+" contracts")
	}
	for i, call := range speeds[0].Calls {
		cells := []string{call.Name}
		for _, s := range speeds {
			c := s.Calls[i]
			cells = append(cells, microseconds(c.P50Us)+" / "+microseconds(c.P99Us))
		}
		t.Row(cells...)
	}
	for _, name := range []string{"C", "D"} {
		cells := []string{"LIKE / " + name + ", p50"}
		for _, s := range speeds {
			cells = append(cells, report.Times(float64(s.call(name+" by LIKE").P50Us)/float64(max(1, s.call(name).P50Us))))
		}
		t.Row(cells...)
	}
	return t
}

// call is the call of that name; without figures if there is none.
func (s *lookupSpeed) call(name string) lookupCall {
	for _, c := range s.Calls {
		if c.Name == name {
			return c
		}
	}
	return lookupCall{}
}

func microseconds(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d µs", n)
	}
	return report.Milliseconds(time.Duration(n) * time.Microsecond)
}

func lookupMemory(speeds []*lookupSpeed) *report.Table {
	t := &report.Table{
		Title:  "lookup: building the read model from nothing, and its size",
		Header: []string{"contracts", "and customers", "built in", "records/s", "RSS", "peak while building", "on disk"},
		Notes:  []string{"Applied in batches of 500 in one process, without what it takes to read the bucket. RSS after a garbage collection, the runtime and the program included."},
	}
	for _, s := range speeds {
		t.Row(
			report.Count(float64(s.Contracts)), report.Count(float64(s.Customers)), report.Seconds(time.Duration(s.BuildMs)*time.Millisecond),
			report.Count(float64(s.Contracts+s.Customers)*1000/float64(max(1, s.BuildMs))), report.MiB(s.RSSBytes), report.MiB(s.PeakBytes), report.MiB(s.DiskBytes),
		)
	}
	return t
}

func lookupFound(qualities []*lookupQuality) *report.Table {
	t := &report.Table{
		Title:  "lookup: what call C names, by the way of asking",
		Header: []string{"asked by"},
		Notes: []string{
			"Made-up customers, seed 1. Precision: of the contracts named, the share that was meant; recall: of the questions with an answer, the share that got it.",
			"The lower part must not be answered: right is none.",
		},
	}
	for _, q := range qualities {
		of := fmt.Sprintf(" (%s customers)", report.Count(float64(q.Customers)))
		t.Header = append(t.Header, "asked"+of, "precision", "recall", "**wrong**")
	}
	for i, kind := range qualities[0].Find {
		cells := []string{kind.Name}
		for _, q := range qualities {
			f := q.Find[i]
			precision, recall := "–", "none: "+share(f.Right, f.Asked)
			if f.Known {
				precision, recall = share(f.Right, f.Right+f.Wrong), share(f.Right, f.Asked)
			}
			cells = append(cells, fmt.Sprint(f.Asked), precision, recall, fmt.Sprint(f.Wrong))
		}
		t.Row(cells...)
	}
	return t
}

func lookupTyped(qualities []*lookupQuality) *report.Table {
	t := &report.Table{
		Title:  "lookup: where call D has the customer that was meant, by what is typed",
		Header: []string{"typed"},
	}
	for _, q := range qualities {
		of := fmt.Sprintf(" (%s customers)", report.Count(float64(q.Customers)))
		t.Header = append(t.Header, "asked"+of, "first", "on the first page")
	}
	for i, kind := range qualities[0].Typed {
		cells := []string{kind.Name}
		for _, q := range qualities {
			f := q.Typed[i]
			cells = append(cells, fmt.Sprint(f.Asked), share(f.First, f.Asked), share(f.Page, f.Asked))
		}
		t.Row(cells...)
	}
	return t
}

// share is a part in percent, to the tenth.
func share(part, whole int) string {
	if whole == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f %%", 100*float64(part)/float64(whole))
}
