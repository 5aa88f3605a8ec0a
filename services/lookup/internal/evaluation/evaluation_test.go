package evaluation_test

import (
	"cmp"
	"testing"

	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/evaluation"
	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/model"
)

func TestNoWrongContractIsNamed(t *testing.T) {
	t.Parallel()
	m, err := model.Open(t.Context(), model.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	w := evaluation.NewWorld(1, 900)
	if err := w.Fill(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	found, err := w.EvaluateTyped(t.Context(), m, 60)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		if float64(f.Page) < 0.9*float64(f.Asked) || f.Asked == 0 {
			t.Errorf("%s: %d of %d customers are on the first page; not found: %v", f.Name, f.Page, f.Asked, f.MissedIDs)
		}
	}
	results, err := w.Evaluate(t.Context(), m, 60)
	if err != nil {
		t.Fatal(err)
	}
	const enough = 20
	for _, r := range results {
		if r.Asked < enough {
			t.Errorf("%s: only %d questions", r.Kind.Name, r.Asked)
		}
		if r.Wrong > 0 {
			t.Errorf("%s: %d of %d name a wrong contract: %v", r.Kind.Name, r.Wrong, r.Asked, r.WrongIDs)
		}
		if floor := floors[r.Kind.Name]; r.Kind.Known && r.Recall() < cmp.Or(floor, 0.97) {
			t.Errorf("%s: %.2f of the contracts are found, want at least %.2f; not found: %v", r.Kind.Name, r.Recall(), cmp.Or(floor, 0.97), r.MissedIDs)
		}
	}
}

// floors are the shares that have to be found, where it is not nearly all.
var floors = map[string]float64{
	"typing error in the first name":          0.4,
	"typing error in the street":              0.6,
	"two typing errors, last name and street": 0.6,
	"typing error in the last name":           0.9,
	"last name as it sounds":                  0.9,
}
