package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

func TestDropDecidesOnlyWhatIsOpenOrDead(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	const dropped = bridgev1.Outcome_OUTCOME_DROPPED
	for i, tc := range []struct {
		name        string
		before      *bridgev1.Settlement
		wantOutcome bridgev1.Outcome
		wantCovered uint64
	}{
		{"nothing yet", &bridgev1.Settlement{}, dropped, 5},
		{"less covered", &bridgev1.Settlement{Covered: b.at(4).Proto(), Outcome: delivered, ContentHash: "h"}, dropped, 5},
		{"delivered", &bridgev1.Settlement{Covered: b.at(5).Proto(), Outcome: delivered}, delivered, 5},
		{"a dead letter", &bridgev1.Settlement{Covered: b.at(5).Proto(), Outcome: deadLetter}, dropped, 5},
		{"a dead letter that covers more", &bridgev1.Settlement{Covered: b.at(7).Proto(), Outcome: deadLetter}, dropped, 7},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			k := contract(fmt.Sprint("drop", i))
			b.change(t, k.ID, func(s *bridgev1.Settlement) { proto.Merge(s, tc.before) })
			if err := b.ledger.Drop(t.Context(), k, b.at(5), time.Now(), "a test contract"); err != nil {
				t.Fatal(err)
			}
			entry, err := b.ledger.Get(t.Context(), k.String())
			if err != nil {
				t.Fatal(err)
			}
			s := entry.Value
			if s.GetOutcome() != tc.wantOutcome || s.GetCovered().GetSequence() != tc.wantCovered {
				t.Errorf("record = %v, want %v up to %d", s, tc.wantOutcome, tc.wantCovered)
			}
			if tc.wantOutcome == dropped && (s.GetReason() != "a test contract" || s.GetContentHash() != "") {
				t.Errorf("record = %v, want the reason, and no hash: what Enneo has is not known any more", s)
			}
		})
	}
}
