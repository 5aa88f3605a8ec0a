package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// replayIdle is how long nothing arrives before the server is asked whether anything is left.
const replayIdle = time.Second

// ErrEnough is returned by the function given to Replay to end it without an error.
var ErrEnough = errors.New("seen enough")

// Replay visits what an ordered consumer has, until nothing is left or visit returns an error. It asks for so many messages at a
// time, and holds no more of them. Messages that leave the stream meanwhile, by age or by a person's hand, are not waited for.
func Replay(ctx context.Context, consumer jetstream.Consumer, atATime int, visit func(jetstream.Msg, *jetstream.MsgMetadata) error) error {
	messages, err := consumer.Messages(jetstream.PullMaxMessages(atATime))
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	defer messages.Stop()
	var received uint64
	for {
		wait, cancel := context.WithTimeout(ctx, replayIdle)
		msg, err := messages.Next(jetstream.NextContext(wait))
		cancel()
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			info, err := consumer.Info(ctx)
			if err == nil && info.NumPending == 0 && info.Delivered.Consumer <= received {
				return nil
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("replay: %w", errors.Join(err, ctx.Err()))
		}
		meta, err := msg.Metadata()
		if err != nil {
			return fmt.Errorf("replay: %w", err)
		}
		received = meta.Sequence.Consumer
		if err := visit(msg, meta); errors.Is(err, ErrEnough) {
			return nil
		} else if err != nil {
			return err
		}
		if meta.NumPending == 0 {
			return nil
		}
	}
}
