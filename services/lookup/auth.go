package lookup

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"

	"github.com/enneo-ai/enneo-bridge/libs/config"
)

// bearer is what an Authorization header with a token begins with.
const bearer = "Bearer "

// tokens are what callers prove themselves with. A nil *tokens lets everybody in.
type tokens struct {
	present, before [sha256.Size]byte
	rotating        bool
}

func newTokens(present, before config.Secret) *tokens {
	return &tokens{
		present: sha256.Sum256([]byte(present.Reveal())), before: sha256.Sum256([]byte(before.Reveal())), rotating: before.IsSet(),
	}
}

// grants tells whether a request may be answered, and whether only the token before the present one says so. It compares digests, in the
// same time whatever was sent, since the time of comparing the texts themselves would tell the token's length.
func (t *tokens) grants(r *http.Request) (granted, previous bool) {
	if t == nil {
		return true, false
	}
	header := r.Header.Get("Authorization")
	if len(header) < len(bearer) || !strings.EqualFold(header[:len(bearer)], bearer) {
		return false, false
	}
	digest := sha256.Sum256([]byte(strings.TrimSpace(header[len(bearer):])))
	present := subtle.ConstantTimeCompare(digest[:], t.present[:]) == 1
	before := subtle.ConstantTimeCompare(digest[:], t.before[:]) == 1 && t.rotating
	return present || before, before && !present
}
