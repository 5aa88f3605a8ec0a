package cli

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/redisx/redistest"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	"github.com/enneo-ai/enneo-bridge/services/bridge/internal/terminal"
	"github.com/enneo-ai/enneo-bridge/services/reconciler"
	"github.com/enneo-ai/enneo-bridge/services/simulator"
)

func TestReconcileCarriesOverAndShowsWhatDiffers(t *testing.T) {
	t.Parallel()
	options := simulator.DefaultOptions()
	options.Contracts = 20
	sim := simulator.New(options)
	defer sim.Close()
	server := httptest.NewServer(sim.Handler())
	defer server.Close()
	erp := simclient.New(server.URL, server.Client())
	c := &controlled{env: map[string]string{
		"NATS_URL": bustest.Start(t).URL(), "REDIS_URL": redistest.Start(t).URL, "SOURCES": "erp", "SOURCE_ERP_PROFILE": "generic",
		"SOURCE_ERP_HOST": erp.URL(simclient.Generic), "SOURCE_ERP_API_KEY": options.GenericToken.Reveal(), "SOURCE_ERP_RATE": "1000",
		// It runs now, whatever the service's schedule says.
		"RECONCILE_SCHEDULE": "@every 24h",
	}}
	c.says(t, exitOK, []string{"new      erp.contract.", "✓ erp (full): "}, "reconcile", "--dry-run")
	c.says(t, exitOK, []string{"✓ erp (full): ", " new, 0 changed"}, "reconcile")
	ids, err := erp.IDs(t.Context(), key.Contract, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := erp.Change(t.Context(), simclient.Change{Contracts: ids, StatusID: 6000}); err != nil {
		t.Fatal(err)
	}
	c.says(t, exitOK, []string{"changed  erp.contract." + key.EncodeToken(ids[0]) + "  revision  status", "(changed): "}, "reconcile", "--dry-run", "--since", "1h")
	c.says(t, exitFailure, []string{"since"}, "reconcile", "--since", "next week")
	c.says(t, exitFailure, []string{`"epr"`}, "reconcile", "--source", "epr")
}

// told are the reports of a run.
func told(t *testing.T, live bool) string {
	t.Helper()
	var out strings.Builder
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	p := newReconcileProgress(terminal.New(&out, config.Map(nil)), func() time.Time { return now })
	report := reconciler.Progress{Source: "erp", Mode: reconciler.Full, Kind: key.Contract, Began: now}
	p.note(report)
	now = now.Add(12 * time.Second)
	report.Listed, report.Total = 3000, 12_000
	p.note(report)
	if live {
		return p.sources["erp"].line(now)
	}
	now = now.Add(time.Second)
	report.Waiting = "nats"
	p.note(report)
	p.note(report)
	report.Ended, report.Err = true, errors.New("the erp is away")
	report.New = 3000
	p.note(report)
	return out.String()
}

func TestProgressIsABarWithRateAndTimeLeft(t *testing.T) {
	t.Parallel()
	want := "erp full: ██████░░░░░░░░░░░░░░░░░░  25 %, 3000 of 12000 contracts, 250/s, 36s left"
	if got := told(t, true); got != want {
		t.Errorf("line %q, want %q", got, want)
	}
	s := sourceProgress{Progress: reconciler.Progress{Source: "erp", Mode: reconciler.Changed, Listed: 10}, since: time.Unix(0, 0)}
	if got, want := s.line(time.Unix(5, 0)), "erp changed: 10 keys, 2/s"; got != want {
		t.Errorf("line %q, want %q", got, want)
	}
}

func TestProgressWithoutATerminalIsAFewLines(t *testing.T) {
	t.Parallel()
	lines := strings.Split(strings.TrimSpace(told(t, false)), "\n")
	if len(lines) != 3 || !strings.Contains(lines[1], "waiting for nats") ||
		!strings.HasPrefix(lines[2], "✗ erp (full): 0 seen: 3000 new") || !strings.HasSuffix(lines[2], "in 13s: the erp is away") {
		t.Errorf("lines %q", lines)
	}
}
