package ingestor

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/source"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// ErrStillStrange is the error of Reread for a body in which still no identifier is found; test with errors.Is.
var ErrStillStrange = errors.New("no identifier found")

// Reread finds the identifiers of a body that was kept as a dead letter, with the profile that the source has now. The
// error says what is wrong with the body; it never holds any of its values.
func Reread(src *source.Source, contentType string, body []byte, now time.Time) ([]eventlog.Change, error) {
	elements, err := parse(contentType, body, math.MaxInt)
	if err != nil {
		return nil, err
	}
	t := read(src, elements, "", now)
	if len(t.strange) > 0 {
		return nil, fmt.Errorf("%w: %s", ErrStillStrange, t.strange[0].message)
	}
	for i := range t.changes {
		t.changes[i].Origin = bridgev1.Origin_ORIGIN_OPERATOR
	}
	return t.changes, nil
}
