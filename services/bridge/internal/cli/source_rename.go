package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/otel/propagation"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/inventory"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

func newSourceRename(env config.Environment) *cobra.Command {
	var yes bool
	var before string
	cmd := &cobra.Command{
		Use: "rename <old> <new>", Short: "Give what a source has to its new name", Args: cobra.ExactArgs(2),
		Long: `For a source that SOURCES names differently from now on: appends an event under the new name for every contract and customer
that the old name had, and retires the old name. Each is read once more in the ERP, and sent to Enneo once. Interrupted, the
command may simply be repeated.

Ids in Enneo are made by SOURCE_<NEW>_ENNEO_ID, and have to be what they were, or Enneo has every contract twice. If the old
name had a template of its own, say it with --enneo-id.

` + sourceFootnote,
		Example: "  bridge source rename pc powercloud",
	}
	timeoutFlag(cmd, func(cmd *cobra.Command, args []string) error {
		from, to := args[0], args[1]
		if err := notConfigured(env, from); err != nil {
			return err
		}
		names, err := configuredSources(env)
		if err != nil {
			return err
		}
		if !slices.Contains(names, to) {
			return fmt.Errorf("SOURCES does not name %s: put it there, with the settings that %s had, restart the services, and try again", to, from)
		}
		template, err := sameIDs(cmd.Context(), env, to, before)
		if err != nil {
			return err
		}
		return withBus(cmd, env, func(ctx context.Context, b *bus.Bus) error {
			return rename(ctx, cmd, b, from, to, template, yes)
		})
	})
	cmd.Flags().StringVar(&before, "enneo-id", "{id}", "template of ids in Enneo that the old name had (SOURCE_<OLD>_ENNEO_ID)")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

// sameIDs returns the template of Enneo's ids under the new name, and fails if it is not that of the old one.
func sameIDs(ctx context.Context, env config.Environment, to, before string) (string, error) {
	sources, err := sourcesOf(ctx, env)
	if err != nil {
		return "", err
	}
	if template := sources[to].EnneoID; template != before {
		return "", fmt.Errorf("the template of ids in Enneo is %s for %s (_ENNEO_ID), and was %s: Enneo would have every contract twice; make it the same, or say what it was with --enneo-id", template, to, before)
	}
	return before, nil
}

func rename(ctx context.Context, cmd *cobra.Command, b *bus.Bus, from, to, template string, yes bool) error {
	keys, err := inventory.Keys(ctx, b, from)
	if err != nil {
		return err
	}
	counts, err := inventory.Count(ctx, b, from)
	if err != nil {
		return err
	}
	if !yes {
		question := fmt.Sprintf("Read %d keys under the name %s, with ids %s in Enneo, and remove what %s has (%s)?", len(keys), to, template, from, countsText(counts))
		if err := confirm(cmd, question); err != nil {
			return err
		}
	}
	log, err := eventlog.Open(ctx, b, warnings(cmd))
	if err != nil {
		return err
	}
	for chunk := range slices.Chunk(keys, 100) {
		events := make([]eventlog.Event, len(chunk))
		for i, k := range chunk {
			renamed := key.Key{Source: to, Kind: k.Kind, ID: k.ID}
			events[i], err = eventlog.NewEvent(ctx, propagation.TraceContext{}, eventlog.Change{
				Key: renamed, Origin: bridgev1.Origin_ORIGIN_OPERATOR, SenderID: "rename " + from, ReceivedAt: time.Now(),
			})
			if err != nil {
				return err
			}
		}
		_, errs := log.Append(ctx, events)
		if err := errors.Join(errs...); err != nil {
			return fmt.Errorf("repeat the command: %w", err)
		}
	}
	if err := retire(ctx, b, from); err != nil {
		return fmt.Errorf("repeat the command: %w", err)
	}
	return printTo(cmd, "✓ %d keys of %s will be read as %s; removed: %s\n", len(keys), from, to, countsText(counts))
}
