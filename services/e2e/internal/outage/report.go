package outage

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

// Report is what a run has found.
type Report struct {
	Options *Options
	// Logs is the folder with what every process has printed.
	Logs string
	// Outages are that of the ERP and that of Enneo.
	Outages []*Outage
	// Unsound says what is wrong in the end: requests at once, an older state over a newer, end states that differ.
	Unsound error
}

// deadLetters is the outcome of the balance that an outage must not have.
const deadLetters = "dead_letter"

// Wrong lists everything that must not be; a good run has none.
func (r *Report) Wrong() []string {
	var wrong []string
	for _, o := range r.Outages {
		for _, text := range o.wrong(r.Options) {
			wrong = append(wrong, o.System+": "+text)
		}
	}
	if r.Unsound != nil {
		wrong = append(wrong, r.Unsound.Error())
	}
	return wrong
}

func (o *Outage) wrong(options *Options) []string {
	var wrong []string
	check := func(holds bool, format string, args ...any) {
		if !holds {
			wrong = append(wrong, fmt.Sprintf(format, args...))
		}
	}
	once := func(what string, c *Count) {
		check(c.Contracts == options.Contracts && c.Least == 1 && c.Most == 1,
			"after recovery %s of %d contracts were counted, %d to %d for each; exactly one for each of %d is right", what, c.Contracts, c.Least, c.Most, options.Contracts)
	}
	if o.System == simclient.Powercloud {
		once("good reads", &o.Reads.After)
	} else {
		check(o.Reads.After.Good == 0, "%d reads after recovery, though all was read before", o.Reads.After.Good)
	}
	once("requests to Enneo", &o.Requests.After)
	check(o.Of().During.Good == 0, "%d requests were answered by a dead system", o.Of().During.Good)
	check(o.Of().After.Failed == 0, "%d requests failed after recovery", o.Of().After.Failed)
	check(o.Probes() > 0, "the dead system was never asked")
	check(o.Probes() <= mostProbes(o.Recovered.Sub(o.Died)), "%d probes, at most %d are right", o.Probes(), mostProbes(o.Recovered.Sub(o.Died)))
	check(o.Balance.ByOutcome[deadLetters] == 0, "%d events ended as dead letters", o.Balance.ByOutcome[deadLetters])
	check(o.Balance.Open == 0, "%d events are open", o.Balance.Open)
	check(o.Balance.Accepted == o.Balance.Settled+o.Balance.Open, "accepted %d is not settled %d + open %d", o.Balance.Accepted, o.Balance.Settled, o.Balance.Open)
	check(o.Balance.Accepted >= o.Sent, "the log holds %d events, but %d webhooks were accepted", o.Balance.Accepted, o.Sent)
	return wrong
}

// Probes is how often the dead system was asked.
func (o *Outage) Probes() int { return o.Of().During.Failed + o.Of().During.Others }

// mostProbes is the most that the gates of all replicas ask of a system that is dead for so long: before it shuts, each has at most
// all its connections in use (8 in the rig), twice if net/http repeats on a new connection; then pauses double from a quarter of a
// second up to 15 s, the shortest that jitter makes of 30 s.
func mostProbes(dead time.Duration) int {
	const workers, shortest, longest = 16, 250 * time.Millisecond, 15 * time.Second
	pauses := 0
	for pause := shortest; dead > 0; pause = min(2*pause, longest) {
		dead -= pause
		pauses++
	}
	return 2 * (workers + 2*pauses) // two replicas each of enricher and publisher
}

// Print writes the table in Markdown, and what is wrong.
func (r *Report) Print(out io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "\n**outage: %d contracts, each changes every %s; quiet period %s, max wait %s**\n\n", r.Options.Contracts, r.Options.Every, r.Options.Quiet, r.Options.MaxWait)
	header, rule := "| |", "| --- |"
	for _, o := range r.Outages {
		header += " " + map[string]string{simclient.Powercloud: "ERP", simclient.Enneo: "Enneo"}[o.System] + " dead |"
		rule += " ---: |"
	}
	fmt.Fprintf(&b, "%s\n%s\n", header, rule)
	for _, row := range rows() {
		fmt.Fprintf(&b, "| %s |", row.name)
		for _, o := range r.Outages {
			fmt.Fprintf(&b, " %s |", row.value(o))
		}
		fmt.Fprintln(&b)
	}
	fmt.Fprintln(&b)
	for _, text := range r.Wrong() {
		fmt.Fprintf(&b, "WRONG: %s\n", text)
	}
	if len(r.Wrong()) == 0 {
		fmt.Fprintln(&b, "nothing is wrong: end states are equal, no two requests for one key at once, never an older state over a newer")
	}
	fmt.Fprintf(&b, "logs of all processes: %s\n", r.Logs)
	if _, err := io.WriteString(out, b.String()); err != nil {
		return fmt.Errorf("print the report: %w", err)
	}
	return nil
}

// row is one line of the table.
type row struct {
	name  string
	value func(*Outage) string
}

func rows() []row {
	number := func(n func(*Outage) int) func(*Outage) string {
		return func(o *Outage) string { return grouped(n(o)) }
	}
	count := func(c func(*Outage) *Count) func(*Outage) string {
		return func(o *Outage) string { return c(o).String() }
	}
	return []row{
		{"dead for", func(o *Outage) string { return o.Recovered.Sub(o.Died).Round(time.Second).String() }},
		{"webhooks accepted before", number(func(o *Outage) int { return int(o.AcceptedBefore) })},
		{"webhooks accepted during", number(func(o *Outage) int { return int(o.AcceptedDuring) })},
		{"webhooks answered 503, and repeated", number(func(o *Outage) int { return int(o.Repeated) })},
		{"probes of the dead system, all replicas", number((*Outage).Probes)},
		{"longest pause between two of them", func(o *Outage) string { return o.Of().LongestPause.Round(time.Second).String() }},
		{"good ERP reads before (per contract)", count(func(o *Outage) *Count { return &o.Reads.Before })},
		{"good ERP reads during", count(func(o *Outage) *Count { return &o.Reads.During })},
		{"**good ERP reads after**", count(func(o *Outage) *Count { return &o.Reads.After })},
		{"good Enneo requests before", count(func(o *Outage) *Count { return &o.Requests.Before })},
		{"good Enneo requests during", count(func(o *Outage) *Count { return &o.Requests.During })},
		{"**good Enneo requests after**", count(func(o *Outage) *Count { return &o.Requests.After })},
		{"first good request after recovery", func(o *Outage) string {
			return o.Of().FirstGood.Sub(o.Recovered).Round(100 * time.Millisecond).String()
		}},
		{"99 % settled after recovery", func(o *Outage) string { return o.SettledAfter(0.99).Round(100 * time.Millisecond).String() }},
		{"all settled after recovery", func(o *Outage) string { return o.SettledAfter(1).Round(100 * time.Millisecond).String() }},
		{"dead letters", number(func(o *Outage) int { return int(o.Balance.ByOutcome[deadLetters]) })},
		{"log: accepted = settled + open", func(o *Outage) string {
			return fmt.Sprintf("%s = %s + %s", grouped(int(o.Balance.Accepted)), grouped(int(o.Balance.Settled)), grouped(int(o.Balance.Open)))
		}},
	}
}

// String is the number of good requests, and how many that is for each contract.
func (c *Count) String() string {
	switch {
	case c.Good == 0:
		return "0"
	case c.Least == c.Most:
		return fmt.Sprintf("%s (%d each)", grouped(c.Good), c.Most)
	default:
		return fmt.Sprintf("%s (%d to %d)", grouped(c.Good), c.Least, c.Most)
	}
}

// grouped writes 1234567 as 1,234,567.
func grouped(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
