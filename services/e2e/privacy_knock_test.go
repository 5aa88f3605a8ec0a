package e2e

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/enneo-ai/enneo-bridge/libs/canary"
	"github.com/enneo-ai/enneo-bridge/services/e2e/internal/rig"
)

// knock sends the ingestor whatever strangers and broken senders may send: wrong secrets in every place, bodies that cannot be
// read, and bodies that name nobody, which are kept.
func (w *world) knock(ingestor string) {
	w.t.Helper()
	p, guess, secret := canary.NewPerson(inWebhooks), canary.Secret("guessed"), w.Env["SOURCE_POWERCLOUD_WEBHOOK_SECRET"]
	encoded := func(value any) string {
		text, err := json.Marshal(value)
		must(w.t, err)
		return string(text)
	}
	const hooks, events = "/webhooks/" + rig.SourceName, "/events/" + rig.SourceName
	known, nobody := encoded(p), canary.NewPerson(withoutID)
	basic := func(password string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte("client#"+p.Lastname+":"+password))
	}
	for _, tc := range []struct {
		name, path string
		header     map[string]string
		body       string
		want       int
	}{
		{"a wrong secret", hooks, map[string]string{"X-Webhook-Secret": guess}, known, http.StatusUnauthorized},
		{"a wrong token", hooks, map[string]string{"Authorization": "Bearer " + guess}, known, http.StatusUnauthorized},
		{"a wrong password", hooks, map[string]string{"Authorization": basic(guess)}, known, http.StatusUnauthorized},
		{"a wrong segment", hooks + "/" + guess, nil, known, http.StatusUnauthorized},
		{"a wrong signature", hooks, map[string]string{"Webhook-Id": p.Email, "Webhook-Timestamp": "1", "Webhook-Signature": "v1," + guess}, known, http.StatusUnauthorized},
		{"a secret as the source", "/webhooks/" + guess, nil, known, http.StatusNotFound},
		{"a secret as the path", "/" + secret + "?secret=" + secret, nil, known, http.StatusNotFound},
		{"the secret as a segment", hooks + "/" + secret, nil, "[]", http.StatusAccepted},
		{"the secret as a token", hooks, map[string]string{"Authorization": "Bearer " + secret}, "[]", http.StatusAccepted},
		{"data in the query", hooks + "?iban=" + p.IBAN + "&name=" + p.Lastname, map[string]string{"X-Webhook-Secret": secret}, "[]", http.StatusAccepted},
		{"no JSON", hooks, map[string]string{"X-Webhook-Secret": secret}, strings.TrimSuffix(known, "}"), http.StatusBadRequest},
		{"a text", hooks, map[string]string{"X-Webhook-Secret": secret}, encoded(p.Lastname), http.StatusBadRequest},
		{"no UTF-8", hooks, map[string]string{"X-Webhook-Secret": secret}, known + "\xff", http.StatusBadRequest},
		{"data as the media type", hooks, map[string]string{"X-Webhook-Secret": secret, "Content-Type": "text/" + p.Lastname}, known, http.StatusUnsupportedMediaType},
		{"an event that is none", events, map[string]string{"X-Webhook-Secret": secret, "Ce-Id": "1", "Ce-Source": p.Lastname}, known, http.StatusUnsupportedMediaType},
		{"an event with data", events, map[string]string{
			"X-Webhook-Secret": secret, "Ce-Specversion": "1.0", "Ce-Id": "1", "Ce-Source": "/erp", "Ce-Type": "contract.status",
			"Ce-Subject": mainID, "Ce-Lastname": p.Lastname,
		}, known, http.StatusAccepted},
		{"a body that names nobody", hooks, map[string]string{"X-Webhook-Secret": secret}, encoded(nobody), http.StatusAccepted},
		{"data in the place of an id", hooks, map[string]string{"X-Webhook-Secret": secret}, encoded(map[string]any{"contractId": nobody}), http.StatusAccepted},
		{"data in the place of one of two ids", hooks, map[string]string{"X-Webhook-Secret": secret}, encoded(map[string]any{"contractId": nobody, "customerId": customerID}), http.StatusAccepted},
		{"an id that is too long", hooks, map[string]string{"X-Webhook-Secret": secret}, encoded(map[string]any{"contractId": strings.Repeat(nobody.Lastname, 9)}), http.StatusAccepted},
	} {
		req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, ingestor+tc.path, strings.NewReader(tc.body))
		must(w.t, err)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("User-Agent", p.Lastname)
		req.Header.Set("X-Forwarded-For", p.Lastname)
		for name, value := range tc.header {
			req.Header.Set(name, value)
		}
		resp, err := http.DefaultClient.Do(req)
		must(w.t, err)
		_, err = io.Copy(io.Discard, resp.Body)
		must(w.t, err)
		must(w.t, resp.Body.Close())
		if resp.StatusCode != tc.want {
			w.t.Errorf("%s is answered with %s, want %d", tc.name, resp.Status, tc.want)
		}
	}
	w.settled(0)
}
