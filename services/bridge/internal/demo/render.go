package demo

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/enneo-ai/enneo-bridge/services/bridge/internal/table"
	"github.com/enneo-ai/enneo-bridge/services/bridge/internal/terminal"
)

// Marks of the claims.
const (
	tick  = "✓"
	cross = "✗"
	none  = "–"
)

// Show writes the table and the claims.
func (r *Report) Show(s *terminal.Screen) {
	s.Printf("%s%s\n\n", r.table(), s.Dim(fmt.Sprintf("The time to Enneo includes the quiet period of %s.", r.Quiet)))
	for _, c := range r.Checks() {
		if c.OK {
			s.Printf("%s %s\n", s.Good(tick), c.Text)
		} else {
			s.Printf("%s %s\n", s.Bad(cross), s.Bad(c.Text))
		}
	}
}

func (r *Report) table() string {
	t := table.Table{Header: []string{
		"", "keys", "webhooks", "ERP\nreads", "per\nkey", "Enneo\nrequests", "per\nkey", "last change\nto Enneo, p50", "max",
	}}
	groups := []Group{r.Single, r.SingleCustomer, r.Burst, r.BurstCustomers}
	sum := Group{}
	for _, g := range groups {
		p50, longest := none, none
		if len(g.Delays) > 0 {
			p50, longest = seconds(median(g.Delays)), seconds(slices.Max(g.Delays))
		}
		webhooks := none
		if g.Webhooks > 0 {
			webhooks = count(g.Webhooks)
		}
		t.Row(g.Name, count(g.Keys), webhooks, count(g.Reads.Sum), g.Reads.each(), count(g.Requests.Sum), g.Requests.each(), p50, longest)
		sum.Keys += g.Keys
		sum.Webhooks += g.Webhooks
		sum.Reads.Sum += g.Reads.Sum
		sum.Requests.Sum += g.Requests.Sum
	}
	t.Rule()
	t.Row("sum", count(sum.Keys), count(sum.Webhooks), count(sum.Reads.Sum), "", count(sum.Requests.Sum))
	return t.String()
}

// each is the least and the most per key, or the one number that they are.
func (t Tally) each() string {
	if t.Min == t.Max {
		return count(t.Min)
	}
	return count(t.Min) + none + count(t.Max)
}

func median(delays []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(delays))
	return sorted[(len(sorted)-1)/2]
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// count writes a number with a comma between thousands.
func count(n int) string {
	digits := strconv.Itoa(n)
	var b strings.Builder
	for i, digit := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 && digits[i-1] != '-' {
			b.WriteByte(',')
		}
		b.WriteRune(digit)
	}
	return b.String()
}

// plural is a number with a noun; of nouns with words behind them, such as "request to Enneo", the first takes the s.
func plural(n int, noun string) string {
	if n != 1 {
		head, tail, more := strings.Cut(noun, " to ")
		noun = head + "s"
		if more {
			noun += " to " + tail
		}
	}
	return count(n) + " " + noun
}
