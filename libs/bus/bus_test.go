package bus_test

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/key"
)

func contract(source, id string) key.Key {
	return key.Key{Source: source, Kind: key.Contract, ID: id}
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// message is a message for the key and stage; text names it.
func message(stage bus.Stage, k key.Key, text string) *nats.Msg {
	msg := nats.NewMsg(stage.Subject(k))
	msg.Data = []byte(text)
	return msg
}

// publish stores a message and returns its sequence.
func publish(t testing.TB, b *bus.Bus, stage bus.Stage, k key.Key, text string) uint64 {
	t.Helper()
	ack, err := b.Publish(t.Context(), message(stage, k, text))
	if err != nil {
		t.Fatalf("publish %q: %v", text, err)
	}
	return ack.Sequence
}

func open(t testing.TB, b *bus.Bus, stage bus.Stage, source string) jetstream.Consumer {
	t.Helper()
	c, err := b.Consumer(t.Context(), stage, source)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// next pulls one message, which must be there within a minute.
func next(t testing.TB, c jetstream.Consumer) jetstream.Msg {
	t.Helper()
	msg, err := c.Next(jetstream.FetchMaxWait(time.Minute))
	if err != nil {
		t.Fatalf("no message: %v", err)
	}
	return msg
}

// nothing fails if a message can be pulled now.
func nothing(t testing.TB, c jetstream.Consumer) {
	t.Helper()
	batch, err := c.FetchNoWait(1)
	if err != nil {
		t.Fatal(err)
	}
	for msg := range batch.Messages() {
		t.Errorf("message %q is delivered, want none", msg.Data())
	}
	if err := batch.Error(); err != nil {
		t.Fatal(err)
	}
}

func ack(t testing.TB, msg jetstream.Msg) {
	t.Helper()
	if err := msg.DoubleAck(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// left is how many messages of a consumer wait, and how many are being worked on.
func left(t testing.TB, c jetstream.Consumer) (pending uint64, unacked int) {
	t.Helper()
	info, err := c.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return info.NumPending, info.NumAckPending
}

// wantNothingLeft fails unless a consumer has nothing waiting and nothing that is being worked on.
func wantNothingLeft(t testing.TB, c jetstream.Consumer) {
	t.Helper()
	if pending, unacked := left(t, c); pending != 0 || unacked != 0 {
		t.Errorf("%d pending and %d unacknowledged messages are left, want none", pending, unacked)
	}
}

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

func within(t testing.TB, limit time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}
