package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/otel/propagation"
	"golang.org/x/time/rate"

	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// resyncOptions choose what is read and sent again.
type resyncOptions struct {
	source, kind   string
	gone, yes, dry bool
	perSecond      float64
}

func newResync(env config.Environment) *cobra.Command {
	var o resyncOptions
	cmd := &cobra.Command{
		Use: "resync {" + keyForm + " ... | --source NAME}", Short: "Read keys again and send them to Enneo even if nothing has changed", Args: cobra.ArbitraryArgs,
		Long: `Takes what Enneo has as unknown, then appends an event for each key to the log: the key is read once more, and what is read
is sent whatever it is. After a dry run, after data were lost or edited in Enneo. Interrupted, it may simply be repeated.

A source means every key of it that was ever settled; it costs one read of the ERP and one request to Enneo for each, under
their limits, so it asks first. Keys that are gone are left out unless --gone is given.

` + windowsFootnote,
		Example: "  bridge resync powercloud.contract.VN-100001\n  bridge resync --source powercloud --dry-run\n  bridge resync --source powercloud --kind contract --yes",
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		keys, err := parseKeys(args)
		if err != nil {
			return err
		}
		switch {
		case (len(keys) == 0) == (o.source == ""):
			return errors.New("name either keys of the form " + keyForm + " or a --source")
		case o.kind != "" && o.kind != string(key.Contract) && o.kind != string(key.Customer):
			return fmt.Errorf("--kind: %q is none; use contract or customer", o.kind)
		case !(o.perSecond > 0):
			return fmt.Errorf("--rate %v is not positive", o.perSecond)
		}
		if err := validSource(o.source); err != nil {
			return err
		}
		return resync(cmd, env, &o, keys)
	}
	flags := cmd.Flags()
	flags.StringVar(&o.source, "source", "", "every known key of this source")
	flags.StringVar(&o.kind, "kind", "", "with --source: only contract or only customer")
	flags.BoolVar(&o.gone, "gone", false, "with --source: keys that are deleted in Enneo as well")
	flags.Float64Var(&o.perSecond, "rate", 200, "events appended per second at most")
	flags.BoolVar(&o.dry, "dry-run", false, "only count")
	flags.BoolVar(&o.yes, "yes", false, "do not ask before a whole source is read")
	return cmd
}

func resync(cmd *cobra.Command, env config.Environment, o *resyncOptions, keys []key.Key) error {
	ctx := cmd.Context()
	connecting, cancel := context.WithTimeout(ctx, dlqTimeout)
	defer cancel()
	b, err := connect(connecting, cmd, env, "resync")
	if err != nil {
		return err
	}
	defer b.Close()
	settled, err := ledger.Open(ctx, b)
	if err != nil {
		return err
	}
	log, err := eventlog.Open(ctx, b, warnings(cmd))
	if err != nil {
		return err
	}
	if o.source != "" {
		if keys, err = keysOf(ctx, settled, o); err != nil {
			return err
		}
		if o.dry || len(keys) == 0 {
			return printTo(cmd, "%d keys of %s would be read and sent again\n", len(keys), o.source)
		}
		if !o.yes {
			if err := confirm(cmd, fmt.Sprintf("Read %d keys of %s again and send each to Enneo?", len(keys), o.source)); err != nil {
				return err
			}
		}
	} else if o.dry {
		return printTo(cmd, "%d keys would be read and sent again\n", len(keys))
	}
	limiter := rate.NewLimiter(rate.Limit(o.perSecond), max(1, int(o.perSecond)))
	for done, k := range keys {
		if err := limiter.Wait(ctx); err != nil {
			return fmt.Errorf("after %d of %d keys, repeat the command: %w", done, len(keys), err)
		}
		if err := again(ctx, settled, log, k); err != nil {
			return fmt.Errorf("after %d of %d keys, repeat the command: %w", done, len(keys), err)
		}
	}
	return printTo(cmd, "✓ %d keys will be read and sent again\n", len(keys))
}

// again makes one key be read and sent. What Enneo has is forgotten before the event is there: dying in between only means
// that the next change of the key is sent without comparison.
func again(ctx context.Context, settled *ledger.Ledger, log *eventlog.Log, k key.Key) error {
	if _, err := settled.Forget(ctx, k); err != nil {
		return err
	}
	event, err := eventlog.NewEvent(ctx, propagation.TraceContext{}, eventlog.Change{
		Key: k, Origin: bridgev1.Origin_ORIGIN_OPERATOR, ReceivedAt: time.Now(),
	})
	if err != nil {
		return err
	}
	_, errs := log.Append(ctx, []eventlog.Event{event})
	return errors.Join(errs...)
}

// keysOf are the keys of a source that were settled at some time.
func keysOf(ctx context.Context, settled *ledger.Ledger, o *resyncOptions) ([]key.Key, error) {
	var keys []key.Key
	err := settled.Each(ctx, func(name string, entry ledger.Entry) error {
		if !strings.HasPrefix(name, o.source+".") {
			return nil
		}
		k, err := key.Parse(name)
		gone := entry.Value.GetOutcome() == bridgev1.Outcome_OUTCOME_DELETED
		if err != nil || o.kind != "" && o.kind != string(k.Kind) || gone && !o.gone {
			return nil //nolint:nilerr // No key of ours.
		}
		keys = append(keys, k)
		return nil
	})
	return keys, err
}
