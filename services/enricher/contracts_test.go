package enricher

import (
	"testing"
	"time"

	"go.opentelemetry.io/otel/propagation"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// alone appends an event whose sender named the customer and none of its contracts.
func (w *world) alone(k key.Key) position.Position {
	w.t.Helper()
	event, err := eventlog.NewEvent(w.t.Context(), propagation.TraceContext{}, eventlog.Change{
		Key: k, Origin: bridgev1.Origin_ORIGIN_WEBHOOK, ReceivedAt: time.Now(), WithContracts: true,
	})
	w.must(err)
	_, errs := w.log.Append(w.t.Context(), []eventlog.Event{event})
	w.must(errs[0])
	return w.last(k).Position
}

// read lets the enricher read a key, as the debouncer would.
func (w *world) read(k key.Key, p position.Position) {
	w.t.Helper()
	w.flush(k, p)
	w.readyFor(k, p)
}

// give makes the customer the owner of the first n contracts, in the ERP.
func (w *world) give(owner key.Key, n int) (contracts []key.Key) {
	w.t.Helper()
	for _, id := range w.contracts[:n] {
		contracts = append(contracts, contract(id))
		w.move(contract(id), owner)
	}
	return contracts
}

// eventsOf is how many events the log holds of each key.
func (w *world) eventsOf(keys []key.Key) map[int]int {
	w.t.Helper()
	counts := map[int]int{}
	for _, k := range keys {
		counts[w.messages(bus.StreamEvents, bus.EventSubject(k))]++
	}
	return counts
}

func (w *world) wantEvents(keys []key.Key, each int) {
	w.t.Helper()
	if got := w.eventsOf(keys); got[each] != len(keys) {
		w.t.Errorf("contracts by their number of events: %v, want all %d with %d", got, len(keys), each)
	}
}

// TestACustomerNamedAloneRefreshesItsContracts: all of them, with one read of the customer.
func TestACustomerNamedAloneRefreshesItsContracts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.replica(nil)
	owner := customer("C-1")
	contracts := w.give(owner, 40)
	// A burst: the window makes one ticket of it, and its newest event need not be the one that asks.
	w.alone(owner)
	p := w.event(owner)
	w.read(owner, p)
	w.count(owner, 1)
	w.wantEvents(contracts, 1)
	for _, e := range w.customerEvents(contracts[0]) {
		if e.GetCausedBy().GetId() != owner.ID || e.GetOrigin() != bridgev1.Origin_ORIGIN_CUSTOMER || e.GetWithContracts() {
			t.Errorf("event of a contract %v, want one that the customer causes and that asks for nothing more", e)
		}
	}
	// The contracts are read then, find themselves listed, and leave the customer alone.
	for _, k := range contracts[:3] {
		w.read(k, w.last(k).Position)
	}
	w.count(owner, 1)
	if n := w.messages(bus.StreamEvents, bus.EventSubject(owner)); n != 2 {
		t.Errorf("%d events of the customer, want the burst of 2", n)
	}
}

func TestACustomerThatIsToldOfByAContractLeavesTheOthersAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.replica(nil)
	owner := customer("C-1")
	contracts := w.give(owner, 3)
	w.read(contracts[0], w.event(contracts[0]))
	w.read(owner, w.last(owner).Position)
	w.wantEvents(contracts[1:], 0)
}

// TestARepeatedReadOfACustomerCausesNothingTwice, neither by the events' names nor after the log has forgotten them.
func TestARepeatedReadOfACustomerCausesNothingTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.replica(nil)
	owner := customer("C-1")
	contracts := w.give(owner, 3)
	p := w.alone(owner)
	w.read(owner, p)
	w.wantEvents(contracts, 1)
	// Its snapshot is lost, so it is read again.
	w.purge(bus.KVStream(bus.BucketContracts))
	w.purge(bus.StreamReady)
	w.read(owner, p)
	w.count(owner, 2)
	w.wantEvents(contracts, 1)
	// A further event that does not ask for them causes nothing either.
	w.read(owner, w.event(owner))
	w.wantEvents(contracts, 1)
	// One that does causes one more for each.
	w.read(owner, w.alone(owner))
	w.wantEvents(contracts, 2)
}

// TestAContractThatChangedAfterItsCustomerIsNotToldAgain: its own event leads to a read that is late enough.
func TestAContractThatChangedAfterItsCustomerIsNotToldAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	owner := customer("C-1")
	contracts := w.give(owner, 2)
	p := w.alone(owner)
	w.event(contracts[0])
	w.replica(nil)
	w.read(owner, p)
	w.wantEvents(contracts, 1)
}

// TestTheContractsOfACustomerThatLostThemAreReadAsWell: the ERP lists them no more, the snapshot of before does.
func TestTheContractsOfACustomerThatLostThemAreReadAsWell(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.replica(nil)
	owner := customer("C-1")
	contracts := w.give(owner, 2)
	w.known(owner, contracts[0].ID, contracts[1].ID, "VN-former")
	w.read(owner, w.alone(owner))
	w.wantEvents(append(contracts, contract("VN-former")), 1)
}

// TestContractsAreToldBeforeTheReadOfTheirCustomerCounts: dying in between repeats the read, and with it the events.
func TestContractsAreToldBeforeTheReadOfTheirCustomerCounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	owner := customer("C-1")
	contracts := w.give(owner, 2)
	p := w.alone(owner)
	w.replica(nil)
	w.limit(1)
	w.flush(owner, p)
	w.awaitReads(owner, 2)
	if s := w.snapshot(owner); s.GetCovers() != nil {
		t.Error("the read counts as done before its contracts were told")
	}
	w.limit(-1)
	w.readyFor(owner, p)
	w.wantEvents(contracts, 1)
}

// TestAVeryLongBurstOfACustomerCountsAsOneThatAsks: nobody looks through all of it.
func TestAVeryLongBurstOfACustomerCountsAsOneThatAsks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.replica(nil)
	owner := customer("C-1")
	contracts := w.give(owner, 2)
	for range maxLookedThrough {
		w.event(owner)
	}
	p := w.event(owner)
	w.read(owner, p)
	w.wantEvents(contracts, 1)
}
