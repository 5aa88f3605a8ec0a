package enricher

import (
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
	"github.com/enneo-ai/enneo-bridge/services/enricher/internal/turn"
)

func TestBurstCostsOneRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := contract(w.contracts[0])
	revision := w.revise(k)
	var p position.Position
	for range 20 {
		p = w.event(k)
	}
	w.flush(k, p)
	w.replica(nil)
	w.readyFor(k, p)
	w.idle()
	w.count(k, 1)
	w.holds(k, p, revision)
	s := w.snapshot(k)
	if !s.GetCoversLogTime().AsTime().Equal(w.last(k).At) {
		t.Errorf("log time %v, want that of the newest event, %v", s.GetCoversLogTime().AsTime(), w.last(k).At)
	}
	if s.GetCustomerId() == "" {
		t.Error("the snapshot does not name its customer")
	}
	if got := w.ready(k); got.Collapsed != 3 {
		t.Errorf("the ticket tells of %d collapsed events, want the 3 that the debouncer told of", got.Collapsed)
	}
}

func TestReadCoversTheNewestEventNotOnlyThatOfTheTicket(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := contract(w.contracts[0])
	old := w.event(k)
	newest := w.event(k)
	w.flush(k, old)
	w.replica(nil)
	w.readyFor(k, newest)
	w.flush(k, newest)
	w.idle()
	w.count(k, 1)
}

// TestCoveredKeyIsNotReadAgain: with its snapshot stored the key is passed on, since the publisher's ticket may be lost;
// once it is settled, nothing happens at all.
func TestCoveredKeyIsNotReadAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.replica(nil)
	k := contract(w.contracts[0])
	p := w.change(k)
	w.readyFor(k, p)
	w.idle()

	w.purge(bus.StreamReady)
	w.flush(k, p)
	w.readyFor(k, p)
	w.idle()
	w.count(k, 1)

	w.settle(k, p, w.last(k).At)
	w.purge(bus.StreamReady)
	w.flush(k, p)
	w.idle()
	if w.ready(k) != nil {
		t.Error("a settled key was passed on")
	}
	w.count(k, 1)

	// A delivery is owed, so the publisher needs its ticket, and still no read.
	_, err := w.ledger.Change(t.Context(), k.String(), func(s *bridgev1.Settlement) error {
		s.Redeliver = true
		return nil
	})
	w.must(err)
	w.flush(k, p)
	w.readyFor(k, p)
	w.count(k, 1)
}

// TestEventDuringAReadCausesAnother: what arrives after a read has begun is not covered by it.
func TestEventDuringAReadCausesAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.replica(nil)
	w.replica(nil)
	k := contract(w.contracts[0])
	hold := w.fault(simclient.Fault{Action: simclient.Hold, Phase: simclient.After, EntityID: k.ID})
	before := w.revise(k)
	first := w.change(k)
	w.awaitHeld(hold, 1)
	after := w.revise(k)
	second := w.change(k)
	w.release(hold, 1)
	w.readyFor(k, first)
	w.holds(k, first, before)
	w.awaitHeld(hold, 1)
	w.release(hold, 0)
	w.readyFor(k, second)
	w.idle()
	w.holds(k, second, after)
	w.count(k, 2)
}

// TestBurstDuringASlowReadCostsOneMore: each of its flushes replaces the ticket, which is delivered at once, to any replica.
func TestBurstDuringASlowReadCostsOneMore(t *testing.T) {
	t.Parallel()
	for replicas := 1; replicas <= 3; replicas++ {
		t.Run(strconv.Itoa(replicas)+" replicas", func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			for range replicas {
				w.replica(nil)
			}
			k := contract(w.contracts[0])
			hold := w.fault(simclient.Fault{Action: simclient.Hold, Phase: simclient.After, EntityID: k.ID})
			w.change(k)
			w.awaitHeld(hold, 1)
			var newest int64
			var last position.Position
			for range 20 {
				newest = w.revise(k)
				last = w.change(k)
			}
			w.release(hold, 1)
			w.awaitHeld(hold, 1)
			w.release(hold, 0)
			w.readyFor(k, last)
			w.idle()
			w.holds(k, last, newest)
			w.count(k, 2)
		})
	}
}

// TestKeyThatIsBeingReadHoldsNoWorker: its tickets wait, those of other keys do not.
func TestKeyThatIsBeingReadHoldsNoWorker(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.replica(nil)
	k := contract(w.contracts[0])
	hold := w.fault(simclient.Fault{Action: simclient.Hold, EntityID: k.ID})
	w.change(k)
	w.awaitHeld(hold, 1)
	for range testWorkers {
		w.change(k)
	}
	other := contract(w.contracts[1])
	w.readyFor(other, w.change(other))
	w.count(k, 0) // The journal gets a request when it ends.
	w.release(hold, 0)
	w.readyFor(k, w.last(k).Position)
}

// TestDeadReaderDelaysItsKeyByALeaseAtMost: it said that it reads, and nothing after that.
func TestDeadReaderDelaysItsKeyByALeaseAtMost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := contract(w.contracts[0])
	e := w.replica(nil)
	bustest.Eventually(t, "the announcement is heard", func() bool {
		w.must(w.bus.Say("enneobridge.reading."+k.String(), []byte("dead 2000")))
		mine, busy := e.turns.Take(k)
		if busy == nil {
			mine.End()
		}
		return busy != nil && busy.Elsewhere
	})
	began := time.Now()
	w.readyFor(k, w.change(k))
	if took := time.Since(began); took < time.Second {
		t.Errorf("it was read after %s, although another replica had said that it reads it", took)
	}
	w.count(k, 1)
}

// deaf is the connection of a replica that hears nobody, and whom nobody hears.
type deaf struct{}

func (deaf) Say(string, []byte) error { return nil }

func (deaf) Hear(string, func(string, []byte)) (func(), error) { return func() {}, nil }

// unheard makes an enricher one of which the others know nothing.
func unheard(e *enricher) { e.turns, _ = turn.New(deaf{}, testSource, turn.MaxLease) }

// TestSlowReadDoesNotOverwriteANewerOne: the first read began earlier and ends later.
func TestSlowReadDoesNotOverwriteANewerOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.replica(unheard)
	w.replica(unheard)
	k := contract(w.contracts[0])
	hold := w.fault(simclient.Fault{Action: simclient.Hold, Phase: simclient.After, EntityID: k.ID, Count: 1})
	w.revise(k)
	w.change(k)
	w.awaitHeld(hold, 1)
	newest := w.revise(k)
	p := w.change(k)
	w.readyFor(k, p)
	w.holds(k, p, newest)
	w.release(hold, 0)
	w.awaitReads(k, 2)
	w.idle()
	w.holds(k, p, newest)
	w.readyFor(k, p)
	w.count(k, 2)
}

func TestOfTwoReadsTheOneThatCoversMoreWinsThenTheLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.enricher(nil)
	at := time.Now()
	snapshot := func(epoch, sequence uint64, started time.Duration, body string) *bridgev1.Snapshot {
		return &bridgev1.Snapshot{
			Covers: position.Position{Epoch: epoch, Sequence: sequence}.Proto(), ReadStartedAt: timestamppb.New(at.Add(started)), Body: body,
		}
	}
	tests := []struct {
		name         string
		stored, next *bridgev1.Snapshot
		want         string
	}{
		{"nothing is stored", nil, snapshot(1, 1, 0, "next"), "next"},
		{"it covers more", snapshot(1, 1, time.Hour, "stored"), snapshot(1, 2, 0, "next"), "next"},
		{"it covers less", snapshot(1, 2, 0, "stored"), snapshot(1, 1, time.Hour, "next"), "stored"},
		{"an older log", snapshot(2, 1, 0, "stored"), snapshot(1, 9, time.Hour, "next"), "stored"},
		{"a newer log", snapshot(1, 9, time.Hour, "stored"), snapshot(2, 1, 0, "next"), "next"},
		{"equal, and it began later", snapshot(1, 1, 0, "stored"), snapshot(1, 1, time.Second, "next"), "next"},
		{"equal, and it began earlier", snapshot(1, 1, time.Second, "stored"), snapshot(1, 1, 0, "next"), "stored"},
		{"only a first look that found nothing is stored", &bridgev1.Snapshot{GoneSince: timestamppb.New(at)}, snapshot(1, 1, 0, "next"), "next"},
	}
	for _, tc := range tests {
		k := contract(tc.name)
		if tc.stored != nil {
			_, err := w.snapshots.Put(t.Context(), k.String(), tc.stored, 0)
			w.must(err)
		}
		covers, err := e.shelf().Store(t.Context(), k, tc.next)
		w.must(err)
		got := w.snapshot(k)
		if got.GetBody() != tc.want || got.GetGoneSince() != nil {
			t.Errorf("%s: stored %v, want %s", tc.name, got, tc.want)
		}
		if covers != position.FromProto(got.GetCovers()) {
			t.Errorf("%s: says that %v is covered, stored is %v", tc.name, covers, got.GetCovers())
		}
	}
}

func TestTicketThatCannotBeReadWorksByItsSubject(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := contract(w.contracts[0])
	p := w.event(k)
	_, err := w.bus.Publish(t.Context(), &nats.Msg{Subject: bus.StageEnrich.Subject(k), Data: []byte("\xff")})
	w.must(err)
	_, err = w.bus.Publish(t.Context(), &nats.Msg{Subject: "contract.due." + testSource + ".contract.=zz"})
	w.must(err)
	w.replica(nil)
	w.readyFor(k, p)
	w.idle()
}

// TestTicketOutlivesItsEvents: the log keeps events for a week, and an outage may be longer.
func TestTicketOutlivesItsEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := contract(w.contracts[0])
	p := w.change(k)
	w.purge(bus.StreamEvents)
	w.replica(nil)
	w.readyFor(k, p)
	w.holds(k, p, 1)
}

func TestYoungEventWaitsForTheMinimumAge(t *testing.T) {
	t.Parallel()
	const minAge = 400 * time.Millisecond
	w := newWorld(t)
	w.replica(func(e *enricher) { e.minAge = minAge })
	k := contract(w.contracts[0])
	p := w.change(k)
	w.readyFor(k, p)
	w.count(k, 1)
	if age := time.Unix(0, w.reads(k)[0].StartNS).Sub(w.last(k).At); age < minAge {
		t.Errorf("the ERP was read %s after the event, want at least %s", age, minAge)
	}
}

func TestCustomersAreReadLikeContracts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.replica(nil)
	k := w.owner(contract(w.contracts[0]))
	p := w.change(k)
	w.readyFor(k, p)
	w.holds(k, p, 1)
	if s := w.snapshot(k); len(s.GetContractIds()) == 0 || s.GetCustomerId() != "" {
		t.Errorf("customer's contracts %v, own customer %q; want at least one, and none", s.GetContractIds(), s.GetCustomerId())
	}
	if n := w.messages(bus.StreamEvents, ""); n != 1 {
		t.Errorf("%d events in the log, want only the customer's own", n)
	}
}

// TestKeysOfOneERPDoNotWaitForAnother runs whole services, with two sources of which one is away.
func TestKeysOfOneERPDoNotWaitForAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fault(simclient.Fault{Action: simclient.Reset})
	w.service(map[string]string{
		"SOURCES": testSource + ",north", "SOURCE_NORTH_PROFILE": "lynqtech", "SOURCE_NORTH_HOST": w.sim.URL(simclient.LynqTech),
		"SOURCE_NORTH_API_KEY": lynqTechKey(), "SOURCE_NORTH_RATE": "1000",
	})
	for _, id := range w.contracts[:10] {
		w.change(contract(id))
	}
	w.awaitReads(contract(w.contracts[0]), 1)
	for _, id := range w.contracts[:10] {
		k := key.Key{Source: "north", Kind: key.Contract, ID: id}
		p := w.change(k)
		w.readyFor(k, p)
	}
	if n := w.messages(bus.StreamDue, bus.StageEnrich.Filter(testSource)); n != 10 {
		t.Errorf("%d tickets of the dead source are left, want 10", n)
	}
	w.must(w.sim.ClearFaults(t.Context(), simclient.Generic))
	bustest.Eventually(t, "the source that came back is read", func() bool { return w.messages(bus.StreamDue, "") == 0 })
}
