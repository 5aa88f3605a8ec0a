// Package letters looks after the dead letters: what died of a cause that may have passed is sent through the whole way again,
// and what is about to expire is reported.
//
// # Guarantees
//
// A letter stays until a success clears it, a newer failure replaces it, an operator drops it, or it expires. Its key is
// appended to the log when its time has come, or once the source's profile is another one than the one that could not map
// it, and only while the log has no newer event of the key: what is being tried already is left alone. The append is
// conditional on the key's last event, so two leaders at a time append one.
//
// A key whose letter has expired stays settled as a dead letter; its next change, or bridge resync, brings it back.
//
// # Concurrency
//
// Run belongs to the one replica that leads. The metrics may be read meanwhile.
package letters

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"

	"github.com/enneo-ai/enneo-bridge/libs/deadletter"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

const (
	// Every is the time between two rounds; a round that took long is followed by a longer one, so that no more than a
	// twentieth of the time is spent on letters.
	Every = time.Minute
	share = 20
	// warnEvery is the time between two warnings about letters that are about to expire.
	warnEvery = 24 * time.Hour
)

// Parts are what a Keeper works with.
type Parts struct {
	Box *deadletter.Box
	Log *eventlog.Log
	// Held tells whether this replica still leads, without asking anybody.
	Held func() bool
	// Profiles are name and version of the profile of each source. Letters of other sources are counted only.
	Profiles map[string]string
	// MaxAge is how long letters are kept, Alarm how long before its end one is reported.
	MaxAge, Alarm time.Duration
	Propagator    propagation.TextMapPropagator
	Meter         metric.Meter
	Logger        *slog.Logger
}

// Keeper looks after the dead letters.
type Keeper struct {
	Parts

	replayed metric.Int64Counter
	warned   time.Time

	mu     sync.Mutex
	counts map[group]counts
}

// group is what letters are counted by.
type group struct{ source, stage, reason string }

type counts struct{ all, expiring int64 }

// New makes a keeper.
func New(p Parts) (*Keeper, error) {
	k := &Keeper{Parts: p}
	replayed, err := p.Meter.Int64Counter("dead.letters.replayed", metric.WithUnit("{key}"),
		metric.WithDescription("Dead letters sent through the whole way again by themselves, by source and why: passed, profile"))
	if err != nil {
		return nil, fmt.Errorf("make instrument: %w", err)
	}
	waiting, err := p.Meter.Int64ObservableGauge("dead.letters.waiting", metric.WithUnit("{letter}"),
		metric.WithDescription("Dead letters that wait for a person, by source, stage and reason; told by the replica that leads"))
	if err != nil {
		return nil, fmt.Errorf("make instrument: %w", err)
	}
	expiring, err := p.Meter.Int64ObservableGauge("dead.letters.expiring", metric.WithUnit("{letter}"),
		metric.WithDescription("Dead letters that are about to expire (DEAD_ALARM before DEAD_MAX_AGE), by source, stage and reason"))
	if err != nil {
		return nil, fmt.Errorf("make instrument: %w", err)
	}
	_, err = p.Meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		k.mu.Lock()
		defer k.mu.Unlock()
		for g, n := range k.counts {
			attrs := metric.WithAttributes(attribute.String("source", g.source), attribute.String("stage", g.stage), attribute.String("reason", g.reason))
			o.ObserveInt64(waiting, n.all, attrs)
			o.ObserveInt64(expiring, n.expiring, attrs)
		}
		return nil
	}, waiting, expiring)
	if err != nil {
		return nil, fmt.Errorf("observe the dead letters: %w", err)
	}
	k.replayed = replayed
	return k, nil
}

// Run looks after the letters until ctx ends. Then it counts none, since another replica does.
func (k *Keeper) Run(ctx context.Context) error {
	defer k.tell(nil)
	for {
		began := time.Now()
		if err := k.Round(ctx, began); err != nil && ctx.Err() == nil {
			k.Logger.WarnContext(ctx, "looking after the dead letters has failed, it is tried again", "error", err.Error())
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(max(Every, share*time.Since(began))):
		}
	}
}

func (k *Keeper) tell(counts map[group]counts) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.counts = counts
}

// Round visits every letter once, as of now.
func (k *Keeper) Round(ctx context.Context, now time.Time) error {
	seen := map[group]counts{}
	expiring := int64(0)
	err := k.Box.Each(ctx, deadletter.Filter{}, func(l deadletter.Letter) error {
		g := group{l.Value.GetSource(), l.Value.GetStage(), l.Value.GetReason()}
		n := seen[g]
		n.all++
		if k.MaxAge > 0 && now.Sub(l.StoredAt) > k.MaxAge-k.Alarm {
			n.expiring++
			expiring++
		}
		seen[g] = n
		if why := k.due(l.Value, now); why != "" {
			return k.replay(ctx, l.Value, why, now)
		}
		return nil
	})
	if err != nil {
		return err
	}
	k.tell(seen)
	if expiring > 0 && now.Sub(k.warned) > warnEvery {
		k.warned = now
		k.Logger.WarnContext(ctx, "dead letters are about to expire; look at them with: bridge dlq ls", "letters", expiring, "within", k.Alarm.String())
	}
	return nil
}

// The reasons of a replay.
const (
	whyPassed  = "passed"
	whyProfile = "profile"
)

// due tells why a letter is to be replayed; empty if it is not.
func (k *Keeper) due(l *bridgev1.DeadLetter, now time.Time) string {
	profile, configured := k.Profiles[l.GetSource()]
	switch {
	case l.GetKey() == nil || !configured:
		return ""
	case l.GetReplayAt() != nil && !now.Before(l.GetReplayAt().AsTime()):
		return whyPassed
	case deadletter.ByProfile(l) && l.GetProfile() != profile:
		return whyProfile
	default:
		return ""
	}
}

// replay appends an event for the letter's key, unless the log has a newer one.
func (k *Keeper) replay(ctx context.Context, l *bridgev1.DeadLetter, why string, now time.Time) error {
	if !k.Held() {
		return errors.New("this replica leads no more")
	}
	of, err := key.New(l.GetKey().GetSource(), key.Kind(l.GetKey().GetKind()), l.GetKey().GetId())
	if err != nil {
		return nil //nolint:nilerr // A letter that names no key of ours is for a person.
	}
	last, found, err := k.Log.Last(ctx, of)
	if err != nil {
		return err
	}
	if found && last.Position.Compare(position.FromProto(l.GetPosition())) > 0 {
		return nil
	}
	event, err := eventlog.NewEvent(ctx, k.Propagator, eventlog.Change{Key: of, Origin: bridgev1.Origin_ORIGIN_SWEEPER, ReceivedAt: now})
	if err != nil {
		return err
	}
	_, errs := k.Log.Append(ctx, []eventlog.Event{event.After(last.Position.Sequence)})
	if errors.Is(errs[0], eventlog.ErrNotLast) {
		return nil // Somebody else was quicker.
	}
	if errs[0] != nil {
		return errs[0]
	}
	k.replayed.Add(ctx, 1, metric.WithAttributes(attribute.String("source", of.Source), attribute.String("why", why)))
	k.Logger.InfoContext(ctx, "dead letter replayed by itself", "source", of.Source, "kind", string(of.Kind), "reason", l.GetReason(), "why", why, "replays", l.GetReplays())
	return nil
}
