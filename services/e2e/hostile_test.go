package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/enneo-ai/enneo-bridge/libs/canary"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	"github.com/enneo-ai/enneo-bridge/services/simulator"
)

// send sends a webhook about a contract to a source, and returns the answer.
func (w *world) send(ingestor, source, contract string) (status int, answer string) {
	w.t.Helper()
	body, err := json.Marshal(map[string]string{"contractId": contract})
	must(w.t, err)
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, ingestor+"/webhooks/"+source, strings.NewReader(string(body)))
	must(w.t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Webhook-Secret", canary.Secret("webhook"))
	resp, err := http.DefaultClient.Do(req)
	must(w.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(w.t, err)
	return resp.StatusCode, string(text)
}

// unsendable are the ids that end as dead letters: no path can hold "." and "..", on which a server would walk up and change
// something else, and Enneo's id must not be blank.
func unsendable(id string) bool { return id == "." || id == ".." || id == " " }

// tooLong are the ids that leave no room for a prefix in the 50 characters that Enneo allows.
func tooLong(id string) bool { return utf8.RuneCountInString(id) > 45 }

// TestHostileIDsReachEnneoAsThemselves: two ERPs with the same unpleasant contract numbers, which differ from each other in blanks,
// case, composition or leading zeros only. Each contract of each ERP ends in Enneo as itself; what cannot be sent is a dead letter,
// and what is no id is kept and reported.
func TestHostileIDsReachEnneoAsThemselves(t *testing.T) {
	t.Parallel()
	turn(t)
	w := newWorld(t, 5)
	hostile, err := w.Sim.Generate(t.Context(), simclient.Generate{Hostile: true})
	must(t, err)
	if len(hostile) < 30 {
		t.Fatalf("only %d hostile ids", len(hostile))
	}
	changes := map[string]string{}
	for name, value := range impatient {
		changes[name] = value
	}
	for name, value := range map[string]string{
		"SOURCES": "powercloud,crm", "SOURCE_POWERCLOUD_ENNEO_ID": "pc-{id}",
		"SOURCE_CRM_ENNEO_ID": "crm-{id}", "SOURCE_CRM_PROFILE": "generic", "SOURCE_CRM_HOST": w.Sim.URL(simclient.Generic),
		"SOURCE_CRM_API_KEY": simulator.DefaultOptions().GenericToken.Reveal(), "SOURCE_CRM_WEBHOOK_SECRET": canary.Secret("webhook"),
		"SOURCE_CRM_RATE": "1000",
	} {
		changes[name] = value
	}
	env := w.With(changes)
	ingestor := w.ingestor(env)
	for _, service := range []string{"debouncer", "enricher", "publisher"} {
		w.start(service, env)
	}
	sent := 0
	for _, source := range []string{"powercloud", "crm"} {
		for _, id := range hostile {
			if tooLong(id) {
				continue
			}
			if status, answer := w.send(ingestor, source, id); status != http.StatusAccepted || !strings.Contains(answer, `"accepted":1`) {
				t.Errorf("%s: the webhook for %q is answered %d %s", source, id, status, answer)
			}
			sent++
		}
		for _, none := range []string{"", strings.Repeat("é", 51)} {
			if status, answer := w.send(ingestor, source, none); status != http.StatusAccepted || !strings.Contains(answer, `"unrecognised":1`) {
				t.Errorf("%s: the webhook for an id of %d characters is answered %d %s", source, utf8.RuneCountInString(none), status, answer)
			}
		}
	}
	w.settled(sent)
	for source, system := range map[string]string{"pc-{id}": simclient.Powercloud, "crm-{id}": simclient.Generic} {
		eventually(t, "Enneo has every contract as "+source, func() error {
			comparison, err := w.Sim.Compare(t.Context(), simclient.CompareQuery{System: system, EnneoID: source, Limit: 1000})
			if err != nil {
				return err
			}
			var wrong []error
			for _, m := range comparison.Mismatches {
				if !unsendable(m.ID) && !tooLong(m.ID) && slices.Contains(hostile, m.ID) {
					wrong = append(wrong, fmt.Errorf("%v", m))
				}
			}
			if comparison.Compared < len(hostile)-5 {
				wrong = append(wrong, fmt.Errorf("only %d keys were compared", comparison.Compared))
			}
			return errors.Join(wrong...)
		})
	}
}
