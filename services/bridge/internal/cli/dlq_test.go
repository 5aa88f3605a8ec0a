package cli

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/deadletter"
	"github.com/enneo-ai/enneo-bridge/libs/fault"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/position"
)

// lettered has a key with a dead letter at each stage, a body in which no identifier was found, and one that holds one.
type lettered struct {
	bus     *bus.Bus
	env     map[string]string
	box     *deadletter.Box
	ledger  *ledger.Ledger
	settled position.Position
}

func newLettered(t *testing.T) *lettered {
	t.Helper()
	server := bustest.Start(t)
	b := server.Connect(t, "powercloud")
	l := &lettered{bus: b, box: deadletter.Open(b), env: map[string]string{
		"NATS_URL": server.URL(), "SOURCES": "powercloud", "SOURCE_POWERCLOUD_PROFILE": "powercloud",
	}}
	var err error
	if l.ledger, err = ledger.Open(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	l.settled = appendEvents(t, b, "VN-1")
	failed := &fault.Fault{Scope: fault.Key, Permanent: true, Reason: "unmappable", Field: "contract.status", Status: 200, Answer: `{"status": …}`, Err: errors.New("the mapping of status failed")}
	for _, stage := range []string{deadletter.StageEnrich, deadletter.StagePublish} {
		if err := l.box.PutKey(t.Context(), stage, contract(t, "VN-1"), l.settled, 3, failed, ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.ledger.Dead(t.Context(), contract(t, "VN-1"), l.settled, time.Time{}, "unmappable"); err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{`{"nothing":"of ours"}`, `{"event":"contract.status","contractId":"VN-2"}`} {
		if err := l.box.PutBody(t.Context(), "powercloud", "application/json", []byte(body), "no_identifier", "none was found", ""); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// list returns the names of all letters.
func (l *lettered) list(t *testing.T, args ...string) []string {
	t.Helper()
	code, out, errs := call(t.Context(), l.env, append([]string{"dlq", "ls", "--json"}, args...)...)
	var got struct {
		Total   int
		Letters []struct{ Name string }
	}
	if err := json.Unmarshal([]byte(out), &got); code != exitOK || err != nil {
		t.Fatalf("dlq ls %v exits %d: %v\n%s%s", args, code, err, out, errs)
	}
	names := make([]string, 0, got.Total)
	for _, one := range got.Letters {
		names = append(names, one.Name)
	}
	return names
}

func TestDeadLettersAreListedByWhatTheyAre(t *testing.T) {
	t.Parallel()
	l := newLettered(t)
	for _, tc := range []struct {
		name string
		args []string
		want int
	}{
		{"all", nil, 4},
		{"by stage", []string{"--stage", "enrich"}, 1},
		{"by source", []string{"--source", "powercloud"}, 4},
		{"of another source", []string{"--source", "lynqtech"}, 0},
		{"by reason", []string{"--reason", "no_identifier"}, 2},
		{"recent", []string{"--since", "1h"}, 4},
		{"old", []string{"--before", "1h"}, 0},
		{"limited", []string{"--limit", "1"}, 1},
	} {
		if got := l.list(t, tc.args...); len(got) != tc.want {
			t.Errorf("%s: %v, want %d letters", tc.name, got, tc.want)
		}
	}
	code, out, _ := call(t.Context(), l.env, "dlq", "ls", "--limit", "3")
	if code != exitOK || !strings.Contains(out, "enrich.powercloud.contract.VN-1") || !strings.HasSuffix(out, "and 1 more\n") {
		t.Errorf("dlq ls exits %d and prints\n%s", code, out)
	}
	code, out, _ = call(t.Context(), l.env, "dlq", "show", "powercloud.contract.VN-1")
	for _, part := range []string{"enrich", "publish", "unmappable", "the mapping of status failed", "contract.status", `{"status": …}`, "bridge dlq replay 'publish.powercloud.contract.VN-1'"} {
		if code != exitOK || !strings.Contains(out, part) {
			t.Errorf("dlq show exits %d and does not say %q:\n%s", code, part, out)
		}
	}
}

func TestABodyIsShownOnlyToWhoeverAsks(t *testing.T) {
	t.Parallel()
	l := newLettered(t)
	name := l.list(t, "--reason", "no_identifier")[0]
	_, out, _ := call(t.Context(), l.env, "dlq", "show", name)
	if strings.Contains(out, "of ours") || !strings.Contains(out, "21 bytes of application/json") {
		t.Errorf("dlq show prints\n%s", out)
	}
	if _, out, _ = call(t.Context(), l.env, "dlq", "show", name, "--body"); out != `{"nothing":"of ours"}` {
		t.Errorf("dlq show --body prints %q, want the body", out)
	}
}

func TestReplayGoesBackThroughTheLog(t *testing.T) {
	t.Parallel()
	l := newLettered(t)
	code, out, _ := call(t.Context(), l.env, "dlq", "replay", "enrich.powercloud.contract.VN-1")
	if code != exitOK || out != "1 of 1 dead letters replayed, events appended: 1\n" {
		t.Errorf("dlq replay exits %d and prints\n%s", code, out)
	}
	code, out, _ = call(t.Context(), l.env, "dlq", "replay", "--stage", "ingest", "--yes")
	if code != exitFinding || !strings.Contains(out, "no identifier found") || !strings.HasSuffix(out, "1 of 2 dead letters replayed, events appended: 1\n") {
		t.Errorf("replay of a body without and one with an identifier exits %d and prints\n%s", code, out)
	}
	// The key's letters wait for its success; the body that was recognised is gone.
	if got := l.list(t); len(got) != 3 {
		t.Errorf("letters afterwards: %v, want 3", got)
	}
	code, out, _ = call(t.Context(), l.env, "audit", "--bound", "0s")
	if code != exitFinding || !strings.Contains(out, "powercloud.contract.VN-1") || !strings.Contains(out, "powercloud.contract.VN-2") {
		t.Errorf("the audit exits %d and prints\n%s\nwant both keys open", code, out)
	}
}

func TestDroppingSettlesTheKeyForGood(t *testing.T) {
	t.Parallel()
	l := newLettered(t)
	if code, out, errs := call(t.Context(), l.env, "dlq", "drop", "powercloud.contract.VN-1", "--because", "a test"); code != exitOK || out != "2 dead letters dropped\n" {
		t.Errorf("dlq drop exits %d and prints\n%s%s", code, out, errs)
	}
	if got := l.list(t, "--stage", "publish"); len(got) != 0 {
		t.Errorf("letters afterwards: %v, want none", got)
	}
	_, out, _ := call(t.Context(), l.env, "audit")
	if !strings.Contains(out, "dropped") || !strings.HasSuffix(out, "✓ accepted = settled, nothing open\n") {
		t.Errorf("the audit prints\n%s\nwant one event dropped", out)
	}
}

func TestDeadLetterCommandsRefuseWhatIsVague(t *testing.T) {
	t.Parallel()
	l := newLettered(t)
	for _, tc := range []struct{ want, args string }{
		{"--all", "dlq replay"},
		{"--all", "dlq drop --because x"},
		{"--because", "dlq drop --all"},
		{"--stage", "dlq ls --stage deliver"},
		{"--since", "dlq ls --since -1h"},
		{"--source", "dlq ls --source a.*"},
		{"--limit", "dlq ls --limit -1"},
		{"no dead letter powercloud.contract.VN-9", "dlq show powercloud.contract.VN-9"},
	} {
		code, _, errs := call(t.Context(), l.env, strings.Fields(tc.args)...)
		if code != exitFailure || !strings.Contains(errs, tc.want) {
			t.Errorf("%s exits %d and says %q, want %q", tc.args, code, errs, tc.want)
		}
	}
}

func TestManyAreReplayedOrDroppedOnlyWhenSomebodyIsSure(t *testing.T) {
	t.Parallel()
	l := newLettered(t)
	for _, args := range [][]string{{"replay", "--all"}, {"drop", "--source", "powercloud", "--because", "a test"}} {
		code, out, errs := call(t.Context(), l.env, append([]string{"dlq"}, args...)...)
		if code == exitOK || out != "" || !strings.Contains(errs, "4 dead letters?") && !strings.Contains(errs, "--yes") {
			t.Errorf("dlq %v exits %d and prints\n%s%s\nwant the advice to say --yes", args, code, out, errs)
		}
	}
	if got := l.list(t); len(got) != 4 {
		t.Errorf("letters afterwards: %v, want all 4", got)
	}
	if code, out, errs := call(t.Context(), l.env, "dlq", "drop", "--all", "--because", "a test", "--yes"); code != exitOK || out != "4 dead letters dropped\n" {
		t.Errorf("dlq drop --all --yes exits %d and prints\n%s%s", code, out, errs)
	}
}

func TestALetterSaysWhenItIsReplayedByItself(t *testing.T) {
	t.Parallel()
	l := newLettered(t)
	passing := &fault.Fault{Scope: fault.Key, Reason: "wrong_id", Status: 200}
	if err := l.box.PutKey(t.Context(), deadletter.StageEnrich, contract(t, "VN-7"), l.settled, 9, passing, "powercloud@1-abc"); err != nil {
		t.Fatal(err)
	}
	mapping := &fault.Fault{Scope: fault.Key, Permanent: true, Reason: "unmappable", Status: 200}
	if err := l.box.PutKey(t.Context(), deadletter.StageEnrich, contract(t, "VN-8"), l.settled, 1, mapping, "powercloud@1-abc"); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"powercloud.contract.VN-7": "by itself     the cause may pass, so it is replayed at 20",
		"powercloud.contract.VN-8": "by itself     replayed once the source has another profile\n",
	} {
		if code, out, _ := call(t.Context(), l.env, "dlq", "show", key); code != exitOK || !strings.Contains(out, want) || !strings.Contains(out, "powercloud@1-abc") {
			t.Errorf("dlq show %s exits %d and prints\n%s\nwant %q", key, code, out, want)
		}
	}
	if _, out, _ := call(t.Context(), l.env, "dlq", "ls"); !strings.Contains(out, "in 1") || !strings.Contains(out, "with a new profile") {
		t.Errorf("dlq ls prints\n%s", out)
	}
}
