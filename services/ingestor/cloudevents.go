package ingestor

import (
	"fmt"
	"net/http"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
	"github.com/enneo-ai/enneo-bridge/libs/source"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// maxChangeType is the longest type of a CloudEvent in characters that is passed on; a profile's change types have the
// same limit.
const maxChangeType = 200

// cloudEvents takes CloudEvents over HTTP: binary, structured or a batch.
func (in *intake) cloudEvents(w http.ResponseWriter, r *http.Request, a admitted) {
	src := a.src
	if a.signed && binaryMode(r.Header) {
		in.refuse(w, r, src, errUncovered)
		return
	}
	events, err := eventsOf(r.Header, a.body, in.maxEvents)
	if err != nil {
		in.refuse(w, r, src, err)
		return
	}
	t, err := readEvents(src, events, in.now())
	if err != nil {
		in.refuse(w, r, src, err)
		return
	}
	if len(t.changes) > in.maxEvents {
		in.refuse(w, r, src, tooMany(len(t.changes), in.maxEvents))
		return
	}
	in.accept(w, r, src, t)
}

// readEvents finds the identifiers of each CloudEvent: in its subject, if the profile says what that names, and in its
// data. Its source and id together say which event it is; the id alone does not.
func readEvents(src *source.Source, events []cloudEvent, now time.Time) (told, error) {
	var t told
	for i, ev := range events {
		found := identify(src, ev)
		if reason, message := strangenessOf(found, src); reason != "" {
			raw, err := ev.structured()
			if err != nil {
				return told{}, fmt.Errorf("event %d of %d cannot be kept: %w", i+1, len(events), err)
			}
			t.strange = append(t.strange, strange{mediaType: mediaEvent, raw: raw, reason: reason, message: message})
		}
		senderID := senderIDOf(fmt.Sprintf("%q %q", ev.source, ev.id))
		t.changes = append(t.changes, changesOf(src, found, bridgev1.Origin_ORIGIN_CLOUDEVENT, senderID, now)...)
	}
	return t, nil
}

func identify(src *source.Source, ev cloudEvent) profile.Identified {
	var found profile.Identified
	if ev.doc != nil {
		found = src.Profile.Identify(ev.doc)
	}
	if kind := src.Profile.CloudEventSubjectKind(); kind != "" && ev.subject != "" {
		ids := &found.ContractIDs
		if kind == key.Customer {
			ids = &found.CustomerIDs
		}
		switch {
		case !key.ValidID(ev.subject):
			found.Invalid = append(found.Invalid, fmt.Sprintf("%s id in the subject is longer than %d characters", kind, key.MaxIDLength))
		case !slices.Contains(*ids, ev.subject):
			*ids = slices.Insert(*ids, 0, ev.subject)
		}
	}
	if found.ChangeType == "" && utf8.RuneCountInString(ev.eventType) <= maxChangeType {
		found.ChangeType = ev.eventType
	}
	return found
}
