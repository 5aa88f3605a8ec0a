package openkeys

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// TestRandomHistoriesAgreeWithTheAudit: events, settlements, debts and restarts at random on the real server.
func TestRandomHistoriesAgreeWithTheAudit(t *testing.T) {
	t.Parallel()
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			random := rand.New(rand.NewPCG(seed, 1))
			keys := make([]key.Key, 6)
			for i := range keys {
				keys[i] = key.Key{Source: fmt.Sprint("s", i%2), Kind: key.Contract, ID: fmt.Sprint("ü ", i)}
			}
			appended := map[key.Key][]position.Position{}
			tr := w.track()
			for step := range 150 {
				k := keys[random.IntN(len(keys))]
				switch n := random.IntN(20); {
				case n < 10:
					for range 1 + random.IntN(8) {
						appended[k] = append(appended[k], w.append(k, bridgev1.Origin(random.IntN(origins))))
					}
				case n < 16:
					if all := appended[k]; len(all) > 0 {
						w.settle(k, all[random.IntN(len(all))], bridgev1.Outcome(1+random.IntN(5)))
					}
				case n < 18:
					w.owe(k, random.IntN(2) == 0)
				default:
					tr.stop()
					tr = w.track()
				}
				if step%10 == 0 {
					w.agrees(tr.synced())
				}
			}
			for k, all := range appended {
				w.settle(k, all[len(all)-1], bridgev1.Outcome_OUTCOME_DELIVERED)
				w.owe(k, false)
			}
			balance := w.agrees(tr.synced())
			if keys := tr.Book().Keys(); balance.Open != 0 || len(keys) != 0 {
				t.Errorf("open at the end: %v", keys)
			}
			_, log := w.stream(bus.StreamEvents)
			w.eventually("the watermark reaches the end", func() bool { return w.watermark().GetSequence() == log.LastSeq }, tr.state)
		})
	}
}

// TestOutcomesAndOriginsAreCountedApart: as the audit has them, with what is superseded apart.
func TestOutcomesAndOriginsAreCountedApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := contract("A"), contract("B")
	w.append(a, bridgev1.Origin_ORIGIN_WEBHOOK)
	w.append(a, bridgev1.Origin_ORIGIN_CLOUDEVENT)
	w.settle(a, w.append(a, bridgev1.Origin_ORIGIN_RECONCILER), bridgev1.Outcome_OUTCOME_UNCHANGED)
	w.append(b, bridgev1.Origin_ORIGIN_WEBHOOK)
	w.settle(b, w.append(b, bridgev1.Origin_ORIGIN_SWEEPER), bridgev1.Outcome_OUTCOME_DEAD_LETTER)
	w.append(a, bridgev1.Origin_ORIGIN_OPERATOR)
	got := w.track().synced().Summaries()["s"]
	var want Counts
	for _, o := range []bridgev1.Origin{1, 1, 2, 3, 4, 5} {
		want.Accepted[o]++
	}
	want.Settled[Superseded], want.Settled[bridgev1.Outcome_OUTCOME_UNCHANGED], want.Settled[bridgev1.Outcome_OUTCOME_DEAD_LETTER] = 3, 1, 1
	want.Fresh, want.Stale = 3, 2
	if diff := cmp.Diff(want, got.Counts); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	epoch, err := w.log.Epoch(t.Context())
	w.must(err)
	balance, err := w.ledger.Audit(t.Context(), epoch)
	w.must(err)
	if balance.Superseded != 3 {
		t.Errorf("the audit finds %d superseded, want 3", balance.Superseded)
	}
}

// TestASettlementBetweenMergedEventsIsExact on the real log, where the merged events are read again: while they are
// followed, and by a tracker that finds the settlement while it catches up.
func TestASettlementBetweenMergedEventsIsExact(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hot, other := contract("hot"), contract("other")
	var positions []position.Position
	for range 300 {
		positions = append(positions, w.append(hot, bridgev1.Origin_ORIGIN_WEBHOOK))
		w.append(other, bridgev1.Origin_ORIGIN_WEBHOOK)
	}
	tr := w.track()
	tr.synced()
	for _, i := range []int{10, 77, 140, 298} {
		w.settle(hot, positions[i], bridgev1.Outcome_OUTCOME_DELIVERED)
		for _, how := range []string{"followed", "found while catching up"} {
			if balance := w.agrees(tr.synced()); balance.Open != uint64(600-i-1) {
				t.Errorf("%s: %d open, want %d", how, balance.Open, 600-i-1)
			}
			tr.stop()
			tr = w.track()
		}
	}
}
