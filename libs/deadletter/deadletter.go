// Package deadletter keeps what a person has to look at: the stream DEAD, the newest dead letter per stage and key.
//
// # Concurrency
//
// A Box is safe for concurrent use.
package deadletter

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/ce"
	"github.com/enneo-ai/enneo-bridge/libs/fault"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// The stages at which something can become a dead letter; the words are part of subjects.
const (
	StageIngest  = "ingest"
	StageEnrich  = "enrich"
	StagePublish = "publish"
)

// Box is the stream DEAD.
type Box struct {
	bus *bus.Bus
}

// Open gives the box of a connection.
func Open(b *bus.Bus) *Box { return &Box{bus: b} }

// PutKey stores the dead letter of a key, in place of an earlier one at the same stage, and returns after the
// acknowledgement. The time of the first one since the last success stays. Store it before the key is settled as
// dead: dying in between repeats it, and never loses it.
func (b *Box) PutKey(ctx context.Context, stage string, k key.Key, p position.Position, attempts int, f *fault.Fault) error {
	now := timestamppb.Now()
	return b.put(ctx, bus.DeadSubject(stage, k), k.String(), &bridgev1.DeadLetter{
		Stage: stage, Source: k.Source,
		Key:      &bridgev1.Key{Source: k.Source, Kind: string(k.Kind), Id: k.ID},
		Position: p.Proto(),
		Reason:   f.Reason, Message: f.Error(), Field: f.Field,
		Attempts: uint32(max(attempts, 1)),
		FirstAt:  now, LastAt: now,
		Status: uint32(f.Status), Answer: f.Answer,
	})
}

// PutBody stores a body in which no identifier was found, for replay after the profile was mended. The same body of the
// same source is stored once: it is named by its hash, which here loses nothing, since the body is all there is.
func (b *Box) PutBody(ctx context.Context, source, contentType string, body []byte, reason, message string) error {
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	now := timestamppb.Now()
	return b.put(ctx, bus.DeadBodySubject(source, hash), hash, &bridgev1.DeadLetter{
		Stage: StageIngest, Source: source, Reason: reason, Message: message,
		Attempts: 1, FirstAt: now, LastAt: now, Body: body, ContentType: contentType,
	})
}

func (b *Box) put(ctx context.Context, subject, about string, letter *bridgev1.DeadLetter) error {
	before, _, err := b.get(ctx, subject)
	// One that cannot be read any more is replaced like any other.
	if err != nil && !errors.Is(err, errUnreadable) {
		return err
	}
	if before.GetFirstAt() != nil {
		letter.FirstAt = before.GetFirstAt()
	}
	ev, err := ce.New(uuid.NewString(), "/sources/"+letter.GetSource(), ce.TypeDeadLetter, about, time.Now(), letter)
	if err != nil {
		return err
	}
	msg, err := ce.Encode(subject, ev)
	if err != nil {
		return err
	}
	_, err = b.bus.Publish(ctx, msg)
	return err
}

// errUnreadable says that what is stored is no dead letter of ours.
var errUnreadable = errors.New("dead letter cannot be read")

// Get reads the newest dead letter of a key at a stage; nil if there is none.
func (b *Box) Get(ctx context.Context, stage string, k key.Key) (*bridgev1.DeadLetter, error) {
	letter, _, err := b.get(ctx, bus.DeadSubject(stage, k))
	return letter, err
}

func (b *Box) get(ctx context.Context, subject string) (*bridgev1.DeadLetter, uint64, error) {
	stream, err := b.bus.JetStream().Stream(ctx, bus.StreamDead)
	if err != nil {
		return nil, 0, fmt.Errorf("open the dead letters: %w", err)
	}
	msg, err := stream.GetLastMsgForSubject(ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read a dead letter: %w", err)
	}
	letter, err := read(msg)
	if err != nil {
		return nil, 0, err
	}
	return letter, msg.Sequence, nil
}

// Clear removes a key's dead letters up to and with p, after a success that covers p. They may hold personal data, so
// their bytes are overwritten.
func (b *Box) Clear(ctx context.Context, k key.Key, p position.Position) error {
	for _, stage := range []string{StageEnrich, StagePublish} {
		letter, sequence, err := b.get(ctx, bus.DeadSubject(stage, k))
		if errors.Is(err, errUnreadable) {
			continue // Nothing of ours: it must not keep the key from being settled. It expires, or is replaced.
		}
		if err != nil {
			return err
		}
		if letter == nil || !p.Covers(position.FromProto(letter.GetPosition())) {
			continue
		}
		if err := b.remove(ctx, sequence); err != nil {
			return err
		}
	}
	return nil
}
