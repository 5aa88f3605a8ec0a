package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/inventory"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/pause"
	"github.com/enneo-ai/enneo-bridge/services/bridge/internal/table"
)

const sourceFootnote = `The configured sources are found by SOURCES, NATS by the same variables as the services find it (NATS_URL and so on).`

func newSource(env config.Environment) *cobra.Command {
	cmd := &cobra.Command{
		Use: "source", Short: "List, rename and retire sources", Args: cobra.NoArgs, RunE: help,
		Long: `A source is one connected ERP. What it has in the event log, in tickets and records stays when SOURCES does not name it any
more, and nobody works on it; the services say so when they start. Name it again, give it another name, or retire it.

` + sourceFootnote,
	}
	cmd.AddCommand(newSourceList(env), newSourceRename(env), newSourceRetire(env))
	return cmd
}

// sourceRow is a source for machines.
type sourceRow struct {
	Name       string `json:"name"`
	Configured bool   `json:"configured"`
	Paused     bool   `json:"paused"`
	inventory.Counts
}

func newSourceList(env config.Environment) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "ls", Short: "List every source that is configured or has something in a stream", Args: cobra.NoArgs,
		Long: `Lists the sources of SOURCES, and those that any service was ever configured with. The exit code is 1 if one of them is not
configured and has records.

` + sourceFootnote,
		Example: "  bridge source ls\n  bridge source ls --json",
	}
	timeoutFlag(cmd, func(cmd *cobra.Command, _ []string) error {
		configured, err := configuredSources(env)
		if err != nil {
			return err
		}
		return withBus(cmd, env, func(ctx context.Context, b *bus.Bus) error {
			rows, err := sourceRows(ctx, b, configured)
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(cmd, rows)
			} else {
				err = printTo(cmd, "%s", sourceTable(rows))
			}
			if err == nil && slices.ContainsFunc(rows, func(r sourceRow) bool { return !r.Configured && r.Total() > 0 }) {
				err = errFinding
			}
			return err
		})
	})
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func sourceRows(ctx context.Context, b *bus.Bus, configured []string) ([]sourceRow, error) {
	names, err := inventory.Sources(ctx, b)
	if err != nil {
		return nil, err
	}
	for _, name := range configured {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	pauses, err := pause.Open(ctx, b)
	if err != nil {
		return nil, err
	}
	rows := make([]sourceRow, len(names))
	for i, name := range names {
		rows[i] = sourceRow{Name: name, Configured: slices.Contains(configured, name)}
		if rows[i].Counts, err = inventory.Count(ctx, b, name); err != nil {
			return nil, err
		}
		if _, rows[i].Paused, err = pauses.Of(ctx, pause.Source(name)); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

func sourceTable(rows []sourceRow) string {
	if len(rows) == 0 {
		return "no sources\n"
	}
	number := func(n uint64) string { return strconv.FormatUint(n, 10) }
	t := table.Table{Header: []string{"source", "", "events", "due", "ready", "snapshots", "settled", "dead letters"}}
	strange := 0
	for _, r := range rows {
		state := "configured"
		switch {
		case !r.Configured && r.Total() > 0:
			state = "not in SOURCES"
			strange++
		case !r.Configured:
			state = "not in SOURCES, empty"
		case r.Paused:
			state = "paused"
		}
		t.Row(r.Name, state, number(r.Events), number(r.Due), number(r.Ready), number(r.Snapshots), number(r.Settled), number(r.Dead))
	}
	text := t.String()
	if strange > 0 {
		text += "\n✗ nobody works for what is not in SOURCES: name it again, or see bridge source rename, bridge source retire\n"
	}
	return text
}

func newSourceRetire(env config.Environment) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "retire <source>", Short: "Remove everything that a former source has left", Args: cobra.ExactArgs(1),
		Long: `Removes the events, tickets, snapshots, settlements and dead letters of a source that SOURCES does not name any more, and its
pause. Snapshots and dead letters are overwritten, since they hold personal data. Windows that are still open end by
themselves within DEBOUNCE_MAX_WAIT; wait for that first. Interrupted, the command may simply be repeated.

What Enneo has of the source stays in Enneo: nobody would know any more what to delete there.

` + sourceFootnote,
		Example: "  bridge source retire oldcrm",
	}
	timeoutFlag(cmd, func(cmd *cobra.Command, args []string) error {
		name := args[0]
		if err := notConfigured(env, name); err != nil {
			return err
		}
		return withBus(cmd, env, func(ctx context.Context, b *bus.Bus) error {
			counts, err := inventory.Count(ctx, b, name)
			if err != nil {
				return err
			}
			if !yes {
				question := fmt.Sprintf("Remove all that %s has left (%s)? What Enneo has of it stays there.", name, countsText(counts))
				if err := confirm(cmd, question); err != nil {
					return err
				}
			}
			if err := retire(ctx, b, name); err != nil {
				return err
			}
			return printTo(cmd, "✓ %s is retired; removed: %s\n", name, countsText(counts))
		})
	})
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

// retire removes everything of a source, its consumers last: it can be found until it is done.
func retire(ctx context.Context, b *bus.Bus, name string) error {
	pauses, err := pause.Open(ctx, b)
	if err != nil {
		return err
	}
	if _, err := pauses.End(ctx, pause.Source(name)); err != nil {
		return err
	}
	return inventory.Clear(ctx, b, name)
}

func countsText(c inventory.Counts) string {
	return fmt.Sprintf("%d events, %d tickets, %d snapshots, %d settlements, %d dead letters", c.Events, c.Due+c.Ready, c.Snapshots, c.Settled, c.Dead)
}

// configuredSources are the names in SOURCES.
func configuredSources(env config.Environment) ([]string, error) {
	list, _ := env.Lookup("SOURCES")
	var names []string
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		if !key.ValidSource(name) {
			return nil, fmt.Errorf("SOURCES: %q: %w", name, key.ErrSource)
		}
		names = append(names, name)
	}
	return names, nil
}

// notConfigured fails for a source that services may work for, and where nobody can tell.
func notConfigured(env config.Environment, name string) error {
	if !key.ValidSource(name) {
		return fmt.Errorf("%q: %w", name, key.ErrSource)
	}
	names, err := configuredSources(env)
	switch {
	case err != nil:
		return err
	case len(names) == 0:
		return errors.New("SOURCES is not set; set it as the services have it, so that nothing is taken from a source in use")
	case slices.Contains(names, name):
		return fmt.Errorf("SOURCES names %s: take it out there, restart the services, and try again", name)
	}
	return nil
}

// withBus calls do with a connection to a running installation.
func withBus(cmd *cobra.Command, env config.Environment, do func(context.Context, *bus.Bus) error) error {
	b, err := connect(cmd.Context(), cmd, env, "source")
	if err != nil {
		return err
	}
	defer b.Close()
	return do(cmd.Context(), b)
}
