package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/deadletter"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	"github.com/enneo-ai/enneo-bridge/services/e2e/internal/rig"
	"github.com/enneo-ai/enneo-bridge/services/simulator"
)

// pathless are the hostile ids that no path can carry: a server would walk up on them, escaped or not.
var pathless = []string{".", ".."}

// nameless are those that an ERP's answer does not hold as text: blanks alone count as nothing.
var nameless = []string{" "}

// TestHostileIDsReachExactlyTheirContract changes a contract of each hostile id, and tells of it by webhook and as a CloudEvent:
// each costs a read of that id and a request for that id, and what cannot stand in a path becomes a dead letter of its own.
func TestHostileIDsReachExactlyTheirContract(t *testing.T) {
	t.Parallel()
	turn(t)
	w := newWorld(t, 5)
	// A request that is given up is sent again, and is counted here.
	env := with(w.With(impatient), "ENNEO_TIMEOUT", "20s")
	ingestor := w.ingestor(env)
	for _, name := range []string{"debouncer", "enricher", "publisher"} {
		w.start(name, env)
	}
	ids, err := w.Sim.Generate(t.Context(), simclient.Generate{Hostile: true})
	must(t, err)
	if len(ids) != len(simclient.HostileIDs()) {
		t.Fatalf("%d contracts of hostile ids, want %d", len(ids), len(simclient.HostileIDs()))
	}
	reached := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return slices.Contains(refused(), id) })
	for _, tell := range []func(context.Context, string, string) error{w.webhook, w.cloudEvent} {
		must(t, w.Sim.ResetJournal(t.Context()))
		accepted := w.settled(0).Accepted
		for _, id := range ids {
			_, err := w.Sim.Change(t.Context(), simclient.Change{Contracts: []string{id}, StatusID: simclient.StatusActive})
			must(t, err)
			must(t, tell(t.Context(), ingestor, id))
		}
		w.settled(int(accepted) + len(ids))
		must(t, w.Idle(t.Context()))
		for _, system := range []string{simclient.Powercloud, simclient.Enneo} {
			got := w.counts(system, key.Contract)
			for _, id := range refused() {
				// What is read before it is refused depends on the place of the id in the ERP's URL.
				if system == simclient.Enneo && got[id] > 0 {
					t.Errorf("enneo was sent %q", id)
				}
				delete(got, id)
			}
			want := map[string]int{}
			for _, id := range reached {
				want[id] = 1
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("requests per contract to %s differ (-want +got):\n%s", system, diff)
			}
		}
		w.ownBodies()
	}
	w.lettersOf(refused())
	comparison, err := w.Sim.Compare(t.Context(), simclient.CompareQuery{System: simclient.Powercloud})
	must(t, err)
	for _, m := range comparison.Mismatches {
		if !slices.Contains(refused(), m.ID) {
			t.Errorf("enneo and the erp differ: %+v", m)
		}
	}
	t.Logf("%d hostile ids: %d reached enneo, %q were refused; %d keys compared", len(ids), len(reached), refused(), comparison.Compared)
}

func refused() []string { return slices.Concat(pathless, nameless) }

// TestWhatIsNoIDIsRefusedClearly sends webhooks with something else in the place of an id: none of them becomes an event.
func TestWhatIsNoIDIsRefusedClearly(t *testing.T) {
	t.Parallel()
	turn(t)
	w := newWorld(t, 1)
	ingestor := w.ingestor(w.Env)
	before, err := w.Audit(t.Context())
	must(t, err)
	kept := []string{
		`{"contractId":"` + strings.Repeat("a", key.MaxIDLength+1) + `"}`, `{"contractId":"` + strings.Repeat("🔌", key.MaxIDLength+1) + `"}`,
		`{"contractId":"` + strings.Repeat("x", 100_000) + `"}`, `{"contractId":""}`, `{"contractId":100001.0}`, `{"contractId":1e5}`,
		`{"contractId":true}`, `{"contractId":{"$ne":null}}`, `{"contractId":[["VN-1"]]}`, `{"contractId":"\ufffd"}`, `{"contractId":"\ud800"}`, `{}`,
	}
	for _, body := range kept {
		if err := w.Post(t.Context(), ingestor, body); err != nil {
			t.Errorf("%.60s: %v, want it kept as a dead letter", body, err)
		}
	}
	for _, body := range []string{
		"{\"contractId\":\"\xff\"}", "{\"contractId\":\"a\nb\"}", `{"contractId":0100001}`, `{"contractId":"VN-1"`, `{"contractId":"VN-1"}x`, `"VN-1"`, ``,
	} {
		if err := w.Post(t.Context(), ingestor, body); !errors.Is(err, rig.ErrRefused) || !strings.Contains(err.Error(), "400") {
			t.Errorf("%q: %v, want 400", body, err)
		}
	}
	// The same number as an integer and as a text is one contract, with and without a zero in front two.
	for _, body := range []string{`{"contractId":100001}`, `{"contractId":"100001"}`, `{"contractId":"0100001"}`, `{"contractIds":["100001",100001,"0100001"]}`} {
		must(t, w.Post(t.Context(), ingestor, body))
	}
	after, err := w.Audit(t.Context())
	must(t, err)
	got := map[string]uint64{}
	for _, open := range after.OpenKeys {
		got[open.Key] = open.Events
	}
	if diff := cmp.Diff(map[string]uint64{"powercloud.contract.100001": 3, "powercloud.contract.0100001": 2}, got); diff != "" {
		t.Errorf("events per key differ (-want +got):\n%s", diff)
	}
	if before.Accepted != 0 || after.Accepted != 5 {
		t.Errorf("%d events before and %d after, want 0 and 5", before.Accepted, after.Accepted)
	}
	letters := 0
	w.letters(func(deadletter.Letter) error {
		letters++
		return nil
	})
	if letters != len(kept) {
		t.Errorf("%d dead letters of webhooks without an id, want %d", letters, len(kept))
	}
}

// TestTwoSourcesWithTheSameContractNumbersDoNotMix connects two ERPs that use the same numbers, hostile ones among them, and changes
// the contracts for one of them alone.
func TestTwoSourcesWithTheSameContractNumbersDoNotMix(t *testing.T) {
	t.Parallel()
	turn(t)
	w := newWorld(t, 5)
	env := w.With(impatient)
	for name, value := range map[string]string{
		"SOURCES": rig.SourceName + ",south", "SOURCE_POWERCLOUD_ENNEO_ID": "p-{id}", "SOURCE_SOUTH_ENNEO_ID": "s-{id}",
		"SOURCE_SOUTH_PROFILE": "generic", "SOURCE_SOUTH_HOST": w.Sim.URL(simclient.Generic), "SOURCE_SOUTH_API_KEY": simulator.DefaultOptions().GenericToken.Reveal(),
		"SOURCE_SOUTH_WEBHOOK_SECRET": env["SOURCE_POWERCLOUD_WEBHOOK_SECRET"], "SOURCE_SOUTH_RATE": "1000", "SOURCE_SOUTH_CONCURRENCY": "8",
	} {
		env[name] = value
	}
	ingestor := w.ingestor(env)
	for _, name := range []string{"debouncer", "enricher", "publisher"} {
		w.start(name, env)
	}
	_, err := w.Sim.Generate(t.Context(), simclient.Generate{Hostile: true})
	must(t, err)
	ids := slices.DeleteFunc(append(w.contracts(5), simclient.HostileIDs()...), func(id string) bool {
		return slices.Contains(nameless, id) || len([]rune(id)) > key.MaxIDLength-len("p-")
	})
	// What Enneo's id holds is no longer . or .., so the profile that has the id in its query can deliver them; the other one not.
	both := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return slices.Contains(pathless, id) })
	for _, id := range both {
		for _, source := range []string{rig.SourceName, "south"} {
			must(t, w.PostTo(t.Context(), ingestor, source, hint(t, id)))
		}
	}
	w.settled(2 * len(both))
	must(t, w.Idle(t.Context()))
	first := w.revisions()

	for _, id := range ids {
		_, err := w.Sim.Change(t.Context(), simclient.Change{Contracts: []string{id}, StatusID: 6000})
		must(t, err)
		must(t, w.PostTo(t.Context(), ingestor, rig.SourceName, hint(t, id)))
	}
	w.settled(2*len(both) + len(ids))
	must(t, w.Idle(t.Context()))
	second := w.revisions()
	for _, id := range both {
		north, south := simclient.Ref{Kind: key.Contract, ID: "p-" + id}, simclient.Ref{Kind: key.Contract, ID: "s-" + id}
		if second[north] != first[north]+1 {
			t.Errorf("%q of the source that told of a change: revision %d after %d, want one more", id, second[north], first[north])
		}
		if first[south] == 0 || second[south] != first[south] {
			t.Errorf("%q of the other source: revision %d after %d, want the same", id, second[south], first[south])
		}
	}
	for _, id := range pathless {
		if second[simclient.Ref{Kind: key.Contract, ID: "p-" + id}] == 0 {
			t.Errorf("%q did not reach enneo, though its id there can stand in a path", id)
		}
	}
	for ref := range second {
		if !strings.HasPrefix(ref.ID, "p-") && !strings.HasPrefix(ref.ID, "s-") {
			t.Errorf("enneo was given %+v, an id of no source", ref)
		}
	}
	w.ownBodies()
}

// webhook tells of a change as an ERP does.
func (w *world) webhook(ctx context.Context, ingestor, id string) error {
	body, err := rig.Hint(id)
	if err != nil {
		return err
	}
	return w.Post(ctx, ingestor, body)
}

// cloudEvent tells of a change as a CloudEvent, with the id as its subject and as its own id.
func (w *world) cloudEvent(ctx context.Context, ingestor, id string) error {
	return w.PostEvent(ctx, ingestor, "event of "+id, id)
}

func hint(t *testing.T, id string) string {
	t.Helper()
	body, err := rig.Hint(id)
	must(t, err)
	return body
}

// ownBodies checks that Enneo was given every record under its own id.
func (w *world) ownBodies() {
	w.t.Helper()
	writes, err := w.Sim.Writes(w.t.Context(), simclient.Ref{})
	must(w.t, err)
	for _, write := range writes {
		var body struct {
			ID string `json:"id"`
		}
		must(w.t, json.Unmarshal(write.Body, &body))
		if body.ID != write.ID {
			w.t.Errorf("under %q enneo was given %q", write.ID, body.ID)
		}
	}
}

// revisions are the newest revisions that Enneo was given.
func (w *world) revisions() map[simclient.Ref]int64 {
	w.t.Helper()
	writes, err := w.Sim.Writes(w.t.Context(), simclient.Ref{})
	must(w.t, err)
	newest := map[simclient.Ref]int64{}
	for _, write := range writes {
		newest[simclient.Ref{Kind: write.Kind, ID: write.ID}] = write.Revision
	}
	return newest
}

// lettersOf checks that the contracts of these ids, and no others, are dead letters that say why.
func (w *world) lettersOf(ids []string) {
	w.t.Helper()
	want, got := map[string]bool{}, map[string]bool{}
	for _, id := range ids {
		want[key.Key{Source: rig.SourceName, Kind: key.Contract, ID: id}.String()] = true
	}
	w.letters(func(l deadletter.Letter) error {
		_, about, _ := strings.Cut(l.Name, ".")
		k, err := key.Parse(about)
		must(w.t, err)
		if l.Value.GetReason() == "" {
			w.t.Errorf("the dead letter of %q says no reason", k.ID)
		}
		w.t.Logf("dead letter: %s %q: %s %s", k.Kind, k.ID, l.Value.GetReason(), l.Value.GetField())
		if k.Kind == key.Contract {
			got[about] = true
		} else if !slices.Contains(ids, k.ID) {
			w.t.Errorf("a dead letter of %s %q", k.Kind, k.ID)
		}
		return nil
	})
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("dead letters differ (-want +got):\n%s", diff)
	}
}
