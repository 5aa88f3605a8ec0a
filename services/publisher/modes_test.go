package publisher

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
	"github.com/enneo-ai/enneo-bridge/services/publisher/internal/mind"
)

func customer(id string) key.Key { return key.Key{Source: testSource, Kind: key.Customer, ID: id} }

// operations are the requests that Enneo got for a key.
func (w *world) operations(k key.Key) (names []string) {
	w.t.Helper()
	for _, e := range w.requests(k) {
		names = append(names, e.Operation)
	}
	return names
}

// TestABurstIsOneNotificationInEachMode: what is unchanged causes none, what is gone causes one more.
func TestABurstIsOneNotificationInEachMode(t *testing.T) {
	t.Parallel()
	for mode, operation := range map[mind.Mode]string{mind.Refresh: "invalidate_cache", mind.Webhook: "webhook_powercloud"} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			k := contract("VN-1")
			for range 4 {
				w.read(k, 1)
			}
			p := w.read(k, 1)
			w.tell(k, p)
			w.replica(func(d *deliverer) { d.target = w.targetIn(mode, testTimeout) })
			checkOutcome(t, w.settled(k, p), p, bridgev1.Outcome_OUTCOME_DELIVERED)
			p = w.change(k, 1)
			checkOutcome(t, w.settled(k, p), p, bridgev1.Outcome_OUTCOME_UNCHANGED)
			if got := strings.Join(w.operations(k), " "); got != operation {
				t.Errorf("requests %q, want one %s", got, operation)
			}
			p = w.change(k, 0)
			checkOutcome(t, w.settled(k, p), p, bridgev1.Outcome_OUTCOME_DELETED)
			if got := strings.Join(w.operations(k), " "); got != operation+" "+operation {
				t.Errorf("requests %q after the contract has gone, want two of %s", got, operation)
			}
		})
	}
}

// TestAnotherModeSendsWhatTheOneBeforeHasSent: what Enneo has is known of one mode only.
func TestAnotherModeSendsWhatTheOneBeforeHasSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := contract("VN-1")
	w.replica(func(d *deliverer) { d.target = w.targetIn(mind.Refresh, testTimeout) })
	w.settled(k, w.change(k, 1))
	entry, err := w.ledger.Get(t.Context(), k.String())
	w.must(err)
	other := w.replica(nil)
	snap, err := w.snapshots.Get(t.Context(), k.String())
	w.must(err)
	if entry.Value.GetContentHash() == other.contentOf(snap.Value) {
		t.Error("an import takes what a refresh has told for what it would send itself")
	}
}

// TestADryRunSendsNothingAndTheNextRealOneSendsEverything.
func TestADryRunSendsNothingAndTheNextRealOneSendsEverything(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k, gone := contract("VN-1"), contract("VN-2")
	wet := w.replica(nil)
	p := w.change(k, 1)
	w.settled(k, p)
	_, err := w.ledger.Change(t.Context(), gone.String(), func(s *bridgev1.Settlement) error { s.ContentHash = "other"; return nil })
	w.must(err)
	dry := *wet
	dry.rehearsal = true
	for _, tc := range []struct {
		key      key.Key
		revision int
		reason   string
	}{{k, 2, ledger.DryRunPut}, {gone, 0, ledger.DryRunDelete}} {
		p := w.read(tc.key, tc.revision)
		snap, err := w.snapshots.Get(t.Context(), tc.key.String())
		w.must(err)
		entry, err := w.ledger.Get(t.Context(), tc.key.String())
		w.must(err)
		w.must(dry.turn(t.Context(), tc.key, snap, entry))
		s := w.settlement(tc.key)
		if s.GetOutcome() != bridgev1.Outcome_OUTCOME_DROPPED || s.GetReason() != tc.reason || s.GetContentHash() != "" || position.FromProto(s.GetCovered()) != p {
			t.Errorf("settled as %v, want dropped because of %q, and nothing known of Enneo", s, tc.reason)
		}
	}
	if n := len(w.requests(k)) + len(w.requests(gone)); n != 1 {
		t.Errorf("%d requests, want the one of before the dry run", n)
	}
	// The dry run has ended; the ERP has what Enneo got before it, and that is sent all the same.
	p = w.change(k, 1)
	checkOutcome(t, w.settled(k, p), p, bridgev1.Outcome_OUTCOME_DELIVERED)
	if n := len(w.requests(k)); n != 2 {
		t.Errorf("%d requests, want one more after the dry run", n)
	}
}

// finished notes when the read of a key has ended, and what it said of others.
func (w *world) finished(k key.Key, at time.Time, change func(*bridgev1.Snapshot)) {
	w.t.Helper()
	_, err := w.snapshots.Change(w.t.Context(), k.String(), func(s *bridgev1.Snapshot) error {
		s.ReadFinishedAt = timestamppb.New(at)
		if change != nil {
			change(s)
		}
		return nil
	})
	w.must(err)
}

func TestWhatComesFirstIsWaitedForButNotForLong(t *testing.T) {
	t.Parallel()
	lists := func(s *bridgev1.Snapshot) { s.ContractIds = []string{"VN-0", "VN-1"} }
	belongs := func(s *bridgev1.Snapshot) { s.CustomerId = "C-1" }
	first, second := contract("VN-1"), customer("C-1")
	tests := []struct {
		name     string
		sequence sequence
		// waiting is the key that may have to wait, other what it may have to wait for.
		waiting, other key.Key
		refer          func(*bridgev1.Snapshot)
		prepare        func(w *world, other key.Key)
		age            time.Duration
		waits          bool
	}{
		{name: "a contract is on its way", sequence: contractFirst, waiting: second, other: first, refer: lists, waits: true},
		{name: "nobody has heard of the contracts", sequence: contractFirst, waiting: second, other: contract("VN-9"), refer: lists},
		{name: "the contract is a dead letter", sequence: contractFirst, waiting: second, other: first, refer: lists, prepare: func(w *world, k key.Key) {
			last, _, err := w.log.Last(w.t.Context(), k)
			w.must(err)
			w.must(w.ledger.Dead(w.t.Context(), k, last.Position, last.At, "refused"))
		}},
		{name: "it has waited for long enough", sequence: contractFirst, waiting: second, other: first, refer: lists, age: time.Hour},
		{name: "no order", sequence: anyOrder, waiting: second, other: first, refer: lists},
		{name: "a contract does not wait for its customer", sequence: contractFirst, waiting: first, other: second, refer: belongs},
		{name: "unless it has to", sequence: customerFirst, waiting: first, other: second, refer: belongs, waits: true},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			d := w.replica(func(d *deliverer) { d.order = order{sequence: tc.sequence, wait: time.Minute} })
			w.read(tc.other, 1)
			if tc.prepare != nil {
				tc.prepare(w, tc.other)
			}
			p := w.read(tc.waiting, 1)
			w.finished(tc.waiting, time.Now().Add(-tc.age), tc.refer)
			if !tc.waits {
				w.tell(tc.waiting, p)
				w.settled(tc.waiting, p)
				return
			}
			before := w.deliveries()
			w.tell(tc.waiting, p)
			bustest.Eventually(t, "the ticket was looked at", func() bool { return w.deliveries() > before })
			if n := len(w.requests(tc.waiting)); n != 0 {
				t.Errorf("%d requests, want that it waits", n)
			}
			other, _, err := d.log.Last(t.Context(), tc.other)
			w.must(err)
			w.tell(tc.other, other.Position)
			w.settled(tc.other, other.Position)
			w.settled(tc.waiting, p)
			if a, b := w.requests(tc.other)[0], w.requests(tc.waiting)[0]; a.EndNS >= b.StartNS {
				t.Errorf("the request of %s began before that of %s had ended", tc.waiting, tc.other)
			}
		})
	}
}
