package fault_test

import (
	"testing"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/fault"
)

func TestParseRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"":                              0,
		"7":                             7 * time.Second,
		" 7 ":                           7 * time.Second,
		"0":                             0,
		"-3":                            0,
		"1.5":                           0,
		"soon":                          0,
		"86400":                         fault.MaxRetryAfter,
		"9223372036854775807":           fault.MaxRetryAfter,
		"99999999999999999999":          0,
		"Sun, 01 Nov 2026 12:01:00 GMT": time.Minute,
		"Sun, 01 Nov 2026 11:59:00 GMT": 0,
		"Mon, 01 Nov 2027 12:00:00 GMT": fault.MaxRetryAfter,
	} {
		if got := fault.ParseRetryAfter(header, now); got != want {
			t.Errorf("ParseRetryAfter(%q) = %s, want %s", header, got, want)
		}
	}
}
