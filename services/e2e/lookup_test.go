package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

// TestEnneoIsNeverAnsweredOlderThanWhatItWasTold asks replicas of lookup in every mode at the moment in which Enneo has been told that a
// contract has changed, and before it has said a word: with caches full of what was answered before.
func TestEnneoIsNeverAnsweredOlderThanWhatItWasTold(t *testing.T) {
	t.Parallel()
	turn(t)
	w := newWorld(t, 3)
	env := w.With(impatient)
	maps.Copy(env, map[string]string{
		"ENNEO_MODE": "refresh", "ENNEO_TIMEOUT": "20s", "LOOKUP_TOKEN": lookupToken, "LOOKUP_CACHE_TTL": "1h", "LOOKUP_BUDGET": "20s",
	})
	ingestor := w.ingestor(env)
	w.flow(env)
	replicas := map[string]string{}
	for _, mode := range []string{"live", "auto", "model"} {
		for n := range 2 {
			replicas[fmt.Sprintf("%s %d", mode, n)] = w.http(w.start("lookup", with(env, "LOOKUP_MODE", mode)))
		}
	}
	id := w.contracts(1)[0]
	question := fmt.Sprintf(`{"contractId":%q}`, id)
	for status := 7000; status < 7006; status++ {
		for _, address := range replicas { // Caches are full.
			w.question(address, http.MethodPost, "/v1/contract", question, lookupToken)
		}
		held, err := w.Sim.AddFault(t.Context(), simclient.Fault{System: simclient.Enneo, Operation: "invalidate_cache", EntityID: id, Action: simclient.Hold})
		must(t, err)
		w.change(ingestor, status, id)
		_, err = w.Sim.AwaitHeld(t.Context(), held.ID, 1)
		must(t, err)
		for name, address := range replicas {
			code, answer := w.question(address, http.MethodPost, "/v1/contract", question, lookupToken)
			if code != http.StatusOK || !strings.Contains(answer, fmt.Sprintf(`"statusCode":%d`, status)) {
				t.Errorf("%s: after Enneo was told of status %d, the answer %d does not have it", name, status, code)
			}
			code, answer = w.question(address, http.MethodPost, "/v1/contract/search", fmt.Sprintf(`{"ticketId":1,"contractId":%q}`, id), lookupToken)
			if code != http.StatusOK || !strings.Contains(answer, id) {
				t.Errorf("%s: after Enneo was told of the contract, a search is answered %d and does not find it", name, code)
			}
		}
		must(t, w.Sim.Release(t.Context(), simclient.Release{Fault: held.ID}))
		w.settled(0)
	}
}

// TestLookupGoesOnAfterItWasKilled kills lookup with SIGKILL, which leaves its read model behind. The next process removes it, builds
// its own and answers.
func TestLookupGoesOnAfterItWasKilled(t *testing.T) {
	t.Parallel()
	turn(t)
	w := newWorld(t, 3)
	folder := t.TempDir()
	env := w.With(impatient)
	maps.Copy(env, map[string]string{"LOOKUP_TOKEN": lookupToken, "LOOKUP_MODE": "model", "LOOKUP_TEMP_DIR": folder})
	ingestor := w.ingestor(env)
	w.flow(env)
	ids := w.contracts(3)
	w.change(ingestor, 6000, ids...)
	w.settled(len(ids))
	first := w.start("lookup", env)
	address := w.http(first)
	found := func(address string) error {
		for _, id := range ids {
			code, answer := w.question(address, http.MethodPost, "/v1/contract/search", fmt.Sprintf(`{"ticketId":1,"contractId":%q}`, id), lookupToken)
			if code != http.StatusOK || !strings.Contains(answer, id) {
				return fmt.Errorf("a contract is not found: %d", code)
			}
		}
		return nil
	}
	must(t, found(address))
	first.Kill()
	if left, err := os.ReadDir(folder); err != nil || len(left) == 0 {
		t.Fatalf("a killed process leaves no model: %v", err)
	}
	second := w.start("lookup", env)
	must(t, found(w.http(second)))
	if left, err := os.ReadDir(folder); err != nil || len(left) != 1 {
		t.Errorf("%d models lie in the folder, want the present one: %v", len(left), err)
	}
	must(t, second.Stop())
	if left, err := os.ReadDir(folder); err != nil || len(left) != 0 {
		t.Errorf("%d models are left after the end: %v", len(left), err)
	}
}
