package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/enneo-ai/enneo-bridge/libs/brake"
	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/pause"
	"github.com/enneo-ai/enneo-bridge/services/bridge/internal/table"
)

func newBrake(env config.Environment) *cobra.Command {
	cmd := &cobra.Command{
		Use: "brake", Short: "Show which deletes and writes wait for an operator, and let them through", Args: cobra.NoArgs,
		Long: `When a source deletes, or writes, more within an hour than looks right (BRAKE_DELETES_SHARE and its like), the rest waits
until somebody has looked: nothing is dropped. This shows how each of SOURCES stands. The exit code is 1 if something waits.

` + pauseFootnote,
		Example: "  bridge brake\n  bridge brake release powercloud --for 2h --because 'contracts of a sold network'",
	}
	timeoutFlag(cmd, func(cmd *cobra.Command, _ []string) error {
		targets, err := pauseTargets(env)
		if err != nil {
			return err
		}
		return withBrakes(cmd, env, func(ctx context.Context, b *brake.Brakes) error { return listBrakes(ctx, cmd, b, targets[1:]) })
	})
	cmd.AddCommand(newBrakeRelease(env))
	return cmd
}

func newBrakeRelease(env config.Environment) *cobra.Command {
	var reason string
	var length time.Duration
	cmd := &cobra.Command{
		Use: "release <source>", Short: "Let the deletes and writes of a source through for a while", Args: cobra.ExactArgs(1),
		Example: "  bridge brake release powercloud --for 2h --because 'contracts of a sold network'",
	}
	timeoutFlag(cmd, func(cmd *cobra.Command, args []string) error {
		targets, err := pauseTargets(env)
		if err != nil {
			return err
		}
		target, err := pauseTarget(args[0], targets)
		if err != nil {
			return err
		}
		source, ok := pause.SourceOf(target)
		switch {
		case !ok:
			return errors.New("a brake belongs to a source; for all of Enneo see bridge pause")
		case reason == "":
			return errors.New("--because is missing; say why it is right, for whoever asks later")
		case length <= 0:
			return fmt.Errorf("--for %s is not positive", length)
		}
		return withBrakes(cmd, env, func(ctx context.Context, b *brake.Brakes) error {
			until := time.Now().Add(length)
			if err := b.Release(ctx, source, reason, until); err != nil {
				return err
			}
			return printTo(cmd, "✓ the brake of %s is released until %s; what waits goes on within a minute\n", source, until.Format(time.RFC3339))
		})
	})
	cmd.Flags().StringVar(&reason, "because", "", "why, for people")
	cmd.Flags().DurationVar(&length, "for", time.Hour, "how long everything is let through")
	return cmd
}

func listBrakes(ctx context.Context, cmd *cobra.Command, b *brake.Brakes, targets []string) error {
	t := table.Table{Header: []string{"source", "deletes\nin 1h", "writes\nin 1h", "deletes", "writes", "because"}}
	now, waiting := time.Now(), false
	for _, target := range targets {
		source, _ := pause.SourceOf(target)
		s, err := b.Of(ctx, source)
		if err != nil {
			return err
		}
		word := func(stopped time.Time) string {
			switch {
			case !stopped.IsZero():
				waiting = true
				return "stopped " + until(now, stopped)
			case !s.Released.IsZero():
				return "released, ends " + until(now, s.Released)
			default:
				return "go"
			}
		}
		t.Row(source, strconv.Itoa(s.Deletes), strconv.Itoa(s.Writes), word(s.DeletesStopped), word(s.WritesStopped), s.Reason)
	}
	if err := printTo(cmd, "%s", t.String()); err != nil || !waiting {
		return err
	}
	return errFinding
}

func withBrakes(cmd *cobra.Command, env config.Environment, do func(context.Context, *brake.Brakes) error) error {
	ctx := cmd.Context()
	b, err := connect(ctx, cmd, env, "brake")
	if err != nil {
		return err
	}
	defer b.Close()
	brakes, err := brake.Open(ctx, b)
	if err != nil {
		return err
	}
	return do(ctx, brakes)
}
