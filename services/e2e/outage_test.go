package e2e

import (
	"testing"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	"github.com/enneo-ai/enneo-bridge/services/e2e/internal/outage"
)

// TestAnOutageCostsOneRequestPerContract is a short run of what make outage runs for ten minutes.
func TestAnOutageCostsOneRequestPerContract(t *testing.T) {
	t.Parallel()
	for _, system := range []string{simclient.Powercloud, simclient.Enneo} {
		t.Run(system, func(t *testing.T) {
			t.Parallel()
			turn(t)
			built, err := binaries()
			must(t, err)
			report, err := outage.Run(t.Context(), &outage.Options{
				Dir: t.TempDir(), Binaries: built, System: system, Contracts: 60, Duration: 8 * time.Second, Rate: 30,
			})
			must(t, err)
			must(t, report.Print(t.Output()))
			if err := report.Check(); err != nil {
				t.Error(err)
			}
		})
	}
}
