// Package bench measures enneo-bridge: the real binaries, a real nats-server and a real redis-server as processes of their
// own, beside what the servers themselves can do (the floor) and what does the same job (the peer). Nothing is asserted
// about times; a run only fails when a figure would not mean what its table says.
//
// Contestants of one table take turns within the same minutes, on the same servers, in several rounds; the tables hold
// medians, and how far the rounds lie apart. On a machine that does other things as well, ratios hold better than rates.
//
// # Concurrency
//
// One run at a time: two would measure each other.
package bench

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/enneo-ai/enneo-bridge/services/bench/internal/report"
)

// The exit codes of Main.
const (
	exitOK      = 0
	exitFailure = 2
)

// floorCommand makes this program the floor of the benchmark ingest, as a process of its own.
const floorCommand = "floor-ingest"

// benchmark is one set of tables.
type benchmark struct {
	name, about string
	run         func(ctx context.Context, r *run) ([]*report.Table, error)
}

func benchmarks() []benchmark {
	return []benchmark{
		{"arm", "events per second from the log into windows", arm},
		{"ingest", "webhooks per second into the log", ingest},
		{"windows", "lateness and memory with many open windows", windows},
		{"flow", "all services under a steady load", flow},
		{"lookup", "the read model of contract search: latency, memory, what is found", lookup},
		{"import", "a whole ERP into Enneo, also with Enneo refusing and the reconciler killed", imports},
	}
}

// options are the flags.
type options struct {
	only     string
	rounds   int
	markdown bool
	profile  bool
	bin      string
	scale    float64
}

// Main runs the benchmarks that the arguments name and returns the exit code. Tables go to stdout, progress to stderr.
func Main(args []string, stdout, stderr io.Writer) int {
	ctx, restore := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer restore()
	var err error
	if len(args) > 0 && args[0] == floorCommand {
		err = floorIngest(ctx, args[1:], stderr)
	} else {
		err = command(ctx, args, stdout, stderr)
	}
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return exitOK
	default:
		// Nobody is left to be told if even this cannot be written.
		_, _ = fmt.Fprintf(stderr, "bench: %v\n", err)
		return exitFailure
	}
}

func command(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, selected, err := parse(args, stderr)
	if err != nil {
		return err
	}
	r, err := newRun(ctx, o, stderr)
	if err != nil {
		return err
	}
	defer r.close()
	tables := []*report.Table{r.machine(ctx)}
	for _, b := range selected {
		r.progress("%s: %s", b.name, b.about)
		began := time.Now()
		more, err := b.run(ctx, r)
		if err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
		r.progress("%s took %s", b.name, time.Since(began).Round(time.Second))
		tables = append(tables, more...)
	}
	for _, t := range tables {
		text := t.Text()
		if o.markdown {
			text = t.Markdown()
		}
		if _, err := fmt.Fprintln(stdout, text); err != nil {
			return fmt.Errorf("write a table: %w", err)
		}
	}
	return nil
}

// parse reads the flags and finds the benchmarks that they select.
func parse(args []string, stderr io.Writer) (*options, []benchmark, error) {
	all := benchmarks()
	names := make([]string, len(all))
	for i, b := range all {
		names[i] = b.name
	}
	o := &options{}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.only, "only", "", "the benchmarks to run, comma-separated: "+strings.Join(names, ", ")+"; all if empty")
	flags.IntVar(&o.rounds, "rounds", 3, "rounds of each contest")
	flags.BoolVar(&o.markdown, "markdown", false, "print the tables as Markdown, for docs/results.md")
	flags.BoolVar(&o.profile, "cpuprofile", false, "take CPU profiles of the measured services into tmp/bench; costs some per cent")
	flags.StringVar(&o.bin, "bin", "", "directory with services and nats-server built before, instead of building them")
	flags.Float64Var(&o.scale, "scale", 1, "factor on the number of events and windows; below 1 for a quick look")
	if err := flags.Parse(args); err != nil {
		return nil, nil, fmt.Errorf("flags: %w", err)
	}
	if flags.NArg() > 0 || o.rounds < 1 || o.scale <= 0 || o.scale > 10 {
		return nil, nil, errors.New("flags: no arguments, at least one round, a scale above 0 and up to 10; see -help")
	}
	if o.only == "" {
		return o, all, nil
	}
	var selected []benchmark
	for name := range strings.SplitSeq(o.only, ",") {
		at := slices.Index(names, name)
		if at < 0 {
			return nil, nil, fmt.Errorf("flags: no benchmark %q; there are %s", name, strings.Join(names, ", "))
		}
		selected = append(selected, all[at])
	}
	return o, selected, nil
}
