package eventlog_test

import (
	"testing"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/record"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

func TestOnlyWhoBeginsAnEpochGivesTheAlarm(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t)
	l, first := openLogged(t, srv.Connect(t))
	other, second := openLogged(t, srv.Connect(t))
	if n := first.alarms() + second.alarms(); n != 0 {
		t.Errorf("%d alarms at the first start", n)
	}
	old := epoch(t, l)
	for _, l := range []*eventlog.Log{l, l, other} {
		if err := l.SetBack(t.Context(), old); err != nil {
			t.Fatal(err)
		}
	}
	if first.alarms() != 1 || second.alarms() != 0 {
		t.Errorf("%d and %d alarms, want one of the first process", first.alarms(), second.alarms())
	}
}

func TestSetBackBeginsAnEpochAlsoIfItsRecordWasLost(t *testing.T) {
	t.Parallel()
	for name, older := range map[string]*bridgev1.LogEpoch{"lost": nil, "set back": {Epoch: 1_000_000_000}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := bustest.Start(t).Connect(t)
			l := open(t, b)
			old := epoch(t, l)
			kv, err := b.JetStream().KeyValue(t.Context(), bus.BucketBridge)
			if err != nil {
				t.Fatal(err)
			}
			if err := kv.Delete(t.Context(), "log.epoch"); err != nil {
				t.Fatal(err)
			}
			if older != nil {
				records, err := record.Open[bridgev1.LogEpoch](t.Context(), b.JetStream(), bus.BucketBridge)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := records.Put(t.Context(), "log.epoch", older, 0); err != nil {
					t.Fatal(err)
				}
			}
			if err := l.SetBack(t.Context(), old); err != nil {
				t.Fatal(err)
			}
			if got := epoch(t, l); got <= old || epochRecord(t, b).GetEpoch() != got {
				t.Errorf("epoch = %d after %d, recorded %v", got, old, epochRecord(t, b))
			}
		})
	}
}
