package reconciler

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

func TestTheFirstRunImportsEverythingByPagesAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 120)
	all := len(w.contracts) + len(w.customers)
	got := w.well(Options{}, nil)
	if got.New != all || got.Seen != all || got.Changed+got.Unchanged+got.Gone+got.Failed+got.Live != 0 {
		t.Errorf("%s; want %d new", got, all)
	}
	if pages, single := w.requests(); single != 0 || pages != got.Pages || pages > all/25+2 {
		t.Errorf("%d pages and %d single reads for %d keys in pages of 25", pages, single, all)
	}
	if events, ready := w.events(), w.ready(); events != all || ready != all {
		t.Errorf("%d events and %d tickets, want one of each for %d keys", events, ready, all)
	}
	for _, k := range []key.Key{contract(w.contracts[0]), contract(w.contracts[119]), customer(w.customers[0])} {
		last, _, err := w.log.Last(t.Context(), k)
		w.must(err)
		s := w.snapshot(k).Value
		if position.FromProto(s.GetCovers()) != last.Position || !s.GetCoversLogTime().AsTime().Equal(last.At) || s.GetBody() == "" {
			t.Errorf("the snapshot of %s covers %v, want its event %v", k, s.GetCovers(), last.Position)
		}
	}

	w.settle()
	if got := w.well(Options{Full: true}, nil); got.Unchanged != all || got.Seen != all {
		t.Errorf("repeated: %s; want %d unchanged", got, all)
	}
	if events := w.events(); events != all {
		t.Errorf("a comparison without a difference has appended %d events", events-all)
	}
}

func TestAFullComparisonFindsWhatIsNewDifferentAndGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 60)
	w.well(Options{}, nil)
	w.settle()
	before := w.events()

	w.revise(6000, w.contracts[0], w.contracts[1])
	added, err := w.sim.Generate(t.Context(), simclient.Generate{Contracts: 3})
	w.must(err)
	newCustomers, err := w.sim.IDs(t.Context(), key.Customer, len(w.customers), 0)
	w.must(err)
	w.remove(w.contracts[5])

	dry := w.run(Options{Full: true, DryRun: true}, nil)
	w.must(dry.err)
	if w.events() != before || w.ready() != 0 {
		t.Error("a dry run has appended something")
	}
	got := w.well(Options{Full: true}, nil)
	if diff := cmp.Diff(dry.last.Tally, got); diff != "" {
		t.Errorf("the dry run has told something else (-dry run +run):\n%s", diff)
	}
	// The customer of the contract that is gone has changed as well, or is gone if that was its only one.
	if got.New != len(added)+len(newCustomers) || got.Changed+got.Gone != 2+1+1 || got.Gone < 1 {
		t.Errorf("%s; want %d new and %d changed or gone", got, len(added)+len(newCustomers), 4)
	}
	differences := map[string]Difference{}
	for _, d := range dry.differences {
		differences[d.Key.ID+" "+string(d.Key.Kind)] = d
	}
	if d := differences[w.contracts[0]+" contract"]; d.What != "changed" || cmp.Diff([]string{"revision", "status", "statusCode", "statusCodeTitle"}, d.Fields) != "" {
		t.Errorf("the difference of a changed contract is %+v", d)
	}
	if d := differences[w.contracts[5]+" contract"]; d.What != "gone" {
		t.Errorf("the difference of a contract that is gone is %+v", d)
	}
	// Whether it is gone is for the enricher to find out, who asks twice.
	if s := w.snapshot(contract(w.contracts[5])).Value; s.GetGone() || w.messages(bus.StreamReady, bus.StagePublish.Subject(contract(w.contracts[5]))) != 0 {
		t.Error("a contract that was not listed was stored as gone")
	}
}

func TestIDsAloneTellWhatIsNewAndGoneAndTheRestIsReadAgainInTurn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 40)
	w.well(Options{}, nil)
	w.settle()
	before := w.events()
	ids := map[string]string{
		"SOURCE_ERP_PROFILE": w.profile(
			"    items: [/items/*]\n    removed: [/deleted]\n", "    contract_ids: [/items/*/id]\n", "    items: [/items/*]\n", "    contract_ids: [/items/*/id]\n",
			"  list_all_customers:\n    path: /customers\n    query: {limit: limit, cursor: cursor}\n    contract_ids", "  list_all_customers:\n    path: /customers\n    query: {limit: limit, cursor: cursor}\n    customer_ids",
		),
		"RECONCILE_REREAD": "7",
	}
	w.remove(w.contracts[3])
	added, err := w.sim.Generate(t.Context(), simclient.Generate{Contracts: 1})
	w.must(err)
	got := w.well(Options{Full: true}, ids)
	if got.New != len(added)+1 || got.Gone < 1 {
		t.Errorf("%s; want the contract and the customer that are new, and the contract that is gone", got)
	}
	if n := w.messages(bus.StreamEvents, bus.EventSubject(contract(w.contracts[3]))); n != 2 {
		t.Errorf("%d events of the contract that is gone, want one more than the import's", n)
	}
	if more := w.events() - before; more != got.New+got.Gone+got.Changed || got.Changed > 7 || w.ready() != 0 {
		t.Errorf("%d events for %s, %d tickets; want an event each, and 7 more reads at most", more, got, w.ready())
	}
}
