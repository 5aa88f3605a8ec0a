package ledger

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
)

// Between the look at the log's end and the reading, everything up to that end may go: by age, or by a person's hand.
func TestReadingDoesNotWaitForEventsThatHaveLeftTheLog(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t)
	for range 5 {
		if _, err := b.Publish(t.Context(), &nats.Msg{Subject: "erp.event.pc.contract.1"}); err != nil {
			t.Fatal(err)
		}
	}
	stream, err := b.JetStream().Stream(t.Context(), bus.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var visits int
	err = eachEvent(ctx, stream, 5, func(string, uint64, time.Time) {
		if visits++; visits == 1 {
			if err := stream.Purge(ctx); err != nil {
				t.Error(err)
			}
		}
	})
	// What was on its way is still visited.
	if err != nil || visits < 1 || visits > 5 {
		t.Errorf("eachEvent = %v after %d visits, want an end", err, visits)
	}
	if err := eachEvent(ctx, stream, 5, func(string, uint64, time.Time) { t.Error("an event that is gone is visited") }); err != nil {
		t.Errorf("eachEvent = %v, want an end", err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := eachEvent(ended, stream, 5, func(string, uint64, time.Time) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("eachEvent = %v, want the end of its context", err)
	}
}
