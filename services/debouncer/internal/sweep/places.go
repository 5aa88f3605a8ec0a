package sweep

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/services/debouncer/internal/openkeys"
)

// Why a key is revived; the words are part of metrics.
const (
	reasonLost      = "lost"
	reasonLimit     = "exempt_limit"
	reasonRetention = "retention"
)

// Where a key was found; the words are part of metrics.
const (
	placeLog     = "log"
	placeWindow  = "window"
	placeDue     = "due"
	placeReady   = "ready"
	placeSettled = "settled"
)

// lookupsAtOnce is how many requests for single keys are under way together.
const lookupsAtOnce = 16

// lost returns those of the keys that have to be revived.
func (s *Sweeper) lost(ctx context.Context, due []openkeys.Open, now time.Time) ([]candidate, error) {
	events, err := s.openStream(ctx, bus.StageDebounce)
	if err != nil {
		return nil, err
	}
	maxAge := events.CachedInfo().Config.MaxAge
	var asked, left []candidate
	for _, open := range due {
		k, err := key.Parse(open.Key)
		if err != nil {
			continue
		}
		c := candidate{Open: open, key: k, reason: s.overdue(open, now, maxAge)}
		if c.reason == "" {
			c.reason = reasonLost
			asked = append(asked, c)
		} else {
			left = append(left, c)
		}
	}
	for _, place := range []struct {
		name string
		find func(context.Context, []candidate) ([]bool, error)
	}{
		{placeLog, s.inLog},
		{placeWindow, s.inWindow},
		{placeDue, func(ctx context.Context, all []candidate) ([]bool, error) {
			return s.inStage(ctx, bus.StageEnrich, all)
		}},
		{placeReady, func(ctx context.Context, all []candidate) ([]bool, error) {
			return s.inStage(ctx, bus.StagePublish, all)
		}},
	} {
		if asked, err = s.without(ctx, asked, place.name, place.find); err != nil {
			return nil, err
		}
	}
	return s.without(ctx, append(asked, left...), placeSettled, s.settled)
}

// overdue is why a key is revived wherever it stands; empty if it is not.
func (s *Sweeper) overdue(open openkeys.Open, now time.Time, maxAge time.Duration) string {
	switch {
	case maxAge > 0 && now.Sub(open.NewestAt) > maxAge/4*3:
		return reasonRetention
	case now.Sub(open.Since) > s.limits.Exempt<<min(open.Sweeps(), maxDoublings):
		return reasonLimit
	default:
		return ""
	}
}

// without returns the candidates that are not found in a place.
func (s *Sweeper) without(
	ctx context.Context, all []candidate, place string, find func(context.Context, []candidate) ([]bool, error),
) ([]candidate, error) {
	if len(all) == 0 {
		return nil, nil
	}
	found, err := find(ctx, all)
	if err != nil {
		return nil, err
	}
	var rest []candidate
	for i, c := range all {
		if found[i] {
			s.metrics.found(ctx, c.Source, place)
		} else {
			rest = append(rest, c)
		}
	}
	return rest, nil
}

// inLog tells which keys have events that the debouncers have not taken from the log yet.
func (s *Sweeper) inLog(ctx context.Context, all []candidate) ([]bool, error) {
	taken := map[string]uint64{}
	for _, c := range all {
		if _, known := taken[c.Source]; known {
			continue
		}
		consumer, err := s.bus.JetStream().Consumer(ctx, bus.StreamEvents, bus.StageDebounce.ConsumerName(c.Source))
		switch {
		case errors.Is(err, jetstream.ErrConsumerNotFound):
			taken[c.Source] = 0 // It is about to be made, and delivers everything then.
		case err != nil:
			return nil, fmt.Errorf("ask what has been taken from the log: %w", err)
		default:
			taken[c.Source] = consumer.CachedInfo().AckFloor.Stream
		}
	}
	found := make([]bool, len(all))
	for i, c := range all {
		found[i] = c.Newest > taken[c.Source]
	}
	return found, nil
}

// inWindow tells which keys a window will bring to a flush.
func (s *Sweeper) inWindow(ctx context.Context, all []candidate) ([]bool, error) {
	keys := make([]key.Key, len(all))
	for i, c := range all {
		keys[i] = c.key
	}
	return s.windows.Holds(ctx, keys)
}

// inStage tells which keys have a ticket that waits for a stage or is being worked on.
func (s *Sweeper) inStage(ctx context.Context, stage bus.Stage, all []candidate) ([]bool, error) {
	stream, err := s.openStream(ctx, stage)
	if err != nil {
		return nil, err
	}
	return each(ctx, all, func(ctx context.Context, c candidate) (bool, error) {
		_, err := stream.GetLastMsgForSubject(ctx, stage.Subject(c.key))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("look for a ticket in %s: %w", stage.Stream(), err)
		}
		return true, nil
	})
}

// settled tells which keys are settled, so that nothing is to be done.
func (s *Sweeper) settled(ctx context.Context, all []candidate) ([]bool, error) {
	return each(ctx, all, func(ctx context.Context, c candidate) (bool, error) {
		entry, err := s.ledger.Get(ctx, c.key.String())
		if err != nil {
			return false, err
		}
		newest := position.Position{Epoch: c.Epoch, Sequence: c.Newest}
		return ledger.Covers(entry.Value, newest) && !ledger.Owes(entry.Value), nil
	})
}

// each asks for the candidates one by one, several at a time.
func each(ctx context.Context, all []candidate, ask func(context.Context, candidate) (bool, error)) ([]bool, error) {
	found := make([]bool, len(all))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(lookupsAtOnce)
	for i, c := range all {
		group.Go(func() (err error) {
			found[i], err = ask(ctx, c)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return found, nil
}
