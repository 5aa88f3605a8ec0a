package reconciler

import (
	"encoding/json"
	"testing"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

func TestAListingThatMissesMuchStopsAndAsks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 50)
	w.well(Options{}, nil)
	w.settle()
	before := w.events()
	strict := map[string]string{"RECONCILE_GONE_SHARE": "0.1", "RECONCILE_GONE_MIN": "2"}

	w.remove(w.contracts[:6]...)
	got := w.run(Options{Full: true}, strict)
	if got.code() != exitTooManyGone || got.last.Gone != 0 {
		t.Errorf("6 of 50 are missing, 10 %% are allowed: exit code %d, %s", got.code(), got.last.Tally)
	}
	for _, id := range w.contracts[:6] {
		if n := w.messages(bus.StreamEvents, bus.EventSubject(contract(id))); n != 1 {
			t.Errorf("%d events of a contract that is missing, want that of the import alone", n)
		}
	}
	if w.events() != before {
		t.Error("customers were told gone before the operator was asked")
	}

	if got := w.well(Options{Full: true, AllowGone: true}, strict); got.Gone < 6 {
		t.Errorf("%s; the operator has allowed it", got)
	}
}

func TestAnEmptyListingIsNoReasonToDeleteEverything(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 30)
	w.well(Options{}, nil)
	w.settle()
	// An ERP that answers 200 with nothing: a wrong client, or a wrong pointer in the profile.
	empty := map[string]string{"SOURCE_ERP_PROFILE": w.profile("items: [/items/*]", "items: [/itmes/*]")}
	if got := w.run(Options{Full: true}, empty); got.code() != exitTooManyGone || got.last.Seen != 0 {
		t.Errorf("exit code %d, %s", got.code(), got.last.Tally)
	}
}

// TestAListOfChangesThatRemovesMuchStopsAndAsks: a flag that is wrong deletes as much as an entry that is missing.
func TestAListOfChangesThatRemovesMuchStopsAndAsks(t *testing.T) {
	t.Parallel()
	w := imported(t, 50)
	before, cursor := w.events(), w.cursor()
	strict := map[string]string{"RECONCILE_GONE_SHARE": "0.1", "RECONCILE_GONE_MIN": "2", "RECONCILE_OVERLAP": "0s"}
	w.remove(w.contracts[:6]...)

	got := w.run(Options{}, strict)
	if got.last.Mode != Changed || got.code() != exitTooManyGone {
		t.Errorf("6 of 50 are called removed, 10 %% are allowed: mode %s, exit code %d, %s", got.last.Mode, got.code(), got.last.Tally)
	}
	for _, id := range w.contracts[:6] {
		if n := w.messages(bus.StreamEvents, bus.EventSubject(contract(id))); n != 1 {
			t.Errorf("%d events of a contract that is called removed, want that of the import alone", n)
		}
	}
	if !w.cursor().Equal(cursor) {
		t.Error("the cursor has moved over what nobody has decided on")
	}
	dry := w.run(Options{DryRun: true}, strict)
	w.must(dry.err)
	if dry.last.Gone < 6 || len(dry.differences) < 6 {
		t.Errorf("a dry run shows %d differences, %s; want what the operator is asked about", len(dry.differences), dry.last.Tally)
	}
	if got := w.well(Options{AllowGone: true}, strict); got.Gone < 6 || w.events() < before+6 || !w.cursor().After(cursor) {
		t.Errorf("%s, %d events; the operator has allowed it", got, w.events()-before)
	}
}

// TestCustomersThatAllLoseTheirContractsStopAndAsk: they are listed, but count as gone by what is shown of them.
func TestCustomersThatAllLoseTheirContractsStopAndAsk(t *testing.T) {
	t.Parallel()
	w := imported(t, 40)
	before := w.events()
	_, err := w.sim.Change(t.Context(), simclient.Change{Customers: w.customers, Patch: json.RawMessage(`{"override":{"contractIds":[]}}`)})
	w.must(err)
	got := w.run(Options{Full: true}, map[string]string{"RECONCILE_GONE_MIN": "5"})
	if got.code() != exitTooManyGone || got.last.Gone != 0 || w.events() != before {
		t.Errorf("exit code %d, %s, %d events", got.code(), got.last.Tally, w.events()-before)
	}
}
