// Package measuring measures the read model: how fast calls A to D are answered, how long it takes to build, and what memory it needs, beside
// SQL LIKE over the same data; and how well it finds. services/bench runs it as a process of its own and makes tables of it.
//
// # Concurrency
//
// One run at a time: two would measure each other.
package measuring

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/evaluation"
	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/model"
)

// Speed is what a run with -contracts prints.
type Speed struct {
	Contracts int `json:"contracts"`
	Customers int `json:"customers"`
	// BuildMs is how long it took to apply everything, in batches of 500, with the time that it took to make it up taken off.
	BuildMs int64 `json:"build_ms"`
	// RSSBytes is the memory in use after building, PeakBytes the most meanwhile, DiskBytes the size of the store.
	RSSBytes  int64  `json:"rss_bytes"`
	PeakBytes int64  `json:"peak_bytes"`
	DiskBytes int64  `json:"disk_bytes"`
	Calls     []Call `json:"calls"`
}

// Call are the latencies of one call.
type Call struct {
	Name  string `json:"name"`
	Asked int    `json:"asked"`
	// The times are in microseconds; CPU is what the call computed, without what it waited for other processes.
	P50Us    int64 `json:"p50_us"`
	P99Us    int64 `json:"p99_us"`
	P99CPUUs int64 `json:"p99_cpu_us"`
	MaxUs    int64 `json:"max_us"`
}

// Quality is what a run with -evaluate prints.
type Quality struct {
	Contracts int     `json:"contracts"`
	Customers int     `json:"customers"`
	Find      []Find  `json:"find"`
	Typed     []Typed `json:"typed"`
}

// Find are the counts of one way of asking call C.
type Find struct {
	Name   string `json:"name"`
	Known  bool   `json:"known"`
	Asked  int    `json:"asked"`
	Right  int    `json:"right"`
	Missed int    `json:"missed"`
	Wrong  int    `json:"wrong"`
}

// Typed are the counts of one way of typing in call D.
type Typed struct {
	Name  string `json:"name"`
	Asked int    `json:"asked"`
	First int    `json:"first"`
	Page  int    `json:"page"`
}

// Main measures what the arguments say and prints it as JSON.
func Main(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("measure", flag.ContinueOnError)
	contracts := flags.Int("contracts", 10_000, "how many contracts")
	evaluate := flags.Bool("evaluate", false, "count what is found instead of measuring times")
	seed := flags.Uint64("seed", 1, "what everything is made of")
	n := flags.Int("n", 100, "questions of each kind")
	dir := flags.String("dir", "", "folder for the stores; empty: the system's for temporary files")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("flags: %w", err)
	}
	m, err := model.Open(ctx, model.Options{Dir: *dir})
	if err != nil {
		return err
	}
	defer func() { _ = m.Close() }()
	var result any
	if *evaluate {
		result, err = quality(ctx, m, *seed, *contracts, *n)
	} else {
		result, err = speed(ctx, m, *dir, *seed, *contracts, *n)
	}
	if err != nil {
		return err
	}
	if err := json.NewEncoder(out).Encode(result); err != nil {
		return fmt.Errorf("print the result: %w", err)
	}
	return nil
}

func quality(ctx context.Context, m *model.Model, seed uint64, contracts, n int) (*Quality, error) {
	w := evaluation.NewWorld(seed, contracts)
	if err := w.Fill(ctx, m); err != nil {
		return nil, err
	}
	found, err := w.Evaluate(ctx, m, n)
	if err != nil {
		return nil, err
	}
	typed, err := w.EvaluateTyped(ctx, m, n)
	if err != nil {
		return nil, err
	}
	q := &Quality{Contracts: contracts, Customers: len(w.Customers)}
	for _, f := range found {
		q.Find = append(q.Find, Find{Name: f.Kind.Name, Known: f.Kind.Known, Asked: f.Asked, Right: f.Right, Missed: f.Missed, Wrong: f.Wrong})
	}
	for _, t := range typed {
		q.Typed = append(q.Typed, Typed{Name: t.Name, Asked: t.Asked, First: t.First, Page: t.Page})
	}
	return q, nil
}

// sampled is how many customers are kept to ask about.
const sampled = 4000

// speed builds the model from a stream of customers, so that the memory is the model's, and measures.
func speed(ctx context.Context, m *model.Model, dir string, seed uint64, contracts, n int) (*Speed, error) {
	like, err := openLike(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = like.close() }()
	s := &Speed{}
	source := evaluation.NewSource(seed, contracts)
	draw := rand.New(rand.NewPCG(seed, 7)) //nolint:gosec // A sample, not a secret.
	var sample []evaluation.Customer
	var entries []model.Entry
	var building time.Duration
	flush := func() error {
		began := time.Now()
		err := m.Apply(ctx, entries)
		building += time.Since(began)
		entries = entries[:0]
		return err
	}
	for s.Contracts < contracts {
		c := source.Next()
		s.Contracts += len(c.Contracts)
		s.Customers++
		if len(sample) < sampled {
			sample = append(sample, c)
		} else if at := draw.IntN(s.Customers); at < sampled {
			sample[at] = c
		}
		entries = append(entries, c.Entries(uint64(s.Customers))...)
		if len(entries) >= 500 {
			if err := flush(); err != nil {
				return nil, err
			}
		}
	}
	if err := flush(); err != nil {
		return nil, err
	}
	// A change as they come afterwards, with which building is over.
	if err := m.Apply(ctx, sample[0].Entries(uint64(s.Customers+1))); err != nil {
		return nil, err
	}
	s.BuildMs = building.Milliseconds()
	runtime.GC()
	debug.FreeOSMemory()
	s.RSSBytes, s.PeakBytes = memory()
	_, _, s.DiskBytes = m.Stats()
	w := evaluation.NewWorldOf(source, sample)
	if s.Calls, err = calls(ctx, m, w, n); err != nil {
		return nil, err
	}
	if err := like.fill(ctx, seed, contracts); err != nil {
		return nil, err
	}
	more, err := like.calls(ctx, w)
	s.Calls = append(s.Calls, more...)
	return s, err
}

// calls measures A to D.
func calls(ctx context.Context, m *model.Model, w *evaluation.World, n int) ([]Call, error) {
	a, b, c, d, keys := timer{name: "A"}, timer{name: "B"}, timer{name: "C"}, timer{name: "D"}, timer{name: "D, letter by letter"}
	for i := range w.Customers {
		customer := &w.Customers[i]
		a.time(func() error { return errorOf(m.Get(ctx, key.Contract, customer.Contracts[0].ID)) })
		b.time(func() error { return errorOf(m.Get(ctx, key.Customer, customer.ID)) })
	}
	for range 2 { // The first time warms up.
		c.reset()
		for _, k := range evaluation.Kinds() {
			for _, q := range w.Questions(k, n) {
				c.time(func() error { return errorOf(m.Find(ctx, q.Given)) })
			}
		}
	}
	for range 2 {
		d.reset()
		for _, k := range evaluation.TypedKinds() {
			texts, _ := w.Texts(k, n)
			for _, text := range texts {
				d.time(func() error { return search(ctx, m, text) })
			}
		}
	}
	for i := range min(n, len(w.Customers)) {
		text := []rune(strings.TrimSpace(w.Customers[i].Last + " " + w.Customers[i].First + w.Customers[i].Company + " " + w.Customers[i].Home.Street))
		for end := 1; end <= len(text); end++ {
			keys.time(func() error { return search(ctx, m, string(text[:end])) })
		}
	}
	var all []Call
	var failed []error
	for _, t := range []*timer{&a, &b, &c, &d, &keys} {
		all = append(all, t.call())
		failed = append(failed, t.err)
	}
	return all, errors.Join(failed...)
}

func search(ctx context.Context, m *model.Model, text string) error {
	_, err := m.Search(ctx, text, model.PageSize, 0)
	return err
}

func errorOf[T any](_ T, _ bool, err error) error { return err }

// memory is what Linux says of this process: now, and the most.
func memory() (now, most int64) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		kilobytes, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
		switch name {
		case "VmRSS":
			now = kilobytes << 10
		case "VmHWM":
			most = kilobytes << 10
		}
	}
	return now, most
}
