package cli

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/deadletter"
	"github.com/enneo-ai/enneo-bridge/libs/fault"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
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
		{"old", []string{"--until", "1h"}, 0},
		{"until a time", []string{"--until", time.Now().Add(time.Hour).Format(time.RFC3339)}, 4},
		{"since a day", []string{"--since", "2026-01-01", "--until", "2026-01-02"}, 0},
		{"of a key", []string{"powercloud.contract.VN-1"}, 2},
		{"of a key at a stage", []string{"powercloud.contract.VN-1", "--stage", "publish"}, 1},
		{"by everything", []string{"powercloud.contract.VN-1", "--stage", "publish", "--source", "powercloud", "--reason", "unmappable", "--since", "1h", "--until", "0s"}, 1},
		{"by everything but one", []string{"powercloud.contract.VN-1", "--stage", "publish", "--source", "powercloud", "--reason", "other", "--since", "1h", "--until", "0s"}, 0},
		{"limited", []string{"--limit", "1"}, 1},
	} {
		if got := l.list(t, tc.args...); len(got) != tc.want {
			t.Errorf("%s: %v, want %d letters", tc.name, got, tc.want)
		}
	}
	code, out, _ := call(t.Context(), l.env, "dlq", "ls", "--limit", "3")
	if code != exitOK || !strings.Contains(out, "enrich.powercloud.contract.VN-1") || !strings.HasSuffix(out, "and 1 more; --limit shows them\n") {
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
	code, out, _ := call(t.Context(), l.env, "dlq", "replay", "powercloud.contract.VN-1")
	if code != exitOK || out != "✓ 2 of 2 dead letters replayed: 1 event appended to the log\n" {
		t.Errorf("dlq replay exits %d and prints\n%s", code, out)
	}
	code, out, _ = call(t.Context(), l.env, "dlq", "replay", "--stage", "ingest", "--yes")
	if code != exitFinding || !strings.Contains(out, "no identifier found") || !strings.HasSuffix(out, "✗ 1 of 2 dead letters replayed: 1 event appended to the log\n") {
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
	if code, out, errs := call(t.Context(), l.env, "dlq", "drop", "powercloud.contract.VN-1", "--because", "a test"); code != exitOK || out != "✓ 2 dead letters dropped\n" {
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
		{"say --all", "dlq replay"},
		{"say --all", "dlq drop --because x"},
		{"--all means every", "dlq replay --all --stage enrich"},
		{"--all means every", "dlq drop powercloud.contract.VN-1 --all --because x"},
		{"--because is missing: say why", "dlq drop --all"},
		{"use ingest, enrich, publish", "dlq ls --stage deliver"},
		{`"-1h" for "--since" flag: it lies in the future; write how long ago`, "dlq ls --since -1h"},
		{`for "--until" flag: write how long ago`, "dlq drop --until yesterday --because x"},
		{"exchange them", "dlq replay --since 1h --until 2h"},
		{"--source", "dlq ls --source a.*"},
		{"--limit -1 is negative", "dlq ls --limit -1"},
		{"no dead letter powercloud.contract.VN-9 that matches; see bridge dlq ls", "dlq show powercloud.contract.VN-9"},
		{"no dead letter powercloud.contract.12=2F3 that matches; see", "dlq ls powercloud.contract.12=2F3"},
		{"which dead letter? Name", "dlq show"},
		{"2 names are given, but only one can be", "dlq replay powercloud.contract.VN-1 powercloud.contract.VN-2"},
		{"did you mean powercloud.contract.12=2F3?", "dlq ls powercloud.contract.12/3"},
		{"did you mean enrich.powercloud.contract.12=2F3?", "dlq replay enrich.powercloud.contract.12/3"},
		{"no dead letter enrich.powercloud.contract.VN-1 that matches", "dlq drop enrich.powercloud.contract.VN-1 --stage publish --because x"},
		{"only letters of the stage ingest have one", "dlq show publish.powercloud.contract.VN-1 --body"},
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
		// The null device, which tests have as their input, looks like a terminal until it is read.
		want := "bridge: 4 dead letters (1 enrich, 2 ingest, 1 publish): there is no terminal to ask for confirmation; nothing was changed. Say --yes if you are sure\n"
		if code != exitFailure || out != "" || !strings.HasSuffix(errs, want) {
			t.Errorf("dlq %v exits %d and prints\n%s%s\nwant the number and the advice to say --yes", args, code, out, errs)
		}
	}
	if got := l.list(t); len(got) != 4 {
		t.Errorf("letters afterwards: %v, want all 4", got)
	}
	if code, out, errs := call(t.Context(), l.env, "dlq", "drop", "--all", "--because", "a test", "--yes"); code != exitOK || out != "✓ 4 dead letters dropped\n" {
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
		"powercloud.contract.VN-7": "  by itself     replayed at 20",
		"powercloud.contract.VN-8": "  by itself     replayed once powercloud has another profile\n",
		"powercloud.contract.VN-1": "  by itself     never: mend the cause, then replay or drop it\n",
	} {
		if code, out, _ := call(t.Context(), l.env, "dlq", "show", key); code != exitOK || !strings.Contains(out, want) {
			t.Errorf("dlq show %s exits %d and prints\n%s\nwant %q", key, code, out, want)
		}
	}
	if _, out, _ := call(t.Context(), l.env, "dlq", "ls"); !strings.Contains(out, "in 1") || !strings.Contains(out, "new profile") {
		t.Errorf("dlq ls prints\n%s", out)
	}
}

// shownLetters has a letter of each kind.
func shownLetters() []deadletter.Letter {
	at := func(ago time.Duration) *timestamppb.Timestamp { return timestamppb.New(noon.Add(-ago)) }
	one := func(stage, kind, id string, sequence uint64) *bridgev1.DeadLetter {
		return &bridgev1.DeadLetter{
			Stage: stage, Source: "powercloud", Key: &bridgev1.Key{Source: "powercloud", Kind: kind, Id: id},
			Position: position.Position{Epoch: 1795460706, Sequence: sequence}.Proto(), Profile: "powercloud@2-5c1e0c2a9f10",
		}
	}
	passing := one(deadletter.StageEnrich, "contract", "VN-1", 70)
	passing.Reason, passing.Message, passing.Status, passing.Attempts = "wrong_id", "wrong_id (field id) (HTTP 200): the ERP has answered another id; look at its interface", 200, 9
	passing.Field, passing.Answer = "id", `application/json, 512 bytes: {"id":…,"status":…}`
	passing.FirstAt, passing.LastAt, passing.Passing, passing.Replays, passing.ReplayAt = at(6*time.Hour), at(90*time.Minute), true, 2, at(-150*time.Minute)
	mapping := one(deadletter.StageEnrich, "contract", "12/3", 71)
	mapping.Reason, mapping.Message, mapping.Field, mapping.Status, mapping.Attempts = "unmappable", "unmappable (field contract.status): the mapping of status failed; mend the profile", "contract.status", 200, 1
	mapping.FirstAt, mapping.LastAt = at(time.Minute), at(time.Minute)
	refused := one(deadletter.StagePublish, "customer", "K-7", 72)
	refused.Reason, refused.Message, refused.Status, refused.Attempts = "rejected", "rejected (HTTP 422): Enneo refuses the customer", 422, 1
	refused.Profile, refused.FirstAt, refused.LastAt = "", at(40*time.Hour), at(26*time.Hour)
	due := one(deadletter.StagePublish, "contract", "VN-4", 73)
	due.Reason, due.Message, due.Attempts, due.Passing = "no_success", "no_success (HTTP 200): Enneo says that it did not work", 9, true
	due.Profile, due.Status, due.FirstAt, due.LastAt, due.ReplayAt = "", 200, at(20*time.Minute), at(20*time.Minute), at(10*time.Second)
	body := &bridgev1.DeadLetter{
		Stage: deadletter.StageIngest, Source: "powercloud", Reason: "no_identifier", Attempts: 1, ContentType: "application/json",
		Message: "none of the webhook pointers of profile powercloud finds an identifier; mend the profile, then replay",
		Body:    []byte(`{"nothing":"of ours"}`), FirstAt: at(3 * time.Hour), LastAt: at(3 * time.Hour),
	}
	const hash = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	return []deadletter.Letter{
		{Name: "enrich.powercloud.contract.VN-1", Value: passing},
		{Name: "enrich.powercloud.contract.12=2F3", Value: mapping},
		{Name: "publish.powercloud.customer.K-7", Value: refused},
		{Name: "publish.powercloud.contract.VN-4", Value: due},
		{Name: "ingest.powercloud.body." + hash, Value: body},
		{Name: "enrich.powercloud.contract.VN-9", Value: &bridgev1.DeadLetter{}, Unreadable: true, StoredAt: noon.Add(-time.Hour)},
	}
}

func TestDeadLettersAsTheyAreShown(t *testing.T) {
	t.Parallel()
	var described []letter
	var shown strings.Builder
	for _, l := range shownLetters() {
		d := describe(l)
		described = append(described, d)
		shown.WriteString(d.text(noon) + "\n")
	}
	golden(t, "dlq-ls.golden.txt", letterTable(described, len(described)+2, noon))
	golden(t, "dlq-show.golden.txt", shown.String())
	var out strings.Builder
	cmd := &cobra.Command{}
	cmd.SetOut(&out)
	if err := printJSON(cmd, letterList{Total: len(described), Letters: described}); err != nil {
		t.Fatal(err)
	}
	golden(t, "dlq-ls.golden.json", out.String())
}

// TestReplayOfABodyNeedsItsSource: what is missing is said, and the body stays.
func TestReplayOfABodyNeedsItsSource(t *testing.T) {
	t.Parallel()
	l := newLettered(t)
	for want, env := range map[string]map[string]string{
		"SOURCES: required, but not set": {"NATS_URL": l.env["NATS_URL"]},
		"SOURCES does not name its source powercloud; set it as the ingestor has it": {
			"NATS_URL": l.env["NATS_URL"], "SOURCES": "other", "SOURCE_OTHER_PROFILE": "generic",
		},
	} {
		code, out, _ := call(t.Context(), env, "dlq", "replay", "--stage", "ingest", "--yes")
		if code != exitFinding || strings.Count(out, want) != 2 || !strings.HasSuffix(out, "✗ 0 of 2 dead letters replayed: 0 events appended to the log\n") {
			t.Errorf("dlq replay exits %d and prints\n%s\nwant %q for each body", code, out, want)
		}
	}
	if got := l.list(t, "--stage", "ingest"); len(got) != 2 {
		t.Errorf("bodies afterwards: %v, want 2", got)
	}
}

// TestWhatIsNoDeadLetterCanOnlyBeDropped: somebody has written into DEAD by hand.
func TestWhatIsNoDeadLetterCanOnlyBeDropped(t *testing.T) {
	t.Parallel()
	l := newLettered(t)
	msg := nats.NewMsg("dead.enrich.powercloud.contract.VN-5")
	msg.Data = []byte("by hand")
	if _, err := l.bus.Publish(t.Context(), msg); err != nil {
		t.Fatal(err)
	}
	if got := l.list(t, "--reason", "unreadable"); len(got) != 1 {
		t.Errorf("dlq ls --reason unreadable: %v, want it", got)
	}
	if code, out, _ := call(t.Context(), l.env, "dlq", "replay", "powercloud.contract.VN-5"); code != exitFinding || !strings.Contains(out, "it is no dead letter of enneo-bridge; drop it") {
		t.Errorf("dlq replay exits %d and prints\n%s", code, out)
	}
	if code, out, errs := call(t.Context(), l.env, "dlq", "drop", "enrich.powercloud.contract.VN-5", "--because", "not ours"); code != exitOK || out != "✓ 1 dead letter dropped\n" {
		t.Errorf("dlq drop exits %d and prints\n%s%s", code, out, errs)
	}
	for _, args := range [][]string{{"ls"}, {"replay", "--yes"}, {"drop", "--because", "x"}} {
		code, out, errs := call(t.Context(), l.env, append(append([]string{"dlq"}, args...), "--reason", "unreadable")...)
		if code != exitOK || out != "no dead letter matches; without flags bridge dlq ls lists all\n" {
			t.Errorf("dlq %v exits %d and prints\n%s%s\nwant that nothing matches", args, code, out, errs)
		}
	}
}
