package chaos

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

// at is a moment of a made-up run, in milliseconds from its beginning.
func at(ms int) time.Time { return time.Unix(1_000_000, 0).Add(time.Duration(ms) * time.Millisecond) }

// event is accepted ten milliseconds after it was sent.
func event(sent int, revision int64) Event {
	return Event{Contract: "a", Revision: revision, Attempts: []Attempt{{Sent: at(sent), Answered: at(sent + 10)}}}
}

func read(start int, revision int64, faults ...simclient.Action) simclient.Entry {
	return simclient.Entry{
		System: simclient.Powercloud, Kind: key.Contract, ID: "a", Status: 200, Revision: revision, Faults: faults,
		StartNS: at(start).UnixNano(), EndNS: at(start + 10).UnixNano(),
	}
}

func written(when int, revision int64) simclient.Write {
	return simclient.Write{Kind: key.Contract, ID: "a", Revision: revision, AtNS: at(when).UnixNano()}
}

func request(start int, overlapped, regression bool) simclient.Entry {
	return simclient.Entry{
		System: simclient.Enneo, Kind: key.Contract, ID: "a", Status: 200, Overlapped: overlapped, Regression: regression,
		StartNS: at(start).UnixNano(), EndNS: at(start + 10).UnixNano(),
	}
}

func pause(service string, began, ended int) Struck {
	return Struck{Blow: Blow{Kind: Pause, Service: service}, Began: at(began), Ended: at(ended)}
}

func TestExamineFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	type want struct {
		Lost, Overlaps, Regressions, PausedOverlaps, PausedRegressions int
		Windows, GoodReads, FailedReads, Violations                    int
		Superfluous                                                    map[Kind]int
		Lateness                                                       []time.Duration
	}
	ms := time.Millisecond
	for name, c := range map[string]struct {
		evidence Evidence
		want     want
	}{
		"a burst with one read and one request": {
			Evidence{
				Events: []Event{event(0, 1), event(100, 2), event(200, 3)},
				Reads:  []simclient.Entry{read(700, 3)}, Writes: []simclient.Write{written(760, 3)},
				Requests: []simclient.Entry{request(750, false, false)},
			},
			want{Windows: 1, GoodReads: 1, Lateness: []time.Duration{750 * ms}},
		},
		"an event after the only read is lost": {
			Evidence{
				Events: []Event{event(0, 1), event(900, 2)},
				Reads:  []simclient.Entry{read(700, 2)}, Writes: []simclient.Write{written(760, 2)},
			},
			want{Lost: 1, Windows: 2, GoodReads: 1, Violations: 1, Lateness: []time.Duration{750 * ms}},
		},
		"an event whose read came only after it counted as settled is lost": {
			Evidence{
				Events: []Event{event(0, 1)}, Settled: []time.Time{at(500)},
				Reads: []simclient.Entry{read(700, 1)}, Writes: []simclient.Write{written(760, 1)},
			},
			want{Lost: 1, Windows: 1, GoodReads: 1, Violations: 1},
		},
		"a read that never reached Enneo is lost": {
			Evidence{
				Events: []Event{event(0, 2)},
				Reads:  []simclient.Entry{read(700, 2)}, Writes: []simclient.Write{written(10, 1)},
			},
			want{Lost: 1, Windows: 1, GoodReads: 1, Violations: 1},
		},
		"a read whose answer was cut off is none": {
			Evidence{
				Events: []Event{event(0, 1)},
				Reads:  []simclient.Entry{read(700, 1, simclient.Truncate)}, Writes: []simclient.Write{written(760, 1)},
			},
			want{Lost: 1, Windows: 1, FailedReads: 1, Violations: 1},
		},
		"a state older than the one told of": {
			Evidence{
				Events: []Event{event(0, 2)},
				Reads:  []simclient.Entry{read(700, 1)}, Writes: []simclient.Write{written(760, 1)},
			},
			want{Windows: 1, GoodReads: 1, Violations: 1, Lateness: []time.Duration{750 * ms}},
		},
		"unchanged counts by the earlier write": {
			Evidence{
				Events: []Event{event(0, 1), event(1000, 1)},
				Reads:  []simclient.Entry{read(700, 1), read(1700, 1)}, Writes: []simclient.Write{written(760, 1)},
			},
			want{Windows: 2, GoodReads: 2, Lateness: []time.Duration{700 * ms, 750 * ms}},
		},
		"a second read without a new event": {
			Evidence{
				Events: []Event{event(0, 1)},
				Reads:  []simclient.Entry{read(700, 1), read(900, 1)}, Writes: []simclient.Write{written(760, 1)},
			},
			want{Windows: 1, GoodReads: 2, Violations: 1, Superfluous: map[Kind]int{unexplained: 1}, Lateness: []time.Duration{750 * ms}},
		},
		"a second read after a blow": {
			Evidence{
				Events: []Event{event(0, 1)}, Struck: []Struck{{Blow: Blow{Kind: FlushRedis}, Began: at(800), Ended: at(800)}},
				Reads: []simclient.Entry{read(700, 1), read(900, 1)}, Writes: []simclient.Write{written(760, 1)},
			},
			want{Windows: 1, GoodReads: 2, Superfluous: map[Kind]int{FlushRedis: 1}, Lateness: []time.Duration{750 * ms}},
		},
		"two reads within one window": {
			Evidence{
				Events: []Event{event(0, 1), event(200, 2)},
				Reads:  []simclient.Entry{read(100, 1), read(700, 2)}, Writes: []simclient.Write{written(150, 1), written(760, 2)},
			},
			want{Windows: 1, GoodReads: 2, Superfluous: map[Kind]int{lateArming: 1}, Lateness: []time.Duration{140 * ms}},
		},
		"what was sent twice may have had two windows": {
			Evidence{
				Events: []Event{{Contract: "a", Revision: 1, Attempts: []Attempt{{at(0), at(3000)}, {at(3200), at(3210)}}}},
				Reads:  []simclient.Entry{read(700, 1), read(3700, 1)}, Writes: []simclient.Write{written(760, 1)},
			},
			want{Windows: 2, GoodReads: 2, Lateness: []time.Duration{500 * ms}},
		},
		"overlap and older over newer": {
			Evidence{Requests: []simclient.Entry{request(0, true, false), request(5, true, true)}},
			want{Overlaps: 2, Regressions: 1, Violations: 3},
		},
		"the same around a paused publisher": {
			Evidence{
				Requests: []simclient.Entry{request(5100, true, false), request(5105, true, true)},
				Struck:   []Struck{pause("publisher", 0, 5000)},
			},
			want{PausedOverlaps: 2, PausedRegressions: 1},
		},
		"the same around a short pause": {
			Evidence{Requests: []simclient.Entry{request(1100, true, false)}, Struck: []Struck{pause("publisher", 0, 1000)}},
			want{Overlaps: 1, Violations: 1},
		},
		"the same around a paused debouncer": {
			Evidence{Requests: []simclient.Entry{request(5100, true, false)}, Struck: []Struck{pause("debouncer", 0, 5000)}},
			want{Overlaps: 1, Violations: 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := c.evidence
			e.Quiet, e.MaxWait, e.Lease = 400*ms, 2*time.Second, 2*time.Second
			f := Examine(&e)
			if c.want.Superfluous == nil {
				c.want.Superfluous = map[Kind]int{}
			}
			got := want{
				f.Lost, f.Overlaps, f.Regressions, len(f.PausedOverlaps), len(f.PausedRegressions),
				f.Windows, f.GoodReads, f.FailedReads, len(f.Violations), f.Superfluous, f.Lateness,
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("findings differ (-want +got):\n%s", diff)
			}
		})
	}
}
