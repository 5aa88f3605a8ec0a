package ingestor

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/source"
)

// sign makes the value of the header Webhook-Signature.
func sign(key []byte, id, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", id, timestamp, body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// signingKey is a key and the secret that stands for it.
func signingKey(fill string) (key []byte, secret string) {
	key = bytes.Repeat([]byte(fill), 32)
	return key, "whsec_" + base64.StdEncoding.EncodeToString(key)
}

// The example of the Standard Webhooks libraries, which their tests share.
func TestASignatureOfAnotherImplementationHolds(t *testing.T) {
	t.Parallel()
	key, err := source.SigningKey("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	s, why := readSignature(http.Header{
		"Webhook-Id": {"msg_p5jXN8AQM9LWM0D4loKWxJek"}, "Webhook-Timestamp": {"1614265330"},
		"Webhook-Signature": {"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
	})
	if why != "" || s.by(key, []byte(`{"test": 2432232314}`)) != 1 {
		t.Errorf("the signature does not hold, reason %q", why)
	}
}

func TestAnHMACProvesIdTimeAndBody(t *testing.T) {
	t.Parallel()
	key, secret := signingKey("k")
	old, oldSecret := signingKey("o")
	stranger, _ := signingKey("x")
	in, _ := unconnected(t, map[string]string{
		"SOURCE_ACME_WEBHOOK_AUTH": "hmac", "SOURCE_ACME_WEBHOOK_SECRET": secret, "SOURCE_ACME_WEBHOOK_SECRET_PREVIOUS": oldSecret,
	})
	now := time.Unix(1_800_000_000, 0)
	const body = `{"contractId":"4711"}`
	at := func(d time.Duration) string { return strconv.FormatInt(now.Add(d).Unix(), 10) }
	made := func(key []byte, id, timestamp string) string { return sign(key, id, timestamp, []byte(body)) }
	right := made(key, "msg_1", at(0))
	for name, tc := range map[string]struct {
		id, timestamp, signature string
		body                     string // instead of the one that was signed
		want                     verdict
	}{
		"right":                         {"msg_1", at(0), right, "", verdict{granted: true, signed: true}},
		"the previous key":              {"msg_1", at(0), made(old, "msg_1", at(0)), "", verdict{granted: true, signed: true, previous: true}},
		"both keys":                     {"msg_1", at(0), made(old, "msg_1", at(0)) + " " + right, "", verdict{granted: true, signed: true}},
		"the right one last":            {"msg_1", at(0), made(stranger, "msg_1", at(0)) + " v1a,AAAA v2," + right[3:] + "  " + right, "", verdict{granted: true, signed: true}},
		"just not too old":              {"msg_1", at(-tolerance), made(key, "msg_1", at(-tolerance)), "", verdict{granted: true, signed: true}},
		"just not too early":            {"msg_1", at(tolerance), made(key, "msg_1", at(tolerance)), "", verdict{granted: true, signed: true}},
		"replayed":                      {"msg_1", at(-tolerance - time.Second), made(key, "msg_1", at(-tolerance-time.Second)), "", verdict{method: "hmac", reason: reasonExpired}},
		"from the future":               {"msg_1", at(tolerance + time.Second), made(key, "msg_1", at(tolerance+time.Second)), "", verdict{method: "hmac", reason: reasonExpired}},
		"in milliseconds":               {"msg_1", at(0) + "000", made(key, "msg_1", at(0)+"000"), "", verdict{method: "hmac", reason: reasonExpired}},
		"the least time there is":       {"msg_1", "-9223372036854775808", made(key, "msg_1", "-9223372036854775808"), "", verdict{method: "hmac", reason: reasonExpired}},
		"replayed with a new time":      {"msg_1", at(0), made(key, "msg_1", at(-time.Hour)), "", verdict{method: "hmac", reason: reasonWrong}},
		"no time":                       {"msg_1", "soon", made(key, "msg_1", "soon"), "", verdict{method: "hmac", reason: reasonMalformed}},
		"another id":                    {"msg_2", at(0), right, "", verdict{method: "hmac", reason: reasonWrong}},
		"an id that is part of another": {"msg_1." + at(0), at(0), made(key, "msg_1."+at(0), at(0)), "", verdict{method: "hmac", reason: reasonMalformed}},
		"another body":                  {"msg_1", at(0), right, body + " ", verdict{method: "hmac", reason: reasonWrong}},
		"another key":                   {"msg_1", at(0), made(stranger, "msg_1", at(0)), "", verdict{method: "hmac", reason: reasonWrong}},
		"truncated":                     {"msg_1", at(0), right[:len(right)-1], "", verdict{method: "hmac", reason: reasonWrong}},
		"truncated to nothing":          {"msg_1", at(0), "v1,", "", verdict{method: "hmac", reason: reasonWrong}},
		"longer":                        {"msg_1", at(0), right + "A", "", verdict{method: "hmac", reason: reasonWrong}},
		"another version":               {"msg_1", at(0), "v2," + right[3:], "", verdict{method: "hmac", reason: reasonMalformed}},
		"without a version":             {"msg_1", at(0), right[3:], "", verdict{method: "hmac", reason: reasonMalformed}},
		"separated by commas":           {"msg_1", at(0), made(old, "msg_1", at(0)) + "," + right, "", verdict{method: "hmac", reason: reasonWrong}},
		"as many as allowed":            {"msg_1", at(0), strings.Repeat("v1,A ", maxSignatures-1) + right, "", verdict{granted: true, signed: true}},
		"too many":                      {"msg_1", at(0), strings.Repeat("v1,A ", maxSignatures) + right, "", verdict{method: "hmac", reason: reasonMalformed}},
		"no id":                         {"", at(0), right, "", verdict{method: "hmac", reason: reasonMalformed}},
		"no signature":                  {"msg_1", at(0), "", "", verdict{method: "hmac", reason: reasonMalformed}},
		"nothing":                       {"", "", "", "", verdict{reason: reasonMissing}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/webhooks/acme", http.NoBody)
			for header, value := range map[string]string{headerWebhookID: tc.id, headerWebhookTimestamp: tc.timestamp, headerWebhookSignature: tc.signature} {
				if value != "" {
					r.Header.Set(header, value)
				}
			}
			sent := body
			if tc.body != "" {
				sent = tc.body
			}
			read := false
			got, err := in.guards["acme"].judge(r, sender{}, now, func() ([]byte, error) { read = true; return []byte(sent), nil })
			if err != nil || got != tc.want {
				t.Errorf("verdict %+v, error %v, want %+v", got, err, tc.want)
			}
			if want := got.granted || got.reason == reasonWrong; read != want {
				t.Errorf("the body was read: %t, want %t", read, want)
			}
		})
	}
}

func TestAmbiguousHeadersOfASignatureAreRefused(t *testing.T) {
	t.Parallel()
	for _, name := range []string{headerWebhookID, headerWebhookTimestamp, headerWebhookSignature} {
		header := http.Header{headerWebhookID: {"msg_1"}, headerWebhookTimestamp: {"1"}, headerWebhookSignature: {"v1,A"}}
		if _, why := readSignature(header); why != "" {
			t.Fatalf("without a repetition: %q", why)
		}
		header.Add(name, header.Get(name))
		if _, why := readSignature(header); why != reasonMalformed {
			t.Errorf("%s twice is %q, want %q", name, why, reasonMalformed)
		}
	}
}

func TestASignedRequestIsTakenWhole(t *testing.T) {
	t.Parallel()
	key, secret := signingKey("k")
	in, handler := unconnected(t, map[string]string{"SOURCE_ACME_WEBHOOK_AUTH": "header,hmac", "SOURCE_ACME_WEBHOOK_SECRET": secret})
	const (
		structured = `{"specversion":"1.0","id":"1","source":"s","type":"t","subject":"4711"}`
		binary     = `{"contractId":"4711"}`
	)
	attributes := []string{"Ce-Specversion", "1.0", "Ce-Id", "1", "Ce-Source", "s", "Ce-Type", "t", "Ce-Subject", "4711"}
	for name, tc := range map[string]struct {
		path, contentType, body string
		headers                 []string
		status                  int
		detail                  string
	}{
		"a webhook":                    {"/webhooks/acme", typeJSON, binary, nil, 503, "Nothing is lost"},
		"a structured event":           {"/events/acme", mediaEvent, structured, nil, 503, "Nothing is lost"},
		"a batch":                      {"/events/acme", mediaBatch, "[" + structured + "]", nil, 503, "Nothing is lost"},
		"a structured event with both": {"/events/acme", mediaEvent, structured, attributes, 503, "Nothing is lost"},
		"a binary event":               {"/events/acme", typeJSON, binary, attributes, 415, "does not cover the ce- headers"},
		"a binary event and a secret":  {"/events/acme", typeJSON, binary, append([]string{headerSecret, secret}, attributes...), 503, "Nothing is lost"},
		"a body that is too large":     {"/webhooks/acme", typeJSON, `"` + strings.Repeat("x", int(in.maxBody)) + `"`, nil, 413, "INGEST_MAX_BODY"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, tc.path, strings.NewReader(tc.body))
			timestamp := strconv.FormatInt(time.Now().Unix(), 10)
			headers := append([]string{
				"Content-Type", tc.contentType, headerWebhookID, "msg_1", headerWebhookTimestamp, timestamp,
				headerWebhookSignature, sign(key, "msg_1", timestamp, []byte(tc.body)),
			}, tc.headers...)
			for i := 0; i < len(headers); i += 2 {
				r.Header.Set(headers[i], headers[i+1])
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code != tc.status || !strings.Contains(w.Body.String(), tc.detail) {
				t.Errorf("answered %d %s, want %d and %q", w.Code, w.Body, tc.status, tc.detail)
			}
		})
	}
}

func TestABodyThatCannotBeReadIsNoFailedAttempt(t *testing.T) {
	t.Parallel()
	_, secret := signingKey("k")
	in, _ := unconnected(t, map[string]string{"SOURCE_ACME_WEBHOOK_AUTH": "hmac", "SOURCE_ACME_WEBHOOK_SECRET": secret})
	now := time.Unix(1_800_000_000, 0)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/webhooks/acme", http.NoBody)
	r.Header.Set(headerWebhookID, "msg_1")
	r.Header.Set(headerWebhookTimestamp, "1800000000")
	r.Header.Set(headerWebhookSignature, "v1,A")
	cut := errors.New("cut off")
	if v, err := in.guards["acme"].judge(r, sender{}, now, func() ([]byte, error) { return nil, cut }); !errors.Is(err, cut) || v.granted {
		t.Errorf("verdict %+v, error %v, want the error of the body", v, err)
	}
}
