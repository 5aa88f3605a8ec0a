package e2e

import (
	"os"
	"testing"
	"time"

	"github.com/enneo-ai/enneo-bridge/services/e2e/internal/chaos"
)

// TestNothingIsLostUnderAPlanOfBlows is a short run of the chaos suite, see package chaos.
func TestNothingIsLostUnderAPlanOfBlows(t *testing.T) { //nolint:paralleltest // It runs ten processes, and looks at when they do what.
	built, err := binaries()
	must(t, err)
	dir, err := os.MkdirTemp("", "enneo-bridge-chaos-") //nolint:usetesting // It outlives a test that failed, with the logs.
	must(t, err)
	t.Cleanup(func() {
		if !t.Failed() {
			_ = os.RemoveAll(dir)
		}
	})
	report, err := chaos.Run(t.Context(), &chaos.Options{
		Seed: 1, Duration: 25 * time.Second, Contracts: chaos.DefaultContracts, Dir: dir, Current: built,
		OldMissing: "the short run has none", Out: t.Output(),
	})
	must(t, err)
	must(t, report.Print(t.Output()))
	if wrong := report.Wrong(); len(wrong) > 0 {
		t.Errorf("%d things are wrong, first: %s", len(wrong), wrong[0])
	}
}
