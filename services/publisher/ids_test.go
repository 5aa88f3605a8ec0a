package publisher

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/deadletter"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

// north is what the template n-{id} makes of an id.
func north(d *deliverer) { d.enneoID = func(id string) string { return "n-" + id } }

func TestEnneoIsGivenItsOwnIDsInPathAndBody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.replica(north)
	contracted, customer := contract("VN-1"), key.Key{Source: testSource, Kind: key.Customer, ID: "C-1"}
	for _, k := range []key.Key{contracted, customer} {
		w.settled(k, w.change(k, 1))
	}
	got := map[string]any{}
	writes, err := w.sim.Writes(t.Context(), simclient.Ref{})
	w.must(err)
	for _, write := range writes {
		var body struct {
			ID          string   `json:"id"`
			CustomerID  string   `json:"customerId"`
			ContractIDs []string `json:"contractIds"`
		}
		w.must(json.Unmarshal(write.Body, &body))
		got[write.ID] = []any{body.ID, body.CustomerID, body.ContractIDs}
	}
	want := map[string]any{"n-VN-1": []any{"n-VN-1", "n-C-1", []string(nil)}, "n-C-1": []any{"n-C-1", "", []string{"n-VN-1"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what Enneo was given differs (-want +got):\n%s", diff)
	}
}

func TestAnIDThatIsTooLongForEnneoBecomesADeadLetter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.replica(north)
	long := contract(strings.Repeat("ä", key.MaxIDLength-1))
	p := w.change(long, 1)
	healthy := contract("VN-2")
	w.settled(healthy, w.change(healthy, 1))
	w.settled(long, p)
	var letters []string
	w.must(d.dead.Each(t.Context(), deadletter.Filter{Stage: deadletter.StagePublish}, func(l deadletter.Letter) error {
		letters = append(letters, l.Value.GetReason()+" "+l.Value.GetField())
		return nil
	}))
	if diff := cmp.Diff([]string{"unmappable contract.id"}, letters); diff != "" {
		t.Errorf("dead letters differ (-want +got):\n%s", diff)
	}
	writes, err := w.sim.Writes(t.Context(), simclient.Ref{})
	w.must(err)
	if len(writes) != 1 || writes[0].ID != "n-VN-2" {
		t.Errorf("Enneo was given %d records, want that of the other contract alone", len(writes))
	}
}
