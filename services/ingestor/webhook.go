package ingestor

import (
	"net/http"
	"strconv"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/source"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// webhook takes a source's own webhook: JSON object, JSON array, or form.
func (in *intake) webhook(w http.ResponseWriter, r *http.Request, a admitted) {
	src := a.src
	elements, err := parse(r.Header.Get("Content-Type"), a.body, in.maxEvents)
	if err != nil {
		in.refuse(w, r, src, err)
		return
	}
	var deliveryID string
	if header := src.Profile.EventIDHeader(); header != "" {
		deliveryID = r.Header.Get(header)
	}
	t := read(src, elements, deliveryID, in.now())
	if len(t.changes) > in.maxEvents {
		in.refuse(w, r, src, tooMany(len(t.changes), in.maxEvents))
		return
	}
	in.accept(w, r, src, t)
}

// read finds the identifiers of each element. deliveryID is the sender's id of the whole request, if it gave one; an
// element that has an id of its own is known by that.
func read(src *source.Source, elements []element, deliveryID string, now time.Time) told {
	var t told
	for i, e := range elements {
		found := src.Profile.Identify(e.doc)
		if reason, message := strangenessOf(found, src); reason != "" {
			t.strange = append(t.strange, strange{mediaType: e.mediaType, raw: e.raw, reason: reason, message: message})
		}
		senderID := found.EventID
		if senderID == "" && deliveryID != "" {
			// Two elements that name one contract are two changes, in every repetition of the request alike.
			senderID = deliveryID + " #" + strconv.Itoa(i)
		}
		t.changes = append(t.changes, changesOf(src, found, bridgev1.Origin_ORIGIN_WEBHOOK, senderIDOf(senderID), now)...)
	}
	return t
}
