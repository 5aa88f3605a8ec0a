package eventlog_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/propagation"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// logs collects what a logger writes.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logs) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// alarms is how often a new epoch was reported.
func (l *logs) alarms() int { return strings.Count(l.String(), "a new log epoch begins") }

func openLogged(t *testing.T, b *bus.Bus) (*eventlog.Log, *logs) {
	t.Helper()
	var text logs
	l, err := eventlog.Open(t.Context(), b, text.logger())
	if err != nil {
		t.Fatalf("open the log: %v", err)
	}
	return l, &text
}

func newEvent(t *testing.T, c eventlog.Change) eventlog.Event {
	t.Helper()
	if c.ReceivedAt.IsZero() {
		c.ReceivedAt = time.Now()
	}
	e, err := eventlog.NewEvent(t.Context(), propagation.TraceContext{}, c)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// appendAll appends one event per change and returns the acknowledgements, which must all be there.
func appendAll(t *testing.T, l *eventlog.Log, changes ...eventlog.Change) []*jetstream.PubAck {
	t.Helper()
	events := make([]eventlog.Event, len(changes))
	for i, c := range changes {
		events[i] = newEvent(t, c)
	}
	acks, errs := l.Append(t.Context(), events)
	for i, err := range errs {
		if err != nil {
			t.Fatalf("append event %d: %v", i, err)
		}
	}
	return acks
}

// grow appends n events of one contract and returns the last sequence.
func grow(t *testing.T, l *eventlog.Log, n int) uint64 {
	t.Helper()
	var last uint64
	for range n {
		last = appendAll(t, l, eventlog.Change{Key: contract("1"), Origin: bridgev1.Origin_ORIGIN_WEBHOOK})[0].Sequence
	}
	return last
}
