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

// TestWhatCannotBeSentBecomesADeadLetterByItself: no other delivery has to succeed, as it has to before a refusal of Enneo counts.
func TestWhatCannotBeSentBecomesADeadLetterByItself(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		id     string
		change func(*deliverer)
		want   string
	}{
		"a segment that leads up a path":  {"..", nil, "no_request "},
		"too long with what is put first": {strings.Repeat("ä", key.MaxIDLength-1), north, "unmappable contract.id"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			d := w.replica(c.change)
			k := contract(c.id)
			w.settled(k, w.change(k, 1))
			var letters []string
			w.must(d.dead.Each(t.Context(), deadletter.Filter{Stage: deadletter.StagePublish}, func(l deadletter.Letter) error {
				letters = append(letters, l.Value.GetReason()+" "+l.Value.GetField())
				return nil
			}))
			if diff := cmp.Diff([]string{c.want}, letters); diff != "" {
				t.Errorf("dead letters differ (-want +got):\n%s", diff)
			}
			writes, err := w.sim.Writes(t.Context(), simclient.Ref{})
			w.must(err)
			if len(writes) > 0 {
				t.Errorf("Enneo was given %d records, want none", len(writes))
			}
		})
	}
}
