package eventlog

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/ce"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// ErrEnough is returned by the function given to Changes to end the visit without an error.
var ErrEnough = errors.New("seen enough")

// Changes visits the key's events after one position, up to and with another one of the current epoch, the oldest first. An event that
// cannot be read is visited as an empty one. A position of an earlier epoch lies before everything that the log holds.
func (l *Log) Changes(ctx context.Context, k key.Key, after, upTo position.Position, visit func(at position.Position, c *bridgev1.Change) error) error {
	next := uint64(1)
	if after.Epoch == upTo.Epoch {
		next = after.Sequence + 1
	}
	for next <= upTo.Sequence {
		msg, err := l.stream.GetMsg(ctx, next, jetstream.WithGetMsgSubject(bus.EventSubject(k)))
		if errors.Is(err, jetstream.ErrMsgNotFound) || err == nil && msg.Sequence > upTo.Sequence {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the events of a key: %w", err)
		}
		next = msg.Sequence + 1
		change := &bridgev1.Change{}
		if ev, err := ce.Decode(msg.Header, msg.Data); err != nil || ce.UnmarshalData(ev.Data(), change) != nil {
			change = &bridgev1.Change{}
		}
		if err := visit(position.Position{Epoch: upTo.Epoch, Sequence: msg.Sequence}, change); errors.Is(err, ErrEnough) {
			return nil
		} else if err != nil {
			return err
		}
	}
	return nil
}
