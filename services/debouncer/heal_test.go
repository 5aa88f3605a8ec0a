package debouncer

import (
	"fmt"
	"testing"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
)

func TestRedisMayBeAwayAtTheStartAndLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.redis.Kill(t)
	w.append(t.Context(), t, "acme", "", "A", "A")
	s := w.begin(t, quiet("300ms"), Run)
	s.readyTurns(t, "redis")
	w.redis.Restart(t)
	s.readyTurns(t, "")
	if got := w.ticket(t, "acme A"); got.Position.Sequence != 2 {
		t.Errorf("the ticket is %+v, want the newest event", got)
	}
	w.redis.Kill(t)
	s.readyTurns(t, "redis")
	w.append(t.Context(), t, "acme", "", "B", "C")
	bustest.Eventually(t, "the replica has the events in hand", func() bool { return w.consumer(t, "acme").NumAckPending == 2 })
	w.redis.Restart(t)
	s.readyTurns(t, "")
	for _, name := range []string{"acme B", "acme C"} {
		w.ticket(t, name)
	}
	w.settled(t, "acme", 4)
}

func TestNATSMayRestartInTheMiddle(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.begin(t, quiet("1s"), Run)
	w.acknowledged(t, "acme", w.append(t.Context(), t, "acme", "", "A"))
	w.nats.Stop(t)
	s.readyTurns(t, "nats")
	w.nats.Run(t)
	s.readyTurns(t, "")
	if got := w.ticket(t, "acme A"); got.Position.Sequence != 1 {
		t.Errorf("the ticket is %+v, want the event before the restart", got)
	}
	bustest.Eventually(t, "the test is connected again", func() bool { return w.bus.Check(t.Context()) == nil })
	last := w.append(t.Context(), t, "acme", "", "B")
	if got := w.ticket(t, "acme B"); got.Position.Sequence != last {
		t.Errorf("the ticket is %+v, want the event after the restart", got)
	}
	first, _ := w.tickets(t)
	if epoch := first["acme A"].Position.Epoch; first["acme B"].Position.Epoch != epoch {
		t.Errorf("a restart of NATS began a new log epoch: %v", first)
	}
	w.settled(t, "acme", last)
}

func TestEmptiedRedisIsFilledFromTheLogWithin5Seconds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin(t, nil, Run)
	w.acknowledged(t, "acme", w.append(t.Context(), t, "acme", "", "A", "B", "A"))
	w.acknowledged(t, "other", w.append(t.Context(), t, "other", "", "C"))
	if got := len(w.windows(t)); got != 3 {
		t.Fatalf("%d windows are open, want 3", got)
	}
	// Nothing is due for minutes, and no event comes.
	emptied := time.Now()
	w.flushAll(t)
	bustest.Eventually(t, "all open keys are armed again", func() bool { return len(w.windows(t)) == 3 })
	if took, limit := time.Since(emptied), 5*time.Second; took > limit {
		t.Errorf("it took %s until all open keys were armed again, want at most %s", took, limit)
	}
}

func TestWindowsThatRedisLostAreFlushedWithoutAnyEvent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin(t, quiet("3s"), Run)
	w.filled(t)
	last := w.append(t.Context(), t, "acme", "", "A", "A", "B")
	w.acknowledged(t, "acme", last)
	w.flushAll(t)
	if _, sent := w.tickets(t); sent != 0 {
		t.Fatalf("%d tickets were sent before Redis was emptied, so this shows nothing", sent)
	}
	for name, sequence := range map[string]uint64{"acme A": 2, "acme B": 3} {
		if got := w.ticket(t, name); got.Position.Sequence != sequence {
			t.Errorf("the ticket of %s is %+v, want sequence %d", name, got, sequence)
		}
	}
	w.settled(t, "acme", last)
}

func TestUrgentEventsDoNotWaitWhenRedisWasEmptied(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin(t, map[string]string{"SOURCE_ACME_URGENT_TYPES": "cancelled"}, Run)
	w.filled(t)
	w.acknowledged(t, "acme", w.append(t.Context(), t, "acme", "cancelled", "A"))
	w.ticket(t, "acme A")
	w.flushAll(t)
	bustest.Eventually(t, "the key, which nobody has settled, is flushed again", func() bool {
		_, sent := w.tickets(t)
		return sent > 1
	})
}

func TestAReplicaThatStartsOnAnEmptiedRedisFillsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.begin(t, nil, Run)
	w.acknowledged(t, "acme", w.append(t.Context(), t, "acme", "", "A", "B"))
	first.stop(t)
	w.redis.Restart(t)
	w.begin(t, quiet("300ms"), Run)
	for name, sequence := range map[string]uint64{"acme A": 1, "acme B": 2} {
		if got := w.ticket(t, name); got.Position.Sequence != sequence {
			t.Errorf("the ticket of %s is %+v, want sequence %d", name, got, sequence)
		}
	}
}

func TestARecreatedLogIsReadFromItsBeginning(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin(t, quiet("300ms"), Run)
	w.append(t.Context(), t, "acme", "", "A", "A", "A")
	before := w.ticket(t, "acme A")
	w.settled(t, "acme", 3)
	// The connection stays: nobody is told but by the consumer's end.
	if err := w.bus.JetStream().DeleteStream(calm(t), bus.StreamEvents); err != nil {
		t.Fatal(err)
	}
	w.nats.Connect(t)
	if got := w.append(t.Context(), t, "acme", "", "A"); got != 1 {
		t.Fatalf("the first event of the recreated log has sequence %d", got)
	}
	bustest.Eventually(t, "a ticket of the new epoch", func() bool {
		waiting, _ := w.tickets(t)
		got := waiting["acme A"].Position
		return got.Epoch > before.Position.Epoch && got.Sequence == 1
	})
	w.settled(t, "acme", 1)
}

func TestEventsInHandAtTheEndGoToAnotherReplicaAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.begin(t, nil, Run)
	w.acknowledged(t, "acme", w.append(t.Context(), t, "acme", "", "A"))
	w.redis.Kill(t)
	last := w.append(t.Context(), t, "acme", "", "B", "C")
	bustest.Eventually(t, "the replica has the events in hand", func() bool { return w.consumer(t, "acme").NumAckPending == 2 })
	first.stop(t)
	w.redis.Restart(t)
	began := time.Now()
	w.begin(t, nil, Run)
	w.acknowledged(t, "acme", last)
	if took, wait := time.Since(began), w.consumer(t, "acme").Config.AckWait; took > wait/2 {
		t.Errorf("the events came after %s: the replica that stopped has kept them", took)
	}
}

func TestTheEndFinishesTheBatchInHand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.begin(t, nil, Run)
	w.filled(t)
	first.stop(t)
	var ids []string
	for i := range 5000 {
		ids = append(ids, fmt.Sprint(i))
	}
	w.append(t.Context(), t, "acme", "", ids...)
	s := w.begin(t, nil, Run)
	bustest.Eventually(t, "events are being armed", func() bool { return w.consumer(t, "acme").AckFloor.Stream > 0 })
	s.stop(t)
	info := w.consumer(t, "acme")
	acknowledged := uint64(len(ids)) - info.NumPending - uint64(info.NumAckPending)
	if armed := uint64(len(w.windows(t))); armed != acknowledged || armed == 0 {
		t.Errorf("%d events are armed and %d acknowledged, want the same: the batch in hand was torn apart", armed, acknowledged)
	}
}
