// Command bridge is the command line of enneo-bridge: it runs all of it in one process, shows a burst from end to end,
// and audits an installation.
package main

import (
	"os"

	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/services/bridge/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:], config.OS(), os.Stdout, os.Stderr)) }
