package cli

import (
	"context"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/deadletter"
)

func newDLQ(env config.Environment) *cobra.Command {
	cmd := &cobra.Command{
		Use: "dlq", Short: "List, show, replay and drop dead letters", Args: cobra.NoArgs, RunE: help,
		Long: `A dead letter is a contract or customer whose delivery fails while others succeed, or a webhook in which no identifier was
found. One whose cause may pass is replayed by itself, as is one that another profile of its source may understand; every
other waits until the cause is mended and somebody replays or drops it. A later success of the key clears it as well.

` + lettersFootnote,
	}
	cmd.AddCommand(newDLQList(env), newDLQShow(env), newDLQReplay(env), newDLQDrop(env))
	return cmd
}

// lettersFootnote stands below the help of every command about dead letters.
const lettersFootnote = `A letter is named <stage>.<source>.<kind>.<id>, or ingest.<source>.body.<hash>; without the stage a name means the letters of a key
at any stage. NATS is found by the same variables as the services find it (NATS_URL and so on).`

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
