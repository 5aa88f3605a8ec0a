// Package broken has a test that fails and one that passes.
package broken

import "testing"

func TestFails(t *testing.T) {
	t.Error("this is seen")
}

func TestPasses(t *testing.T) {
	t.Log("this is not seen")
}
