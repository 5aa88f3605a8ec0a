package ingestor

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/otel/propagation"

	"github.com/enneo-ai/enneo-bridge/libs/deadletter"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/failpoint"
	"github.com/enneo-ai/enneo-bridge/libs/jsonptr"
	"github.com/enneo-ai/enneo-bridge/libs/source"
)

// ErrStillStrange is the error of Reread for a body in which still no identifier is found; test with errors.Is.
var ErrStillStrange = errors.New("no identifier found")

// Reread finds the identifiers in what was kept as a dead letter, with the profile that the source has now, and makes of them
// what the request would make now: the ids of the events are the same. The error says what is wrong with the body; it never
// holds any of its values.
//
// An id of the whole request, in a header, was not kept: another request with the same bytes is the same letter, and must not
// be taken for a repetition of the first.
func Reread(src *source.Source, mediaType string, kept []byte, now time.Time) ([]eventlog.Change, error) {
	t, err := reread(src, mediaType, kept, now)
	if err != nil {
		return nil, err
	}
	if len(t.strange) > 0 {
		return nil, fmt.Errorf("%w: %s", ErrStillStrange, t.strange[0].message)
	}
	if len(t.changes) > mostEvents {
		return nil, tooMany(len(t.changes), mostEvents)
	}
	return t.changes, nil
}

// reread takes what was kept for a CloudEvent or for one element of a webhook, as it was read the first time: an array is an
// element like any other here.
func reread(src *source.Source, mediaType string, kept []byte, now time.Time) (told, error) {
	if mediaType == mediaEvent {
		events, err := eventsOf(http.Header{"Content-Type": {mediaType}}, kept, 1)
		if err != nil {
			return told{}, err
		}
		return readEvents(src, events, now)
	}
	media, _, err := mime.ParseMediaType(mediaType)
	switch {
	case err != nil:
		return told{}, fmt.Errorf("media type %q: %w", mediaType, errMediaType)
	case !utf8.Valid(kept):
		return told{}, errUTF8
	case !jsonMedia(media):
		elements, err := parse(media, kept, 1)
		return read(src, elements, "", now), err
	}
	doc, err := jsonptr.Decode(kept)
	if err != nil {
		return told{}, fmt.Errorf("the body is not JSON: %w", err)
	}
	return read(src, []element{{doc: doc, raw: kept, mediaType: media}}, "", now), nil
}

// Replay appends the changes that Reread has found in a letter to the log, removes the letter once the log has all of them, and
// returns how many events were appended; what the log had already is not counted. Dying in between only means that events
// without an id of the sender can be appended twice, which costs a read.
func Replay(ctx context.Context, log *eventlog.Log, dead *deadletter.Box, propagator propagation.TextMapPropagator, l deadletter.Letter, changes []eventlog.Change) (appended int, err error) {
	events := make([]eventlog.Event, len(changes))
	for i, c := range changes {
		if events[i], err = eventlog.NewEvent(ctx, propagator, c); err != nil {
			return 0, err
		}
	}
	acks, errs := log.Append(ctx, events)
	for _, ack := range acks {
		if ack != nil && !ack.Duplicate {
			appended++
		}
	}
	if err := errors.Join(errs...); err != nil {
		return appended, err
	}
	failpoint.Hit("ingestor.body.replayed")
	return appended, dead.Remove(ctx, l)
}
