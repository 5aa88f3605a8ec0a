package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/enneo-ai/enneo-bridge/libs/profile"
)

func newProfileDocs() *cobra.Command {
	return &cobra.Command{
		Use: "docs", Short: "Print the tables of docs/profiles.md: fields, and operations of the built-in profiles", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			operations, err := operationTable()
			if err != nil {
				return err
			}
			return printTo(cmd, "%s\n%s", fieldTable(), operations)
		},
	}
}

// cell escapes a text for a Markdown table.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "*", `\*`).Replace(text)
}

func fieldTable() string {
	var b strings.Builder
	b.WriteString("| field | type | meaning |\n| --- | --- | --- |\n")
	for _, f := range profile.Fields() {
		meaning := cell(f.Description)
		if f.Required {
			meaning = "**Required.** " + meaning
		}
		b.WriteString("| `" + f.Path + "` | " + f.Type + " | " + meaning + " |\n")
	}
	return b.String()
}

func operationTable() (string, error) {
	var b strings.Builder
	b.WriteString("| profile | operation | how it is called | source |\n| --- | --- | --- | --- |\n")
	for _, name := range profile.Builtin() {
		p, err := profile.Load(name)
		if err != nil {
			return "", err
		}
		for _, doc := range p.Describe() {
			call, source := "`"+doc.Call+"`", "default of ours"
			switch {
			case doc.Call == "":
				call, source = "unsupported", "–"
			case doc.Confirmed:
				source = "confirmed"
			}
			b.WriteString("| " + name + " | `" + string(doc.Operation) + "` | " + call + " | " + source + " |\n")
		}
		contracts, customers, confirmed := p.WebhookPointers()
		source := "default of ours"
		if confirmed {
			source = "confirmed"
		}
		b.WriteString("| " + name + " | webhook | contracts at `" + strings.Join(contracts, "` `") + "`, customers at `" + strings.Join(customers, "` `") + "` | " + source + " |\n")
	}
	return b.String(), nil
}
