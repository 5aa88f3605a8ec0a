package bus

import (
	"fmt"

	"github.com/nats-io/nats.go"
)

// Say sends a message that nobody stores: whoever listens now may get it.
func (b *Bus) Say(subject string, data []byte) error {
	if err := b.conn.Publish(subject, data); err != nil {
		return fmt.Errorf("say: %w", err)
	}
	return nil
}

// Hear calls heard with each message that is said, one at a time, until stop is called.
func (b *Bus) Hear(subject string, heard func(subject string, data []byte)) (stop func(), err error) {
	subscription, err := b.conn.Subscribe(subject, func(msg *nats.Msg) { heard(msg.Subject, msg.Data) })
	if err != nil {
		return nil, fmt.Errorf("hear: %w", err)
	}
	return func() { _ = subscription.Unsubscribe() }, nil // It fails only on a connection that has ended.
}
