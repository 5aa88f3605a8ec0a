package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/deadletter"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/position"
)

func newDLQDrop(env config.Environment) *cobra.Command {
	var c letterChoice
	var reason string
	cmd := &cobra.Command{
		Use: "drop [<name or key>]", Short: "Decide that dead letters need not be delivered", Args: oneName(0),
		Long: `Settles the key of each chosen dead letter as dropped by an operator, and removes the letter. A newer event of the key is
delivered as ever. The body of an unrecognised webhook is removed; it cannot be brought back.

` + lettersFootnote,
		Example: "  bridge dlq drop powercloud.contract.VN-100001 --because 'contract was a test'\n  bridge dlq drop --stage ingest --until 168h --yes --because 'sender mended'",
		RunE: func(cmd *cobra.Command, args []string) error {
			filter, err := c.filter(args)
			if err != nil {
				return err
			}
			reason = strings.TrimSpace(reason)
			if err := validReason("--because", reason); err != nil {
				return err
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
				if len(letters) == 0 {
					return printTo(cmd, "%s", c.nothing())
				}
				if err := c.confirm(cmd, letters, "Drop", "What they stand for is not delivered to Enneo."); err != nil {
					return err
				}
				for done, l := range letters {
					if err := drop(ctx, settled, box, l, reason); err != nil {
						return fmt.Errorf("drop %s, after %d of %d were dropped (the command may be repeated): %w", l.Name, done, len(letters), err)
					}
				}
				return printTo(cmd, "✓ %s dropped\n", countOf(len(letters), "dead letter"))
			})
		},
	}
	c.flags(cmd)
	cmd.Flags().StringVar(&reason, "because", "", "why, for those who ask later; kept with the key (required)")
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
