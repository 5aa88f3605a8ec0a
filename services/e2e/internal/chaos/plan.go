package chaos

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

// Kind is what a blow does.
type Kind string

// The kinds of blows.
const (
	// Kill ends a replica with SIGKILL and starts it again.
	Kill Kind = "kill -9"
	// Pause stops a replica with SIGSTOP for longer than any lease, and lets it go on.
	Pause Kind = "SIGSTOP"
	// Replace starts another replica and ends this one with SIGTERM, as a deployment does.
	Replace Kind = "SIGTERM"
	// KillNATS ends nats-server with SIGKILL and starts it again on its store.
	KillNATS Kind = "NATS kill -9"
	// FlushRedis empties Redis while it runs.
	FlushRedis Kind = "Redis FLUSHALL"
	// KillRedis ends redis-server with SIGKILL and starts it again, empty.
	KillRedis Kind = "Redis kill -9"
	// DisturbERP and DisturbEnneo make the simulated system refuse, stumble or lie.
	DisturbERP   Kind = "ERP fault"
	DisturbEnneo Kind = "Enneo fault"
	// SetBack puts an older copy in the place of the event log's store.
	SetBack Kind = "log set back"
	// OldVersion replaces a part of the replicas by the old version for a while, then rolls them to the new one.
	OldVersion Kind = "old version"
)

// Blow is one step of the plan.
type Blow struct {
	// At is when, from the beginning of the load.
	At time.Duration
	// For is how long its victim is away, paused or disturbed.
	For  time.Duration
	Kind Kind
	// Service and Replica name the victim of Kill, Pause and Replace.
	Service string
	Replica int
	// Fault is what DisturbERP and DisturbEnneo do.
	Fault simclient.Fault
}

// member is a service and its replicas.
type member struct {
	service  string
	replicas int
}

// members are the services of a run.
func members() []member {
	return []member{{"ingestor", 2}, {"debouncer", 3}, {"enricher", 2}, {"publisher", 2}}
}

const (
	// gap is the mean time between two blows.
	gap = 2 * time.Second
	// calm is how long nothing happens at the beginning: no superfluous read is excused there.
	calm = 5 * time.Second
	// shortFaults is how many of the disturbances a shorter plan has.
	shortFaults = 3
	// longEnough is from which duration on a plan has everything.
	longEnough = 2 * time.Minute
)

// Shares of the duration at which the blows with a fixed place begin. The log is set back last: by then a killed server
// has left a copy of its store behind.
const (
	oldFrom, oldFor = 0.3, 0.25
	setBackAt       = 0.75
)

// Plan draws the blows of a run: all that fit into the duration, in order. The same arguments give the same plan.
func Plan(seed uint64, duration time.Duration) []Blow {
	d := &draw{rand.New(rand.NewPCG(seed, 2))} //nolint:gosec // not for secrets: the same seed shall give the same plan
	blows := d.deck(int((duration-calm)/gap), duration >= longEnough)
	step := max(0, duration-calm) / time.Duration(len(blows))
	for i := range blows {
		blows[i].At = calm + time.Duration(i)*step + d.between(0, step)
	}
	if duration >= longEnough {
		share := func(s float64) time.Duration { return time.Duration(s * float64(duration)) }
		blows = append(blows,
			Blow{At: share(oldFrom), For: share(oldFor), Kind: OldVersion},
			Blow{At: share(setBackAt), Kind: SetBack})
	}
	slices.SortStableFunc(blows, func(a, b Blow) int { return int(a.At - b.At) })
	return blows
}

type draw struct{ *rand.Rand }

func (d *draw) between(from, to time.Duration) time.Duration {
	return from + time.Duration(d.Int64N(int64(to-from)+1))
}

// deck is at least n blows: one of each sort first, shuffled, then any.
func (d *draw) deck(n int, everything bool) []Blow {
	var sorts []func() Blow
	add := func(sort func() Blow) { sorts = append(sorts, sort) }
	for _, m := range members() {
		add(func() Blow { return d.on(m, Kill, d.between(0, 2*time.Second)) })
		if everything || m.service == "debouncer" || m.service == "publisher" {
			add(func() Blow { return d.on(m, Pause, d.between(3*time.Second, 6*time.Second)) })
		}
		if everything {
			add(func() Blow { return d.on(m, Replace, 0) })
		}
	}
	add(func() Blow { return Blow{Kind: KillNATS, For: d.between(0, 2*time.Second)} })
	add(func() Blow { return Blow{Kind: FlushRedis} })
	add(func() Blow { return Blow{Kind: KillRedis, For: d.between(0, 2*time.Second)} })
	for _, system := range []Kind{DisturbERP, DisturbEnneo} {
		faults := disturbances()
		if everything {
			faults = append(faults, simclient.Fault{Action: simclient.Failure})
		} else {
			faults = faults[:shortFaults]
		}
		for _, f := range faults {
			add(func() Blow { return d.disturb(system, f) })
		}
	}
	var blows []Blow
	for _, i := range d.Perm(len(sorts)) {
		blows = append(blows, sorts[i]())
	}
	for len(blows) < n {
		blows = append(blows, sorts[d.IntN(len(sorts))]())
	}
	return blows
}

func (d *draw) on(m member, kind Kind, length time.Duration) Blow {
	return Blow{Kind: kind, For: length, Service: m.service, Replica: d.IntN(m.replicas)}
}

func (d *draw) disturb(kind Kind, f simclient.Fault) Blow {
	f.System = simclient.Powercloud
	if kind == DisturbEnneo {
		f.System = simclient.Enneo
	}
	f.Probability = []float64{0.2, 0.6, 0}[d.IntN(3)]
	if kind == DisturbEnneo && f.Action == simclient.Failure {
		// An Enneo that refuses a key while it takes others makes a dead letter, rightly; one that refuses all makes none.
		f.Probability = 0
	}
	return Blow{Kind: kind, For: d.between(time.Second, 5*time.Second), Fault: f}
}

const (
	// slow is longer than the services wait for an answer (requestTimeout), and so short that the request has ended before
	// anybody may take over its turn.
	slow = 1500 * time.Millisecond
	// sluggish is an answer that still comes in time. Much happens to a key meanwhile.
	sluggish = 600 * time.Millisecond
)

// disturbances are what a system does when it is disturbed.
func disturbances() []simclient.Fault {
	return []simclient.Fault{
		{Action: simclient.Status, Status: 429, RetryAfter: "1"},
		{Action: simclient.Delay, Delay: simclient.Duration(sluggish), Phase: simclient.After},
		{Action: simclient.Delay, Delay: simclient.Duration(slow)},
		{Action: simclient.Status, Status: 500},
		{Action: simclient.Status, Status: 503, Phase: simclient.After},
		{Action: simclient.Delay, Delay: simclient.Duration(slow), Phase: simclient.After},
		{Action: simclient.Truncate},
		{Action: simclient.HTML},
		{Action: simclient.Reset, Phase: simclient.After},
		{Action: simclient.Hang},
	}
}
