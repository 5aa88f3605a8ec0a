package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/pause"
	"github.com/enneo-ai/enneo-bridge/services/bridge/internal/table"
)

const pauseFootnote = `Webhooks are accepted meanwhile; what they tell waits, at most one ticket per contract. What was said here outlives every restart.
The sources are found by SOURCES, NATS by the same variables as the services find it (NATS_URL and so on).`

func newPause(env config.Environment) *cobra.Command {
	var reason string
	var length time.Duration
	cmd := &cobra.Command{
		Use: "pause [<source> | enneo]", Short: "Stop the requests to an ERP or to Enneo for a while, or list what is paused", Args: cobra.MaximumNArgs(1),
		Long: `With the name of a source nothing is read in that ERP any more, with enneo nothing is sent to Enneo. Requests that have begun
are finished. Without a name, shows what is paused.

` + pauseFootnote,
		Example: "  bridge pause powercloud --for 2h --because 'release of the ERP'\n  bridge pause enneo --because 'wrong data, see ticket 4711'\n  bridge pause",
	}
	timeoutFlag(cmd, func(cmd *cobra.Command, args []string) error {
		targets, err := pauseTargets(env)
		if err != nil {
			return err
		}
		if len(args) == 0 {
			return withPauses(cmd, env, func(ctx context.Context, p *pause.Pauses) error { return listPauses(ctx, cmd, p, targets) })
		}
		target, err := pauseTarget(args[0], targets)
		if err != nil {
			return err
		}
		if reason == "" {
			return errors.New("--because is missing; say why, for whoever finds the pause")
		}
		if length < 0 {
			return fmt.Errorf("--for %s is negative", length)
		}
		return withPauses(cmd, env, func(ctx context.Context, p *pause.Pauses) error {
			until, ends := time.Time{}, "until bridge resume "+args[0]
			if length > 0 {
				until = time.Now().Add(length)
				ends = "until " + until.Format(time.RFC3339)
			}
			if err := p.Begin(ctx, target, reason, until); err != nil {
				return err
			}
			return printTo(cmd, "✓ %s is paused %s\n", args[0], ends)
		})
	})
	cmd.Flags().StringVar(&reason, "because", "", "why, for people")
	cmd.Flags().DurationVar(&length, "for", 0, "how long, for example 2h; without it until bridge resume")
	return cmd
}

func newResume(env config.Environment) *cobra.Command {
	cmd := &cobra.Command{
		Use: "resume {<source> | enneo}", Short: "End a pause", Args: cobra.ExactArgs(1),
		Long:    "Ends the pause of a source or of Enneo. What has waited goes on, under the limits of each. The exit code is 1 if there was no pause.",
		Example: "  bridge resume powercloud",
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
		return withPauses(cmd, env, func(ctx context.Context, p *pause.Pauses) error {
			ended, err := p.End(ctx, target)
			if err != nil {
				return err
			}
			if !ended {
				return errors.Join(printTo(cmd, "✗ %s was not paused\n", args[0]), errFinding)
			}
			return printTo(cmd, "✓ %s goes on\n", args[0])
		})
	})
	return cmd
}

// pauseTargets are what can be paused.
func pauseTargets(env config.Environment) ([]string, error) {
	list, _ := env.Lookup("SOURCES")
	targets := []string{pause.Enneo}
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		if !key.ValidSource(name) {
			return nil, fmt.Errorf("SOURCES: %q: %w", name, key.ErrSource)
		}
		targets = append(targets, pause.Source(name))
	}
	return targets, nil
}

func pauseTarget(word string, targets []string) (string, error) {
	// A source of that name would be meant by its own name elsewhere; here the word is taken.
	if word == pause.Enneo {
		return pause.Enneo, nil
	}
	if target := pause.Source(word); slices.Contains(targets, target) {
		return target, nil
	}
	return "", fmt.Errorf("%q is neither enneo nor one of SOURCES (%s)", word, strings.Join(pauseWords(targets[1:]), ", "))
}

func pauseWords(targets []string) (words []string) {
	for _, target := range targets {
		word := target
		if name, ok := pause.SourceOf(target); ok {
			word = name
		}
		words = append(words, word)
	}
	return words
}

func listPauses(ctx context.Context, cmd *cobra.Command, p *pause.Pauses, targets []string) error {
	all, err := p.List(ctx, targets)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return printTo(cmd, "nothing is paused (looked at %s)\n", strings.Join(pauseWords(targets), ", "))
	}
	now := time.Now()
	t := table.Table{Header: []string{"paused", "since", "ends", "because"}}
	for _, one := range all {
		ends := "by bridge resume"
		if !one.Until.IsZero() {
			ends = until(now, one.Until)
		}
		t.Row(pauseWords([]string{one.Target})[0], until(now, one.Since), ends, one.Reason)
	}
	return printTo(cmd, "%s", t.String())
}

func withPauses(cmd *cobra.Command, env config.Environment, do func(context.Context, *pause.Pauses) error) error {
	ctx := cmd.Context()
	b, err := connect(ctx, cmd, env, "pause")
	if err != nil {
		return err
	}
	defer b.Close()
	p, err := pause.Open(ctx, b)
	if err != nil {
		return err
	}
	return do(ctx, p)
}
