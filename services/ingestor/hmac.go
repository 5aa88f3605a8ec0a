package ingestor

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Standard Webhooks 1.0.0, https://github.com/standard-webhooks/standard-webhooks. Its Go library is healthy, but reads the
// clock itself, knows one key, takes an empty or short one, and accepts ids with a full stop, which the specification warns
// of: the same signature would then fit another id, time and body. What remains are the few lines below.
const (
	headerWebhookID        = "Webhook-Id"
	headerWebhookTimestamp = "Webhook-Timestamp"
	headerWebhookSignature = "Webhook-Signature"

	// tolerance is how far the sender's clock may be from ours, and how long a request can be repeated by who overheard it.
	tolerance = 5 * time.Minute
	// maxSignatures is far beyond one for each key and version that a sender may use at a time.
	maxSignatures = 16
)

// signature is what the headers of a request say of its body.
type signature struct {
	// id and timestamp are signed as they were sent.
	id, timestamp string
	sentAt        int64 // Unix seconds
	// macs are in base64; any of them may be the right one.
	macs []string
}

// readSignature reads the headers. Without a reason they are there and well formed.
func readSignature(header http.Header) (signature, reason) {
	var values [3]string
	absent := 0
	for i, name := range []string{headerWebhookID, headerWebhookTimestamp, headerWebhookSignature} {
		switch all := header.Values(name); len(all) {
		case 0:
			absent++
		case 1:
			values[i] = all[0]
		default:
			// Another reader might take another one of them.
			return signature{}, reasonMalformed
		}
	}
	if absent == len(values) {
		return signature{}, reasonMissing
	}
	s := signature{id: values[0], timestamp: values[1]}
	sentAt, err := strconv.ParseInt(s.timestamp, 10, 64)
	if err != nil || s.id == "" || strings.Contains(s.id, ".") {
		return signature{}, reasonMalformed
	}
	s.sentAt = sentAt
	list := strings.Fields(values[2])
	if len(list) > maxSignatures {
		return signature{}, reasonMalformed
	}
	for _, one := range list {
		// Other versions are not secrets that we share with the sender, such as v1a.
		if mac, ok := strings.CutPrefix(one, "v1,"); ok {
			s.macs = append(s.macs, mac)
		}
	}
	if len(s.macs) == 0 {
		return signature{}, reasonMalformed
	}
	return s, ""
}

// fresh tells whether the signature was made about now.
func (s *signature) fresh(now time.Time) bool {
	const seconds = int64(tolerance / time.Second)
	return s.sentAt >= now.Unix()-seconds && s.sentAt <= now.Unix()+seconds
}

// by returns 1 if the key made one of the signatures of the body, else 0. The time it takes does not tell how near they are.
func (s *signature) by(key, body []byte) int {
	if len(key) == 0 {
		return 0
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(s.id + "." + s.timestamp + "."))
	mac.Write(body)
	want := []byte(base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	matched := 0
	for _, given := range s.macs {
		if hmac.Equal([]byte(given), want) {
			matched = 1
		}
	}
	return matched
}
