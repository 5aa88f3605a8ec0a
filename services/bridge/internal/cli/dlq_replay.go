package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/otel/propagation"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/deadletter"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/pipeline"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/libs/source"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
	"github.com/enneo-ai/enneo-bridge/services/ingestor"
)

// replayer puts dead letters back into the log.
type replayer struct {
	log     *eventlog.Log
	box     *deadletter.Box
	sources func() (map[string]*source.Source, error)
}

func newDLQReplay(env config.Environment) *cobra.Command {
	var f letterFilter
	var all, yes bool
	cmd := &cobra.Command{
		Use: "replay [<name or key>]", Short: "Send dead letters through the whole way again", Args: cobra.MaximumNArgs(1),
		Long: `Appends an event to the log for the key of each chosen dead letter, or for each identifier that the source's profile finds
by now in the body of an unrecognised webhook. A key's letter goes when its delivery succeeds; a body's goes at once. The
replay of a body needs the variables of its source (SOURCES, SOURCE_<NAME>_PROFILE) as the ingestor has them.`,
		Example: "  bridge dlq replay powercloud.contract.VN-100001\n  bridge dlq replay --stage ingest --source powercloud --yes\n  bridge dlq replay --all",
		RunE: func(cmd *cobra.Command, args []string) error {
			filter, err := f.filter(argument(args), time.Now())
			if err != nil {
				return err
			}
			if filter.Name == "" && !all && !f.isSet() {
				return errors.New("name a dead letter or key, choose by flags, or say --all")
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
				if filter.Name == "" && len(letters) > 0 && !yes {
					if err := confirm(cmd, fmt.Sprintf("Replay %d dead letters? Each costs a read of the ERP and a request to Enneo.", len(letters))); err != nil {
						return err
					}
				}
				r := replayer{log: log, box: box, sources: func() (map[string]*source.Source, error) { return sourcesOf(ctx, env) }}
				return r.replay(ctx, cmd, letters)
			})
		},
	}
	f.flags(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "replay every dead letter")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask before more than one is replayed")
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
	if err := printTo(cmd, "%d of %d dead letters replayed, events appended: %d\n", len(letters)-failed, len(letters), events); err != nil {
		return err
	}
	if failed > 0 {
		return errFinding
	}
	return nil
}

// one replays a letter and returns the number of events that it made. The log has them before a body is removed: dying in
// between only means that they can be made twice, which costs a read.
func (r *replayer) one(ctx context.Context, l deadletter.Letter) (int, error) {
	changes, err := r.changes(l)
	if err != nil {
		return 0, err
	}
	if l.Value.GetKey() == nil {
		return ingestor.Replay(ctx, r.log, r.box, propagation.TraceContext{}, l, changes)
	}
	event, err := eventlog.NewEvent(ctx, propagation.TraceContext{}, changes[0])
	if err != nil {
		return 0, err
	}
	_, errs := r.log.Append(ctx, []eventlog.Event{event})
	return 1, errors.Join(errs...)
}

func (r *replayer) changes(l deadletter.Letter) ([]eventlog.Change, error) {
	now := time.Now()
	if l.Unreadable {
		return nil, errors.New("it is no dead letter of enneo-bridge; drop it")
	}
	if l.Value.GetKey() != nil {
		k, err := keyOf(l)
		return []eventlog.Change{{Key: k, Origin: bridgev1.Origin_ORIGIN_OPERATOR, ReceivedAt: now}}, err
	}
	sources, err := r.sources()
	if err != nil {
		return nil, fmt.Errorf("the profile of its source is needed: %w", err)
	}
	src := sources[l.Value.GetSource()]
	if src == nil {
		return nil, fmt.Errorf("SOURCES does not name its source %s", l.Value.GetSource())
	}
	return ingestor.Reread(src, l.Value.GetContentType(), l.Value.GetBody(), now)
}

func keyOf(l deadletter.Letter) (key.Key, error) {
	k := l.Value.GetKey()
	return key.New(k.GetSource(), key.Kind(k.GetKind()), k.GetId())
}

func newDLQDrop(env config.Environment) *cobra.Command {
	var f letterFilter
	var all, yes bool
	var reason string
	cmd := &cobra.Command{
		Use: "drop [<name or key>]", Short: "Decide that dead letters need not be delivered", Args: cobra.MaximumNArgs(1),
		Long: `Settles the key of each chosen dead letter as dropped by an operator, and removes the letter. A newer event of the key is
delivered as ever. The body of an unrecognised webhook is removed; it cannot be brought back.`,
		Example: "  bridge dlq drop powercloud.contract.VN-100001 --because 'contract was a test'\n  bridge dlq drop --stage ingest --before 168h --yes --because 'sender mended'",
		RunE: func(cmd *cobra.Command, args []string) error {
			filter, err := f.filter(argument(args), time.Now())
			if err != nil {
				return err
			}
			if filter.Name == "" && !all && !f.isSet() {
				return errors.New("name a dead letter or key, choose by flags, or say --all")
			}
			if reason == "" {
				return errors.New("--because: say why, in a few words without personal data; it is kept with the key")
			}
			return withLetters(cmd, env, func(ctx context.Context, b *bus.Bus, box *deadletter.Box) error {
				settled, err := ledger.Open(ctx, b)
				if err != nil {
					return err
				}
				letters, err := chosen(ctx, box, filter)
				if err != nil {
					return err
				}
				if filter.Name == "" && len(letters) > 0 && !yes {
					if err := confirm(cmd, fmt.Sprintf("Drop %d dead letters? What they stand for is not delivered to Enneo.", len(letters))); err != nil {
						return err
					}
				}
				for _, l := range letters {
					if err := drop(ctx, settled, box, l, reason); err != nil {
						return fmt.Errorf("drop %s: %w", l.Name, err)
					}
				}
				return printTo(cmd, "%d dead letters dropped\n", len(letters))
			})
		},
	}
	f.flags(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "drop every dead letter")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask before more than one is dropped")
	cmd.Flags().StringVar(&reason, "because", "", "why; kept in the ledger")
	return cmd
}

// drop settles the letter's key first: dying in between leaves the letter, and dropping it again changes nothing more.
func drop(ctx context.Context, settled *ledger.Ledger, box *deadletter.Box, l deadletter.Letter, reason string) error {
	if l.Value.GetKey() != nil {
		k, err := keyOf(l)
		if err != nil {
			return err
		}
		if err := settled.Drop(ctx, k, position.FromProto(l.Value.GetPosition()), time.Time{}, reason); err != nil {
			return err
		}
	}
	return box.Remove(ctx, l)
}
