package openkeys

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/record"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// watermarkRecord is the key of the Watermark record in the bucket BRIDGE.
const watermarkRecord = "sweeper.watermark"

// ErrDisplaced says that another process has written the watermark, so this one does not lead any more; test with errors.Is.
var ErrDisplaced = errors.New("another replica has written the watermark")

// marks reads and writes the watermark.
type marks struct {
	bucket *record.Bucket[bridgev1.Watermark, *bridgev1.Watermark]
	bus    *bus.Bus
	// revision is the one that this process has read or written last.
	revision uint64
	written  *bridgev1.Watermark
	// created is when the stream behind SETTLED was created.
	created time.Time
}

// load reads the watermark; an empty one means that everything has to be read. anew ignores what is stored.
func (m *marks) load(ctx context.Context, epoch uint64, anew bool) (*bridgev1.Watermark, error) {
	entry, err := m.bucket.Get(ctx, watermarkRecord)
	if err != nil {
		return nil, err
	}
	stream, err := m.bus.JetStream().Stream(ctx, bus.KVStream(bus.BucketSettled))
	if err != nil {
		return nil, fmt.Errorf("look at what is settled: %w", err)
	}
	m.revision, m.written, m.created = entry.Revision, entry.Value, stream.CachedInfo().Created
	w := entry.Value
	fits := !anew && w.GetEpoch() == epoch &&
		w.GetSettledCreatedAt().AsTime().Equal(m.created) &&
		w.GetSettledRevision() <= stream.CachedInfo().State.LastSeq
	if !fits {
		return &bridgev1.Watermark{Epoch: epoch}, nil
	}
	return w, nil
}

// store writes the watermark of the book if it has moved. followed is the revision up to which SETTLED has been followed.
func (m *marks) store(ctx context.Context, b *Book, followed uint64) error {
	stream, err := m.bus.JetStream().Stream(ctx, bus.KVStream(bus.BucketSettled))
	if err != nil {
		return fmt.Errorf("look at what is settled: %w", err)
	}
	if !stream.CachedInfo().Created.Equal(m.created) || stream.CachedInfo().State.LastSeq < followed {
		return errReopened
	}
	low, sums, owed := b.watermark()
	w := &bridgev1.Watermark{
		Epoch: b.epoch, Sequence: low, SettledRevision: followed,
		SettledCreatedAt: timestamppb.New(m.created), Totals: sums,
	}
	if owed != math.MaxUint64 {
		w.SettledRevision = min(followed, owed-1)
	}
	if w.GetEpoch() == m.written.GetEpoch() && w.GetSequence() == m.written.GetSequence() &&
		w.GetSettledRevision() == m.written.GetSettledRevision() && w.GetSettledCreatedAt().AsTime().Equal(m.written.GetSettledCreatedAt().AsTime()) {
		return nil
	}
	revision, err := m.bucket.Put(ctx, watermarkRecord, w, m.revision)
	if errors.Is(err, record.ErrConflict) {
		return fmt.Errorf("%w: %w", ErrDisplaced, err)
	}
	if err != nil {
		return err
	}
	m.revision, m.written = revision, w
	return nil
}
