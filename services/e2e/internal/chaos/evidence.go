package chaos

import (
	"slices"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

// Evidence is what a run has left behind.
type Evidence struct {
	// Events are all that were accepted.
	Events []Event
	// Reads are all requests for contracts to the ERP, Requests all writing requests to Enneo, Writes what Enneo has made of
	// them for contracts.
	Reads, Requests []simclient.Entry
	Writes          []simclient.Write
	// Struck are all blows, in the order in which they began.
	Struck []Struck
	// Settled are the times at which everything accepted before counted as settled, besides the end of the run.
	Settled []time.Time
	// Quiet and MaxWait are those of the windows. Lease is how long a publisher may hold a turn.
	Quiet, MaxWait, Lease time.Duration
}

// Violation is something that must not be.
type Violation struct {
	What, Key string
	At        time.Time
	Detail    string
	// After is the last blow that began before it.
	After string
}

// Findings are what the evidence shows.
type Findings struct {
	Violations []Violation
	// Lost, Overlaps and Regressions count violations.
	Lost, Overlaps, Regressions int
	// PausedOverlaps and PausedRegressions are around publishers that were paused for longer than their lease.
	PausedOverlaps, PausedRegressions []Violation
	// Windows is how many windows the events can have had; one read each is due at most.
	Windows int
	// GoodReads have shown a contract, FailedReads have not.
	GoodReads, FailedReads int
	// ContractRequests are the requests to Enneo about contracts.
	ContractRequests int
	// Superfluous counts good reads that showed nothing new, or were beyond one per window, by the blow before them.
	Superfluous map[Kind]int
	// Lateness is, for the first event of each window, the time from its 202 to the moment when Enneo had it, sorted.
	Lateness []time.Duration
}

const (
	// unexplained is the cause of what no blow explains.
	unexplained Kind = "unexplained"
	// lateArming is the cause of a second read within one window that no blow explains: on a busy machine an event can come
	// to its window later than the quiet period after the event before it, although it was sent sooner.
	lateArming Kind = "late arming"
)

// aftermath is how long after its end a blow explains a superfluous read: what was in hand comes again after lease and ack
// wait, and what had failed, after its pause.
const aftermath = 20 * time.Second

// Examine checks the evidence.
func Examine(e *Evidence) *Findings {
	f := &Findings{Superfluous: map[Kind]int{}}
	reads, writes, events := map[string][]simclient.Entry{}, map[string][]simclient.Write{}, map[string][]Event{}
	for _, r := range e.Reads {
		if !good(&r) {
			f.FailedReads++
			continue
		}
		f.GoodReads++
		reads[r.ID] = append(reads[r.ID], r)
	}
	for _, w := range e.Writes {
		writes[w.ID] = append(writes[w.ID], w)
	}
	for _, ev := range e.Events {
		events[ev.Contract] = append(events[ev.Contract], ev)
	}
	for id, own := range events {
		slices.SortFunc(own, func(a, b Event) int { return a.Accepted().Sent.Compare(b.Accepted().Sent) })
		slices.SortFunc(reads[id], func(a, b simclient.Entry) int { return int(a.StartNS - b.StartNS) })
		slices.SortFunc(writes[id], func(a, b simclient.Write) int { return int(a.AtNS - b.AtNS) })
		windows := e.windows(own)
		f.Windows += len(windows)
		f.settle(e, own, windows, reads[id], writes[id])
		f.count(e, own, windows, reads[id])
	}
	f.order(e)
	slices.Sort(f.Lateness)
	slices.SortFunc(f.Violations, func(a, b Violation) int { return a.At.Compare(b.At) })
	return f
}

// good tells whether a read has shown the contract to whoever asked.
func good(e *simclient.Entry) bool {
	for _, action := range e.Faults {
		if action != simclient.Delay && action != simclient.Hold {
			return false
		}
	}
	return e.Status == 200 && !e.Abandoned && e.Revision > 0
}

// windows are the moments from which on each of the windows that the events of one contract can have had may have begun:
// whenever the time between two requests can have reached the quiet period, and when the max wait can be over.
func (e *Evidence) windows(own []Event) []time.Time {
	var attempts []Attempt
	for _, ev := range own {
		attempts = append(attempts, ev.Attempts...)
	}
	slices.SortFunc(attempts, func(a, b Attempt) int { return a.Sent.Compare(b.Sent) })
	var begins []time.Time
	var previous time.Time
	for _, a := range attempts {
		if len(begins) == 0 || a.Answered.Sub(previous) >= e.Quiet || a.Answered.Sub(begins[len(begins)-1]) >= e.MaxWait {
			begins = append(begins, a.Sent)
		}
		previous = a.Sent
	}
	return begins
}

// settle checks that every event was read and brought to Enneo.
func (f *Findings) settle(e *Evidence, own []Event, windows []time.Time, reads []simclient.Entry, writes []simclient.Write) {
	first := 0 // window whose first event has not been seen
	for i := range own {
		ev := &own[i]
		sent := ev.Accepted().Sent
		read := slices.IndexFunc(reads, func(r simclient.Entry) bool { return r.StartNS >= sent.UnixNano() })
		if read < 0 || e.tooLate(ev, nano(reads[read].StartNS)) {
			f.Lost++
			f.violate(e, "lost", ev.Contract, sent, "no read of the contract began after the event was sent, and it counted as settled")
			continue
		}
		if reads[read].Revision < ev.Revision {
			f.violate(e, "stale read", ev.Contract, nano(reads[read].StartNS), "the ERP showed an older state than the one that was told of")
		}
		write := slices.IndexFunc(writes, func(w simclient.Write) bool { return w.Revision >= reads[read].Revision })
		if write < 0 {
			f.Lost++
			f.violate(e, "lost", ev.Contract, sent, "the state that was read after the event never reached Enneo")
			continue
		}
		if first < len(windows) && !sent.Before(windows[first]) {
			for first < len(windows) && !sent.Before(windows[first]) {
				first++
			}
			there := nano(max(reads[read].EndNS, writes[write].AtNS))
			f.Lateness = append(f.Lateness, max(0, there.Sub(ev.Accepted().Answered)))
		}
	}
}

// tooLate tells whether the event counted as settled before the time.
func (e *Evidence) tooLate(ev *Event, read time.Time) bool {
	return slices.ContainsFunc(e.Settled, func(at time.Time) bool {
		return ev.Accepted().Answered.Before(at) && read.After(at)
	})
}

// count finds the superfluous reads and what explains them: those before which nothing new can have been in the log since
// the read before, and of the others those beyond one per window, the latest ones. When events come to their windows is not
// known, so only the first sort can be told for certain.
func (f *Findings) count(e *Evidence, own []Event, windows []time.Time, reads []simclient.Entry) {
	var due, superfluous []simclient.Entry
	var before int64
	for _, r := range reads {
		news := slices.ContainsFunc(own, func(ev Event) bool {
			return slices.ContainsFunc(ev.Attempts, func(a Attempt) bool {
				return a.Sent.UnixNano() <= r.StartNS && a.Answered.UnixNano() >= before
			})
		})
		if news {
			due = append(due, r)
		} else {
			superfluous = append(superfluous, r)
		}
		before = r.StartNS
	}
	for _, r := range superfluous {
		at := nano(r.StartNS)
		cause := e.cause(at)
		f.Superfluous[cause]++
		if cause == unexplained {
			f.violate(e, "superfluous read", r.ID, at, "nothing was told since the read before, and no blow explains it")
		}
	}
	for _, r := range due[min(len(due), len(windows)):] {
		cause := e.cause(nano(r.StartNS))
		if cause == unexplained {
			cause = lateArming
		}
		f.Superfluous[cause]++
	}
}

// cause is the kind of the last blow that can have caused something at that time.
func (e *Evidence) cause(at time.Time) Kind {
	for _, s := range slices.Backward(e.Struck) {
		if !s.Began.After(at) && at.Before(s.Ended.Add(aftermath)) {
			return s.Kind
		}
	}
	return unexplained
}

// order looks for requests to Enneo that overlapped or brought an older state over a newer one.
func (f *Findings) order(e *Evidence) {
	for _, r := range e.Requests {
		if r.Kind == "contract" {
			f.ContractRequests++
		}
		began, ended := nano(r.StartNS), nano(r.EndNS)
		key := string(r.Kind) + " " + r.ID
		if r.Overlapped {
			if e.paused(began, ended) {
				f.PausedOverlaps = append(f.PausedOverlaps, Violation{What: "overlap", Key: key, At: began, After: e.after(began)})
			} else {
				f.Overlaps++
				f.violate(e, "overlap", key, began, "another request for the key was under way")
			}
		}
		if r.Regression {
			if e.paused(began, ended) {
				f.PausedRegressions = append(f.PausedRegressions, Violation{What: "older over newer", Key: key, At: began, After: e.after(began)})
			} else {
				f.Regressions++
				f.violate(e, "older over newer", key, began, "Enneo had a newer state already")
			}
		}
	}
}

// paused tells whether a publisher was paused for longer than its lease at that time, or had just been.
func (e *Evidence) paused(began, ended time.Time) bool {
	return slices.ContainsFunc(e.Struck, func(s Struck) bool {
		return s.Kind == Pause && s.Service == "publisher" && s.Ended.Sub(s.Began) > e.Lease &&
			!ended.Before(s.Began) && began.Before(s.Ended.Add(2*e.Lease))
	})
}

func (f *Findings) violate(e *Evidence, what, key string, at time.Time, detail string) {
	f.Violations = append(f.Violations, Violation{What: what, Key: key, At: at, Detail: detail, After: e.after(at)})
}

// after names the last blow that began before a time.
func (e *Evidence) after(at time.Time) string {
	for _, s := range slices.Backward(e.Struck) {
		if !s.Began.After(at) {
			return s.Began.Format(clock) + " " + string(s.Kind) + " " + s.On()
		}
	}
	return "no blow"
}

func nano(ns int64) time.Time { return time.Unix(0, ns) }
