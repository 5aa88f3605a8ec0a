package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/deadletter"
)

// letterFilter are the flags that choose dead letters.
type letterFilter struct {
	stage, source, reason string
	since, before         time.Duration
}

func (f *letterFilter) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.stage, "stage", "", "only of this stage: ingest, enrich or publish")
	flags.StringVar(&f.source, "source", "", "only of this source")
	flags.StringVar(&f.reason, "reason", "", "only with this reason")
	flags.DurationVar(&f.since, "since", 0, "only those that failed last within this time, for example 2h")
	flags.DurationVar(&f.before, "before", 0, "only those that failed last before this time ago")
}

// filter checks the flags; name is the letter or key of the argument, if there is one.
func (f *letterFilter) filter(name string, now time.Time) (deadletter.Filter, error) {
	stages := []string{deadletter.StageIngest, deadletter.StageEnrich, deadletter.StagePublish}
	if f.stage != "" && !slices.Contains(stages, f.stage) {
		return deadletter.Filter{}, fmt.Errorf("--stage: %q is none; use %s", f.stage, strings.Join(stages, ", "))
	}
	if f.since < 0 || f.before < 0 {
		return deadletter.Filter{}, errors.New("--since and --before must not be negative")
	}
	if strings.ContainsAny(f.source, ".*> ") {
		return deadletter.Filter{}, fmt.Errorf("--source: %q is no name of a source", f.source)
	}
	filter := deadletter.Filter{Stage: f.stage, Source: f.source, Reason: f.reason, Name: name}
	if f.since > 0 {
		filter.Since = now.Add(-f.since)
	}
	if f.before > 0 {
		filter.Before = now.Add(-f.before)
	}
	return filter, nil
}

// isSet tells whether anything restricts the choice.
func (f *letterFilter) isSet() bool { return *f != letterFilter{} }

func newDLQ(env config.Environment) *cobra.Command {
	cmd := &cobra.Command{
		Use: "dlq", Short: "List, show, replay and drop dead letters", Args: cobra.NoArgs, RunE: help,
		Long: `A dead letter is a contract or customer whose delivery fails while others succeed, or a webhook in which no identifier was
found. It waits until the cause is mended and somebody replays or drops it; a later success of the key clears it as well.
NATS is found by the same variables as the services find it (NATS_URL and so on).`,
	}
	cmd.AddCommand(newDLQList(env), newDLQShow(env), newDLQReplay(env), newDLQDrop(env))
	return cmd
}

// withLetters calls do with the dead letters of a running installation.
func withLetters(cmd *cobra.Command, env config.Environment, do func(context.Context, *bus.Bus, *deadletter.Box) error) error {
	ctx, cancel := context.WithTimeout(cmd.Context(), dlqTimeout)
	defer cancel()
	b, err := connect(ctx, cmd, env, "dlq")
	if err != nil {
		return err
	}
	defer b.Close()
	return do(ctx, b, deadletter.Open(b))
}

// dlqTimeout bounds a command with the wait for NATS.
const dlqTimeout = 5 * time.Minute

// connect connects to NATS as the services do. It creates no stream or bucket.
func connect(ctx context.Context, cmd *cobra.Command, env config.Environment, name string) (*bus.Bus, error) {
	var cfg bus.Config
	if err := config.Load(ctx, env, &cfg); err != nil {
		return nil, err
	}
	return bus.Connect(ctx, &cfg, name, warnings(cmd))
}

// warnings is the logger of a command: what goes wrong, on its standard error.
func warnings(cmd *cobra.Command) *slog.Logger {
	return slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// chosen collects the letters that match, and fails if a name was given and there is none.
func chosen(ctx context.Context, box *deadletter.Box, filter deadletter.Filter) ([]deadletter.Letter, error) {
	var letters []deadletter.Letter
	err := box.Each(ctx, filter, func(l deadletter.Letter) error {
		letters = append(letters, l)
		return nil
	})
	if err == nil && len(letters) == 0 && filter.Name != "" {
		err = fmt.Errorf("no dead letter %s; see bridge dlq ls", filter.Name)
	}
	return letters, err
}

// argument is the only argument of a command, "" without one.
func argument(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}
