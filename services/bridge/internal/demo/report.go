package demo

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

// Report is what the demo has measured.
type Report struct {
	// Quiet and MaxWait are the periods of the windows.
	Quiet, MaxWait time.Duration
	// Single is the one contract, SingleCustomer its customer.
	Single, SingleCustomer Group
	// Burst are the contracts of the burst, BurstCustomers their customers.
	Burst, BurstCustomers Group
	// Sent is the number of webhooks that were posted, Accepted how many of them were answered 202 with one event each.
	Sent, Accepted int
	// WantStatus is the status that the one contract ended with in the ERP, GotStatus the one that Enneo has; 0 if Enneo has
	// none.
	WantStatus, GotStatus int
	// Stray is the number of requests to the ERP and to Enneo that concern none of the groups.
	Stray    int
	Balance  ledger.Balance
	Compared simclient.Comparison
	// Overlaps and Regressions are the simulated Enneo's own counts.
	Overlaps, Regressions int64
}

// Group is a set of contracts or customers and what happened to them.
type Group struct {
	Name string
	Keys int
	// Webhooks is the number of accepted webhooks, 0 for customers, which nobody tells of.
	Webhooks        int
	Reads, Requests Tally
	// Delays is the time from the last change in the ERP to the request at Enneo, one for each key that has both.
	Delays []time.Duration
	// Pause is the longest time that may have passed between two events of one key, and Spread between its first and its last.
	Pause, Spread time.Duration
}

// Tally counts requests of one kind over the keys of a group.
type Tally struct{ Sum, Min, Max int }

// once tells whether it was one for each key.
func (t Tally) once(keys int) bool { return keys > 0 && t == Tally{Sum: keys, Min: 1, Max: 1} }

// Check is a claim and whether it held.
type Check struct {
	OK   bool
	Text string
}

// OK tells whether all claims held.
func (r *Report) OK() bool {
	return !slices.ContainsFunc(r.Checks(), func(c Check) bool { return !c.OK })
}

// Checks are the claims, in the order in which they are told.
func (r *Report) Checks() []Check {
	b, c := &r.Balance, &r.Compared
	checks := []Check{
		{r.Accepted == r.Sent && r.Sent > 0, fmt.Sprintf("%s of %s webhooks accepted", count(r.Accepted), count(r.Sent))},
		r.together(),
		{
			r.Single.Reads.once(1) && r.Single.Requests.once(1),
			fmt.Sprintf("%s to one contract cost %s and %s", plural(r.Single.Webhooks, "status change"),
				plural(r.Single.Reads.Sum, "contract read"), plural(r.Single.Requests.Sum, "request to Enneo")),
		},
		{
			r.SingleCustomer.Reads.once(1) && r.SingleCustomer.Requests.once(1),
			fmt.Sprintf("its customer, new to Enneo, cost %s and %s under its own key",
				plural(r.SingleCustomer.Reads.Sum, "read"), plural(r.SingleCustomer.Requests.Sum, "request")),
		},
		{
			r.WantStatus == r.GotStatus && r.WantStatus != 0,
			fmt.Sprintf("Enneo has the contract's last status: %d in the ERP, %d in Enneo", r.WantStatus, r.GotStatus),
		},
		once(r.Burst, "contracts", fmt.Sprintf(" with %s", plural(r.Burst.Webhooks, "change"))),
		once(r.BurstCustomers, "customers", ""),
		{r.Stray == 0, stray(r.Stray)},
		{
			b.Open == 0 && b.Accepted == b.Settled && b.Accepted > 0 && b.ByOutcome["delivered"] == b.Settled,
			fmt.Sprintf("accepted = settled + open: %s = %s + %s%s", count(int(b.Accepted)), count(int(b.Settled)), count(int(b.Open)), outcomes(b)),
		},
		{
			c.Mismatched == 0 && c.Compared >= r.keys(),
			fmt.Sprintf("Enneo ends with what the ERP ends with: %s compared, %s", plural(c.Compared, "record"), differ(c.Mismatched)),
		},
		{
			r.Overlaps == 0 && r.Regressions == 0,
			fmt.Sprintf("never two requests for one key at once (%s), never an older state over a newer (%s)",
				plural(int(r.Overlaps), "overlap"), count(int(r.Regressions))),
		},
	}
	return checks
}

func (r *Report) keys() int {
	return r.Single.Keys + r.SingleCustomer.Keys + r.Burst.Keys + r.BurstCustomers.Keys
}

// together is the condition under which the other claims hold: if the changes of a contract come too slowly, they are
// several bursts, and cost several reads, as they should.
func (r *Report) together() Check {
	pause := max(r.Single.Pause, r.Burst.Pause)
	spread := max(r.Single.Spread, r.Burst.Spread)
	switch {
	case pause >= r.Quiet:
		return Check{false, fmt.Sprintf("this machine is too slow for this demo: two changes of a contract were up to %s apart, the quiet period is %s, "+
			"so some bursts may have cost more than one read, as they should; try fewer contracts or a longer quiet period", seconds(pause), r.Quiet)}
	case spread >= r.MaxWait:
		return Check{false, fmt.Sprintf("this machine is too slow for this demo: the changes of a contract took up to %s, the max wait is %s, "+
			"so some bursts may have cost more than one read, as they should; try fewer contracts", seconds(spread), r.MaxWait)}
	}
	return Check{true, fmt.Sprintf("each burst lay within one window: at most %s between two changes of a contract, quiet period %s", seconds(pause), r.Quiet)}
}

func once(g Group, kind, with string) Check {
	ok := g.Reads.once(g.Keys) && g.Requests.once(g.Keys)
	if ok {
		return Check{true, fmt.Sprintf("%s %s%s cost exactly 1 read and 1 request each", count(g.Keys), kind, with)}
	}
	return Check{false, fmt.Sprintf("%s %s%s cost %s reads (%s each) and %s requests (%s each)", count(g.Keys), kind, with,
		count(g.Reads.Sum), g.Reads.each(), count(g.Requests.Sum), g.Requests.each())}
}

func stray(n int) string {
	if n == 0 {
		return "nothing else was asked of the ERP or of Enneo"
	}
	return plural(n, "request") + " for something else"
}

func outcomes(b *ledger.Balance) string {
	var others []string
	for word, n := range b.ByOutcome {
		if word != "delivered" {
			others = append(others, fmt.Sprintf("%s: %s", strings.ReplaceAll(word, "_", " "), count(int(n))))
		}
	}
	slices.Sort(others)
	if len(others) == 0 {
		return ""
	}
	return " (" + strings.Join(others, ", ") + ")"
}

func differ(n int) string {
	if n == 1 {
		return "1 differs"
	}
	return count(n) + " differ"
}
