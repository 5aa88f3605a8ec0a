// Command reconciler compares ERPs with what was carried over, once or by a schedule. Its exit codes stand in package reconciler.
package main

import (
	"os"

	"github.com/enneo-ai/enneo-bridge/libs/app"
	"github.com/enneo-ai/enneo-bridge/services/reconciler"
)

func main() { app.Main("reconciler", reconciler.Command(os.Args[1:], os.Stderr)) }
