package letters_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/deadletter"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/fault"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
	"github.com/enneo-ai/enneo-bridge/services/debouncer/internal/letters"
)

// box is a log with dead letters.
type box struct {
	t   *testing.T
	bus *bus.Bus
	log *eventlog.Log
	box *deadletter.Box
}

func newBox(t *testing.T) *box {
	t.Helper()
	b := bustest.Start(t).Connect(t, "pc")
	log, err := eventlog.Open(t.Context(), b, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return &box{t: t, bus: b, log: log, box: deadletter.Open(b)}
}

func contract(id string) key.Key { return key.Key{Source: "pc", Kind: key.Contract, ID: id} }

func (b *box) event(k key.Key) {
	b.t.Helper()
	event, err := eventlog.NewEvent(b.t.Context(), propagation.TraceContext{}, eventlog.Change{Key: k, Origin: bridgev1.Origin_ORIGIN_WEBHOOK, ReceivedAt: time.Now()})
	if err != nil {
		b.t.Fatal(err)
	}
	if _, errs := b.log.Append(b.t.Context(), []eventlog.Event{event}); errs[0] != nil {
		b.t.Fatal(errs[0])
	}
}

// dies makes a dead letter of a key's newest event.
func (b *box) dies(k key.Key, permanent bool, profile string) {
	b.t.Helper()
	last, _, err := b.log.Last(b.t.Context(), k)
	if err != nil {
		b.t.Fatal(err)
	}
	f := &fault.Fault{Scope: fault.Key, Permanent: permanent, Reason: "r", Err: errors.New("e")}
	if err := b.box.PutKey(b.t.Context(), deadletter.StageEnrich, k, last.Position, 9, f, profile); err != nil {
		b.t.Fatal(err)
	}
}

// events is how many events the log holds of a key.
func (b *box) events(k key.Key) uint64 {
	b.t.Helper()
	s, err := b.bus.JetStream().Stream(b.t.Context(), bus.StreamEvents)
	if err != nil {
		b.t.Fatal(err)
	}
	n := uint64(0)
	for next := uint64(1); next <= s.CachedInfo().State.LastSeq; next++ {
		if msg, err := s.GetMsg(b.t.Context(), next); err == nil && msg.Subject == bus.EventSubject(k) {
			n++
		}
	}
	return n
}

func (b *box) keeper(change func(*letters.Parts)) *letters.Keeper {
	b.t.Helper()
	parts := letters.Parts{
		Box: b.box, Log: b.log, Held: func() bool { return true }, Profiles: map[string]string{"pc": "powercloud@1"},
		MaxAge: 30 * 24 * time.Hour, Alarm: 72 * time.Hour,
		Propagator: propagation.TraceContext{}, Meter: noop.NewMeterProvider().Meter(""), Logger: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&parts)
	}
	k, err := letters.New(parts)
	if err != nil {
		b.t.Fatal(err)
	}
	return k
}

func round(t *testing.T, k *letters.Keeper, after time.Duration) {
	t.Helper()
	if err := k.Round(t.Context(), time.Now().Add(after)); err != nil {
		t.Fatal(err)
	}
}

func TestALetterIsReplayedWhenItsCauseMayHavePassed(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		permanent bool
		profile   string
		after     time.Duration
		want      uint64
	}{
		"a passing cause, soon":            {after: time.Minute, profile: "powercloud@1", want: 1},
		"a passing cause, in time":         {after: time.Hour, profile: "powercloud@1", want: 2},
		"for good":                         {permanent: true, after: 1000 * time.Hour, profile: "powercloud@1", want: 1},
		"for good, but by another profile": {permanent: true, profile: "powercloud@0", want: 2},
		"of an unknown profile":            {permanent: true, want: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, k := newBox(t), contract("1")
			b.event(k)
			b.dies(k, tc.permanent, tc.profile)
			keeper, rival := b.keeper(nil), b.keeper(nil)
			// What is being tried is not appended again, by whomever.
			round(t, keeper, tc.after)
			round(t, rival, tc.after)
			round(t, keeper, tc.after)
			if got := b.events(k); got != tc.want {
				t.Errorf("%d events of the key, want %d", got, tc.want)
			}
		})
	}
}

// TestPausesGrowWithEachReplay: the same key dies again and again.
func TestPausesGrowWithEachReplay(t *testing.T) {
	t.Parallel()
	b, k := newBox(t), contract("1")
	b.event(k)
	b.dies(k, false, "powercloud@1")
	letter, err := b.box.Get(t.Context(), deadletter.StageEnrich, k)
	if err != nil {
		t.Fatal(err)
	}
	if pause := time.Until(letter.GetReplayAt().AsTime()); !letter.GetPassing() || letter.GetReplays() != 0 || pause < 14*time.Minute || pause > 20*time.Minute {
		t.Errorf("the first replay is in %s, want after a quarter of an hour", pause)
	}
	// It dies once more before its time: that is no replay of ours.
	b.dies(k, false, "powercloud@1")
	if letter, err = b.box.Get(t.Context(), deadletter.StageEnrich, k); err != nil || letter.GetReplays() != 0 {
		t.Errorf("replays = %d (%v), want none", letter.GetReplays(), err)
	}
}

func TestAReplicaThatLeadsNoMoreAppendsNothing(t *testing.T) {
	t.Parallel()
	b, k := newBox(t), contract("1")
	b.event(k)
	b.dies(k, false, "")
	keeper := b.keeper(func(p *letters.Parts) { p.Held = func() bool { return false } })
	if err := keeper.Round(t.Context(), time.Now().Add(time.Hour)); err == nil {
		t.Error("Round = nil, want that it says so")
	}
	if got := b.events(k); got != 1 {
		t.Errorf("%d events, want none more", got)
	}
}

func TestLettersOfOtherSourcesAndBodiesAreLeftAlone(t *testing.T) {
	t.Parallel()
	b, k := newBox(t), contract("1")
	b.event(k)
	b.dies(k, false, "")
	if err := b.box.PutBody(t.Context(), "pc", "application/json", []byte(`{"x":1}`), "no_identifier", "none", ""); err != nil {
		t.Fatal(err)
	}
	round(t, b.keeper(func(p *letters.Parts) { p.Profiles = map[string]string{} }), time.Hour)
	if got := b.events(k); got != 1 {
		t.Errorf("%d events, want none more", got)
	}
}

// warnings collects what is logged at level warn.
type warnings struct {
	slog.Handler
	n *int
}

func (w warnings) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }

func (w warnings) Handle(context.Context, slog.Record) error {
	*w.n++
	return nil
}

func TestLettersThatAreAboutToExpireAreReportedOnceADay(t *testing.T) {
	t.Parallel()
	b, k, said := newBox(t), contract("1"), 0
	b.event(k)
	b.dies(k, true, "")
	keeper := b.keeper(func(p *letters.Parts) { p.Logger = slog.New(warnings{slog.DiscardHandler, &said}) })
	day := 24 * time.Hour
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{day, 0}, {28 * day, 1}, {28*day + time.Hour, 1}, {29*day + 2*time.Hour, 2}} {
		round(t, keeper, step.after)
		if said != step.want {
			t.Errorf("after %s it was reported %d times, want %d", step.after, said, step.want)
		}
	}
}
