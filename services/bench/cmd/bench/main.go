// Command bench measures enneo-bridge with real binaries and real servers, beside its floors and its peers.
package main

import (
	"os"

	"github.com/enneo-ai/enneo-bridge/services/bench"
)

func main() { os.Exit(bench.Main(os.Args[1:], os.Stdout, os.Stderr)) }
