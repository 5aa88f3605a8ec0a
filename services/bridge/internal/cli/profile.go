package cli

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/enneo-ai/enneo-bridge/libs/profile"
	"github.com/enneo-ai/enneo-bridge/libs/profile/scaffold"
)

// maxWebhook is the longest webhook in bytes that profile test takes: the most that INGEST_MAX_BODY can be.
const maxWebhook = 2 << 20

func newProfile() *cobra.Command {
	cmd := &cobra.Command{
		Use: "profile", Short: "Draft, try and describe profiles of ERPs", Args: cobra.NoArgs, RunE: help,
		Long: `A profile says how one make of ERP is spoken to. These commands need files only: no ERP, no Enneo and no running
installation. docs/profiles.md describes the format and the way from an answer of an ERP to a profile.`,
	}
	cmd.AddCommand(newProfileInit(), newProfileTry(), newProfileSchema(), newProfileDocs())
	return cmd
}

func newProfileSchema() *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Print the JSON schema of profile files, for editors", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := profile.JSONSchema()
			if err != nil {
				return err
			}
			return printTo(cmd, "%s", text)
		},
	}
}

func newProfileInit() *cobra.Command {
	var (
		files struct{ contract, customer, webhook string }
		s     scaffold.Samples
	)
	cmd := &cobra.Command{
		Use: "init", Short: "Draft a profile from an answer of the ERP", Args: cobra.NoArgs,
		Example: "  bridge profile init --from contract.json --webhook webhook.json --name my-erp >my-erp.yaml",
		Long: `Drafts a profile from one answer of the ERP with a contract, and if at hand one with a customer and a captured webhook.
Fields are found by their names, German and English. What was guessed or not found is marked in the draft; it loads as it
stands, and bridge profile test shows what it makes of the same answer. No values of the samples stand in it, except words
for a status, an energy or a kind of customer.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if files.contract == "" {
				return errors.New("--from is missing: give it a file with an answer of the ERP, or - for standard input")
			}
			in := &inputs{stdin: cmd.InOrStdin()}
			for _, file := range []struct {
				flag, name string
				limit      int64
				text       *[]byte
			}{
				{"--from", files.contract, profile.MaxAnswer, &s.Contract},
				{"--customer", files.customer, profile.MaxAnswer, &s.Customer},
				{"--webhook", files.webhook, maxWebhook, &s.Webhook},
			} {
				if file.name == "" {
					continue
				}
				text, err := in.read(file.flag, file.name, file.limit)
				if err != nil {
					return err
				}
				*file.text = text
			}
			text, err := scaffold.Draft(s)
			if err != nil {
				return err
			}
			return printTo(cmd, "%s", text)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&files.contract, "from", "", "file with the ERP's answer to a read of a contract, - for standard input")
	flags.StringVar(&files.customer, "customer", "", "file with the ERP's answer to a read of a customer")
	flags.StringVar(&files.webhook, "webhook", "", "file with the body of a webhook of the ERP")
	flags.StringVar(&s.Name, "name", "my-erp", "name of the profile")
	flags.StringVar(&s.ContractPath, "contract-path", "", "path that the contract was read from, with {id} in the place of its id")
	flags.StringVar(&s.CustomerPath, "customer-path", "", "the same for the customer")
	return cmd
}

// inputs reads the files that flags name. Standard input can be read once.
type inputs struct {
	stdin io.Reader
	taken string
}

func (in *inputs) read(flag, name string, limit int64) ([]byte, error) {
	from := in.stdin
	if name == "-" {
		if in.taken != "" {
			return nil, fmt.Errorf("%s and %s cannot both read standard input", in.taken, flag)
		}
		in.taken = flag
	} else {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", flag, err)
		}
		defer f.Close()
		from = f
	}
	text, err := io.ReadAll(io.LimitReader(from, limit+1))
	if err != nil {
		return nil, fmt.Errorf("%s: read %s: %w", flag, name, err)
	}
	if int64(len(text)) > limit {
		return nil, fmt.Errorf("%s: %s is longer than %d bytes", flag, name, limit)
	}
	return text, nil
}
