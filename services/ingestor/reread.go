package ingestor

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/propagation"

	"github.com/enneo-ai/enneo-bridge/libs/deadletter"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/failpoint"
	"github.com/enneo-ai/enneo-bridge/libs/source"
)

// rereadPause is the time before bodies are read again that could not be because NATS was away.
const rereadPause = time.Minute

// rereader replays the bodies in which no identifier was found by a profile that has been mended since. A profile changes
// only with a start of the service, so it is enough to look once.
//
// Replicas that start together may replay a body twice: that makes two events where one would do, and one read.
type rereader struct {
	log        *eventlog.Log
	dead       *deadletter.Box
	propagator propagation.TextMapPropagator
	logger     *slog.Logger
}

// run looks at the bodies of every source until it has seen all of them, or ctx ends.
func (r *rereader) run(ctx context.Context, sources []*source.Source) {
	for _, src := range sources {
		for {
			replayed, err := r.source(ctx, src)
			if replayed > 0 {
				r.logger.InfoContext(ctx, "bodies without an identifier replayed, since the profile finds one now", "source", src.Name, "bodies", replayed)
			}
			if err == nil || ctx.Err() != nil {
				break
			}
			r.logger.WarnContext(ctx, "reading unrecognised bodies again has failed, it is tried again", "source", src.Name, "error", err.Error())
			select {
			case <-ctx.Done():
			case <-time.After(rereadPause):
			}
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// source replays what the profile of one source recognises by now, and returns how many bodies that were.
func (r *rereader) source(ctx context.Context, src *source.Source) (replayed int, err error) {
	err = r.dead.Each(ctx, deadletter.Filter{Stage: deadletter.StageIngest, Source: src.Name}, func(l deadletter.Letter) error {
		if l.Unreadable || l.Value.GetProfile() == src.Profile.Ref() {
			return nil
		}
		changes, err := Reread(src, l.Value.GetContentType(), l.Value.GetBody(), time.Now())
		if err != nil {
			return nil //nolint:nilerr // This profile does not recognise it either: it waits for the next one, or a person.
		}
		if err := replay(ctx, r.log, r.dead, r.propagator, l, changes); err != nil {
			return err
		}
		replayed++
		return nil
	})
	return replayed, err
}

// replay appends what was found in a body, and removes the letter once the log has it: dying in between only means that it can
// be replayed twice.
func replay(ctx context.Context, log *eventlog.Log, dead *deadletter.Box, propagator propagation.TextMapPropagator, l deadletter.Letter, changes []eventlog.Change) error {
	events := make([]eventlog.Event, len(changes))
	for i, c := range changes {
		var err error
		if events[i], err = eventlog.NewEvent(ctx, propagator, c); err != nil {
			return err
		}
	}
	_, errs := log.Append(ctx, events)
	if err := errors.Join(errs...); err != nil {
		return err
	}
	failpoint.Hit("ingestor.body.replayed")
	return dead.Remove(ctx, l)
}
