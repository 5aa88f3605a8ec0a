package deadletter

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/ce"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// subjectPrefix is what every subject of DEAD begins with.
const subjectPrefix = "dead."

// Letter is a dead letter as it stands in the box.
type Letter struct {
	// Name tells the letter from all others: "<stage>.<source>.<kind>.<id>", and for a body "ingest.<source>.body.<hash>".
	Name string
	// Value is what it says. It is empty, and Unreadable set, if it is no dead letter of ours.
	Value      *bridgev1.DeadLetter
	Unreadable bool
	// StoredAt is the server's time of the newest revision.
	StoredAt time.Time
	// Sequence is its place in the box: what is stored later has a higher one.
	Sequence uint64
}

// ReasonUnreadable is the reason of what is no dead letter of ours.
const ReasonUnreadable = "unreadable"

// Reason is the stable word for what is wrong.
func (l *Letter) Reason() string {
	if l.Unreadable {
		return ReasonUnreadable
	}
	return l.Value.GetReason()
}

// Filter chooses dead letters; what is empty does not restrict.
type Filter struct {
	Stage, Source, Reason string
	// Name is the name of one letter, or the key of letters at any stage.
	Name string
	// Since and Before restrict the time of the last failure.
	Since, Before time.Time
	// After is the place in the box behind which the search begins.
	After uint64
}

func (f *Filter) subject() string {
	stage, source := "*", "*"
	if f.Stage != "" {
		stage = f.Stage
	}
	if f.Source != "" {
		source = f.Source
	}
	return subjectPrefix + stage + "." + source + ".>"
}

func (f *Filter) matches(l *Letter) bool {
	_, about, _ := strings.Cut(l.Name, ".")
	at := l.StoredAt
	if l.Value.GetLastAt() != nil {
		at = l.Value.GetLastAt().AsTime()
	}
	switch {
	case f.Name != "" && f.Name != l.Name && f.Name != about:
		return false
	case f.Reason != "" && f.Reason != l.Reason():
		return false
	case !f.Since.IsZero() && at.Before(f.Since), !f.Before.IsZero() && !at.Before(f.Before):
		return false
	default:
		return true
	}
}

// Each visits the dead letters that match, the oldest first, until visit returns an error. What is stored meanwhile may
// be visited or not.
func (b *Box) Each(ctx context.Context, f Filter, visit func(Letter) error) error {
	stream, err := b.bus.JetStream().Stream(ctx, bus.StreamDead)
	if err != nil {
		return fmt.Errorf("open the dead letters: %w", err)
	}
	for next := f.After + 1; ; {
		msg, err := stream.GetMsg(ctx, next, jetstream.WithGetMsgSubject(f.subject()))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("list the dead letters: %w", err)
		}
		next = msg.Sequence + 1
		l := Letter{Name: strings.TrimPrefix(msg.Subject, subjectPrefix), StoredAt: msg.Time, Sequence: msg.Sequence}
		l.Value, err = read(msg)
		l.Unreadable = err != nil
		if !f.matches(&l) {
			continue
		}
		if err := visit(l); err != nil {
			return err
		}
	}
}

// read decodes a stored dead letter; the error is errUnreadable, and the letter empty, if it is none.
func read(msg *jetstream.RawStreamMsg) (*bridgev1.DeadLetter, error) {
	letter := &bridgev1.DeadLetter{}
	ev, err := ce.Decode(msg.Header, msg.Data)
	if err == nil {
		err = ce.UnmarshalData(ev.Data(), letter)
	}
	if err != nil {
		return &bridgev1.DeadLetter{}, fmt.Errorf("%w: %w", errUnreadable, err)
	}
	return letter, nil
}

// Remove removes the letter as it was listed, and overwrites its bytes, since it may hold personal data. One that has been
// replaced by a newer one since, or removed, is left alone.
func (b *Box) Remove(ctx context.Context, l Letter) error {
	return b.remove(ctx, l.Sequence)
}

func (b *Box) remove(ctx context.Context, sequence uint64) error {
	stream, err := b.bus.JetStream().Stream(ctx, bus.StreamDead)
	if err != nil {
		return fmt.Errorf("open the dead letters: %w", err)
	}
	if err := stream.SecureDeleteMsg(ctx, sequence); err != nil {
		// Somebody else may have removed or replaced it meanwhile. The client gives that refusal no name of its own.
		if _, left := stream.GetMsg(ctx, sequence); !errors.Is(left, jetstream.ErrMsgNotFound) {
			return fmt.Errorf("remove a dead letter: %w", err)
		}
	}
	return nil
}
