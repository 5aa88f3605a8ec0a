package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	"github.com/enneo-ai/enneo-bridge/services/e2e/internal/rig"
)

// listed is an environment whose source has lists of whole contracts; profile is a built-in name or a file.
func (w *world) listed(profile string) map[string]string {
	env := w.With(impatient)
	for name, value := range map[string]string{
		"PROFILE": profile, "HOST": w.Sim.URL(simclient.Generic), "AUTH": "bearer", "API_KEY": "generic-development", "API_USER": "", "API_PASSWORD": "",
	} {
		env["SOURCE_POWERCLOUD_"+name] = value
	}
	env["RECONCILE_PAGE_SIZE"], env["RECONCILE_OVERLAP"], env["GONE_CONFIRM"] = "10", "0s", "200ms"
	return env
}

// onlyFull is the generic profile without lists of changes, so that every run compares everything.
func (w *world) onlyFull() string {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "libs", "profile", "builtin", "generic.yaml"))
	must(w.t, err)
	profile := string(text)
	for _, part := range [][2]string{{"  list_changed:\n", "  list_all:\n"}, {"  list_changed_customers:\n", "  list_all_customers:\n"}} {
		before, rest, _ := strings.Cut(profile, part[0])
		_, after, found := strings.Cut(rest, part[1])
		if !found {
			w.t.Fatalf("the generic profile has no %q", part[1])
		}
		profile = before + part[1] + after
	}
	file := filepath.Join(w.t.TempDir(), "full.yaml")
	must(w.t, os.WriteFile(file, []byte(profile), 0o600))
	return file
}

// flow starts the services behind the log.
func (w *world) flow(env map[string]string) {
	w.t.Helper()
	for _, name := range []string{"debouncer", "enricher", "publisher"} {
		w.start(name, env)
	}
}

// reconciled runs the reconciler to its end.
func (w *world) reconciled(env map[string]string) *rig.Process {
	w.t.Helper()
	p := w.launch("reconciler", env)
	<-p.Exited()
	must(w.t, p.Said(w.t.Context(), `"well":true`))
	return p
}

// same checks that Enneo has all that the generic ERP has.
func (w *world) same() {
	w.t.Helper()
	comparison, err := w.Sim.Compare(w.t.Context(), simclient.CompareQuery{System: simclient.Generic, Limit: 20})
	must(w.t, err)
	summary, err := w.Sim.Summary(w.t.Context())
	must(w.t, err)
	if comparison.Mismatched > 0 || comparison.Compared < summary.Contracts+summary.Customers {
		w.t.Errorf("compared %d keys of %d, %d differ: %v", comparison.Compared, summary.Contracts+summary.Customers, comparison.Mismatched, comparison.Mismatches)
	}
	if summary.Overlaps > 0 || summary.Regressions > 0 {
		w.t.Errorf("%d overlaps, %d regressions", summary.Overlaps, summary.Regressions)
	}
}

// TestReconcilerKilledAtEveryStep kills the reconciler at each of its named steps, in the middle of a comparison that finds
// what is new, changed and gone. The next run ends it, and Enneo has what the ERP has.
func TestReconcilerKilledAtEveryStep(t *testing.T) {
	t.Parallel()
	for _, point := range []string{
		"reconciler.page.read=kill:2", "reconciler.events.appended=kill:2", "reconciler.snapshots.stored=kill:2",
		"reconciler.tickets.sent=kill:2", "reconciler.gone.appended=kill", "reconciler.cursor.moved=kill",
	} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			turn(t)
			w := newWorld(t, 40)
			env := w.listed(w.onlyFull())
			w.flow(env)
			w.reconciled(env)
			w.settled(40)
			w.same()

			ids := w.contracts(40)
			_, err := w.Sim.Change(t.Context(), simclient.Change{Contracts: []string{ids[0], ids[15], ids[39]}, StatusID: 6000})
			must(t, err)
			_, err = w.Sim.Generate(t.Context(), simclient.Generate{Contracts: 12})
			must(t, err)
			_, err = w.Sim.Delete(t.Context(), simclient.Ref{Kind: key.Contract, ID: ids[20]})
			must(t, err)

			victim := w.launch("reconciler", with(env, "FAILPOINTS", point))
			name, _, _ := strings.Cut(point, "=")
			w.said(victim, "failpoint "+name)
			<-victim.Exited()
			w.reconciled(env)
			w.settled(40)
			must(t, w.Idle(t.Context()))
			w.same()
		})
	}
}

// TestWhatAKilledReconcilerHasAppendedIsSettledWithoutAnotherRun: no window opens for events that the reconciler carries over
// itself, so the sweeper is what revives those that it left behind.
func TestWhatAKilledReconcilerHasAppendedIsSettledWithoutAnotherRun(t *testing.T) {
	t.Parallel()
	for _, point := range []string{"reconciler.events.appended", "reconciler.snapshots.stored"} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			turn(t)
			w := newWorld(t, 10)
			env := w.listed("generic")
			w.flow(env)
			victim := w.launch("reconciler", with(env, "FAILPOINTS", point+"=kill"))
			w.said(victim, "failpoint "+point)
			<-victim.Exited()
			w.settled(10)
			must(t, w.Idle(t.Context()))
			for _, id := range w.contracts(10) {
				if n := w.counts(simclient.Enneo, key.Contract)[id]; n != 1 {
					t.Errorf("%d requests to Enneo for the contract %s", n, id)
				}
			}
		})
	}
}

// TestAWebhookAndTheReconcilerAtTheSameTimeCostOneRead changes contracts, tells of them and lists them, all at the same time.
func TestAWebhookAndTheReconcilerAtTheSameTimeCostOneRead(t *testing.T) {
	t.Parallel()
	turn(t)
	w := newWorld(t, 60)
	env := w.listed("generic")
	ingestor := w.ingestor(env)
	w.flow(env)
	w.reconciled(env)
	w.settled(60)
	ids := w.contracts(60)
	for round := range 3 {
		must(t, w.Sim.ResetJournal(t.Context()))
		listing := w.launch("reconciler", env)
		w.change(ingestor, 2000+round, ids...)
		<-listing.Exited()
		w.settled(60)
		must(t, w.Idle(t.Context()))
		for id, reads := range w.counts(simclient.Generic, key.Contract) {
			if reads > 1 {
				t.Errorf("round %d: %d reads of the contract %s, want one at most", round, reads, id)
			}
		}
		w.same()
	}
}
