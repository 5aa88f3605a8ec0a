package bus_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
)

// The streams of tickets keep one ticket per key, whatever the one before was doing. Each case ends with exactly one
// delivery of the newest ticket, and nothing left.
func TestNewestTicketOfAKeyReplacesTheOthers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		// before makes something of the first ticket and returns what else has to be done after the others were published.
		before func(t *testing.T, c jetstream.Consumer) (after func())
	}{
		{
			name:   "while it waits",
			before: func(*testing.T, jetstream.Consumer) func() { return func() {} },
		},
		{
			name: "while it is being worked on, and is acknowledged later",
			before: func(t *testing.T, c jetstream.Consumer) func() {
				t.Helper()
				msg := next(t, c)
				return func() { ack(t, msg) }
			},
		},
		{
			name: "while it is being worked on, and is asked for again later",
			before: func(t *testing.T, c jetstream.Consumer) func() {
				t.Helper()
				msg := next(t, c)
				return func() {
					if err := bus.Answer(msg, bus.Again(time.Millisecond)); err != nil {
						t.Fatal(err)
					}
				}
			},
		},
		{
			name: "while it is being worked on, by somebody who has died",
			before: func(t *testing.T, c jetstream.Consumer) func() {
				t.Helper()
				next(t, c)
				return func() {}
			},
		},
		{
			name: "while it waits for its pause to end",
			before: func(t *testing.T, c jetstream.Consumer) func() {
				t.Helper()
				if err := bus.Answer(next(t, c), bus.Again(time.Hour)); err != nil {
					t.Fatal(err)
				}
				return func() {}
			},
		},
		{
			name: "while it comes again",
			before: func(t *testing.T, c jetstream.Consumer) func() {
				t.Helper()
				if err := bus.Answer(next(t, c), bus.Again(time.Millisecond)); err != nil {
					t.Fatal(err)
				}
				msg := next(t, c)
				return func() { ack(t, msg) }
			},
		},
	}
	b := bustest.Start(t).Connect(t, "a", "b", "c", "d", "e", "f")
	for i, tc := range tests {
		for _, stage := range []bus.Stage{bus.StageEnrich, bus.StagePublish} {
			t.Run(string(stage)+" "+tc.name, func(t *testing.T) {
				t.Parallel()
				source := string(rune('a' + i))
				c, k := open(t, b, stage, source), contract(source, "1")
				publish(t, b, stage, k, "first")
				after := tc.before(t, c)
				publish(t, b, stage, k, "second")
				publish(t, b, stage, k, "third")
				after()

				msg := next(t, c)
				if got := string(msg.Data()); got != "third" {
					t.Errorf("delivered %q, want the newest ticket", got)
				}
				nothing(t, c)
				ack(t, msg)
				nothing(t, c)
				bustest.Eventually(t, "nothing is left", func() bool {
					pending, unacked := left(t, c)
					return pending == 0 && unacked == 0
				})
			})
		}
	}
}

func TestKeysHaveTicketsOfTheirOwn(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t, "pc")
	c := open(t, b, bus.StageEnrich, "pc")
	ids := []string{"1", "1.", "1*", "*", ">", "ü"}
	for range 3 {
		for _, id := range ids {
			publish(t, b, bus.StageEnrich, contract("pc", id), id)
		}
	}
	seen := map[string]int{}
	for range ids {
		msg := next(t, c)
		seen[string(msg.Data())]++
		ack(t, msg)
	}
	for _, id := range ids {
		if seen[id] != 1 {
			t.Errorf("contract %q had %d tickets, want 1", id, seen[id])
		}
	}
	nothing(t, c)
	wantNothingLeft(t, c)
}

func TestSourcesDoNotTouchEachOther(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t, "pc", "pc-north")
	for _, source := range []string{"pc", "pc-north"} {
		for _, id := range []string{"1", "2"} {
			publish(t, b, bus.StageEnrich, contract(source, id), source)
		}
	}
	dead, healthy := open(t, b, bus.StageEnrich, "pc"), open(t, b, bus.StageEnrich, "pc-north")
	for range 2 {
		if err := bus.Answer(next(t, dead), bus.Again(time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		msg := next(t, healthy)
		if got := string(msg.Data()); got != "pc-north" {
			t.Errorf("the consumer of pc-north got a ticket of %s", got)
		}
		ack(t, msg)
	}
	nothing(t, healthy)
	wantNothingLeft(t, healthy)
	if _, unacked := left(t, dead); unacked != 2 {
		t.Errorf("%d tickets of the dead source wait for their pause, want 2", unacked)
	}
}
