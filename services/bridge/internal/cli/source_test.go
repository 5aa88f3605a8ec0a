package cli

import (
	"encoding/json"
	"testing"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/deadletter"
	"github.com/enneo-ai/enneo-bridge/libs/fault"
	"github.com/enneo-ai/enneo-bridge/libs/inventory"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// newFormer is an installation whose source has another name in SOURCES by now; it has left two settled contracts, and one dead letter.
func newFormer(t *testing.T) *controlled {
	t.Helper()
	c := newControlled(t)
	delivered := &bridgev1.Settlement{Outcome: bridgev1.Outcome_OUTCOME_DELIVERED, ContentHash: "abc"}
	c.settle(t, "VN-1", delivered)
	p := c.settle(t, "VN-2", delivered)
	failed := &fault.Fault{Scope: fault.Key, Permanent: true, Reason: "refused"}
	if err := deadletter.Open(c.bus).PutKey(t.Context(), deadletter.StagePublish, contract(t, "VN-2"), p, 1, failed, ""); err != nil {
		t.Fatal(err)
	}
	c.env["SOURCES"], c.env["SOURCE_PC_PROFILE"] = "pc", "powercloud"
	return c
}

func (c *controlled) counts(t *testing.T, source string) inventory.Counts {
	t.Helper()
	counts, err := inventory.Count(t.Context(), c.bus, source)
	if err != nil {
		t.Fatal(err)
	}
	return counts
}

func TestSourcesAreListedWithWhatTheyHave(t *testing.T) {
	t.Parallel()
	c := newFormer(t)
	c.says(t, exitFinding, []string{"powercloud", "not in SOURCES", "pc", "configured", "bridge source retire"}, "source", "ls")
	code, out, _ := call(t.Context(), c.env, "source", "ls", "--json")
	var rows []sourceRow
	if err := json.Unmarshal([]byte(out), &rows); err != nil || code != exitFinding || len(rows) != 2 {
		t.Fatalf("source ls --json ends with %d: %v\n%s", code, err, out)
	}
	if want := (inventory.Counts{Events: 2, Settled: 2, Dead: 1}); rows[0].Name != "pc" || rows[1].Configured || rows[1].Counts != want {
		t.Errorf("rows %+v, want pc, and powercloud with %+v", rows, want)
	}
	c.env["SOURCES"] = "powercloud"
	c.says(t, exitOK, []string{"powercloud  configured"}, "source", "ls")
	c.says(t, exitOK, nil, "pause", "powercloud", "--because", "release")
	c.says(t, exitOK, []string{"powercloud  paused"}, "source", "ls")
}

func TestOnlyASourceThatIsNotInUseIsRetired(t *testing.T) {
	t.Parallel()
	c := newFormer(t)
	c.says(t, exitFailure, []string{"SOURCES names pc", "restart"}, "source", "retire", "pc", "--yes")
	c.says(t, exitFailure, []string{"--yes"}, "source", "retire", "powercloud")
	c.says(t, exitFailure, []string{`"p.*"`}, "source", "retire", "p.*", "--yes")
	if got := c.counts(t, "powercloud"); got.Total() != 5 {
		t.Errorf("left: %+v, want all", got)
	}
	for _, words := range [][]string{{"powercloud is retired", "2 events", "1 dead letters"}, {"0 events"}} {
		c.says(t, exitOK, words, "source", "retire", "powercloud", "--yes")
	}
	if got := c.counts(t, "powercloud"); got.Total() != 0 {
		t.Errorf("left: %+v, want nothing", got)
	}
	c.says(t, exitOK, nil, "source", "ls")
	delete(c.env, "SOURCES")
	c.says(t, exitFailure, []string{"SOURCES is not set"}, "source", "retire", "powercloud", "--yes")
}

func TestARenamedSourceIsReadUnderItsNewName(t *testing.T) {
	t.Parallel()
	c := newFormer(t)
	if err := c.bus.Ensure(t.Context(), []string{"pc"}); err != nil {
		t.Fatal(err)
	}
	c.says(t, exitFailure, []string{"SOURCES does not name crm"}, "source", "rename", "powercloud", "crm", "--yes")
	c.says(t, exitFailure, []string{"is {id} for pc", "was old-{id}", "twice"}, "source", "rename", "powercloud", "pc", "--enneo-id", "old-{id}", "--yes")
	c.says(t, exitFailure, []string{"2 keys", "--yes"}, "source", "rename", "powercloud", "pc")
	c.says(t, exitOK, []string{"2 keys of powercloud will be read as pc"}, "source", "rename", "powercloud", "pc", "--yes")
	if got, want := c.counts(t, "pc"), (inventory.Counts{Events: 2}); got != want {
		t.Errorf("the new name has %+v, want %+v", got, want)
	}
	if got := c.counts(t, "powercloud"); got.Total() != 0 {
		t.Errorf("the old name has %+v, want nothing", got)
	}
	if s, err := c.bus.JetStream().Stream(t.Context(), bus.StreamEvents); err != nil || s.CachedInfo().State.Msgs != 2 {
		t.Errorf("the log has another number of events: %v", err)
	}
	c.says(t, exitOK, []string{"0 keys"}, "source", "rename", "powercloud", "pc", "--yes")
}
