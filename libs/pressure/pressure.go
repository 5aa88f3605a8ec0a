// Package pressure lets a stage that talks to an outside system say that it is under pressure, so that others ask less of it.
//
// # Guarantees
//
// None: a word is a message that nobody stores. It is said again every Every while the pressure lasts, and forgotten Lasts
// after it was heard last, by the clock of whoever heard it. So a lost one, a dead speaker, and clocks that disagree cost
// nothing but time.
//
// # Concurrency
//
// All functions may be called from any goroutine; a Hearing is safe for concurrent use.
package pressure

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
)

const (
	// Every is the time between two words while the pressure lasts.
	Every = 2 * time.Second
	// Lasts is how long a word counts: two more may get lost.
	Lasts = 3*Every + time.Second

	subjects = "enneobridge.pressure."
	// maxReason bounds what is believed of a message in bytes.
	maxReason = 64
)

// Tell says that stage is under pressure for a source while pressed is true, with its reason, until ctx ends.
func Tell(ctx context.Context, b *bus.Bus, stage bus.Stage, source string, pressed func() (reason string, pressed bool), logger *slog.Logger) error {
	tick := time.NewTicker(Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if reason, yes := pressed(); yes {
			if err := b.Say(subjects+string(stage)+"."+source, []byte(reason)); err != nil {
				logger.DebugContext(ctx, "nobody could be told of the pressure", "source", source, "error", err.Error())
			}
		}
	}
}

// Hearing is what was heard of pressure.
type Hearing struct {
	mu    sync.Mutex
	words map[string]map[string]word // by source and stage
}

type word struct {
	reason string
	at     time.Time
}

// Hear listens until stop is called.
func Hear(b *bus.Bus) (h *Hearing, stop func(), err error) {
	h = &Hearing{words: map[string]map[string]word{}}
	stop, err = b.Hear(subjects+"*.*", func(subject string, data []byte) { h.note(subject, data, time.Now()) })
	if err != nil {
		return nil, nil, fmt.Errorf("listen for pressure: %w", err)
	}
	return h, stop, nil
}

func (h *Hearing) note(subject string, data []byte, now time.Time) {
	stage, source, ok := strings.Cut(strings.TrimPrefix(subject, subjects), ".")
	if !ok || len(data) > maxReason || !known(stage) {
		return // No word of ours.
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.words[source] == nil {
		h.words[source] = map[string]word{}
	}
	h.words[source][stage] = word{reason: string(data), at: now}
}

func known(stage string) bool {
	for _, s := range bus.Stages() {
		if string(s) == stage {
			return true
		}
	}
	return false
}

// Of tells whether any stage is under pressure for the source, and why: "<stage> <reason>".
func (h *Hearing) Of(source string, now time.Time) (reason string, pressed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for stage, w := range h.words[source] {
		if now.Sub(w.at) < Lasts {
			reason, pressed = max(reason, stage+" "+w.reason), true
		}
	}
	return reason, pressed
}
