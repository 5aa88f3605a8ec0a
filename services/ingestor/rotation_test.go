package ingestor

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/source"
)

// series is the value of the service's metric whose line begins with the name and has all the labels; empty if there is none.
func (s *service) series(t *testing.T, name string, labels ...string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.admin+"/metrics", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
lines:
	for line := range strings.SplitSeq(send(t, req).body, "\n") {
		if !strings.HasPrefix(line, name+"{") {
			continue
		}
		for _, label := range labels {
			if !strings.Contains(line, label) {
				continue lines
			}
		}
		return line[strings.LastIndexByte(line, ' ')+1:]
	}
	return ""
}

func TestARotationIsSeenInMetricsAndNoSecretAnywhere(t *testing.T) {
	t.Parallel()
	const canary = "kanarienvogel"
	present, old, wrong := canary+"-present", canary+"-old", canary+"-wrong"
	key, secret := signingKey("k")
	oldKey, oldSecret := signingKey("o")
	s, _ := start(t, map[string]string{
		"SOURCES": "acme,other,hooks,plain,signed,address", "SOURCE_PLAIN_PROFILE": "generic", "SOURCE_SIGNED_PROFILE": "generic", "SOURCE_ADDRESS_PROFILE": "generic",
		"SOURCE_PLAIN_WEBHOOK_AUTH": "header,bearer,path,basic", "SOURCE_PLAIN_WEBHOOK_SECRET": present, "SOURCE_PLAIN_WEBHOOK_SECRET_PREVIOUS": old,
		"SOURCE_SIGNED_WEBHOOK_AUTH": "hmac", "SOURCE_SIGNED_WEBHOOK_SECRET": secret, "SOURCE_SIGNED_WEBHOOK_SECRET_PREVIOUS": oldSecret,
		"SOURCE_ADDRESS_WEBHOOK_AUTH": "header,ip", "SOURCE_ADDRESS_WEBHOOK_SECRET": present, "SOURCE_ADDRESS_WEBHOOK_IPS": "192.0.2.7",
		"TRUSTED_PROXIES": "127.0.0.1,::1",
	})
	for _, source := range []string{"plain", "signed"} {
		if got := s.series(t, "bridge_webhook_previous_secret_total", `source="`+source+`"`); got != "0" {
			t.Errorf("%s: the counter of the previous secret is %q before any request, want 0", source, got)
		}
	}
	const body = `{"contractId":"4711"}`
	var answers strings.Builder
	post := func(want int, path string, headers ...string) {
		t.Helper()
		got := s.post(t, path, typeJSON, body, headers...)
		if got.status != want {
			t.Errorf("%s: answered %d %s, want %d", path, got.status, got.body, want)
		}
		answers.WriteString(got.body)
		for name, values := range got.header {
			answers.WriteString(name + strings.Join(values, ""))
		}
	}
	basic := func(password string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte("anybody:"+password))
	}
	for secret, want := range map[string]int{present: 202, old: 202, wrong: 401} {
		// An address of its own, so that the wrong one is not told to wait for what others did.
		from := []string{"X-Forwarded-For", "198.51.100.1"}
		post(want, "/webhooks/plain", append([]string{headerSecret, secret}, from...)...)
		post(want, "/webhooks/plain", append([]string{"Authorization", "Bearer " + secret}, from...)...)
		post(want, "/webhooks/plain", append([]string{"Authorization", basic(secret)}, from...)...)
		post(want, "/webhooks/plain/"+secret, from...)
	}
	now := strconv.FormatInt(time.Now().Unix(), 10)
	post(202, "/webhooks/signed", headerWebhookID, "msg_1", headerWebhookTimestamp, now, headerWebhookSignature, sign(key, "msg_1", now, []byte(body)))
	post(202, "/webhooks/signed", headerWebhookID, "msg_1", headerWebhookTimestamp, now, headerWebhookSignature, sign(oldKey, "msg_1", now, []byte(body)))
	post(401, "/webhooks/signed", headerWebhookID, "msg_"+canary, headerWebhookTimestamp, now, headerWebhookSignature, "v1,"+canary)
	post(401, "/webhooks/signed", headerWebhookID, canary, headerWebhookTimestamp, canary, headerWebhookSignature, canary)
	post(401, "/webhooks/signed", headerWebhookID, "msg_1", headerWebhookTimestamp, "1", headerWebhookSignature, "v1,"+canary)
	post(401, "/webhooks/signed")
	post(202, "/webhooks/address", headerSecret, present, "X-Forwarded-For", "192.0.2.7")
	post(401, "/webhooks/address", headerSecret, present, "X-Forwarded-For", "192.0.2.7, 203.0.113.77")
	post(401, "/webhooks/address", headerSecret, present, "X-Forwarded-For", "192.0.2.7, "+canary)
	for range 2 * failureBurst {
		s.post(t, "/webhooks/plain/"+wrong, typeJSON, body, "X-Forwarded-For", "203.0.113.77")
	}
	post(429, "/webhooks/plain/"+wrong, "X-Forwarded-For", "203.0.113.77")
	post(202, "/webhooks/plain/"+present, "X-Forwarded-For", "203.0.113.77")

	for _, tc := range []struct {
		name   string
		labels []string
		want   string
	}{
		{"bridge_webhook_previous_secret_total", []string{`source="plain"`}, "4"},
		{"bridge_webhook_previous_secret_total", []string{`source="signed"`}, "1"},
		{"bridge_webhook_previous_secret_total", []string{`source="address"`}, ""},
		{"bridge_webhook_failed_attempts_total", []string{`source="plain"`, `method="header"`, `reason="wrong"`}, "1"},
		{"bridge_webhook_failed_attempts_total", []string{`source="plain"`, `method="path"`, `reason="wrong"`}, "22"},
		{"bridge_webhook_failed_attempts_total", []string{`source="signed"`, `method="hmac"`, `reason="wrong"`}, "1"},
		{"bridge_webhook_failed_attempts_total", []string{`source="signed"`, `method="hmac"`, `reason="malformed"`}, "1"},
		{"bridge_webhook_failed_attempts_total", []string{`source="signed"`, `method="hmac"`, `reason="expired"`}, "1"},
		{"bridge_webhook_failed_attempts_total", []string{`source="signed"`, `method=""`, `reason="missing"`}, "1"},
		{"bridge_webhook_failed_attempts_total", []string{`source="address"`, `method="ip"`, `reason="address"`}, "2"},
	} {
		if got := s.series(t, tc.name, tc.labels...); got != tc.want {
			t.Errorf("%s %v is %q, want %q", tc.name, tc.labels, got, tc.want)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.admin+"/metrics", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for place, text := range map[string]string{"log": s.log.String(), "answers": answers.String(), "metrics": send(t, req).body} {
		for _, hidden := range []string{canary, secret, oldSecret, strings.TrimPrefix(secret, "whsec_"), basic(present), basic(wrong), "203.0.113.77", "198.51.100.1"} {
			if text == "" || strings.Contains(text, hidden) {
				t.Errorf("the %s shows %q", place, hidden)
			}
		}
	}
}

func TestWrongProxiesKeepTheServiceFromStarting(t *testing.T) {
	t.Parallel()
	for list, want := range map[string]string{
		"10.0.0.0/8,ingress": `TRUSTED_PROXIES: "ingress" is neither an address nor a network; write for example 192.0.2.7`,
		"0.0.0.0/0":          `TRUSTED_PROXIES: "0.0.0.0/0" holds every address there is; name the networks that are meant`,
		"10.0.0.1/8":         `TRUSTED_PROXIES: "10.0.0.1/8" is an address within a network; write 10.0.0.0/8 for the network, or 10.0.0.1 for the address alone`,
	} {
		var cfg Config
		err := config.Load(t.Context(), config.Map(map[string]string{"NATS_URL": "nats://127.0.0.1", "TRUSTED_PROXIES": list}), &cfg)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", list, err, want)
		}
	}
	var cfg Config
	if err := config.Load(t.Context(), config.Map(map[string]string{"NATS_URL": "nats://127.0.0.1", "TRUSTED_PROXIES": "10.0.0.0/8, fd00::/8"}), &cfg); err != nil {
		t.Error(err)
	}
	if networks, errs := source.ParseNetworks(cfg.TrustedProxies); len(networks) != 2 || len(errs) != 0 {
		t.Errorf("networks %v, errors %v, want two networks", networks, errs)
	}
}
