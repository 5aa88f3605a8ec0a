package e2e

import (
	"context"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/services/e2e/internal/rig"
)

// binaries builds the real commands once for all tests of the package.
var binaries = sync.OnceValues(func() (rig.Binaries, error) {
	return rig.Build(builds, buildDir, "failpoint")
})

// impatient makes everything that waits for the end of somebody else's turn wait only shortly.
var impatient = map[string]string{
	"DEBOUNCE_QUIET_PERIOD": "300ms", "DEBOUNCE_MAX_WAIT": "2s", "DEBOUNCE_LEASE": "2s",
	"ENNEO_TIMEOUT": "1s", "ENNEO_LEASE_MARGIN": "1s", "ACK_WAIT": "2s",
}

// oneAtATime bounds how many worlds of processes run at once: two cores start no more in reasonable time.
var oneAtATime = make(chan struct{}, 2)

// turn waits for one of those places and keeps it until the test ends.
func turn(t *testing.T) {
	t.Helper()
	oneAtATime <- struct{}{}
	t.Cleanup(func() { <-oneAtATime })
}

// world is a rig of one test. Its methods end the test when they fail.
type world struct {
	*rig.World
	t *testing.T
}

func newWorld(t *testing.T, contracts int) *world {
	t.Helper()
	built, err := binaries()
	must(t, err)
	opened, err := rig.Open(t.Context(), rig.Options{Dir: t.TempDir(), Binaries: built, Contracts: contracts, Seed: 7})
	must(t, err)
	t.Cleanup(func() {
		opened.Close()
		if !t.Failed() {
			return
		}
		for _, p := range opened.Processes() {
			t.Logf("last lines of %s:\n%s", p.Name, strings.Join(p.Tail(30), "\n"))
		}
	})
	return &world{World: opened, t: t}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// start starts a service and waits until it is ready.
func (w *world) start(service string, env map[string]string) *rig.Process {
	w.t.Helper()
	p, err := w.Start(w.t.Context(), service, env)
	must(w.t, err)
	return p
}

// launch starts a service without waiting for anything.
func (w *world) launch(service string, env map[string]string) *rig.Process {
	w.t.Helper()
	p, err := w.Launch(service, env)
	must(w.t, err)
	return p
}

// http is where an ingestor takes webhooks.
func (w *world) http(p *rig.Process) string {
	w.t.Helper()
	address, err := p.Listener(w.t.Context(), "http")
	must(w.t, err)
	return address
}

// ingestor starts an ingestor, waits until it takes events and returns its address.
func (w *world) ingestor(env map[string]string) string {
	w.t.Helper()
	address := w.http(w.start("ingestor", env))
	must(w.t, w.Accepting(w.t.Context(), address))
	return address
}

// contracts are the first n contracts of the ERP.
func (w *world) contracts(n int) []string {
	w.t.Helper()
	ids, err := w.Sim.IDs(w.t.Context(), key.Contract, 0, n)
	must(w.t, err)
	return ids
}

// change changes each contract in the ERP and tells of it.
func (w *world) change(ingestor string, status int, ids ...string) {
	w.t.Helper()
	for _, id := range ids {
		must(w.t, w.Change(w.t.Context(), ingestor, id, status))
	}
}

// settled waits until the log holds at least accepted events and none of them is open.
func (w *world) settled(accepted int) ledger.Balance {
	w.t.Helper()
	balance, err := w.Settled(w.t.Context(), uint64(accepted))
	must(w.t, err)
	return balance
}

// said waits until a process has printed a line with the text.
func (w *world) said(p *rig.Process, text string) {
	w.t.Helper()
	must(w.t, p.Said(within(w.t, time.Minute), text))
}

// sound checks what must hold after every run.
func (w *world) sound() {
	w.t.Helper()
	if err := w.Sound(w.t.Context()); err != nil {
		w.t.Error(err)
	}
}

// counts are how often each id was the subject of an operation.
func (w *world) counts(system string, kind key.Kind) map[string]int {
	w.t.Helper()
	counts, err := w.Counts(w.t.Context(), system, kind)
	must(w.t, err)
	return counts
}

// eventually waits until check succeeds.
func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	must(t, rig.Eventually(t.Context(), 90*time.Second, what, func(context.Context) error { return check() }))
}

// within is the context of a test with a limit.
func within(t *testing.T, limit time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

var (
	builds   = context.Background()
	buildDir string
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "enneo-bridge-e2e-")
	if err != nil {
		panic(err)
	}
	buildDir = dir
	m.Run()
	_ = os.RemoveAll(dir)
}
