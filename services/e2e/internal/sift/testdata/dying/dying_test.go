// Package dying has a test that takes its process down.
package dying

import "testing"

func TestDies(t *testing.T) {
	t.Log("before the end")
	panic("the end")
}
