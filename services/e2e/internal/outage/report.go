package outage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"text/tabwriter"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

// Requests are what one system was asked about contracts.
type Requests struct {
	// Answered and Refused count the requests while the other system, or this one, was away.
	Answered, Refused int
	// After are the answered requests since then by contract.
	After map[string]int
}

// most is the largest number for one contract.
func (r *Requests) most() (n int) {
	for _, count := range r.After {
		n = max(n, count)
	}
	return n
}

// total is the sum over all contracts.
func (r *Requests) total() (n int) {
	for _, count := range r.After {
		n += count
	}
	return n
}

// Report is what a run has counted.
type Report struct {
	Options *Options
	// Changes is how many changes were accepted during the outage.
	Changes int
	// ERP are the reads, Enneo the writes.
	ERP, Enneo Requests
	// Settled is the time from the end of the outage until nothing was open.
	Settled time.Duration
	Balance ledger.Balance
	// Wrong is what the comparison of the end states, or the order of the writes, has found.
	Wrong error
}

// count reads the simulator's journal.
func (r *Report) count(ctx context.Context, sim *simclient.Client, back time.Time) error {
	for system, requests := range map[string]*Requests{simclient.Powercloud: &r.ERP, simclient.Enneo: &r.Enneo} {
		requests.After = map[string]int{}
		err := sim.EachEntry(ctx, simclient.JournalQuery{System: system, Kind: key.Contract}, func(e simclient.Entry) error {
			answered := e.Status >= http.StatusOK && e.Status < http.StatusMultipleChoices
			switch {
			case !answered:
				requests.Refused++
			case time.Unix(0, e.StartNS).Before(back):
				requests.Answered++
			default:
				requests.After[e.ID]++
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("read the journal: %w", err)
		}
	}
	summary, err := sim.Summary(ctx)
	if err == nil && summary.Dropped > 0 {
		err = fmt.Errorf("the journal was full and has lost %d requests", summary.Dropped)
	}
	return err
}

// Check returns what is wrong with the run, or nil.
func (r *Report) Check() error {
	wrong := []error{r.Wrong}
	if r.Balance.Open != 0 || r.Balance.Accepted != r.Balance.Settled {
		wrong = append(wrong, fmt.Errorf("accepted %d = settled %d + open %d", r.Balance.Accepted, r.Balance.Settled, r.Balance.Open))
	}
	if n := r.Balance.ByOutcome["dead_letter"]; n != 0 {
		wrong = append(wrong, fmt.Errorf("%d events ended as dead letters, want none", n))
	}
	gone, name := &r.ERP, "the ERP"
	if r.Options.System == simclient.Enneo {
		gone, name = &r.Enneo, "Enneo"
	}
	if gone.Answered != 0 {
		wrong = append(wrong, fmt.Errorf("%s has answered %d requests while it was away", name, gone.Answered))
	}
	if gone.Refused == 0 {
		wrong = append(wrong, fmt.Errorf("%s was never asked while it was away: nobody would notice that it is back", name))
	}
	for other, requests := range map[string]*Requests{"the ERP": &r.ERP, "Enneo": &r.Enneo} {
		if n := requests.most(); n > 1 {
			wrong = append(wrong, fmt.Errorf("%s was asked %d times about one contract after the outage, want once", other, n))
		}
	}
	if n := len(gone.After); n != r.Options.Contracts {
		wrong = append(wrong, fmt.Errorf("%s was asked about %d contracts after the outage, want all %d", name, n, r.Options.Contracts))
	}
	return errors.Join(wrong...)
}

// Print writes the report as lines of a table, with its header.
func (r *Report) Print(out io.Writer) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(name string, erp, enneo any) { _, _ = fmt.Fprintf(t, "%s\t%v\t%v\n", name, erp, enneo) } // Flush tells of errors.
	line(fmt.Sprintf("%s away for %s, %d contracts, %d changes", r.Options.System, r.Options.Duration, r.Options.Contracts, r.Changes), "ERP reads", "Enneo requests")
	line("refused meanwhile (probes)", r.ERP.Refused, r.Enneo.Refused)
	line("answered meanwhile", r.ERP.Answered, r.Enneo.Answered)
	line("after it is back", r.ERP.total(), r.Enneo.total())
	line("  contracts", len(r.ERP.After), len(r.Enneo.After))
	line("  most for one contract", r.ERP.most(), r.Enneo.most())
	_, _ = fmt.Fprintf(t, "all settled %s after it was back; accepted %d = settled %d + open %d; dead letters: %d\n",
		r.Settled.Round(100*time.Millisecond), r.Balance.Accepted, r.Balance.Settled, r.Balance.Open, r.Balance.ByOutcome["dead_letter"])
	if err := t.Flush(); err != nil {
		return fmt.Errorf("print the report: %w", err)
	}
	return nil
}
