// Package deadletter keeps what a person has to look at: the stream DEAD, the newest dead letter per stage and key.
//
// # Concurrency
//
// A Box is safe for concurrent use.
package deadletter

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/ce"
	"github.com/enneo-ai/enneo-bridge/libs/failpoint"
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
// dead: dying in between repeats it, and never loses it. The bytes of the earlier one are overwritten before; a death then
// leaves the key open. profile is the name and version of the profile in use.
//
// A fault that may pass by itself is replayed by itself, after pauses that grow with each replay.
func (b *Box) PutKey(ctx context.Context, stage string, k key.Key, p position.Position, attempts int, f *fault.Fault, profile string) error {
	now := timestamppb.Now()
	return b.put(ctx, bus.DeadSubject(stage, k), k.String(), &bridgev1.DeadLetter{
		Stage: stage, Source: k.Source,
		Key:      &bridgev1.Key{Source: k.Source, Kind: string(k.Kind), Id: k.ID},
		Position: p.Proto(),
		Reason:   f.Reason, Message: f.Error(), Field: f.Field,
		Attempts: uint32(max(attempts, 1)),
		FirstAt:  now, LastAt: now,
		Status: uint32(f.Status), Answer: f.Answer,
		Passing: !f.Permanent, Profile: profile,
	})
}

// PutBody stores a body in which no identifier was found, for replay after the profile was mended. The same body of the
// same source is stored once: it is named by its hash, which here loses nothing, since the body is all there is. profile is
// the name and version of the one that found nothing.
func (b *Box) PutBody(ctx context.Context, source, contentType string, body []byte, reason, message, profile string) error {
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	now := timestamppb.Now()
	return b.put(ctx, bus.DeadBodySubject(source, hash), hash, &bridgev1.DeadLetter{
		Stage: StageIngest, Source: source, Reason: reason, Message: message,
		Attempts: 1, FirstAt: now, LastAt: now, Body: body, ContentType: contentType, Profile: profile,
	})
}

func (b *Box) put(ctx context.Context, subject, about string, letter *bridgev1.DeadLetter) error {
	before, sequence, err := b.get(ctx, subject)
	// One that cannot be read any more is replaced like any other.
	if err != nil && !errors.Is(err, errUnreadable) {
		return err
	}
	if letter.GetKey() == nil && before != nil && bytes.Equal(before.GetBody(), letter.GetBody()) {
		return nil // Another copy of the same personal data would say no more.
	}
	if before.GetFirstAt() != nil {
		letter.FirstAt = before.GetFirstAt()
		letter.Replays = before.GetReplays()
		if at := before.GetReplayAt(); at != nil && at.AsTime().Before(time.Now()) {
			letter.Replays++
		}
	}
	if letter.GetPassing() {
		letter.ReplayAt = timestamppb.New(time.Now().Add(pauseBefore(letter.GetReplays())))
	}
	if letter.GetKey() != nil && sequence != 0 {
		if err := b.remove(ctx, sequence); err != nil {
			return err
		}
		failpoint.Hit("deadletter.replaced")
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

// replayPauses are the pauses before the replays of a letter whose cause may pass; the last one repeats.
var replayPauses = []time.Duration{15 * time.Minute, time.Hour, 4 * time.Hour, 12 * time.Hour, 24 * time.Hour} //nolint:gochecknoglobals // Read only.

// pauseBefore is how long a letter waits that was replayed so often, with up to a quarter more at random: what died together
// should not come back together.
func pauseBefore(replays uint32) time.Duration {
	pause := replayPauses[min(int(replays), len(replayPauses)-1)]
	return pause + rand.N(pause/4) //nolint:gosec // Spreads load, protects nothing.
}

// ByProfile tells whether the letter is replayed by itself once its source has another profile: that one may map what this one
// could not, or find an identifier.
func ByProfile(l *bridgev1.DeadLetter) bool {
	switch l.GetStage() {
	case StageIngest:
		return true
	case StageEnrich:
		// Without the profile's name, in letters of older versions, nobody knows whether it is another one.
		return l.GetProfile() != ""
	default:
		return false
	}
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
