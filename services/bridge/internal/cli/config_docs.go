package cli

import (
	"bytes"

	"github.com/spf13/cobra"

	"github.com/enneo-ai/enneo-bridge/services/bridge/internal/configdoc"
)

func newConfig() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "About configuration", Args: cobra.NoArgs, RunE: help}
	cmd.AddCommand(&cobra.Command{
		Use: "docs", Short: "Print the reference of all environment variables as Markdown", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			// All of it or nothing, so that a failure does not leave half a page.
			var page bytes.Buffer
			if err := configdoc.Write(&page); err != nil {
				return err
			}
			return printTo(cmd, "%s", page.String())
		},
	})
	return cmd
}
