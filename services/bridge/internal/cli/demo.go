package cli

import (
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/services/bridge/internal/demo"
	"github.com/enneo-ai/enneo-bridge/services/bridge/internal/logtext"
	"github.com/enneo-ai/enneo-bridge/services/bridge/internal/stack"
	"github.com/enneo-ai/enneo-bridge/services/bridge/internal/terminal"
)

func newDemo(env config.Environment) *cobra.Command {
	o := demo.Options{
		Contracts: 200, Changes: 5, Senders: 8, Quiet: stack.DefaultQuietPeriod, MaxWait: stack.DefaultMaxWait,
		Pace: 400 * time.Millisecond, LogLevel: slog.LevelWarn,
	}
	cmd := &cobra.Command{
		Use: "demo", Short: "Show a burst of changes from the ERP to Enneo, and what it costs", Args: cobra.NoArgs,
		Long: `Runs everything in this process, with a simulated ERP and Enneo, and shows the main job: five status changes of one contract,
then a burst over many. What the ERP and Enneo were asked is counted by those two themselves. Each claim is
printed with a tick or a cross; the exit code is 1 if one did not hold.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			screen := terminal.New(cmd.OutOrStdout(), env)
			o.LogWriter = logtext.New(screen)
			report, err := demo.Run(cmd.Context(), screen, o)
			if err != nil {
				return err
			}
			report.Show(screen)
			if !report.OK() {
				return errFinding
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&o.Contracts, "contracts", o.Contracts, "contracts in the burst")
	flags.IntVar(&o.Changes, "changes", o.Changes, "changes of each contract in the burst")
	flags.IntVar(&o.Senders, "senders", o.Senders, "webhooks under way at once")
	flags.DurationVar(&o.Quiet, "quiet-period", o.Quiet, "quiet period of the windows")
	flags.DurationVar(&o.MaxWait, "max-wait", o.MaxWait, "max wait of the windows")
	flags.TextVar(&o.LogLevel, "log-level", o.LogLevel, "least severe messages of the services that are shown: debug, info, warn or error")
	return cmd
}
