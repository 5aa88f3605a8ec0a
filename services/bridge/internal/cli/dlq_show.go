package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/deadletter"
)

func newDLQShow(env config.Environment) *cobra.Command {
	var asJSON, body bool
	cmd := &cobra.Command{
		Use: "show <name or key>", Short: "Show dead letters whole", Args: oneName(1),
		Long: `Shows the letter of a name, or those of a key: what failed and why, what was answered last (without its values), how often it was
tried, when it is replayed by itself, and how to replay it.

` + lettersFootnote,
		Example: "  bridge dlq show powercloud.contract.VN-100001\n  bridge dlq show ingest.powercloud.body.3f0c… --body",
		RunE: func(cmd *cobra.Command, args []string) error {
			return withLetters(cmd, env, func(ctx context.Context, _ *bus.Bus, box *deadletter.Box) error {
				letters, err := chosen(ctx, box, deadletter.Filter{Name: args[0]})
				if err != nil {
					return err
				}
				if body {
					return printBody(cmd, letters[0])
				}
				described := make([]letter, len(letters))
				for i, l := range letters {
					described[i] = describe(l)
				}
				if asJSON {
					return printJSON(cmd, described)
				}
				now := time.Now()
				for i, d := range described {
					if i > 0 {
						if err := printTo(cmd, "\n"); err != nil {
							return err
						}
					}
					if err := printTo(cmd, "%s", d.text(now)); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&body, "body", false, "print only the body of an unrecognised webhook, which may hold personal data")
	cmd.MarkFlagsMutuallyExclusive("json", "body")
	return cmd
}

// printBody prints a body as it was received: what a person wants to put into "bridge profile test".
func printBody(cmd *cobra.Command, l deadletter.Letter) error {
	if len(l.Value.GetBody()) == 0 {
		return fmt.Errorf("--body: %s has none; only letters of the stage %s have one", l.Name, deadletter.StageIngest)
	}
	return printTo(cmd, "%s", l.Value.GetBody())
}
