package ingestor

import (
	"crypto/sha256"
	"crypto/subtle"
	"math"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/source"
)

// headerSecret is the header in which a sender may give the source's secret.
const headerSecret = "X-Webhook-Secret" //nolint:gosec // The name of a header, not a secret.

// reason says why a request was not authenticated. It is shown in metrics only: the sender is not told which of several
// conditions it meets.
type reason string

const (
	reasonMissing   reason = "missing"   // no credentials
	reasonWrong     reason = "wrong"     // a wrong secret or signature
	reasonMalformed reason = "malformed" // headers of a signature that cannot be read
	reasonExpired   reason = "expired"   // a signature whose time is too far from now
	reasonAddress   reason = "address"   // not an address of WEBHOOK_IPS, or an unknown one
)

// guard decides who speaks for one source. Safe for concurrent use.
type guard struct {
	src *source.Source
	// secrets are the present one and the one before it, with which senders may still be during a rotation.
	secrets [2]credential
	// allowance is nil where any number of requests is accepted.
	allowance *rate.Limiter
}

// credential is a secret in the forms in which it is compared.
type credential struct {
	set    bool
	digest [sha256.Size]byte
	key    []byte // nil if the secret is no signing key
}

func newGuard(src *source.Source) *guard {
	g := &guard{src: src, secrets: [2]credential{newCredential(src.WebhookSecret), newCredential(src.WebhookSecretPrevious)}}
	if src.WebhookRate > 0 {
		burst := int(math.Ceil(min(src.WebhookRate, math.MaxInt32)))
		g.allowance = rate.NewLimiter(rate.Limit(src.WebhookRate), burst)
	}
	return g
}

func newCredential(secret config.Secret) credential {
	// What has to be a signing key has been checked at the start; any other secret need not be one.
	key, _ := source.SigningKey(secret)
	return credential{set: secret.IsSet(), digest: sha256.Sum256([]byte(secret.Reveal())), key: key}
}

// sender is where a request comes from; see proxies.client.
type sender struct {
	address netip.Addr
	known   bool
}

// verdict is what a guard found out about a request.
type verdict struct {
	granted bool
	// previous: only the secret before the present one proved it.
	previous bool
	// signed: by nothing but a signature, which says nothing of the headers.
	signed bool
	// method is the one that was tried and failed, empty if none was; reason why it failed.
	method string
	reason reason
}

// judge tries every method that the source allows. Only a signature that may be right needs the body; the error is
// that of reading it.
func (g *guard) judge(r *http.Request, from sender, now time.Time, body func() ([]byte, error)) (verdict, error) {
	methods := g.src.WebhookAuth
	if slices.Contains(methods, source.WebhookNone) {
		return verdict{granted: true}, nil
	}
	if slices.Contains(methods, source.WebhookIP) {
		if !from.known || !contains(g.src.WebhookIPs, from.address) {
			return verdict{method: source.WebhookIP, reason: reasonAddress}, nil
		}
		if len(methods) == 1 {
			return verdict{granted: true}, nil
		}
	}
	v := g.bySecret(r)
	if v.granted || !slices.Contains(methods, source.WebhookHMAC) {
		return v, nil
	}
	signed, err := g.bySignature(r.Header, now, body)
	if err != nil || signed.granted || v.reason == reasonMissing {
		return signed, err
	}
	return v, nil
}

// bySecret compares what stands in the places that the source allows. The comparisons take the same time whatever was
// sent.
func (g *guard) bySecret(r *http.Request) verdict {
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
	v := verdict{reason: reasonMissing}
	present, previous := 0, 0
	for _, method := range g.src.WebhookAuth {
		text := given[method]
		if text != "" && v.method == "" {
			v.method, v.reason = method, reasonWrong
		}
		present |= g.secrets[0].equal(text)
		previous |= g.secrets[1].equal(text)
	}
	if present|previous == 1 {
		return verdict{granted: true, previous: present == 0}
	}
	return v
}

func (g *guard) bySignature(header http.Header, now time.Time, body func() ([]byte, error)) (verdict, error) {
	s, why := readSignature(header)
	switch {
	case why == reasonMissing:
		return verdict{reason: reasonMissing}, nil
	case why == "" && !s.fresh(now):
		why = reasonExpired
	}
	if why != "" {
		return verdict{method: source.WebhookHMAC, reason: why}, nil
	}
	text, err := body()
	if err != nil {
		return verdict{}, err
	}
	present, previous := s.by(g.secrets[0].key, text), s.by(g.secrets[1].key, text)
	if present|previous == 0 {
		return verdict{method: source.WebhookHMAC, reason: reasonWrong}, nil
	}
	return verdict{granted: true, previous: present == 0, signed: true}, nil
}

// equal returns 1 if the text is the secret, else 0. It compares digests, since the time of comparing the texts
// themselves would tell the secret's length. An empty secret equals nothing.
func (c *credential) equal(text string) int {
	if !c.set || text == "" {
		return 0
	}
	digest := sha256.Sum256([]byte(text))
	return subtle.ConstantTimeCompare(digest[:], c.digest[:])
}

// busy returns 0 if the source may send one more request now, else how long it should wait.
func (g *guard) busy(now time.Time) time.Duration {
	if g.allowance == nil {
		return 0
	}
	return take(g.allowance, now)
}

// demands tells a sender what it needs, whatever was wrong with what it sent.
func (g *guard) demands() string {
	ways := slices.DeleteFunc(slices.Clone(g.src.WebhookAuth), func(method string) bool { return method == source.WebhookIP })
	var text []string
	if len(ways) > 0 {
		text = append(text, "The source's secret is missing or wrong. It is taken from: "+strings.Join(ways, ", ")+".")
	}
	if len(ways) < len(g.src.WebhookAuth) {
		text = append(text, "The sender's address must be an allowed one.")
	}
	return strings.Join(text, " ")
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return "", false
	}
	return s[len(prefix):], true
}
