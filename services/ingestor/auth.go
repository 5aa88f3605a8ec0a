package ingestor

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"slices"
	"strings"

	"github.com/enneo-ai/enneo-bridge/libs/source"
)

// headerSecret is the header in which a sender may give the source's secret.
const headerSecret = "X-Webhook-Secret" //nolint:gosec // The name of a header, not a secret.

// authentic tells whether the request proves to come from the source. Every way that the source allows is tried, and
// the comparisons take the same time whatever was sent.
func authentic(src *source.Source, r *http.Request) bool {
	if slices.Contains(src.WebhookAuth, source.WebhookNone) {
		return true
	}
	secret := src.WebhookSecret.Reveal()
	given := map[string]string{
		source.WebhookHeader: r.Header.Get(headerSecret),
		source.WebhookPath:   r.PathValue("secret"),
	}
	if token, ok := cutPrefixFold(r.Header.Get("Authorization"), "Bearer "); ok {
		given[source.WebhookBearer] = strings.TrimSpace(token)
	}
	if _, password, ok := r.BasicAuth(); ok {
		given[source.WebhookBasic] = password
	}
	matched := 0
	for _, way := range src.WebhookAuth {
		matched |= equal(given[way], secret)
	}
	return matched == 1
}

// equal compares digests, since the time of comparing the texts themselves would tell the secret's length. An empty
// secret equals nothing.
func equal(given, secret string) int {
	if secret == "" || given == "" {
		return 0
	}
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(secret))
	return subtle.ConstantTimeCompare(a[:], b[:])
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return "", false
	}
	return s[len(prefix):], true
}
