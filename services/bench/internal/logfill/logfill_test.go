package logfill

import (
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/key"
)

func TestAppendedEventsAreInTheLogWithTheirTraces(t *testing.T) {
	t.Parallel()
	server := bustest.Start(t)
	f, err := Open(t.Context(), server.URL(), "bench")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	keys := make([]key.Key, 2500)
	for i := range keys {
		keys[i] = Key("bench", i%100)
	}
	last, err := f.Append(t.Context(), keys, true)
	if err != nil {
		t.Fatal(err)
	}
	if last != 2500 {
		t.Errorf("the log ends with %d, want 2500", last)
	}
	stream, err := f.Bus.JetStream().Stream(t.Context(), bus.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := stream.GetMsg(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bus.StageDebounce.KeyOf(msg.Subject); err != nil {
		t.Errorf("subject %s: %v", msg.Subject, err)
	}
	if got := msg.Header.Values("traceparent"); len(got) != 1 || got[0][len(got[0])-3:] != "-01" {
		t.Errorf("got traceparent %v, want a sampled one", got)
	}
}

func TestAckedCountsOnlyWhatTheConsumerGets(t *testing.T) {
	t.Parallel()
	at := func(sequence uint64) jetstream.SequenceInfo { return jetstream.SequenceInfo{Stream: sequence} }
	for _, test := range []struct {
		name string
		info jetstream.ConsumerInfo
		want bool
	}{
		{"nothing delivered", jetstream.ConsumerInfo{NumPending: 10}, false},
		{"nothing there yet", jetstream.ConsumerInfo{}, false},
		{"half", jetstream.ConsumerInfo{Delivered: at(8), AckFloor: at(5), NumPending: 2, NumAckPending: 3}, false},
		{"all delivered, not acknowledged", jetstream.ConsumerInfo{Delivered: at(10), AckFloor: at(9), NumAckPending: 1}, false},
		{"all", jetstream.ConsumerInfo{Delivered: at(10), AckFloor: at(10)}, true},
		{"the last one is another source's", jetstream.ConsumerInfo{Delivered: at(9), AckFloor: at(9)}, true},
	} {
		if got := acked(&test.info, 10); got != test.want {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}
