package cli

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/otel/propagation"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/deadletter"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/pipeline"
	"github.com/enneo-ai/enneo-bridge/libs/source"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
	"github.com/enneo-ai/enneo-bridge/services/ingestor"
)

// replayer puts dead letters back into the log.
type replayer struct {
	log     *eventlog.Log
	box     *deadletter.Box
	sources func() (map[string]*source.Source, error)
	// told are the keys that an event was appended for.
	told map[key.Key]bool
}

func newDLQReplay(env config.Environment) *cobra.Command {
	var c letterChoice
	cmd := &cobra.Command{
		Use: "replay [<name or key>]", Short: "Send dead letters through the whole way again", Args: oneName(0),
		Long: `Appends an event to the log for the key of the chosen dead letters, or for each identifier that the source's profile finds by
now in the body of an unrecognised webhook. A key's letters go when its delivery succeeds; a body's goes at once. The replay
of a body needs the variables of its source (SOURCES, SOURCE_<NAME>_PROFILE) as the ingestor has them. The exit code is 1 if
one of them could not be replayed.

` + lettersFootnote,
		Example: "  bridge dlq replay powercloud.contract.VN-100001\n  bridge dlq replay --stage ingest --source powercloud --yes\n  bridge dlq replay --all",
		RunE: func(cmd *cobra.Command, args []string) error {
			filter, err := c.filter(args)
			if err != nil {
				return err
			}
			return withLetters(cmd, env, func(ctx context.Context, b *bus.Bus, box *deadletter.Box) error {
				log, err := eventlog.Open(ctx, b, warnings(cmd))
				if err != nil {
					return err
				}
				letters, err := chosen(ctx, box, filter)
				if err != nil {
					return err
				}
				if len(letters) == 0 {
					return printTo(cmd, "%s", c.nothing())
				}
				if err := c.confirm(cmd, letters, "Replay", "Each key costs a read of the ERP and a request to Enneo."); err != nil {
					return err
				}
				r := replayer{
					log: log, box: box, told: map[key.Key]bool{},
					sources: sync.OnceValues(func() (map[string]*source.Source, error) { return sourcesOf(ctx, env) }),
				}
				return r.replay(ctx, cmd, letters)
			})
		},
	}
	c.flags(cmd)
	return cmd
}

// sourcesOf loads the sources as the ingestor does, without what only a running service needs.
func sourcesOf(ctx context.Context, env config.Environment) (map[string]*source.Source, error) {
	var windows pipeline.Windows
	if err := config.Load(ctx, env, &windows); err != nil {
		return nil, err
	}
	loaded, err := source.Load(ctx, env, source.Defaults{QuietPeriod: windows.QuietPeriod, MaxWait: windows.MaxWait}, source.Need{})
	if err != nil {
		return nil, err
	}
	byName := map[string]*source.Source{}
	for _, s := range loaded {
		byName[s.Name] = s
	}
	return byName, nil
}

// replay replays each letter and tells how many events that made; one that cannot be replayed does not stop the others.
func (r *replayer) replay(ctx context.Context, cmd *cobra.Command, letters []deadletter.Letter) error {
	events, failed := 0, 0
	for _, l := range letters {
		n, err := r.one(ctx, l)
		events += n
		if err != nil {
			failed++
			if err := printTo(cmd, "✗ %s: %v\n", l.Name, err); err != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			return fmt.Errorf("replay: %w", ctx.Err())
		}
	}
	mark, finding := "✓", error(nil)
	if failed > 0 {
		mark, finding = "✗", errFinding
	}
	if err := printTo(cmd, "%s %d of %s replayed: %s appended to the log\n", mark, len(letters)-failed, countOf(len(letters), "dead letter"), countOf(events, "event")); err != nil {
		return err
	}
	return finding
}

// one replays a letter and returns the number of events that it made.
func (r *replayer) one(ctx context.Context, l deadletter.Letter) (int, error) {
	switch {
	case l.Unreadable:
		return 0, errors.New("it is no dead letter of enneo-bridge; drop it")
	case l.Value.GetKey() != nil:
		return r.key(ctx, l)
	default:
		return r.body(ctx, l)
	}
}

// key appends an event for the letter's key, once for all of its letters.
func (r *replayer) key(ctx context.Context, l deadletter.Letter) (int, error) {
	k, err := keyOf(l)
	if err != nil || r.told[k] {
		return 0, err
	}
	event, err := eventlog.NewEvent(ctx, propagation.TraceContext{}, eventlog.Change{Key: k, Origin: bridgev1.Origin_ORIGIN_OPERATOR, ReceivedAt: time.Now()})
	if err != nil {
		return 0, err
	}
	if _, errs := r.log.Append(ctx, []eventlog.Event{event}); errs[0] != nil {
		return 0, errs[0]
	}
	r.told[k] = true
	return 1, nil
}

// body appends what is found in a body by now, and removes it.
func (r *replayer) body(ctx context.Context, l deadletter.Letter) (int, error) {
	sources, err := r.sources()
	if err != nil {
		return 0, fmt.Errorf("the profile of its source is needed: %w", err)
	}
	src := sources[l.Value.GetSource()]
	if src == nil {
		return 0, fmt.Errorf("SOURCES does not name its source %s; set it as the ingestor has it", l.Value.GetSource())
	}
	changes, err := ingestor.Reread(src, l.Value.GetContentType(), l.Value.GetBody(), time.Now())
	if err != nil {
		return 0, err
	}
	for i := range changes {
		changes[i].Origin = bridgev1.Origin_ORIGIN_OPERATOR
	}
	return ingestor.Replay(ctx, r.log, r.box, propagation.TraceContext{}, l, changes)
}

func keyOf(l deadletter.Letter) (key.Key, error) {
	k := l.Value.GetKey()
	return key.New(k.GetSource(), key.Kind(k.GetKind()), k.GetId())
}
