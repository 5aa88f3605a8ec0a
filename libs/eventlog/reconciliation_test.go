package eventlog_test

import (
	"errors"
	"testing"

	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

func TestEndLiesBehindWhatIsAndBeforeWhatComes(t *testing.T) {
	t.Parallel()
	l, _ := openLogged(t, bustest.Start(t).Connect(t))
	k := key.Key{Source: "erp", Kind: key.Contract, ID: "1"}
	for range 3 {
		before, err := l.End(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_, errs := l.Append(t.Context(), []eventlog.Event{newEvent(t, eventlog.Change{Key: k, Origin: bridgev1.Origin_ORIGIN_WEBHOOK})})
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		last, _, err := l.Last(t.Context(), k)
		if err != nil {
			t.Fatal(err)
		}
		after, err := l.End(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if before.Covers(last.Position) || after != last.Position {
			t.Errorf("end %v, then an event at %v, then end %v", before, last.Position, after)
		}
	}
}

func TestAReconciliationIsDueAfterANewEpochUntilItIsDone(t *testing.T) {
	t.Parallel()
	l, _ := openLogged(t, bustest.Start(t).Connect(t))
	due, first, err := l.ReconciliationDue(t.Context())
	if err != nil || due {
		t.Fatalf("due after the first start: %t, %v", due, err)
	}
	if err := l.SetBack(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	due, second, err := l.ReconciliationDue(t.Context())
	if err != nil || !due || second <= first {
		t.Fatalf("due in epoch %d after %d: %t, %v", second, first, due, err)
	}
	for _, tc := range []struct {
		epoch uint64
		due   bool
	}{{first, true}, {second, false}, {second, false}} {
		if err := l.Reconciled(t.Context(), tc.epoch); err != nil {
			t.Fatal(err)
		}
		if due, _, err := l.ReconciliationDue(t.Context()); err != nil || due != tc.due {
			t.Errorf("compared in epoch %d: due %t, %v; want %t", tc.epoch, due, err, tc.due)
		}
	}
}
