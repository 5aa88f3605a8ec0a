package pressure

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
)

func TestPressureIsHeardWhileItLasts(t *testing.T) {
	t.Parallel()
	server := bustest.Start(t)
	speaker, listener := server.Connect(t), server.Connect(t)
	heard, stop, err := Hear(listener)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	var pressed atomic.Bool
	pressed.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- Tell(ctx, speaker, bus.StageEnrich, "acme", func() (string, bool) { return "rate_limited", pressed.Load() }, slog.New(slog.DiscardHandler))
	}()
	bustest.Eventually(t, "the pressure is heard", func() bool {
		reason, pressed := heard.Of("acme", time.Now())
		return pressed && reason == "enricher rate_limited"
	})
	if _, pressed := heard.Of("other", time.Now()); pressed {
		t.Error("another source is under pressure as well")
	}
	pressed.Store(false)
	if _, pressed := heard.Of("acme", time.Now().Add(Lasts)); pressed {
		t.Error("the pressure does not end")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Tell = %v", err)
	}
}

func TestAWordCountsForAWhileWhateverOthersSay(t *testing.T) {
	t.Parallel()
	now := time.Now()
	h := &Hearing{words: map[string]map[string]word{}}
	h.note("enneobridge.pressure.enricher.acme", []byte("rate_limited"), now)
	h.note("enneobridge.pressure.publisher.acme", []byte("unavailable"), now.Add(time.Second))
	for after, want := range map[time.Duration]string{
		0: "publisher unavailable", Lasts - 1: "publisher unavailable", Lasts: "publisher unavailable", Lasts + time.Second: "",
	} {
		if got, pressed := h.Of("acme", now.Add(after)); got != want || pressed != (want != "") {
			t.Errorf("after %s: %q, %t; want %q", after, got, pressed, want)
		}
	}
}

func FuzzNote(f *testing.F) {
	f.Add("enneobridge.pressure.enricher.acme", "rate_limited")
	f.Add("enneobridge.pressure.", "")
	f.Add("enneobridge.pressure.console.acme", "x")
	f.Fuzz(func(t *testing.T, subject, reason string) {
		h := &Hearing{words: map[string]map[string]word{}}
		h.note(subject, []byte(reason), time.Now())
		for source := range h.words {
			text, pressed := h.Of(source, time.Now())
			if !pressed || len(text) > maxReason+len("publisher ")+1 || !strings.HasSuffix(subject, "."+source) {
				t.Errorf("heard %q of %q", text, source)
			}
		}
	})
}
