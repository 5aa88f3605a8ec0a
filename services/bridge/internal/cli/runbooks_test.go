package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/enneo-ai/enneo-bridge/libs/config"
)

// commandInText finds a command in a page of Markdown.
var commandInText = regexp.MustCompile("`bridge( [^`]+)?`")

// TestRunbooksNameCommandsThatExist: whoever is woken at night copies them.
func TestRunbooksNameCommandsThatExist(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("../../../../docs/runbooks/*.md")
	if err != nil || len(pages) < 10 {
		t.Fatalf("%d runbooks: %v", len(pages), err)
	}
	named := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range commandInText.FindAllStringSubmatch(string(text), -1) {
			words := strings.Fields(m[1])
			if len(words) > 0 && words[0] == "…" {
				continue
			}
			named++
			if problem := wrongCommand(words); problem != "" {
				t.Errorf("%s: %s: %s", filepath.Base(page), m[0], problem)
			}
		}
	}
	if named < 30 {
		t.Errorf("only %d commands in all runbooks: are they still found?", named)
	}
}

// wrongCommand tells what is wrong with the words behind "bridge"; empty if nothing is.
func wrongCommand(words []string) string {
	cmd, rest, err := newRoot(config.OS()).Find(words)
	if err != nil {
		return err.Error()
	}
	if !cmd.Runnable() || cmd.HasSubCommands() && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") && cmd.Args == nil {
		return "is no command"
	}
	var arguments []string
	for i := 0; i < len(rest); i++ {
		name, isFlag := strings.CutPrefix(rest[i], "--")
		if !isFlag {
			arguments = append(arguments, rest[i])
			continue
		}
		flag := cmd.Flags().Lookup(name)
		if flag == nil {
			return "there is no flag --" + name
		}
		if flag.NoOptDefVal == "" {
			i++ // Its value.
			if i == len(rest) {
				return "--" + name + " lacks its value"
			}
			if strings.HasPrefix(rest[i], "'") {
				for i < len(rest)-1 && !strings.HasSuffix(rest[i], "'") {
					i++
				}
			} else if !strings.HasPrefix(rest[i], "<") && cmd.Flags().Set(name, rest[i]) != nil {
				return "--" + name + " cannot be " + rest[i]
			}
		}
	}
	return wrongArguments(cmd, arguments)
}

func wrongArguments(cmd *cobra.Command, arguments []string) string {
	if cmd.Args == nil {
		return ""
	}
	if err := cmd.Args(cmd, arguments); err != nil {
		return err.Error()
	}
	return ""
}
