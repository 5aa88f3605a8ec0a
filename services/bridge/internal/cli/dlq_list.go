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

// letterList is the list for machines.
type letterList struct {
	Total   int      `json:"total"`
	Letters []letter `json:"letters"`
}

func newDLQList(env config.Environment) *cobra.Command {
	var f letterFilter
	var limit int
	var asJSON bool
	cmd := &cobra.Command{
		Use: "ls [<name or key>]", Short: "List dead letters, the oldest first", Args: oneName(0),
		Long: `Lists the dead letters that match all flags given. "replayed by itself" says when the leader of the debouncers sends it through
the whole way again: after a pause that grows, since its cause may pass, or once its source has a new profile.

` + lettersFootnote,
		Example: "  bridge dlq ls --stage publish --since 24h\n  bridge dlq ls --source powercloud --reason unmappable --until 2026-11-24 --json",
		RunE: func(cmd *cobra.Command, args []string) error {
			filter, err := f.filter(argument(args))
			if err != nil {
				return err
			}
			if limit < 0 {
				return fmt.Errorf("--limit %d is negative; 0 only counts", limit)
			}
			return withLetters(cmd, env, func(ctx context.Context, _ *bus.Bus, box *deadletter.Box) error {
				list := letterList{Letters: []letter{}}
				err := box.Each(ctx, filter, func(l deadletter.Letter) error {
					if list.Total++; len(list.Letters) < limit {
						list.Letters = append(list.Letters, describe(l))
					}
					return nil
				})
				switch {
				case err != nil:
					return err
				case asJSON:
					return printJSON(cmd, list)
				case list.Total == 0 && filter.Name != "":
					return missing(filter.Name)
				case list.Total == 0:
					return printTo(cmd, "%s", f.nothing())
				case limit == 0:
					return printTo(cmd, "%s\n", countOf(list.Total, "dead letter"))
				}
				return printTo(cmd, "%s", letterTable(list.Letters, list.Total, time.Now()))
			})
		},
	}
	f.flags(cmd)
	cmd.Flags().IntVar(&limit, "limit", 50, "most dead letters that are named")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
