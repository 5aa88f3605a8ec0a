package ledger_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

func TestForgetTakesNothingOfWhatEnneoHasAsKnown(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	tests := []struct {
		name                    string
		before                  *bridgev1.Settlement
		wantFound, wantDelivery bool
	}{
		{name: "delivered", before: &bridgev1.Settlement{Covered: b.at(5).Proto(), Outcome: bridgev1.Outcome_OUTCOME_DELIVERED, ContentHash: "h"}, wantFound: true},
		{name: "being sent", before: &bridgev1.Settlement{Covered: b.at(5).Proto(), Intent: &bridgev1.Intent{Token: "t"}}, wantFound: true, wantDelivery: true},
		{name: "dropped", before: &bridgev1.Settlement{Covered: b.at(5).Proto(), Outcome: bridgev1.Outcome_OUTCOME_DROPPED}, wantFound: true},
		{name: "unknown"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			k := contract("forget " + tc.name)
			if tc.before != nil {
				b.change(t, k.ID, func(s *bridgev1.Settlement) { proto.Merge(s, tc.before) })
			}
			found, err := b.ledger.Forget(t.Context(), k)
			if err != nil {
				t.Fatal(err)
			}
			entry, err := b.ledger.Get(t.Context(), k.String())
			if err != nil {
				t.Fatal(err)
			}
			if got := entry.Value; found != tc.wantFound || got.GetContentHash() != "" || got.GetRedeliver() != tc.wantDelivery || got.GetOutcome() != tc.before.GetOutcome() {
				t.Errorf("Forget = %t and leaves %v", found, got)
			}
		})
	}
}
