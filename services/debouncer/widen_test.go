package debouncer

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"

	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/source"
)

func acme() *source.Source {
	return &source.Source{Name: "acme", QuietPeriod: 10 * time.Second, MaxWait: 60 * time.Second}
}

func TestWindowsWidenStepByStepAndNarrowAgain(t *testing.T) {
	t.Parallel()
	type look struct {
		told    string
		backlog uint64
		want    time.Duration
		reason  string
	}
	const second = time.Second
	for name, tc := range map[string]struct {
		most  int
		looks []look
	}{
		"while a stage tells of pressure": {3, []look{
			{"enricher rate_limited", 0, 20 * second, "enricher rate_limited"},
			{"enricher rate_limited", 0, 40 * second, "enricher rate_limited"},
			{"", 0, 20 * second, ""},
			{"", 0, 10 * second, ""},
			{"", 0, 10 * second, ""},
		}},
		"never beyond the max wait": {10, []look{
			{"x", 0, 20 * second, "x"},
			{"x", 0, 40 * second, "x"},
			{"x", 0, 60 * second, "x"},
			{"x", 0, 60 * second, ""},
			{"", 0, 40 * second, ""},
		}},
		"never beyond the configured limit": {1, []look{{"x", 0, 20 * second, "x"}, {"x", 0, 20 * second, ""}}},
		"not at all if it is switched off":  {0, []look{{"x", 5000, 10 * second, ""}, {"", 9000, 10 * second, ""}}},
		"while a large backlog grows, and not back before it has gone": {3, []look{
			{"", 999, 10 * second, ""},
			{"", 1001, 20 * second, reasonBacklog},
			{"", 1001, 40 * second, reasonBacklog},
			{"", 1000, 40 * second, ""},
			{"", 501, 40 * second, ""},
			{"", 500, 20 * second, ""},
			{"", 0, 10 * second, ""},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &width{source: acme()}
			for i, l := range tc.looks {
				before := w.quiet()
				step, reason := w.look(&WidenConfig{Most: tc.most, Backlog: 1000}, l.told, l.told != "", l.backlog)
				if got := w.quiet(); got != l.want || reason != l.reason || (step == 0) != (got == before) {
					t.Errorf("look %d: quiet period %s by a step of %d because of %q, want %s and %q", i, got, step, reason, l.want, l.reason)
				}
			}
		})
	}
}

// TestWhatIsSaidOfTheERPWidensTheWindows through NATS, as the enricher says it, and for that source alone.
func TestWhatIsSaidOfTheERPWidensTheWindows(t *testing.T) {
	t.Parallel()
	server := bustest.Start(t)
	b, enricher := server.Connect(t, "acme", "other"), server.Connect(t)
	m, err := newMetrics(noop.NewMeterProvider().Meter(""), &spans{}, func(context.Context) (int64, error) { return 0, nil })
	if err != nil {
		t.Fatal(err)
	}
	other := acme()
	other.Name = "other"
	w := newWidener(b, &WidenConfig{Most: 3, Backlog: 1000}, []*source.Source{acme(), other}, slog.New(slog.DiscardHandler), m)
	w.every = 10 * time.Millisecond
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.run(ctx) }()
	bustest.Eventually(t, "the windows of the source are as wide as they get", func() bool {
		if err := enricher.Say("enneobridge.pressure.enricher.acme", []byte("rate_limited")); err != nil {
			t.Error(err)
		}
		return w.widths["acme"].quiet() == 60*time.Second
	})
	if got := w.widths["other"].quiet(); got != 10*time.Second {
		t.Errorf("the windows of another source have a quiet period of %s", got)
	}
	bustest.Eventually(t, "they are narrow again, since nobody says it any more", func() bool { return w.widths["acme"].factor() == 1 })
	stop()
	if err := <-ended; err != nil {
		t.Errorf("the widener ended with: %v", err)
	}
}

func TestAnEventIsArmedWithTheWidthOfItsSource(t *testing.T) {
	t.Parallel()
	world := newWorld(t)
	w := &width{source: acme()}
	w.doubled.Store(1)
	world.append(t.Context(), t, "acme", "", "A")
	epoch, _ := world.log.Changed()
	consumer, err := world.bus.EnsureLogConsumer(t.Context(), "acme", epoch)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := consumer.Next()
	if err != nil {
		t.Fatal(err)
	}
	a := &armer{source: w.source, width: w}
	item, err := a.item(epoch, msg)
	if err != nil || item.Quiet != 20*time.Second || item.MaxWait != 60*time.Second {
		t.Errorf("armed with %+v, %v; want a quiet period of 20 s within a max wait of 60 s", item, err)
	}
}
