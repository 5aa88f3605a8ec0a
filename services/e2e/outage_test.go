package e2e

import (
	"testing"
	"time"

	"github.com/enneo-ai/enneo-bridge/services/e2e/internal/outage"
)

// TestAnOutageCostsOneReadAndOneRequestPerContract is a short run of what make outage measures, see package outage.
func TestAnOutageCostsOneReadAndOneRequestPerContract(t *testing.T) {
	t.Parallel()
	turn(t)
	built, err := binaries()
	must(t, err)
	report, err := outage.Run(t.Context(), &outage.Options{
		Dead: 4 * time.Second, Before: 2 * time.Second, Contracts: 100, Every: time.Second, Quiet: 300 * time.Millisecond, MaxWait: 1500 * time.Millisecond,
		Dir: t.TempDir(), Binaries: built, Out: t.Output(),
	})
	must(t, err)
	must(t, report.Print(t.Output()))
	for _, wrong := range report.Wrong() {
		t.Error(wrong)
	}
}
