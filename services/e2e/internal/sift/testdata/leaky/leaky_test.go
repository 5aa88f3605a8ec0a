// Package leaky has a test that passes, and tells a secret where nobody sees it.
package leaky

import (
	"testing"

	"github.com/enneo-ai/enneo-bridge/libs/canary"
)

func TestTellsASecret(t *testing.T) {
	t.Log("the password is", canary.Secret("sifted"))
}
