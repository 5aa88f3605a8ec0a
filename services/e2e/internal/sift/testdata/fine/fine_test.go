// Package fine has tests that pass and tell nothing.
package fine

import "testing"

func TestSaysSomething(t *testing.T) {
	t.Log("nothing of interest")
	t.Run("below", func(t *testing.T) { t.Log("neither") })
}
