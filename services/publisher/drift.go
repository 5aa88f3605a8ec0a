package publisher

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/position"
)

// The results of a look at one contract.
const (
	driftSame      = "same"
	driftDiffering = "differing"
	driftMissing   = "missing"
	driftFailed    = "failed"
	// driftMoving: the contract changed meanwhile, or is not known to be in Enneo; nothing can be said.
	driftMoving = "moving"
)

// drift looks from time to time whether Enneo still has what it was given: a contract of the source at random is read there, and
// compared field by field with what was sent. Fields that Enneo adds by itself do not count. It reports and mends nothing.
type drift struct {
	source  string
	every   time.Duration
	deliver *deliverer
	reader  interface {
		// Contract reads a contract in Enneo; found is false if Enneo does not have it.
		Contract(ctx context.Context, id string) (body []byte, found bool, err error)
	}
	gate   bus.Gate
	looks  metric.Int64Counter
	logger *slog.Logger
}

func newDriftCounter(meter metric.Meter) (metric.Int64Counter, error) {
	looks, err := meter.Int64Counter("enneo.drift", metric.WithUnit("{contract}"),
		metric.WithDescription("Contracts compared with what Enneo has, by source and result: same, differing, missing, failed, moving (it changed meanwhile)"))
	if err != nil {
		return nil, fmt.Errorf("make instrument: %w", err)
	}
	return looks, nil
}

// run looks at one contract in each period, until ctx ends.
func (d *drift) run(ctx context.Context) error {
	tick := time.NewTicker(d.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		// Behind the same gates as deliveries: nothing is asked while Enneo is paused or away.
		leave, err := d.gate.Enter(ctx)
		if err != nil {
			return nil // ctx has ended.
		}
		d.look(ctx)
		leave()
	}
}

// look compares one contract.
func (d *drift) look(ctx context.Context) {
	k, found, err := d.sample(ctx)
	if err == nil && !found {
		return // Nothing was ever settled.
	}
	result, fields := driftFailed, []string(nil)
	if err == nil {
		result, fields, err = d.compare(ctx, k)
	}
	if ctx.Err() != nil {
		return
	}
	d.looks.Add(ctx, 1, metric.WithAttributes(attribute.String("source", d.source), attribute.String("result", result)))
	switch {
	case err != nil:
		d.logger.WarnContext(ctx, "looking whether enneo has what it was given has failed", "source", d.source, "error", err.Error())
	case result == driftMissing || result == driftDiffering:
		d.logger.WarnContext(ctx, "enneo does not have what it was given; send everything again with: bridge resync --source", "source", d.source,
			"result", result, "fields", strings.Join(fields, ","))
	}
}

// sample is a settled contract of the source at random: the next one from a random place in the bucket.
func (d *drift) sample(ctx context.Context) (k key.Key, found bool, err error) {
	stream, err := d.deliver.bus.JetStream().Stream(ctx, bus.KVStream(bus.BucketSettled))
	if err != nil {
		return k, false, fmt.Errorf("open %s: %w", bus.BucketSettled, err)
	}
	prefix := "$KV." + bus.BucketSettled + "."
	subject := jetstream.WithGetMsgSubject(prefix + d.source + "." + string(key.Contract) + ".>")
	state := stream.CachedInfo().State
	from := state.FirstSeq + rand.Uint64N(max(1, state.LastSeq-state.FirstSeq+1)) //nolint:gosec // A sample need not be unpredictable.
	msg, err := stream.GetMsg(ctx, from, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		msg, err = stream.GetMsg(ctx, 1, subject)
	}
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return k, false, nil
	}
	if err != nil {
		return k, false, fmt.Errorf("choose a contract: %w", err)
	}
	k, err = key.Parse(strings.TrimPrefix(msg.Subject, prefix))
	return k, err == nil, err
}

// compare tells whether Enneo has a contract as it was sent, and which fields differ. What is under way, before or after the
// question, is nobody's drift.
func (d *drift) compare(ctx context.Context, k key.Key) (result string, fields []string, err error) {
	sent, revision, err := d.sent(ctx, k)
	if err != nil || sent == "" {
		return driftMoving, nil, err
	}
	release, _ := d.deliver.quota.Take(ctx)
	if release == nil {
		return driftMoving, nil, nil // Deliveries need what there is.
	}
	got, found, err := d.reader.Contract(ctx, d.deliver.enneoID(k.ID))
	release()
	if err != nil {
		return driftFailed, nil, err
	}
	if _, now, err := d.sent(ctx, k); err != nil || now != revision {
		return driftMoving, nil, err
	}
	if !found {
		return driftMissing, nil, nil
	}
	if fields, err = differing(sent, got); err != nil {
		return driftFailed, nil, err
	}
	if len(fields) > 0 {
		return driftDiffering, fields, nil
	}
	return driftSame, nil, nil
}

// sent is what Enneo was given last of a contract, and the revision of the settlement that says so; empty if something is open,
// under way, or not known to be in Enneo.
func (d *drift) sent(ctx context.Context, k key.Key) (body string, revision uint64, err error) {
	entry, err := d.deliver.ledger.Get(ctx, k.String())
	if err != nil {
		return "", 0, err
	}
	snap, err := d.deliver.snapshots.Get(ctx, k.String())
	if err != nil {
		return "", 0, err
	}
	last, logged, err := d.deliver.log.Last(ctx, k)
	if err != nil {
		return "", 0, err
	}
	switch s := entry.Value; {
	case s.GetIntent() != nil, s.GetRedeliver(), snap.Value.GetGone(), snap.Value.GetBody() == "",
		logged && !ledger.Settles(s, last.Position),
		position.FromProto(snap.Value.GetCovers()) != position.FromProto(s.GetCovered()),
		s.GetContentHash() != d.deliver.contentOf(snap.Value):
		return "", 0, nil
	}
	body, err = d.deliver.bodyOf(k.Kind, snap.Value)
	return body, entry.Revision, err
}

// differing are the names of the fields that were sent and that Enneo has otherwise, sorted. A field that is not there is null.
func differing(sent string, got []byte) ([]string, error) {
	ours, err := object([]byte(sent))
	if err != nil {
		return nil, fmt.Errorf("read what was sent: %w", err)
	}
	theirs, err := object(got)
	if err != nil {
		return nil, fmt.Errorf("read Enneo's contract: %w", err)
	}
	var fields []string
	for _, field := range slices.Sorted(maps.Keys(ours)) {
		if !alike(ours[field], theirs[field]) {
			fields = append(fields, field)
		}
	}
	return fields, nil
}

func object(text []byte) (fields map[string]any, err error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err = decoder.Decode(&fields); err == nil && fields == nil {
		err = errors.New("it is no JSON object")
	}
	return fields, err
}

// alike compares two values. An id may come back as an integer, and a number in another form.
func alike(ours, theirs any) bool {
	switch a := ours.(type) {
	case []any:
		b, ok := theirs.([]any)
		return ok && slices.EqualFunc(a, b, alike)
	case map[string]any:
		b, ok := theirs.(map[string]any)
		for name := range a {
			ok = ok && alike(a[name], b[name])
		}
		return ok
	case json.Number:
		if b, ok := theirs.(json.Number); ok {
			x, errX := strconv.ParseFloat(a.String(), 64)
			y, errY := strconv.ParseFloat(b.String(), 64)
			return a == b || errX == nil && errY == nil && x == y
		}
		b, ok := theirs.(string)
		return ok && b == a.String()
	case string:
		if b, ok := theirs.(json.Number); ok {
			return b.String() == a
		}
	}
	return ours == theirs
}
