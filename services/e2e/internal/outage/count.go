package outage

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

// Outage is what was seen of the outage of one system.
type Outage struct {
	// System is simclient.Powercloud or simclient.Enneo.
	System string
	// Began is when load began, Died and Recovered when the system went and came back.
	Began, Died, Recovered time.Time
	// AcceptedBefore and AcceptedDuring are the webhooks that were answered 202; the latter reach to the end of the load.
	AcceptedBefore, AcceptedDuring uint64
	// Repeated is how many webhooks were answered 503 and repeated; each of them may be in the log as well.
	Repeated uint64
	// Sent is how many webhooks were accepted in the whole run until then.
	Sent uint64
	// Reads are the requests to the ERP, Requests those to Enneo.
	Reads, Requests Requests
	// Balance is the audit of the whole log at the end.
	Balance ledger.Balance
}

// Of is what the dead system was asked.
func (o *Outage) Of() *Requests {
	if o.System == simclient.Enneo {
		return &o.Requests
	}
	return &o.Reads
}

// SettledAfter is the time from recovery to the end of the request to Enneo that made the share of the contracts complete; 1 stands
// for all of them.
func (o *Outage) SettledAfter(share float64) time.Duration {
	ended := o.Requests.ended
	if len(ended) == 0 {
		return 0
	}
	slices.SortFunc(ended, time.Time.Compare)
	return ended[max(0, int(share*float64(len(ended)))-1)].Sub(o.Recovered)
}

// Requests are the requests to one system, by when they began.
type Requests struct {
	Before, During, After Count
	// FirstGood is when the first good one after recovery began.
	FirstGood time.Time
	// LongestPause is the longest time in which a dead system was not asked; zero if it was asked once at most.
	LongestPause time.Duration
	probed       time.Time
	ended        []time.Time // the good ones after recovery
}

// Count are the requests of one phase.
type Count struct {
	// Good were answered with success, Failed were not. Both count contracts only; Others is all that was no contract's.
	Good, Failed, Others int
	// Contracts is how many contracts were asked for with success, Least and Most how often one of them was.
	Contracts, Least, Most int
	perID                  map[string]int
}

// count sorts the requests to a system into the phases of an outage.
func (r *runner) count(ctx context.Context, system string, p *Outage) (Requests, error) {
	var requests Requests
	err := r.world.Sim.EachEntry(ctx, simclient.JournalQuery{System: system}, func(e simclient.Entry) error {
		if began := time.Unix(0, e.StartNS); !began.Before(p.Began) {
			requests.add(&e, p)
		}
		return nil
	})
	requests.Before.close()
	requests.During.close()
	requests.After.close()
	return requests, err
}

func (r *Requests) add(e *simclient.Entry, p *Outage) {
	began, ended := time.Unix(0, e.StartNS), time.Unix(0, e.EndNS)
	count := &r.After
	switch {
	case began.Before(p.Died):
		count = &r.Before
	case began.Before(p.Recovered):
		count = &r.During
	}
	good := e.Status >= http.StatusOK && e.Status < http.StatusMultipleChoices
	if count == &r.During && !good {
		if !r.probed.IsZero() {
			r.LongestPause = max(r.LongestPause, began.Sub(r.probed))
		}
		r.probed = began
	}
	if count == &r.After && good {
		r.ended = append(r.ended, ended)
		if r.FirstGood.IsZero() || began.Before(r.FirstGood) {
			r.FirstGood = began
		}
	}
	switch {
	case e.Kind != key.Contract:
		count.Others++
	case !good:
		count.Failed++
	default:
		count.Good++
		if count.perID == nil {
			count.perID = map[string]int{}
		}
		count.perID[e.ID]++
	}
}

// close makes the figures per contract.
func (c *Count) close() {
	c.Contracts = len(c.perID)
	for _, n := range c.perID {
		if c.Least == 0 || n < c.Least {
			c.Least = n
		}
		c.Most = max(c.Most, n)
	}
}
