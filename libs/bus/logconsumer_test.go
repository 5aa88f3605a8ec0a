package bus_test

import (
	"sync"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
)

func TestLogConsumerGoesOnInItsEpochAndStartsAnewInAnother(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t)
	k := contract("pc", "1")
	publish(t, b, bus.StageDebounce, k, "one")
	publish(t, b, bus.StageDebounce, contract("other", "1"), "of another source")
	publish(t, b, bus.StageDebounce, k, "two")

	open := func(epoch uint64) jetstream.Consumer {
		t.Helper()
		c, err := b.EnsureLogConsumer(t.Context(), "pc", epoch)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.CachedInfo().Config; got.Durable != "debouncer-pc" || got.FilterSubject != "erp.event.pc.>" {
			t.Errorf("consumer = %+v", got)
		}
		return c
	}
	expect := func(c jetstream.Consumer, texts ...string) {
		t.Helper()
		for _, want := range texts {
			msg := next(t, c)
			if got := string(msg.Data()); got != want {
				t.Errorf("delivered %q, want %q", got, want)
			}
			ack(t, msg)
		}
		nothing(t, c)
	}
	expect(open(7), "one", "two")
	expect(open(7)) // The same epoch: nothing comes twice.
	publish(t, b, bus.StageDebounce, k, "three")
	expect(open(7), "three")
	expect(open(8), "one", "two", "three")
	expect(open(8))

	// What was being worked on in the old epoch comes again in the new one.
	publish(t, b, bus.StageDebounce, k, "four")
	next(t, open(8))
	expect(open(9), "one", "two", "three", "four")
	wantNothingLeft(t, open(9))
}

func TestReplicasOpenTheLogConsumerTogether(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t)
	publish(t, b, bus.StageDebounce, contract("pc", "1"), "one")
	for epoch := range uint64(20) {
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				if _, err := b.EnsureLogConsumer(t.Context(), "pc", epoch); err != nil {
					t.Errorf("epoch %d: %v", epoch, err)
				}
			})
		}
		group.Wait()
		c, err := b.EnsureLogConsumer(t.Context(), "pc", epoch)
		if err != nil {
			t.Fatal(err)
		}
		msg := next(t, c)
		ack(t, msg)
		nothing(t, c)
	}
}
