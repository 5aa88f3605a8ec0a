package enricher

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// known stores a customer's snapshot that lists the contracts.
func (w *world) known(k key.Key, contracts ...string) {
	w.t.Helper()
	entry, err := w.snapshots.Get(w.t.Context(), k.String())
	w.must(err)
	_, err = w.snapshots.Put(w.t.Context(), k.String(), &bridgev1.Snapshot{
		Covers: position.Position{Epoch: 1, Sequence: 1}.Proto(), Body: `{}`, ContractIds: contracts,
	}, entry.Revision)
	w.must(err)
}

// told fails unless exactly n events were appended for the customer, each caused by the contract.
func (w *world) told(who, by key.Key, n int) {
	w.t.Helper()
	events := w.customerEvents(who)
	if len(events) != n {
		w.t.Errorf("%d events for %s, want %d", len(events), who, n)
	}
	for _, e := range events {
		want := &bridgev1.Change{
			Key:      &bridgev1.Key{Source: who.Source, Kind: string(who.Kind), Id: who.ID},
			Origin:   bridgev1.Origin_ORIGIN_CUSTOMER,
			CausedBy: &bridgev1.Key{Source: by.Source, Kind: string(by.Kind), Id: by.ID},
		}
		if diff := cmp.Diff(want, e, protocmp.Transform(), protocmp.IgnoreFields(want, "received_at", "sender_event_id")); diff != "" {
			w.t.Errorf("event differs (-want +got):\n%s", diff)
		}
	}
}

// owner is the customer of a contract in the ERP.
func (w *world) owner(k key.Key) key.Key {
	w.t.Helper()
	found, err := w.sim.Contract(w.t.Context(), k.ID)
	w.must(err)
	return customer(found.CustomerID)
}

// move gives a contract to another customer, in the ERP.
func (w *world) move(k, to key.Key) {
	w.t.Helper()
	found, err := w.sim.Contract(w.t.Context(), k.ID)
	w.must(err)
	found.CustomerID = to.ID
	_, err = w.sim.PutContract(w.t.Context(), found)
	w.must(err)
}

func TestContractTellsTheCustomersThatItConcerns(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		// prepare gets the contract, its customer and another one.
		prepare         func(w *world, k, owner, other key.Key)
		toOwner, toElse int
	}{
		{
			name: "the customer is not known", toOwner: 1,
			prepare: func(*world, key.Key, key.Key, key.Key) {},
		},
		{
			name:    "the customer lists it",
			prepare: func(w *world, k, owner, _ key.Key) { w.known(owner, "VN-0", k.ID) },
		},
		{
			name: "the customer does not list it", toOwner: 1,
			prepare: func(w *world, _, owner, _ key.Key) { w.known(owner, "VN-0") },
		},
		{
			name: "it has moved to another customer", toOwner: 1, toElse: 1,
			prepare: func(w *world, k, owner, other key.Key) {
				w.known(owner, k.ID)
				w.known(other)
				w.readyFor(k, w.change(k))
				w.move(k, other)
			},
		},
		{
			name: "it has moved, and both are up to date",
			prepare: func(w *world, k, owner, other key.Key) {
				w.known(owner, k.ID)
				w.readyFor(k, w.change(k))
				w.known(owner)
				w.known(other, k.ID)
				w.move(k, other)
			},
		},
		{
			name: "it is gone", toOwner: 1,
			prepare: func(w *world, k, owner, _ key.Key) {
				w.known(owner, k.ID)
				w.readyFor(k, w.change(k))
				w.remove(k)
			},
		},
		{
			name: "it is gone, and the customer does not list it any more",
			prepare: func(w *world, k, owner, _ key.Key) {
				w.known(owner, k.ID)
				w.readyFor(k, w.change(k))
				w.known(owner)
				w.remove(k)
			},
		},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.replica(nil)
			k := contract(w.contracts[0])
			owner, other := w.owner(k), customer("C-other")
			tc.prepare(w, k, owner, other)
			p := w.change(k)
			w.readyFor(k, p)
			w.told(owner, k, tc.toOwner)
			w.told(other, k, tc.toElse)
		})
	}
}

// TestRepeatedReadTellsTheCustomerOnce: neither a repeated ticket nor a repeated read of the same event does it again.
func TestRepeatedReadTellsTheCustomerOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.replica(nil)
	k := contract(w.contracts[0])
	owner := w.owner(k)
	p := w.change(k)
	w.readyFor(k, p)
	w.flush(k, p)
	w.idle()
	w.told(owner, k, 1)

	// The snapshot is lost, so the contract is read again.
	w.purge(bus.KVStream(bus.BucketContracts))
	w.purge(bus.StreamReady)
	w.flush(k, p)
	w.readyFor(k, p)
	w.count(k, 2)
	w.told(owner, k, 1)
}

// TestCustomersContractsDoNotReadIt: it is read once, under its own key, however many of its contracts tell of it.
func TestCustomersContractsDoNotReadIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.replica(nil)
	owner := customer("C-1")
	var last key.Key
	for _, id := range w.contracts[:5] {
		last = contract(id)
		w.move(last, owner)
		w.readyFor(last, w.change(last))
	}
	w.count(owner, 0)
	// What the debouncer makes of these events: one ticket for the newest.
	p := w.last(owner).Position
	if p.IsZero() {
		t.Fatal("the customer was told of nothing")
	}
	w.flush(owner, p)
	w.readyFor(owner, p)
	w.count(owner, 1)
	if got := len(w.snapshot(owner).GetContractIds()); got != 5 {
		t.Errorf("the customer lists %d contracts, want 5", got)
	}
	// Now it is up to date, so a further change of a contract does not tell it.
	before := w.messages(bus.StreamEvents, bus.EventSubject(owner))
	w.readyFor(last, w.change(last))
	if after := w.messages(bus.StreamEvents, bus.EventSubject(owner)); after != before {
		t.Errorf("%d events of the customer, want the %d of before", after, before)
	}
}

func TestERPWithoutCustomersIsNotAskedForThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.replica(func(e *enricher) { e.reader = contractsOnly{e.reader} })
	k := contract(w.contracts[0])
	w.readyFor(k, w.change(k))
	if n := w.messages(bus.StreamEvents, ""); n != 1 {
		t.Errorf("%d events, want only the contract's own", n)
	}
}

// contractsOnly is an ERP without a read for customers.
type contractsOnly struct{ Reader }

func (contractsOnly) Supports(kind key.Kind) bool { return kind == key.Contract }

// TestCustomersAreToldBeforeTheReadCounts: the snapshot, with which the read would count as done, is
// stored after it.
func TestCustomersAreToldBeforeTheReadCounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := contract(w.contracts[0])
	owner := w.owner(k)
	p := w.event(k)
	w.replica(nil)
	w.limit(1)
	w.flush(k, p)
	w.awaitReads(k, 2)
	if s := w.snapshot(k); s.GetCovers() != nil {
		t.Error("the read counts as done before its customer was told")
	}
	w.limit(-1)
	w.readyFor(k, p)
	w.told(owner, k, 1)
}

// limit bounds the number of events that the log takes; -1 for no bound.
func (w *world) limit(events int64) {
	w.t.Helper()
	s, err := w.bus.JetStream().Stream(w.t.Context(), bus.StreamEvents)
	w.must(err)
	cfg := s.CachedInfo().Config
	cfg.MaxMsgs = events
	_, err = w.bus.JetStream().UpdateStream(w.t.Context(), cfg)
	w.must(err)
}

// TestCustomerEventLeadsToItsOwnSnapshot: what a contract says of its customer is a hint like any other.
func TestCustomerEventLeadsToItsOwnSnapshot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.replica(nil)
	k := contract(w.contracts[0])
	owner := w.owner(k)
	patch, err := json.Marshal(map[string]string{"email": "neu@example.com"})
	w.must(err)
	revisions, err := w.sim.Change(t.Context(), simclient.Change{Customers: []string{owner.ID}, Patch: patch})
	w.must(err)
	w.readyFor(k, w.change(k))
	p := w.last(owner).Position
	w.flush(owner, p)
	bustest.Eventually(t, "the customer is read", func() bool { return w.ready(owner) != nil })
	w.holds(owner, p, w.revision(owner, revisions))
}
