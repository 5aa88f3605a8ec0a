package exchange

import (
	"crypto/sha256"
	"crypto/subtle"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

// TextRef returns an Operation.Refs that finds the id at the given place of Call.Texts.
func TextRef(kind key.Kind, place int) func(*Call) []simclient.Ref {
	return func(c *Call) []simclient.Ref { return []simclient.Ref{{Kind: kind, ID: c.Texts[place]}} }
}

// QueryRef returns an Operation.Refs that finds the id in a query parameter.
func QueryRef(kind key.Kind, name string) func(*Call) []simclient.Ref {
	return func(c *Call) []simclient.Ref {
		if id := c.Query.Get(name); id != "" {
			return []simclient.Ref{{Kind: kind, ID: id}}
		}
		return nil
	}
}

// SameSecret compares two secrets in a time that does not depend on what they have in common.
func SameSecret(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}
