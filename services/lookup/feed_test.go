package lookup

import (
	"fmt"
	"net/http"
	"os"
	"testing"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/canary"
)

func TestWithoutNATSTheERPAnswersAndElseTheModel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := contract(w.contracts[0])
	w.carried(k)
	want := w.structureOf(k)
	live := w.start(map[string]string{"LOOKUP_MODE": "live"})
	stored := w.start(map[string]string{"LOOKUP_MODE": "model"})
	w.nats.Stop(t)
	bustest.Eventually(t, "NATS is missed", func() bool { return !live.ready() && !stored.ready() })
	got := live.ask(t, k.ID)
	got.expect(t, http.StatusOK, fromERP, want)
	got = stored.ask(t, k.ID)
	got.expect(t, http.StatusOK, fromStale, want)
	got = stored.search(t, map[string]any{"ticketId": 1, "contractId": k.ID})
	got.expect(t, http.StatusOK, fromStale, "")
	w.nats.Run(t)
	bustest.Eventually(t, "both are ready again", func() bool { return live.ready() && stored.ready() })
	// What is written afterwards is heard of.
	p := canary.NewPerson(42)
	id := w.single(1)
	w.person(id, p)
	bustest.Eventually(t, "the log takes events again", func() bool {
		_, err := w.log.Epoch(t.Context())
		return err == nil
	})
	w.carried(contract(id))
	bustest.Eventually(t, "the contract is found", func() bool {
		got := stored.search(t, map[string]any{"ticketId": 2, "email": p.Email})
		return got.body == fmt.Sprintf(`{"contractId":%q,"customerId":%q}`, id, w.holderOf(id)) && got.origin() == string(fromModel)
	})
	got = stored.ask(t, k.ID)
	got.expect(t, http.StatusOK, fromModel, want)
}

func TestAModelIsMadeAnewWhenTheBucketIsAnotherOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := contract(w.contracts[0])
	w.carried(k)
	r := w.start(map[string]string{"LOOKUP_MODE": "model"})
	js := w.nats.Connect(t, testSource).JetStream()
	stream, err := js.Stream(t.Context(), bus.KVStream(bus.BucketContracts))
	w.must(err)
	cfg := stream.CachedInfo().Config
	w.must(js.DeleteStream(t.Context(), cfg.Name))
	_, err = js.CreateStream(t.Context(), cfg)
	w.must(err)
	bustest.Eventually(t, "what was there before is gone", func() bool {
		return r.ready() && r.metric("bridge_lookup_model_keys", `kind="contract"`) == 0 && r.search(t, map[string]any{"ticketId": 1, "contractId": k.ID}).body == "{}"
	})
}

func TestNothingOfTheModelIsLeftOnDisk(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.carried(contract(w.contracts[0]))
	dir := t.TempDir()
	r := w.start(map[string]string{"LOOKUP_TEMP_DIR": dir})
	if left, err := os.ReadDir(dir); err != nil || len(left) == 0 {
		t.Fatalf("the model is not in LOOKUP_TEMP_DIR: %v", err)
	}
	r.stop()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%d files are left: %v", len(left), err)
	}
}
