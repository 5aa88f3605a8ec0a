package ledger_test

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/propagation"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// book is a log and the ledger beside it.
type book struct {
	bus    *bus.Bus
	log    *eventlog.Log
	ledger *ledger.Ledger
	epoch  uint64
}

func newBook(t *testing.T) *book {
	t.Helper()
	b := bustest.Start(t).Connect(t)
	l, err := eventlog.Open(t.Context(), b, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	settled, err := ledger.Open(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	epoch, _ := l.Changed()
	return &book{bus: b, log: l, ledger: settled, epoch: epoch}
}

// add appends one event of each contract and returns the last one's sequence.
func (b *book) add(t *testing.T, ids ...string) uint64 {
	t.Helper()
	var last uint64
	for _, id := range ids {
		e, err := eventlog.NewEvent(t.Context(), propagation.TraceContext{}, eventlog.Change{Key: contract(id), ReceivedAt: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		acks, errs := b.log.Append(t.Context(), []eventlog.Event{e})
		if errs[0] != nil {
			t.Fatal(errs[0])
		}
		last = acks[0].Sequence
	}
	return last
}

func (b *book) change(t *testing.T, id string, change func(*bridgev1.Settlement)) {
	t.Helper()
	_, err := b.ledger.Change(t.Context(), contract(id).String(), func(s *bridgev1.Settlement) error {
		change(s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (b *book) settle(t *testing.T, id string, p position.Position, outcome bridgev1.Outcome) {
	t.Helper()
	b.change(t, id, func(s *bridgev1.Settlement) { ledger.Settle(s, p, time.Time{}, outcome, "") })
}

func (b *book) at(sequence uint64) position.Position {
	return position.Position{Epoch: b.epoch, Sequence: sequence}
}

// audit balances, and checks what is true of every balance.
func (b *book) audit(t *testing.T) ledger.Balance {
	t.Helper()
	got, err := b.ledger.Audit(t.Context(), b.epoch)
	if err != nil {
		t.Fatal(err)
	}
	if got.Accepted != got.Settled+got.Open {
		t.Errorf("accepted %d, settled %d and open %d do not balance", got.Accepted, got.Settled, got.Open)
	}
	var outcomes, open uint64
	for _, n := range got.ByOutcome {
		outcomes += n
	}
	for i, k := range got.OpenKeys {
		open += k.Events
		if i > 0 && k.Oldest.Before(got.OpenKeys[i-1].Oldest) {
			t.Errorf("open keys are not in the order of their age: %+v", got.OpenKeys)
		}
	}
	if outcomes != got.Settled || open != got.Open {
		t.Errorf("outcomes add up to %d of %d, open keys to %d of %d", outcomes, got.Settled, open, got.Open)
	}
	return got
}

// open lists the open keys as EachOpen visits them.
func (b *book) open(t *testing.T) map[string]position.Position {
	t.Helper()
	all := map[string]position.Position{}
	err := b.ledger.EachOpen(t.Context(), b.epoch, func(k key.Key, p position.Position) error {
		if _, twice := all[k.ID]; twice {
			t.Errorf("%v is visited twice", k)
		}
		all[k.ID] = p
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func contract(id string) key.Key { return key.Key{Source: "pc", Kind: key.Contract, ID: id} }

const (
	delivered  = bridgev1.Outcome_OUTCOME_DELIVERED
	unchanged  = bridgev1.Outcome_OUTCOME_UNCHANGED
	deleted    = bridgev1.Outcome_OUTCOME_DELETED
	dropped    = bridgev1.Outcome_OUTCOME_DROPPED
	deadLetter = bridgev1.Outcome_OUTCOME_DEAD_LETTER
)

func outcomes() map[bridgev1.Outcome]string {
	return map[bridgev1.Outcome]string{
		delivered: "delivered", unchanged: "unchanged", deleted: "deleted", dropped: "dropped", deadLetter: "dead_letter",
	}
}

func TestEmptyLogBalances(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	if got := b.audit(t); got.Accepted != 0 || got.Keys != 0 || len(got.OpenKeys) != 0 {
		t.Errorf("balance = %+v, want nothing", got)
	}
	if got := b.open(t); len(got) != 0 {
		t.Errorf("open = %v, want nothing", got)
	}
	b.settle(t, "a", b.at(5), delivered) // The tombstone of a key whose events have left the log.
	if got := b.audit(t); got.Accepted != 0 || got.Keys != 1 {
		t.Errorf("balance = %+v, want no event and one key", got)
	}
}

func TestEachOutcomeSettles(t *testing.T) {
	t.Parallel()
	for outcome, word := range outcomes() {
		t.Run(word, func(t *testing.T) {
			t.Parallel()
			b := newBook(t)
			b.add(t, "a", "a", "b.*", "a") // Sequences 1, 2 and 4 are those of a.
			b.settle(t, "a", b.at(2), outcome)
			got := b.audit(t)
			want := ledger.Balance{Accepted: 4, Settled: 2, Open: 2, Superseded: 1, Keys: 2, ByOutcome: map[string]uint64{word: 2}}
			want.OpenKeys = []ledger.OpenKey{{Key: "pc.contract.b=2E=2A", Events: 1}, {Key: "pc.contract.a", Events: 1}}
			for i := range got.OpenKeys {
				if got.OpenKeys[i].Oldest.IsZero() {
					t.Errorf("%s has no time", got.OpenKeys[i].Key)
				}
				got.OpenKeys[i].Oldest = time.Time{}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("balance differs (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(map[string]position.Position{"a": b.at(4), "b.*": b.at(3)}, b.open(t)); diff != "" {
				t.Errorf("open keys differ (-want +got):\n%s", diff)
			}
			b.settle(t, "a", b.at(4), outcome)
			b.settle(t, "b.*", b.at(3), outcome)
			if got := b.audit(t); got.Open != 0 || len(b.open(t)) != 0 {
				t.Errorf("balance = %+v, want everything settled", got)
			}
		})
	}
}

func TestWhatAnotherEpochHasSettledCounts(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	b.add(t, "old", "new")
	b.settle(t, "old", position.Position{Epoch: b.epoch - 1, Sequence: 100}, delivered)
	b.settle(t, "new", position.Position{Epoch: b.epoch + 1}, delivered)
	if got := b.audit(t); got.Settled != 1 || len(got.OpenKeys) != 1 || got.OpenKeys[0].Key != "pc.contract.old" {
		t.Errorf("balance = %+v, want open what only an older epoch has settled", got)
	}
	if diff := cmp.Diff(map[string]position.Position{"old": b.at(1)}, b.open(t)); diff != "" {
		t.Errorf("open keys differ (-want +got):\n%s", diff)
	}
}

func TestKeyThatIsOwedADeliveryIsOpen(t *testing.T) {
	t.Parallel()
	intent := &bridgev1.Intent{Token: "x"}
	tests := []struct {
		name   string
		record *bridgev1.Settlement
		want   bool
	}{
		{name: "covered", record: &bridgev1.Settlement{Outcome: delivered}, want: false},
		{name: "covered, and somebody found that it had lost its turn", record: &bridgev1.Settlement{Outcome: delivered, Redeliver: true}, want: true},
		{name: "covered, and a request may be under way", record: &bridgev1.Settlement{Outcome: deleted, Intent: intent}, want: true},
		{name: "dead letter", record: &bridgev1.Settlement{Outcome: deadLetter}, want: false},
		{name: "dead letter beside a request that may be under way", record: &bridgev1.Settlement{Outcome: deadLetter, Intent: intent}, want: false},
		{name: "first request under way", record: &bridgev1.Settlement{Intent: intent}, want: true},
	}
	b := newBook(t)
	want := map[string]position.Position{}
	for _, tc := range tests {
		// Ids have 50 characters at most, and no two of the names share their first 40.
		id := tc.name[:min(40, len(tc.name))]
		sequence := b.add(t, id)
		if tc.want {
			want[id] = b.at(sequence)
		}
		b.change(t, id, func(s *bridgev1.Settlement) {
			proto.Merge(s, tc.record)
			s.Covered = b.at(sequence).Proto()
		})
	}
	if diff := cmp.Diff(want, b.open(t)); diff != "" {
		t.Errorf("open keys differ (-want +got):\n%s", diff)
	}
	b.audit(t)
}

func TestSubjectsThatAreNoKeysAreCountedButNotVisited(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	if _, err := b.bus.JetStream().Publish(t.Context(), "erp.event.not.a.key.of.ours", nil); err != nil {
		t.Fatal(err)
	}
	if got := b.audit(t); got.Open != 1 {
		t.Errorf("balance = %+v, want one open event", got)
	}
	if got := b.open(t); len(got) != 0 {
		t.Errorf("open = %v, want no key", got)
	}
}

func TestVisitEndsWithItsError(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	b.add(t, "a", "b")
	enough := errors.New("enough")
	var visits int
	err := b.ledger.EachOpen(t.Context(), b.epoch, func(key.Key, position.Position) error { visits++; return enough })
	if !errors.Is(err, enough) || visits != 1 {
		t.Errorf("EachOpen = %v after %d visits, want the error of the first", err, visits)
	}
}

func TestAuditReadsALogWithHoles(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	for range 5 {
		b.add(t, "a", "b")
	}
	stream, err := b.bus.JetStream().Stream(t.Context(), bus.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	for _, sequence := range []uint64{1, 4, 9, 10} { // The beginning, the middle and the end.
		if err := stream.DeleteMsg(t.Context(), sequence); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.audit(t); got.Accepted != 6 {
		t.Errorf("balance = %+v, want the 6 events that are left", got)
	}
	if diff := cmp.Diff(map[string]position.Position{"a": b.at(7), "b": b.at(8)}, b.open(t)); diff != "" {
		t.Errorf("open keys differ (-want +got):\n%s", diff)
	}
}

// A random history against a model that is too simple to be wrong.
func TestBalanceIsRightAtEachMoment(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	b := newBook(t)
	events := map[string][]uint64{}                 // key → sequences
	settled := map[string]*bridgev1.Settlement{}    // key → what was written last
	ids := []string{"1", "1.1", "*", "ü", "a", ">"} // few, so that they meet
	all := []bridgev1.Outcome{delivered, unchanged, deleted, dropped, deadLetter}
	for step := range 120 {
		id := ids[random.IntN(len(ids))]
		switch {
		case random.IntN(2) == 0 || len(events[id]) == 0:
			events[id] = append(events[id], b.add(t, id))
		default:
			p, outcome := b.at(events[id][random.IntN(len(events[id]))]), all[random.IntN(len(all))]
			p.Epoch -= uint64(random.IntN(10) / 9)
			b.settle(t, id, p, outcome)
			settled[id] = &bridgev1.Settlement{Covered: p.Proto(), Outcome: outcome}
		}
		if step%6 != 0 {
			continue
		}
		want := map[string]uint64{}
		for id, sequences := range events {
			for _, sequence := range sequences {
				word := "open"
				if s := settled[id]; s != nil && position.FromProto(s.GetCovered()).Covers(b.at(sequence)) {
					word = outcomes()[s.GetOutcome()]
				}
				want[word]++
			}
		}
		balance := b.audit(t)
		got := map[string]uint64{}
		for word, n := range balance.ByOutcome {
			got[word] = n
		}
		if balance.Open > 0 {
			got["open"] = balance.Open
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("seed %d, step %d: balance differs (-want +got):\n%s", seed, step, diff)
		}
	}
}

func TestOverdueKeysAreThoseBeyondTheBoundOfTheirSource(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	balance := ledger.Balance{}
	for i, text := range []string{"slow.contract.1", "quick.contract.1", "quick.contract.2", "slow.contract.2"} {
		balance.OpenKeys = append(balance.OpenKeys, ledger.OpenKey{Key: text, Oldest: now.Add(-time.Duration(4-i) * time.Minute)})
	}
	var got []string
	for _, k := range balance.Overdue(now, func(source string) time.Duration {
		if source == "slow" {
			return 4 * time.Minute
		}
		return 2*time.Minute + 1
	}) {
		got = append(got, k.Key)
	}
	if want := "quick.contract.1"; strings.Join(got, " ") != want {
		t.Errorf("overdue = %v, want %s", got, want)
	}
}

func TestSettlesAndCovers(t *testing.T) {
	t.Parallel()
	p := position.Position{Epoch: 2, Sequence: 5}
	intent := &bridgev1.Intent{Token: "x"}
	of := func(epoch, sequence uint64) *bridgev1.Position {
		return &bridgev1.Position{Epoch: epoch, Sequence: sequence}
	}
	tests := []struct {
		name                   string
		record                 *bridgev1.Settlement
		settles, covers, owing bool
	}{
		{name: "nothing", record: &bridgev1.Settlement{}},
		{name: "a position without an outcome", record: &bridgev1.Settlement{Covered: of(2, 9)}},
		{name: "exactly", record: &bridgev1.Settlement{Covered: of(2, 5), Outcome: delivered}, settles: true, covers: true},
		{name: "more", record: &bridgev1.Settlement{Covered: of(2, 6), Outcome: dropped}, settles: true, covers: true},
		{name: "a later epoch", record: &bridgev1.Settlement{Covered: of(3, 0), Outcome: deleted}, settles: true, covers: true},
		{name: "less", record: &bridgev1.Settlement{Covered: of(2, 4), Outcome: delivered}},
		{name: "an older epoch", record: &bridgev1.Settlement{Covered: of(1, 99), Outcome: delivered}},
		{name: "with a request under way", record: &bridgev1.Settlement{Covered: of(2, 5), Outcome: delivered, Intent: intent}, covers: true, owing: true},
		{name: "with a delivery owed", record: &bridgev1.Settlement{Covered: of(2, 5), Outcome: delivered, Redeliver: true}, covers: true, owing: true},
		{name: "dead, with a request under way", record: &bridgev1.Settlement{Covered: of(2, 5), Outcome: deadLetter, Intent: intent}, covers: true},
		{name: "a first request under way", record: &bridgev1.Settlement{Intent: intent}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := ledger.Settles(tc.record, p); got != tc.settles {
				t.Errorf("Settles = %t, want %t", got, tc.settles)
			}
			if got := ledger.Covers(tc.record, p); got != tc.covers {
				t.Errorf("Covers = %t, want %t", got, tc.covers)
			}
			if got := ledger.Owes(tc.record); got != tc.owing {
				t.Errorf("Owes = %t, want %t", got, tc.owing)
			}
		})
	}
}

func TestSettleNotesTheOutcomeAndNothingElse(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	intent := &bridgev1.Intent{Token: "x"}
	s := &bridgev1.Settlement{ContentHash: "h", Intent: intent, Redeliver: true, Attempts: 4}
	before := time.Now()
	ledger.Settle(s, position.Position{Epoch: 2, Sequence: 5}, at, dropped, "by hand")
	if got := s.GetSettledAt().AsTime(); got.Before(before) || got.After(time.Now()) {
		t.Errorf("settled at %s, want now", got)
	}
	if !s.GetCoveredLogTime().AsTime().Equal(at) {
		t.Errorf("log time = %s, want %s", s.GetCoveredLogTime().AsTime(), at)
	}
	s.SettledAt, s.CoveredLogTime = nil, nil
	want := &bridgev1.Settlement{
		Covered: &bridgev1.Position{Epoch: 2, Sequence: 5}, Outcome: dropped, Reason: "by hand", ContentHash: "h", Intent: intent, Redeliver: true,
	}
	if diff := cmp.Diff(want, s, protocmp.Transform()); diff != "" {
		t.Errorf("record differs (-want +got):\n%s", diff)
	}
	ledger.Settle(s, position.Position{Epoch: 2, Sequence: 6}, time.Time{}, delivered, "")
	if s.GetCoveredLogTime() != nil || s.GetReason() != "" {
		t.Errorf("record = %v, want no log time, since it is unknown, and no reason", s)
	}
}

func TestDeadKeepsWhatItMust(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	intent := &bridgev1.Intent{Token: "x", Position: b.at(3).Proto()}
	tests := []struct {
		name        string
		before      *bridgev1.Settlement
		wantOutcome bridgev1.Outcome
		wantCovered uint64
		wantHash    string
	}{
		{name: "nothing yet", before: &bridgev1.Settlement{}, wantOutcome: deadLetter, wantCovered: 5},
		{name: "less covered", before: &bridgev1.Settlement{Covered: b.at(4).Proto(), Outcome: delivered, ContentHash: "h"}, wantOutcome: deadLetter, wantCovered: 5},
		{name: "as much covered", before: &bridgev1.Settlement{Covered: b.at(5).Proto(), Outcome: delivered, ContentHash: "h"}, wantOutcome: delivered, wantCovered: 5, wantHash: "h"},
		{name: "more covered", before: &bridgev1.Settlement{Covered: b.at(6).Proto(), Outcome: unchanged, ContentHash: "h"}, wantOutcome: unchanged, wantCovered: 6, wantHash: "h"},
		{name: "a request under way", before: &bridgev1.Settlement{Covered: b.at(2).Proto(), Outcome: delivered, Intent: intent}, wantOutcome: deadLetter, wantCovered: 5},
		{name: "a delivery owed", before: &bridgev1.Settlement{Covered: b.at(2).Proto(), Outcome: delivered, Redeliver: true}, wantOutcome: deadLetter, wantCovered: 5},
	}
	for i, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			k := contract(fmt.Sprint(i))
			b.change(t, k.ID, func(s *bridgev1.Settlement) { proto.Merge(s, tc.before) })
			if err := b.ledger.Dead(t.Context(), k, b.at(5), time.Now(), "unmappable"); err != nil {
				t.Fatal(err)
			}
			entry, err := b.ledger.Get(t.Context(), k.String())
			if err != nil {
				t.Fatal(err)
			}
			s := entry.Value
			if s.GetOutcome() != tc.wantOutcome || s.GetCovered().GetSequence() != tc.wantCovered || s.GetContentHash() != tc.wantHash {
				t.Errorf("record = %v, want %v up to %d with hash %q", s, tc.wantOutcome, tc.wantCovered, tc.wantHash)
			}
			if tc.wantOutcome == deadLetter && s.GetReason() != "unmappable" {
				t.Errorf("reason = %q, want the one that was given", s.GetReason())
			}
			if diff := cmp.Diff(tc.before.GetIntent(), s.GetIntent(), protocmp.Transform()); diff != "" {
				t.Errorf("intent differs (-want +got):\n%s", diff)
			}
			if s.GetRedeliver() != tc.before.GetRedeliver() {
				t.Errorf("redeliver = %t, want it untouched", s.GetRedeliver())
			}
		})
	}
}
