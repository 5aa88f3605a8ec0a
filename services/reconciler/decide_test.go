package reconciler

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/lease"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
	"github.com/enneo-ai/enneo-bridge/libs/record"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

func TestDecide(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	h := &horizon{end: position.Position{Epoch: 1, Sequence: 100}, at: noon, stored: noon}
	event := func(sequence uint64, at time.Time) eventlog.Last {
		return eventlog.Last{Position: position.Position{Epoch: 1, Sequence: sequence}, At: at}
	}
	snap := func(sequence uint64, body string, gone bool, at time.Time) record.Entry[bridgev1.Snapshot, *bridgev1.Snapshot] {
		return record.Entry[bridgev1.Snapshot, *bridgev1.Snapshot]{Revision: 1, StoredAt: at, Value: &bridgev1.Snapshot{
			Covers: position.Position{Epoch: 1, Sequence: sequence}.Proto(), Body: body, Gone: gone,
		}}
	}
	settled := func(sequence uint64, outcome bridgev1.Outcome) ledger.Entry {
		return ledger.Entry{Revision: 1, Value: &bridgev1.Settlement{Covered: position.Position{Epoch: 1, Sequence: sequence}.Proto(), Outcome: outcome}}
	}
	const (
		delivered = bridgev1.Outcome_OUTCOME_DELIVERED
		deleted   = bridgev1.Outcome_OUTCOME_DELETED
		dead      = bridgev1.Outcome_OUTCOME_DEAD_LETTER
		dropped   = bridgev1.Outcome_OUTCOME_DROPPED
	)
	ago := noon.Add(-time.Hour)
	whole := item{whole: true, body: "b"}
	id := item{}
	removed := item{whole: true, removed: true}
	unmappable := item{whole: true, err: errors.New("no")}
	done := known{settled: settled(50, delivered), snap: snap(50, "b", false, ago), last: event(50, ago), found: true}
	differs := known{settled: settled(50, delivered), snap: snap(50, "a", false, ago), last: event(50, ago), found: true}
	for _, tc := range []struct {
		name string
		item item
		known
		mode   Mode
		minAge time.Duration
		want   decision
	}{
		{name: "nothing is known", item: whole, want: decision{class: classNew, event: true, store: true}},
		{name: "it is the same", item: whole, known: done, want: decision{class: classUnchanged}},
		{name: "it differs", item: whole, known: differs, want: decision{class: classChanged, event: true, store: true}},
		{name: "its events have left the log", item: whole, known: known{settled: settled(50, delivered), snap: snap(50, "a", false, ago)}, want: decision{class: classChanged, event: true, store: true}},
		{name: "its events have left the log and it is the same", item: whole, known: known{settled: settled(50, delivered), snap: snap(50, "b", false, ago)}, want: decision{class: classUnchanged}},
		{name: "read and never delivered, and its events have left the log", item: whole, known: known{settled: settled(50, delivered), snap: snap(60, "b", false, ago)}, want: decision{class: classChanged, event: true, store: true}},
		{name: "a newer event", item: whole, known: known{settled: settled(50, delivered), snap: snap(50, "a", false, ago), last: event(101, noon), found: true}, want: decision{class: classLive}},
		{name: "an event of a later epoch", item: whole, known: known{last: eventlog.Last{Position: position.Position{Epoch: 2, Sequence: 1}}, found: true}, want: decision{class: classLive}},
		{name: "an open event", item: whole, known: known{settled: settled(50, delivered), snap: snap(50, "a", false, ago), last: event(60, ago), found: true}, want: decision{class: classChanged, store: true}},
		{name: "an open event of what is the same", item: whole, known: known{settled: settled(50, delivered), snap: snap(50, "b", false, ago), last: event(60, ago), found: true}, want: decision{class: classUnchanged, store: true}},
		{name: "an open event of what is not known", item: whole, known: known{last: event(60, ago), found: true}, want: decision{class: classNew, store: true}},
		{name: "an open event that is too young", item: whole, known: known{last: event(60, noon.Add(-time.Second)), found: true}, minAge: time.Minute, want: decision{class: classLive}},
		{name: "read and not delivered yet", item: whole, known: known{snap: snap(60, "b", false, ago), last: event(60, ago), found: true}, want: decision{class: classUnchanged}},
		{name: "read since, the same", item: whole, known: known{settled: settled(50, delivered), snap: snap(50, "b", false, noon.Add(time.Second)), last: event(50, ago), found: true}, want: decision{class: classUnchanged}},
		{name: "read since, different", item: whole, known: known{settled: settled(50, delivered), snap: snap(50, "a", false, noon.Add(time.Second)), last: event(50, ago), found: true}, want: decision{class: classChanged, event: true}},
		{name: "it was gone and is back", item: whole, known: known{settled: settled(50, deleted), snap: snap(50, "", true, ago), last: event(50, ago), found: true}, want: decision{class: classNew, event: true, store: true}},
		{name: "a dead letter that could not be mapped", item: whole, known: known{settled: settled(50, dead), last: event(50, ago), found: true}, want: decision{class: classNew, event: true, store: true}},
		{name: "a dead letter that Enneo refuses", item: whole, known: known{settled: settled(50, dead), snap: snap(50, "b", false, ago), last: event(50, ago), found: true}, want: decision{class: classUnchanged}},
		{name: "dropped before it was read", item: whole, known: known{settled: settled(60, dropped), snap: snap(50, "b", false, ago), last: event(60, ago), found: true}, want: decision{class: classUnchanged}},
		{name: "cannot be mapped", item: unmappable, known: done, want: decision{class: classFailed, event: true}},
		{name: "cannot be mapped and is on its way", item: unmappable, known: known{last: event(60, ago), found: true}, want: decision{class: classFailed}},
		{name: "cannot be mapped and is a dead letter", item: unmappable, known: known{settled: settled(50, dead), last: event(50, ago), found: true}, want: decision{class: classFailed}},
		{name: "removed", item: removed, known: done, want: decision{class: classGone, event: true}},
		{name: "removed and never known", item: removed, want: decision{class: classUnchanged}},
		{name: "removed and gone", item: removed, known: known{settled: settled(50, deleted), snap: snap(50, "", true, ago), last: event(50, ago), found: true}, want: decision{class: classUnchanged}},
		{name: "removed, and its delete waits", item: removed, known: known{settled: settled(50, delivered), snap: snap(60, "", true, ago), last: event(60, ago), found: true}, want: decision{class: classUnchanged}},
		{name: "removed, and its snapshot is lost", item: removed, known: known{settled: settled(50, delivered), last: event(50, ago), found: true}, want: decision{class: classGone, event: true}},
		{name: "a customer without contracts", item: item{whole: true, mapped: profile.Mapped{Gone: true}}, known: done, want: decision{class: classGone, event: true}},
		{name: "an id among changes", item: id, known: done, mode: Changed, want: decision{class: classChanged, event: true}},
		{name: "a new id among changes", item: id, mode: Changed, want: decision{class: classNew, event: true}},
		{name: "an id among all", item: id, known: done, mode: Full, want: decision{class: classUnchanged}},
		{name: "a new id among all", item: id, mode: Full, want: decision{class: classNew, event: true}},
		{name: "a new id that is on its way", item: id, known: known{last: event(60, ago), found: true}, mode: Full, want: decision{class: classLive}},
		{name: "read again", item: id, known: done, mode: Reread, want: decision{class: classChanged, event: true}},
		{name: "read again, and on its way", item: id, known: known{snap: snap(50, "b", false, ago), last: event(60, ago), found: true}, mode: Reread, want: decision{class: classLive}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if tc.snap.Value == nil {
				tc.snap.Value = &bridgev1.Snapshot{}
			}
			if tc.settled.Value == nil {
				tc.settled.Value = &bridgev1.Settlement{}
			}
			got := decide(&tc.item, &tc.known, h, rules{mode: tc.mode, minAge: tc.minAge})
			if got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

func TestACycleOfPagesIsFound(t *testing.T) {
	t.Parallel()
	for _, lead := range []int{0, 1, 5, 100} {
		for _, length := range []int{1, 2, 3, 7, 64} {
			var c cycle
			closed := 0
			for page := range 10 * (lead + length + 1) {
				at := page
				if page >= lead {
					at = lead + (page-lead)%length
				}
				if c.closes("cursor "+strconv.Itoa(at), nil) {
					closed = page
					break
				}
			}
			if closed == 0 || closed > 4*(lead+length)+4 {
				t.Errorf("%d pages, then %d again and again: found after %d", lead, length, closed)
			}
		}
	}
	var c cycle
	for page := range 100_000 {
		if c.closes("", []item{{key: contract(strconv.Itoa(page))}}) {
			t.Fatalf("page %d was taken for one before", page)
		}
	}
}

func TestTheWorstEndDecidesTheExitCode(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		errs []error
		want int
	}{
		{[]error{nil, nil}, 0},
		{[]error{nil, ErrFailures}, exitFailures},
		{[]error{ErrBusy, ErrFailures}, exitBusy},
		{[]error{ErrBusy, ErrTooManyGone, nil}, exitTooManyGone},
		{[]error{ErrTooManyGone, lease.ErrLost}, exitFailure},
	} {
		err := verdict(tc.errs)
		if got := (outcome{err: err}).code(); got != tc.want {
			t.Errorf("%v: exit code %d, want %d", tc.errs, got, tc.want)
		}
	}
}

func TestConfigurationThatMakesNoSenseIsRefused(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"RECONCILE_SCHEDULE": "every day", "RECONCILE_FULL_SCHEDULE": "61 * * * *", "RECONCILE_PAGE_SIZE": "0", "RECONCILE_BACKLOG": "-1",
		"RECONCILE_GONE_SHARE": "5", "RECONCILE_GONE_MIN": "-1", "RECONCILE_OVERLAP": "-1s", "RECONCILE_PATIENCE": "0s", "RECONCILE_REREAD": "0",
	} {
		var cfg Config
		err := config.Load(t.Context(), config.Map(map[string]string{"NATS_URL": "nats://x", "REDIS_URL": "redis://x", name: value}), &cfg)
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s=%s: %v", name, value, err)
		}
	}
}

func TestSchedules(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 12, 7, 0, 0, time.UTC)
	for _, tc := range []struct {
		normal, full, want string
		everything         bool
	}{
		{"*/15 * * * *", "", "12:15", false},
		{"", "30 2 * * *", "02:30", true},
		{"*/15 * * * *", "30 2 * * *", "12:15", false},
		{"0 * * * *", "10 12 * * *", "12:10", true},
		{"0 * * * *", "0 13 * * *", "13:00", true},
		{"@every 1m", "", "12:08", false},
	} {
		normal, err := parseSchedule(tc.normal)
		if err != nil {
			t.Fatal(err)
		}
		full, err := parseSchedule(tc.full)
		if err != nil {
			t.Fatal(err)
		}
		at, everything := next(now, normal, full)
		if at.Format("15:04") != tc.want || everything != tc.everything {
			t.Errorf("%q and %q: %s, everything %t; want %s, %t", tc.normal, tc.full, at, everything, tc.want, tc.everything)
		}
	}
}

func TestCommandLine(t *testing.T) {
	t.Parallel()
	var help strings.Builder
	o, err := parse([]string{"--source", "a,b", "--since", "48h", "--full", "--dry-run", "--allow-gone"}, &help)
	if err != nil || cmp.Diff([]string{"a", "b"}, o.Sources) != "" || !o.Full || !o.DryRun || !o.AllowGone || time.Since(o.Since).Round(time.Hour) != 48*time.Hour {
		t.Errorf("%+v, %v", o, err)
	}
	if o, err := parse(nil, &help); err != nil || o.once() {
		t.Errorf("without arguments: %+v, %v; want what the schedule says", o, err)
	}
	for _, args := range [][]string{{"--since", "tomorrow"}, {"--since", "2126-01-01T00:00:00Z"}, {"--fulll"}, {"x"}} {
		if _, err := parse(args, &help); err == nil {
			t.Errorf("%v was taken", args)
		}
	}
	if got, err := ParseSince("2026-11-24T10:00:00+01:00", time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)); err != nil || got.UTC().Hour() != 9 {
		t.Errorf("%s, %v", got, err)
	}
}

func TestOptionsThatContradictEachOtherAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	if got := w.run(Options{Full: true, Since: time.Now().Add(-time.Hour)}, nil); got.code() != exitFailure || !strings.Contains(got.err.Error(), "--since") {
		t.Errorf("exit code %d, %v; want --full and --since to exclude each other", got.code(), got.err)
	}
}

func TestFieldsNameWhatDiffersAndNoValues(t *testing.T) {
	t.Parallel()
	got := fields(`{"a":1,"b":"x","c":null,"d":[1]}`, `{"a":1,"b":"y","d":[1],"e":null}`)
	if diff := cmp.Diff([]string{"b", "c", "e"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if (Difference{Key: key.Key{}, Fields: fields("", "{}")}).Fields != nil {
		t.Error("what is no JSON has fields")
	}
}
