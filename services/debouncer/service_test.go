package debouncer

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/enneo-ai/enneo-bridge/libs/app"
	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/config"
)

func TestABurstBecomesOneTicketWithTheNewestPosition(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin(t, quiet("1s"), Run)
	w.filled(t)
	w.append(t.Context(), t, "acme", "", "A", "B", "A", "a.b *>", "A", "B", "A")
	w.append(t.Context(), t, "other", "", "A")
	last := w.append(t.Context(), t, "acme", "", "A")
	for name, want := range map[string]struct{ sequence, collapsed uint64 }{
		"acme A": {9, 5}, "acme B": {6, 2}, "acme a.b *>": {4, 1}, "other A": {8, 1},
	} {
		got := w.ticket(t, name)
		if got.Position.Sequence != want.sequence || got.Collapsed != want.collapsed || got.FirstEventAt.IsZero() {
			t.Errorf("the ticket of %s is %+v, want sequence %d and %d collapsed", name, got, want.sequence, want.collapsed)
		}
		if epoch, _ := w.log.Changed(); got.Position.Epoch != epoch {
			t.Errorf("the ticket of %s has epoch %d, want %d", name, got.Position.Epoch, epoch)
		}
	}
	w.settled(t, "acme", last)
	if _, sent := w.tickets(t); sent != 4 {
		t.Errorf("%d tickets were sent for 4 keys", sent)
	}
}

func TestTwoReplicasSendOneTicketForEachKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const keys = 300
	var ids []string
	for i := range 3 * keys {
		ids = append(ids, fmt.Sprint(i%keys))
	}
	w.begin(t, quiet("2s"), Run)
	w.begin(t, quiet("2s"), Run)
	w.filled(t)
	last := w.append(t.Context(), t, "acme", "", ids...)
	bustest.Eventually(t, "all tickets", func() bool {
		waiting, _ := w.tickets(t)
		return len(waiting) == keys
	})
	w.settled(t, "acme", last)
	waiting, sent := w.tickets(t)
	if sent != keys {
		t.Errorf("%d tickets were sent for %d keys", sent, keys)
	}
	for i := range keys {
		if got, want := waiting[fmt.Sprint("acme ", i)].Position.Sequence, uint64(2*keys+i+1); got != want {
			t.Errorf("the ticket of %d covers %d, want the newest event %d", i, got, want)
		}
	}
}

func TestUrgentEventsDoNotWait(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin(t, map[string]string{"SOURCE_ACME_URGENT_TYPES": "terminated,cancelled"}, Run)
	w.filled(t)
	w.append(t.Context(), t, "acme", "moved", "A")
	w.append(t.Context(), t, "acme", "cancelled", "B")
	w.append(t.Context(), t, "other", "cancelled", "C")
	if got := w.ticket(t, "acme B"); got.Position.Sequence != 2 || got.Collapsed != 1 {
		t.Errorf("the ticket is %+v, want the urgent event", got)
	}
	w.acknowledged(t, "acme", 2)
	w.acknowledged(t, "other", 3)
	// During the cool-down a further one waits, so a burst costs two at most.
	w.acknowledged(t, "acme", w.append(t.Context(), t, "acme", "cancelled", "B"))
	if waiting, sent := w.tickets(t); sent != 1 {
		t.Errorf("%d tickets were sent, want only that of the urgent key: %v", sent, waiting)
	}
	if got := len(w.windows(t)); got != 3 {
		t.Errorf("%d windows are open, want those of A and C, and that of B which cools down", got)
	}
}

func TestRedeliveredEventsChangeNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	last := w.append(t.Context(), t, "acme", "", "A", "A", "B", "A", "A")
	first := w.begin(t, nil, Run)
	w.acknowledged(t, "acme", last)
	first.stop(t)
	before := w.windows(t)
	if len(before) != 2 {
		t.Fatalf("%d windows are open, want 2", len(before))
	}
	// As if no acknowledgement had ever arrived.
	if err := w.bus.JetStream().DeleteConsumer(calm(t), bus.StreamEvents, bus.StageDebounce.ConsumerName("acme")); err != nil {
		t.Fatal(err)
	}
	second := w.begin(t, nil, Run)
	w.acknowledged(t, "acme", last)
	if diff := cmp.Diff(before, w.windows(t)); diff != "" {
		t.Errorf("windows after a redelivery (-before +after):\n%s", diff)
	}
	if _, metrics := second.get(t, "/metrics"); !metricHas(metrics, "bridge_events_armed", `outcome="unchanged"`, 5) {
		t.Errorf("the metrics do not show 5 events that changed nothing:\n%s", grep(metrics, "events_armed"))
	}
}

func metricHas(metrics, name, label string, value int) bool {
	for line := range strings.SplitSeq(metrics, "\n") {
		if strings.HasPrefix(line, name) && strings.Contains(line, label) && strings.HasSuffix(line, fmt.Sprint("} ", value)) {
			return true
		}
	}
	return false
}

func grep(text, word string) string {
	var found []string
	for line := range strings.SplitSeq(text, "\n") {
		if strings.Contains(line, word) {
			found = append(found, line)
		}
	}
	return strings.Join(found, "\n")
}

func TestForeignMessagesInTheLogStopNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.begin(t, map[string]string{"DEBOUNCE_QUIET_PERIOD": "300ms", "SOURCE_ACME_URGENT_TYPES": "cancelled"}, Run)
	w.filled(t)
	for _, subject := range []string{
		"erp.event.acme.contract", "erp.event.acme.meter.1", "erp.event.acme.contract.a=2eb", "erp.event.acme.contract.=41", "erp.event.acme.contract.a.b",
		"erp.event.acme.contract." + strings.Repeat("x", 51), "erp.event.nobody.contract.1", "erp.event.ACME.contract.1",
	} {
		if _, err := w.bus.Publish(t.Context(), &nats.Msg{Subject: subject, Data: []byte("{")}); err != nil {
			t.Fatal(err)
		}
	}
	// On a subject of ours, the place in the log is all that counts: it may be an event of a newer version.
	if _, err := w.bus.Publish(t.Context(), &nats.Msg{Subject: "erp.event.acme.contract.X", Header: nats.Header{"traceparent": {"nonsense"}}, Data: []byte("{")}); err != nil {
		t.Fatal(err)
	}
	last := w.append(t.Context(), t, "acme", "cancelled", "A")
	for _, name := range []string{"acme A", "acme X"} {
		w.ticket(t, name)
	}
	w.acknowledged(t, "acme", last)
	if _, sent := w.tickets(t); sent != 2 {
		t.Errorf("%d tickets were sent, want 2", sent)
	}
	if _, metrics := s.get(t, "/metrics"); !metricHas(metrics, "bridge_events_refused", `source="acme"`, 6) {
		t.Errorf("the metrics do not show 6 refused messages:\n%s", grep(metrics, "events_refused"))
	}
	if _, state := w.state(t, bus.StreamEvents); state.Msgs != 10 {
		t.Errorf("the log has %d messages, want all 10: nothing is removed from it", state.Msgs)
	}
}

// TestTheWayOfABurstIsOnePicture: the trace of the first event goes on to the ticket, its window links to the other events,
// and theirs link to it.
func TestTheWayOfABurstIsOnePicture(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	recorder := tracetest.NewSpanRecorder()
	w.begin(t, quiet("1s"), func(ctx context.Context, env *app.Env) error {
		env.Telemetry.TracerProvider = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
		return Run(ctx, env)
	})
	w.filled(t)
	first, second := sampled(1), sampled(2)
	w.append(trace.ContextWithSpanContext(t.Context(), first), t, "acme", "", "A")
	w.append(trace.ContextWithSpanContext(t.Context(), second), t, "acme", "", "A")
	w.append(t.Context(), t, "acme", "", "A", "B")
	w.ticket(t, "acme A")
	w.ticket(t, "acme B")
	var spans map[string]sdktrace.ReadOnlySpan
	bustest.Eventually(t, "the spans of both windows have ended", func() bool {
		spans = map[string]sdktrace.ReadOnlySpan{}
		for _, span := range recorder.Ended() {
			name := span.Name()
			switch {
			case name != "arm" && span.SpanContext().TraceID() != first.TraceID():
				name += " of B"
			case name == "arm" && span.Parent().TraceID() == second.TraceID():
				name = "second arm"
			}
			spans[name] = span
		}
		return len(spans) == 6
	})
	for child, parent := range map[string]trace.SpanContext{
		"arm": first, "second arm": second, "window": spans["arm"].SpanContext(), "flush": spans["window"].SpanContext(),
		"window of B": {}, "flush of B": spans["window of B"].SpanContext(),
	} {
		if got := spans[child].Parent().SpanID(); got != parent.SpanID() {
			t.Errorf("%s is below %s, want %s", child, got, parent.SpanID())
		}
	}
	for from, to := range map[string]string{"window": "second arm", "second arm": "arm"} {
		if links := spans[from].Links(); len(links) != 1 || links[0].SpanContext.SpanID() != spans[to].SpanContext().SpanID() {
			t.Errorf("%s links to %v, want the %s", from, links, to)
		}
	}
	stream, state := w.state(t, bus.StreamDue)
	flushes := []string{traceparent(spans["flush"].SpanContext()), traceparent(spans["flush of B"].SpanContext())}
	for seq := state.FirstSeq; seq <= state.LastSeq; seq++ {
		msg, err := stream.GetMsg(calm(t), seq)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(msg.Header["traceparent"], "|"); !slices.Contains(flushes, got) {
			t.Errorf("a ticket has the traceparent %q, want that of its flush", got)
		}
	}
}

func sampled(n byte) trace.SpanContext {
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1, n}, SpanID: trace.SpanID{n}, TraceFlags: trace.FlagsSampled, Remote: true})
}

func traceparent(c trace.SpanContext) string {
	return "00-" + c.TraceID().String() + "-" + c.SpanID().String() + "-" + c.TraceFlags().String()
}

func TestAnotherNumberOfShardsStopsTheStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.begin(t, nil, Run)
	w.acknowledged(t, "acme", w.append(t.Context(), t, "acme", "", "A"))
	first.stop(t)
	env := config.Map(w.environment(map[string]string{"DEBOUNCE_SHARDS": "8"}))
	err := app.Run(t.Context(), "debouncer", env, io.Discard, nil, Run)
	if err == nil || !strings.Contains(err.Error(), "number of shards differs") || !strings.Contains(err.Error(), "8") || !strings.Contains(err.Error(), "16") {
		t.Errorf("Run = %v, want an error that names both numbers", err)
	}
	if got := len(w.windows(t)); got != 1 {
		t.Errorf("%d windows are open after the refused start, want 1", got)
	}
}

func TestAWrongConfigurationStopsTheStartWithEveryError(t *testing.T) {
	t.Parallel()
	base := map[string]string{"ADMIN_ADDR": "127.0.0.1:0", "SOURCES": "acme", "SOURCE_ACME_PROFILE": "generic"}
	for name, tc := range map[string]struct {
		changes map[string]string
		want    []string
	}{
		"unreadable": {
			map[string]string{"DEBOUNCE_SHARDS": "x", "DEBOUNCE_LEASE": "30", "DEBOUNCE_QUIET_PERIOD": "soon", "STREAM_REPLICAS": "x"},
			[]string{`DEBOUNCE_SHARDS="x"`, `DEBOUNCE_LEASE="30"`, `DEBOUNCE_QUIET_PERIOD="soon"`, `STREAM_REPLICAS="x"`},
		},
		"out of range": {
			map[string]string{"DEBOUNCE_SHARDS": "0", "DEBOUNCE_BATCH": "100000", "DEBOUNCE_LEASE": "1ms", "SOURCE_ACME_QUIET_PERIOD": "3m", "SOURCE_ACME_QUITE_PERIOD": "1s"},
			[]string{
				"DEBOUNCE_SHARDS: 0 is not between 1 and", "DEBOUNCE_BATCH: 100000 is not between", "DEBOUNCE_LEASE: 1ms is not between",
				"SOURCE_ACME_QUIET_PERIOD: 3m0s must be shorter than the max wait of 2m0s", "SOURCE_ACME_QUITE_PERIOD: unknown variable",
			},
		},
		"redis": {map[string]string{"REDIS_URL": "http://user:s3cret@host"}, []string{"REDIS_URL: not a Redis URL"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := map[string]string{}
			for _, m := range []map[string]string{base, tc.changes} {
				for k, v := range m {
					env[k] = v
				}
			}
			err := app.Run(t.Context(), "debouncer", config.Map(env), io.Discard, nil, Run)
			if err == nil {
				t.Fatal("the service ran")
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error does not tell %q:\n%v", want, err)
				}
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
}
