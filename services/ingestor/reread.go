package ingestor

import (
	"context"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/propagation"

	"github.com/enneo-ai/enneo-bridge/libs/deadletter"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/source"
)

// rereadEvery is the time between two looks at what was kept since, and before one that failed is repeated.
const rereadEvery = time.Minute

// rereader replays the bodies in which the profile of another ingestor found no identifier and the own one does. A profile
// changes only with a start of the service, so each body is tried once; it goes on looking, since replicas with the profile of
// before may still keep bodies.
//
// Replicas that look at once may replay a body twice: that makes two events where one would do, and one read.
type rereader struct {
	log        *eventlog.Log
	dead       *deadletter.Box
	propagator propagation.TextMapPropagator
	logger     *slog.Logger
	// tried is the place in the box up to which the bodies of a source were tried.
	tried map[string]uint64
}

func newRereader(log *eventlog.Log, dead *deadletter.Box, propagator propagation.TextMapPropagator, logger *slog.Logger) *rereader {
	return &rereader{log: log, dead: dead, propagator: propagator, logger: logger, tried: map[string]uint64{}}
}

// run looks at the bodies of every source until ctx ends.
func (r *rereader) run(ctx context.Context, sources []*source.Source) {
	for {
		for _, src := range sources {
			r.look(ctx, src)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(rereadEvery):
		}
	}
}

// look tries the bodies of one source that were not tried before.
func (r *rereader) look(ctx context.Context, src *source.Source) {
	replayed := 0
	err := r.dead.Each(ctx, deadletter.Filter{Stage: deadletter.StageIngest, Source: src.Name, After: r.tried[src.Name]}, func(l deadletter.Letter) error {
		done, err := r.try(ctx, src, l)
		if err != nil {
			return err
		}
		r.tried[src.Name] = l.Sequence
		if done {
			replayed++
		}
		return nil
	})
	if replayed > 0 {
		r.logger.InfoContext(ctx, "bodies without an identifier replayed, since the profile finds one now", "source", src.Name, "profile", src.Profile.Ref(), "bodies", replayed)
	}
	if err != nil && ctx.Err() == nil {
		r.logger.WarnContext(ctx, "reading unrecognised bodies again has failed, it is tried again", "source", src.Name, "error", err.Error())
	}
}

// try replays a body, if the profile recognises it and is not the one that did not.
func (r *rereader) try(ctx context.Context, src *source.Source, l deadletter.Letter) (replayed bool, err error) {
	if l.Unreadable || l.Value.GetProfile() == src.Profile.Ref() {
		return false, nil
	}
	changes, err := Reread(src, l.Value.GetContentType(), l.Value.GetBody(), time.Now())
	if err != nil {
		return false, nil //nolint:nilerr // This profile does not recognise it either: it waits for the next one, or a person.
	}
	if _, err := Replay(ctx, r.log, r.dead, r.propagator, l, changes); err != nil {
		return false, err
	}
	return true, nil
}
