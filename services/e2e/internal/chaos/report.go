package chaos

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/ledger"
)

// Report is what a run has found.
type Report struct {
	Options *Options
	// Logs is the folder with what every process has printed.
	Logs string
	// Loaded is how long there was load.
	Loaded time.Duration
	Events []Event
	Struck []Struck
	// Started is the number of processes of the services. Crashes are those that ended by themselves.
	Started int
	Crashes []string
	// Refused are the answers of ingestors other than 202 and 503.
	Refused []string
	// Errors are blows that could not be dealt, among them processes that did not end in an orderly way.
	Errors []error
	// Dropped is how many events the log has lost by being set back, which happened SetBacks times.
	Dropped  uint64
	SetBacks int
	Balance  ledger.Balance
	// Unsettled is what was still missing when the time for settling was over, nil if nothing was.
	Unsettled error
	Findings  *Findings
}

// Wrong lists everything that must not be; a good run has none.
func (r *Report) Wrong() []string {
	wrong := balanced(&r.Balance, uint64(len(r.Events)), r.Dropped)
	if r.Unsettled != nil {
		wrong = append(wrong, r.Unsettled.Error())
	}
	if len(r.Events) == 0 {
		wrong = append(wrong, "no event was accepted at all")
	}
	for _, c := range r.Crashes {
		wrong = append(wrong, "ended by itself: "+c)
	}
	for _, text := range r.Refused {
		wrong = append(wrong, "refused: "+text)
	}
	for _, err := range r.Errors {
		wrong = append(wrong, err.Error())
	}
	for _, v := range r.Findings.Violations {
		wrong = append(wrong, fmt.Sprintf("%s: %s at %s, after %s: %s", v.What, v.Key, v.At.Format(clock), v.After, v.Detail))
	}
	return wrong
}

// shown is how many violations are printed; the first ones tell the most.
const shown = 25

// Print writes the table, what is wrong, and how to repeat the run.
func (r *Report) Print(out io.Writer) error {
	var b strings.Builder
	if r.Options.Old == nil {
		fmt.Fprintf(&b, "\nNO OLD VERSION RAN BESIDE THE NEW ONE: %s\n", r.Options.OldMissing)
	}
	fmt.Fprintln(&b)
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range r.rows() {
		fmt.Fprintf(table, "%s\t%s\n", row[0], row[1])
	}
	// A strings.Builder does not fail.
	_ = table.Flush()
	for _, v := range slices.Concat(r.Findings.PausedOverlaps, r.Findings.PausedRegressions) {
		fmt.Fprintf(&b, "  excepted: %s of %s at %s: a publisher was paused beyond its lease, after %s\n", v.What, v.Key, v.At.Format(clock), v.After)
	}
	wrong := r.Wrong()
	for i, text := range wrong {
		if i == shown {
			fmt.Fprintf(&b, "  … and %d more\n", len(wrong)-shown)
			break
		}
		fmt.Fprintf(&b, "WRONG: %s\n", text)
	}
	verdict := "nothing is wrong"
	if len(wrong) > 0 {
		verdict = fmt.Sprintf("%d THINGS ARE WRONG", len(wrong))
	}
	fmt.Fprintf(&b, "\n%s\nlogs of all processes: %s\nrepeat: make chaos SEED=%d DURATION=%s\n", verdict, r.Logs, r.Options.Seed, r.Options.Duration)
	if _, err := io.WriteString(out, b.String()); err != nil {
		return fmt.Errorf("print the report: %w", err)
	}
	return nil
}

func (r *Report) rows() [][2]string {
	f := r.Findings
	attempts, blows := 0, map[Kind]int{}
	for i := range r.Events {
		attempts += len(r.Events[i].Attempts)
	}
	for _, s := range r.Struck {
		if s.Kind != OldVersion || r.Options.Old != nil {
			blows[s.Kind]++
		}
	}
	superfluous := 0
	for _, n := range f.Superfluous {
		superfluous += n
	}
	first := 0
	for _, m := range members() {
		first += m.replicas
	}
	rows := [][2]string{
		{"seed, load", fmt.Sprintf("%d, %s", r.Options.Seed, r.Loaded.Round(time.Second))},
		{"events accepted (202)", fmt.Sprint(len(r.Events))},
		{"webhooks repeated", fmt.Sprint(attempts - len(r.Events))},
		{"blows", fmt.Sprint(len(r.Struck))},
	}
	for _, kind := range slices.Sorted(maps.Keys(blows)) {
		rows = append(rows, [2]string{"  " + string(kind), fmt.Sprint(blows[kind])})
	}
	return append(rows, [][2]string{
		{"services started again", fmt.Sprint(r.Started - first)},
		{"ended by themselves", fmt.Sprint(len(r.Crashes))},
		{"lost", fmt.Sprint(f.Lost)},
		{"overlaps", fmt.Sprintf("%d (and %d around paused publishers)", f.Overlaps, len(f.PausedOverlaps))},
		{"older over newer", fmt.Sprintf("%d (and %d around paused publishers, repaired)", f.Regressions, len(f.PausedRegressions))},
		{"end states", endStates(r.Unsettled)},
		{"log", fmt.Sprintf("accepted %d = settled %d + open %d; %d lost by %d set back", r.Balance.Accepted, r.Balance.Settled, r.Balance.Open, r.Dropped, r.SetBacks)},
		{"outcomes", fmt.Sprint(r.Balance.ByOutcome)},
		{"windows (bursts)", fmt.Sprint(f.Windows)},
		{"reads per window", fmt.Sprintf("%.3f (%d good, %d failed)", float64(f.GoodReads)/float64(max(1, f.Windows)), f.GoodReads, f.FailedReads)},
		{"requests per window", fmt.Sprintf("%.3f (%d)", float64(f.ContractRequests)/float64(max(1, f.Windows)), f.ContractRequests)},
		{"superfluous reads", fmt.Sprintf("%d %s", superfluous, causes(f.Superfluous))},
		{"lateness p50/p99/max", fmt.Sprintf("%s / %s / %s", quantile(f.Lateness, 0.5), quantile(f.Lateness, 0.99), quantile(f.Lateness, 1))},
	}...)
}

func endStates(unsettled error) string {
	if unsettled != nil {
		return "NOT EQUAL, or not settled"
	}
	return "equal"
}

func causes(superfluous map[Kind]int) string {
	var texts []string
	for _, kind := range slices.Sorted(maps.Keys(superfluous)) {
		texts = append(texts, fmt.Sprintf("%s: %d", kind, superfluous[kind]))
	}
	if len(texts) == 0 {
		return ""
	}
	return "(after " + strings.Join(texts, ", ") + ")"
}

func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))].Round(time.Millisecond)
}
