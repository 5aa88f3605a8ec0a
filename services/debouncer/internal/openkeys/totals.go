package openkeys

import (
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// Superseded is how an event is settled that is older than the newest settled one of its key. It follows the outcomes of a
// settlement.
const Superseded = bridgev1.Outcome_OUTCOME_DEAD_LETTER + 1

const (
	origins  = int(bridgev1.Origin_ORIGIN_CUSTOMER) + 1
	outcomes = int(Superseded) + 1
)

// OutcomeWord is the name of an outcome, Superseded included, for example "delivered".
func OutcomeWord(o bridgev1.Outcome) string {
	if o == Superseded {
		return "superseded"
	}
	return ledger.OutcomeWord(o)
}

// Counts adds up the events of one source.
type Counts struct {
	// Accepted is indexed by origin, Settled by outcome.
	Accepted [origins]uint64
	Settled  [outcomes]uint64
	// Fresh were settled within the freshness objective, Stale later than that or as a dead letter. What an operator
	// dropped is neither.
	Fresh, Stale uint64
	// Expired left the log before anything settled them.
	Expired uint64
}

func (c *Counts) add(d *Counts) {
	for i, n := range d.Accepted {
		c.Accepted[i] += n
	}
	for i, n := range d.Settled {
		c.Settled[i] += n
	}
	c.Fresh += d.Fresh
	c.Stale += d.Stale
	c.Expired += d.Expired
}

// Sums returns how many events were accepted, and how many of them are settled.
func (c *Counts) Sums() (accepted, settled uint64) {
	for _, n := range c.Accepted {
		accepted += n
	}
	for _, n := range c.Settled {
		settled += n
	}
	return accepted, settled
}

// totals are the counts of each source.
type totals map[string]*Counts

func (t totals) of(source string) *Counts {
	c := t[source]
	if c == nil {
		c = &Counts{}
		t[source] = c
	}
	return c
}

func (t totals) add(u totals) {
	for source, c := range u {
		t.of(source).add(c)
	}
}

// closed tells whether every event counted here has ended.
func (t totals) closed() bool {
	for _, c := range t {
		if accepted, settled := c.Sums(); accepted != settled+c.Expired {
			return false
		}
	}
	return true
}

func (t totals) proto() []*bridgev1.SourceTotals {
	var all []*bridgev1.SourceTotals
	for source, c := range t {
		s := &bridgev1.SourceTotals{
			Source: source, Accepted: map[string]uint64{}, Settled: map[string]uint64{},
			Fresh: c.Fresh, Stale: c.Stale, Expired: c.Expired,
		}
		for i, n := range c.Accepted {
			if n > 0 {
				s.Accepted[eventlog.OriginWord(bridgev1.Origin(i))] = n
			}
		}
		for i, n := range c.Settled {
			if n > 0 {
				s.Settled[OutcomeWord(bridgev1.Outcome(i))] = n
			}
		}
		all = append(all, s)
	}
	return all
}

// totalsOf is the inverse of proto. A word that only a newer version knows counts as unspecified, so that the sums hold.
func totalsOf(all []*bridgev1.SourceTotals) totals {
	t := totals{}
	for _, s := range all {
		c := t.of(s.GetSource())
		for i := range c.Accepted {
			c.Accepted[i] = s.GetAccepted()[eventlog.OriginWord(bridgev1.Origin(i))]
		}
		for i := range c.Settled {
			c.Settled[i] = s.GetSettled()[OutcomeWord(bridgev1.Outcome(i))]
		}
		c.Fresh, c.Stale, c.Expired = s.GetFresh(), s.GetStale(), s.GetExpired()
		accepted, settled := c.Sums()
		c.Accepted[0] += sum(s.GetAccepted()) - accepted
		c.Settled[0] += sum(s.GetSettled()) - settled
	}
	return t
}

func sum(numbers map[string]uint64) (n uint64) {
	for _, m := range numbers {
		n += m
	}
	return n
}
