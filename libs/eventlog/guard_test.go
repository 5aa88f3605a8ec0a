package eventlog_test

import (
	"context"
	"errors"
	"testing"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
)

func TestWhatTheGuardForbidsIsNotStored(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t)
	l, _ := openLogged(t, b)
	forbidden := errors.New("forbidden")
	answer := forbidden
	l.Guard(func(context.Context) error { return answer })
	events := []eventlog.Event{newEvent(t, eventlog.Change{Key: contract("a")}), newEvent(t, eventlog.Change{Key: contract("b")})}
	acks, errs := l.Append(t.Context(), events)
	if len(acks) != 2 || len(errs) != 2 {
		t.Fatalf("got %d acknowledgements and %d errors, want 2 and 2", len(acks), len(errs))
	}
	for i := range events {
		if acks[i] != nil || !errors.Is(errs[i], forbidden) {
			t.Errorf("event %d has the acknowledgement %v and the error %v, want none and the guard's", i, acks[i], errs[i])
		}
	}
	stream, err := b.JetStream().Stream(t.Context(), bus.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	if n := stream.CachedInfo().State.LastSeq; n != 0 {
		t.Errorf("the log holds %d events, want 0", n)
	}

	answer = nil
	_, errs = l.Append(t.Context(), events)
	if err := errors.Join(errs...); err != nil {
		t.Errorf("the guard allows it, but appending fails: %v", err)
	}
}
