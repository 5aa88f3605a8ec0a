package cli

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/brake"
	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/libs/record"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// controlled is an installation with one source.
type controlled struct {
	bus    *bus.Bus
	env    map[string]string
	ledger *ledger.Ledger
}

func newControlled(t *testing.T) *controlled {
	t.Helper()
	server := bustest.Start(t)
	c := &controlled{bus: server.Connect(t, "powercloud"), env: map[string]string{"NATS_URL": server.URL(), "SOURCES": "powercloud"}}
	var err error
	if c.ledger, err = ledger.Open(t.Context(), c.bus); err != nil {
		t.Fatal(err)
	}
	return c
}

// says runs a command and fails unless it ends with the code and says all of the words.
func (c *controlled) says(t *testing.T, wantCode int, words []string, args ...string) {
	t.Helper()
	code, out, errs := call(t.Context(), c.env, args...)
	if code != wantCode {
		t.Errorf("bridge %s ends with %d, want %d: %s%s", strings.Join(args, " "), code, wantCode, out, errs)
	}
	for _, word := range words {
		if !strings.Contains(out+errs, word) {
			t.Errorf("bridge %s does not say %q: %s%s", strings.Join(args, " "), word, out, errs)
		}
	}
}

func TestPausesAreBegunShownAndEnded(t *testing.T) {
	t.Parallel()
	c := newControlled(t)
	c.says(t, exitOK, []string{"nothing is paused", "powercloud"}, "pause")
	c.says(t, exitOK, []string{"powercloud is paused until 2"}, "pause", "powercloud", "--for", "2h", "--because", "release")
	c.says(t, exitOK, []string{"enneo is paused until bridge resume enneo"}, "pause", "enneo", "--because", "wrong data")
	c.says(t, exitOK, []string{"powercloud", "release", "in 2h", "enneo", "wrong data", "by bridge resume"}, "pause")
	c.says(t, exitOK, []string{"enneo goes on"}, "resume", "enneo")
	c.says(t, exitFinding, []string{"enneo was not paused"}, "resume", "enneo")
	c.says(t, exitFailure, []string{"--because"}, "pause", "powercloud")
	c.says(t, exitFailure, []string{`"pwercloud"`, "SOURCES (powercloud)"}, "pause", "pwercloud", "--because", "x")
	c.says(t, exitFailure, []string{"negative"}, "pause", "powercloud", "--for", "-1s", "--because", "x")
}

// settle settles a key as it would be at the end of a delivery, or of a rehearsal.
func (c *controlled) settle(t *testing.T, id string, s *bridgev1.Settlement) position.Position {
	t.Helper()
	p := appendEvents(t, c.bus, id)
	_, err := c.ledger.Change(t.Context(), contract(t, id).String(), func(r *bridgev1.Settlement) error {
		ledger.Settle(r, p, time.Time{}, s.GetOutcome(), s.GetReason())
		r.ContentHash = s.GetContentHash()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// open tells whether the key has an event that is not settled, and whether Enneo's content counts as known.
func (c *controlled) open(t *testing.T, id string) (open, known bool) {
	t.Helper()
	s, err := c.bus.JetStream().Stream(t.Context(), bus.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := s.GetLastMsgForSubject(t.Context(), bus.EventSubject(contract(t, id)))
	if err != nil {
		t.Fatal(err)
	}
	entry, err := c.ledger.Get(t.Context(), contract(t, id).String())
	if err != nil {
		t.Fatal(err)
	}
	return msg.Sequence > entry.Value.GetCovered().GetSequence(), entry.Value.GetContentHash() != ""
}

func TestResyncMakesKeysOpenAndWhatEnneoHasUnknown(t *testing.T) {
	t.Parallel()
	c := newControlled(t)
	delivered := &bridgev1.Settlement{Outcome: bridgev1.Outcome_OUTCOME_DELIVERED, ContentHash: "h"}
	for _, id := range []string{"VN-1", "VN-2", "VN-3"} {
		c.settle(t, id, delivered)
	}
	c.settle(t, "VN-gone", &bridgev1.Settlement{Outcome: bridgev1.Outcome_OUTCOME_DELETED, ContentHash: "h"})
	check := func(id string, wantOpen bool) {
		t.Helper()
		if open, known := c.open(t, id); open != wantOpen || known == wantOpen {
			t.Errorf("%s: open %t, known %t", id, open, known)
		}
	}
	c.says(t, exitOK, []string{"✓ 1 keys"}, "resync", "powercloud.contract.VN-1")
	check("VN-1", true)
	check("VN-2", false)
	c.says(t, exitOK, []string{"3 keys of powercloud would"}, "resync", "--source", "powercloud", "--dry-run")
	check("VN-2", false)
	c.says(t, exitFailure, []string{"--yes"}, "resync", "--source", "powercloud")
	check("VN-2", false)
	c.says(t, exitOK, []string{"✓ 3 keys"}, "resync", "--source", "powercloud", "--yes", "--rate", "1000")
	for _, id := range []string{"VN-1", "VN-2", "VN-3"} {
		check(id, true)
	}
	check("VN-gone", false)
	c.says(t, exitOK, []string{"✓ 4 keys"}, "resync", "--source", "powercloud", "--yes", "--gone", "--kind", "contract")
	check("VN-gone", true)
	c.says(t, exitOK, []string{"0 keys"}, "resync", "--source", "powercloud", "--kind", "customer")
	for word, args := range map[string]string{
		"name either": "resync", "--kind": "resync --source powercloud --kind x", "--rate": "resync --source powercloud --rate 0",
		"no key": "resync x", "--source": "resync --source a.b",
	} {
		c.says(t, exitFailure, []string{word}, strings.Fields(args)...)
	}
}

func TestADryRunIsReportedWithoutPersonalDataUnlessAsked(t *testing.T) {
	t.Parallel()
	c := newControlled(t)
	c.says(t, exitOK, []string{"nothing is settled by a dry run", "ENNEO_DRY_RUN"}, "dry-run")
	c.settle(t, "VN-1", &bridgev1.Settlement{Outcome: bridgev1.Outcome_OUTCOME_DROPPED, Reason: ledger.DryRunPut})
	c.settle(t, "VN-2", &bridgev1.Settlement{Outcome: bridgev1.Outcome_OUTCOME_DROPPED, Reason: ledger.DryRunDelete})
	c.settle(t, "VN-3", &bridgev1.Settlement{Outcome: bridgev1.Outcome_OUTCOME_DROPPED, Reason: "an operator's reason"})
	snapshots, err := record.Open[bridgev1.Snapshot](t.Context(), c.bus.JetStream(), bus.BucketContracts)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := snapshots.Put(t.Context(), contract(t, "VN-1").String(), &bridgev1.Snapshot{Body: `{"id":"VN-1","lastname":"Musterfrau"}`}, 0); err != nil {
		t.Fatal(err)
	}
	c.says(t, exitOK, []string{"powercloud", "contract", "put", "delete"}, "dry-run")
	c.says(t, exitOK, []string{"put    powercloud.contract.VN-1 37 bytes: id, lastname", "delete powercloud.contract.VN-2"}, "dry-run", "--keys")
	if _, out, _ := call(t.Context(), c.env, "dry-run", "--keys"); strings.Contains(out, "Musterfrau") || strings.Contains(out, "VN-3") {
		t.Errorf("the list shows data, or what no dry run has settled: %s", out)
	}
	c.says(t, exitOK, []string{"Musterfrau"}, "dry-run", "--body", "powercloud.contract.VN-1")
	c.says(t, exitFailure, []string{"has no structure"}, "dry-run", "--body", "powercloud.contract.VN-9")
}

func TestABrakeIsShownAndReleased(t *testing.T) {
	t.Parallel()
	c := newControlled(t)
	c.says(t, exitOK, []string{"powercloud", "go"}, "brake")
	brakes, err := brake.Open(t.Context(), c.bus)
	if err != nil {
		t.Fatal(err)
	}
	one := brakes.Brake("powercloud", brake.Config{DeletesShare: 0.1, DeletesMin: 1}, slog.New(slog.DiscardHandler))
	for range 2 {
		if _, err := one.Allow(t.Context(), brake.Delete); err != nil {
			t.Fatal(err)
		}
	}
	c.says(t, exitFinding, []string{"stopped 0s ago", "1 deletes within an hour"}, "brake")
	c.says(t, exitFailure, []string{"--because"}, "brake", "release", "powercloud")
	c.says(t, exitFailure, []string{"bridge pause"}, "brake", "release", "enneo", "--because", "x")
	c.says(t, exitFailure, []string{"SOURCES"}, "brake", "release", "other", "--because", "x")
	c.says(t, exitFailure, []string{"--for"}, "brake", "release", "powercloud", "--because", "x", "--for", "0s")
	c.says(t, exitOK, []string{"released until"}, "brake", "release", "powercloud", "--because", "looked at")
	c.says(t, exitOK, []string{"released, ends in 1h", "looked at"}, "brake")
}
